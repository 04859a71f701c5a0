//! How APIs let their users in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::Call;
use crate::http::error::ApiError;
use crate::report::secret::Secret;
use crate::wire::tree::Tree;

/// Where an API is, and how it lets us in.
pub struct Endpoint {
    /// Its address, which paths are added to.
    pub base: String,
    /// How it lets us in.
    pub auth: Auth,
}

/// What fetches a token asks through.
pub trait Ask {
    /// A setting of the account, in the clear; empty where there is none.
    fn setting(&self, name: &str) -> &str;

    /// Sends a request, and reads its answer.
    fn ask(&self, call: &Call<'_>) -> Result<Tree, ApiError>;
}

/// How an API lets us in.
pub enum Auth {
    /// It asks for nothing, or each request brings its own proof, such as a signature.
    None,
    /// A header of its own.
    Header(&'static str, Secret),
    /// A user and a password (RFC 7617).
    Basic(Secret, Secret),
    /// A token that is fetched first, and once more when it has expired.
    Fetched {
        /// The header that carries it.
        header: &'static str,
        /// What stands before it, such as `Bearer `.
        prefix: &'static str,
        /// Fetches it. MUST send [open](Call::open) requests only.
        fetch: fn(&dyn Ask) -> Result<Secret, ApiError>,
    },
}

impl Auth {
    /// The header that needs nobody to be asked.
    pub(super) fn header(&self) -> Option<(&'static str, Secret)> {
        match self {
            Self::None | Self::Fetched { .. } => None,
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
