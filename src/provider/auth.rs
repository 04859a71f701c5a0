//! How APIs let their users in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::account::Account;
use super::call::Call;
use crate::http::error::{ApiError, Kind};
use crate::report::secret::Secret;
use crate::wire::tree::Tree;

/// Where an API is, and how it lets us in.
pub struct Endpoint {
    /// Its address, which paths are added to; empty where a [`Grant`] tells it.
    pub base: String,
    /// How it lets us in.
    pub auth: Auth,
}

impl Endpoint {
    /// That at the setting `address`, which is let in by the setting `credential`, in the header `name`.
    pub fn with_header(account: &Account, address: &str, name: &'static str, credential: &str) -> Self {
        let credential = account.secret(credential).cloned().unwrap_or_default();
        Self { base: account.base(address), auth: Auth::Header(name, credential) }
    }
}

/// What fetches a [`Grant`] asks through.
pub trait Ask {
    /// A setting of the account, in the clear; empty where there is none.
    fn setting(&self, name: &str) -> &str;

    /// Sends a request, and reads its answer.
    fn ask(&self, call: &Call<'_>) -> Result<Reply, ApiError>;

    /// An error that the answers amount to.
    fn problem(&self, kind: Kind, reason: &str, remedy: &str) -> ApiError;
}

/// An answer to what fetches a [`Grant`].
pub struct Reply {
    /// Its body.
    pub body: Tree<'static>,
    /// The header that the call [wants](Call::wanting), if it came.
    pub header: Option<String>,
}

/// What an API has granted: it goes with every request, until the API takes it for expired.
#[derive(Clone, Default)]
pub struct Grant {
    /// The header that lets us in.
    pub credential: Option<(&'static str, Secret)>,
    /// Other headers, such as the version that is spoken.
    pub headers: Vec<(&'static str, String)>,
    /// Where the API is, where the one who grants it tells.
    pub base: Option<String>,
}

impl Grant {
    /// A token of OAuth (RFC 6750).
    pub fn bearer(token: &str) -> Self {
        let credential = ("authorization", Secret::new(format!("Bearer {token}")));
        Self { credential: Some(credential), ..Self::default() }
    }
}

/// How an API lets us in.
pub enum Auth {
    /// It asks for nothing, or each request brings its own proof, such as a signature.
    None,
    /// A header of its own.
    Header(&'static str, Secret),
    /// A user and a password (RFC 7617).
    Basic(Secret, Secret),
    /// What is fetched first, and once more when it has expired. MUST send [open](Call::open) requests only.
    Fetched(fn(&dyn Ask) -> Result<Grant, ApiError>),
}

impl Auth {
    /// The header that needs nobody to be asked.
    pub fn header(&self) -> Option<(&'static str, Secret)> {
        match self {
            Self::None | Self::Fetched(_) => None,
            Self::Header(name, value) => Some((name, value.clone())),
            Self::Basic(user, password) => {
                let both = format!("{}:{}", user.expose(), password.expose());
                let value = format!("Basic {}", STANDARD.encode(both));
                Some(("authorization", Secret::new(value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_password_are_sent_as_rfc_7617_has_it() {
        let auth = Auth::Basic(Secret::new("Aladdin"), Secret::new("open sesame"));
        let (name, value) = auth.header().unwrap_or(("", Secret::new("")));
        assert_eq!(name, "authorization");
        assert_eq!(value.expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
