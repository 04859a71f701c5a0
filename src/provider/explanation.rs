//! What error answers mean, and what may be done about them.

use std::borrow::Cow;
use std::time::Duration;

use super::account::Account;
use super::attribute::Attribute;
use super::spec::Spec;
use crate::http::error::{ApiError, Kind};
use crate::wire::tree::Tree;

/// What to do where a provider has no machine to give.
pub const NO_CAPACITY: &str =
    "wait, or choose another plan or place and change the section provision of the host's template";

/// A provider's reading of an error answer: see `Provider::explain`.
pub type Explain = Box<dyn Fn(&Account, u16, &Tree) -> Explanation + Send + Sync>;

/// What an error answer means, in the provider's own words.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The kind, where the body says more than the status.
    pub kind: Option<Kind>,
    /// The provider's code for it.
    pub code: Option<String>,
    /// Its reasons.
    pub reasons: Vec<String>,
    /// What to do, where the kind does not say it all.
    pub remedy: Option<&'static str>,
    /// How long it asks us to wait, where no `Retry-After` says it.
    pub retry_after: Option<Duration>,
}

impl Explanation {
    /// `error`, as it is explained. `ended`: what to do where the service has ended, and does not answer itself.
    pub(super) fn apply(self, mut error: ApiError, spec: &Spec, ended: Option<&str>, is_order: bool) -> ApiError {
        let is_its_own = !self.reasons.is_empty();
        let mut remedy = self.remedy.map(str::to_owned);
        match self.kind {
            Some(kind) => error.kind = kind,
            // A mere 404 is of whatever stands in the provider's place.
            None if error.kind == Kind::NotFound => {
                error.kind = Kind::Rejected;
                remedy = Some(format!("check {}", spec.names(|one| one.is_address).join(" and ")));
            }
            None => {}
        }
        if let (false, Some(ended)) = (is_its_own, ended) {
            remedy = Some(ended.to_owned());
        }
        error.code = self.code;
        error.retry_after = error.retry_after.or(self.retry_after);
        error.remedy = remedy.unwrap_or_else(|| remedy_of(spec, error.kind, is_order)).into();
        error
    }
}

impl ApiError {
    /// The same with another remedy.
    pub fn with(self, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// The same as one of this kind.
    pub fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same, of a look before an order, as one of the order: that was not sent.
    pub fn before_order(self) -> Self {
        match self.kind {
            Kind::Ambiguous => self.of(Kind::NotSent),
            Kind::NotFound | Kind::Redirected => self.of(Kind::Rejected),
            _ => self,
        }
    }

    /// The same, of something that belongs to a machine, such as its node: that it is not there, or may not be seen, says
    /// nothing of the machine.
    pub fn of_part(self) -> Self {
        match self.kind {
            Kind::NotFound | Kind::PermissionDenied => self.of(Kind::Rejected),
            _ => self,
        }
    }
}

/// What somebody may do about an error of this kind, where the provider does not say it.
pub fn remedy_of(spec: &Spec, kind: Kind, is_order: bool) -> String {
    let names = |is_meant: fn(&Attribute) -> bool| spec.names(is_meant).join(" and ");
    match kind {
        Kind::NotSent => {
            let address = names(|one| one.is_account && (one.is_place || one.is_address));
            format!("check {} and the network", address.replace(" and ", ", "))
        }
        Kind::Ambiguous | Kind::RateLimited | Kind::Conflict | Kind::KeySpent => "try again later".to_owned(),
        Kind::Unauthenticated => {
            format!("check {}", names(|one| one.is_secret && one.is_required))
        }
        Kind::PermissionDenied => {
            format!("check that {} may do this", names(|one| one.is_secret && one.is_required))
        }
        Kind::NotFound => format!("check {}", names(|one| one.is_account && !one.is_secret)),
        Kind::Rejected if is_order => "change the section provision of the host's template".to_owned(),
        Kind::Rejected => "see the state of the machine at the provider".to_owned(),
        Kind::Protected => "unlock it at the provider first".to_owned(),
        Kind::Redirected => {
            format!("set {} to the address of the API itself", names(|one| one.is_address))
        }
        Kind::Untrusted => "mend the certificate, or name its authority with SSL_CERT_FILE or SSL_CERT_DIR".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_before_the_order_is_none_of_an_order_that_may_have_been_carried_out() {
        for (kind, meant) in [
            (Kind::Ambiguous, Kind::NotSent),
            (Kind::Redirected, Kind::Rejected),
            (Kind::NotFound, Kind::Rejected),
            (Kind::RateLimited, Kind::RateLimited),
        ] {
            assert_eq!(ApiError::bare(kind).before_order().kind, meant);
        }
        for (kind, meant) in [
            (Kind::NotFound, Kind::Rejected),
            (Kind::PermissionDenied, Kind::Rejected),
            (Kind::Ambiguous, Kind::Ambiguous),
        ] {
            assert_eq!(ApiError::bare(kind).of_part().kind, meant);
        }
    }
}
