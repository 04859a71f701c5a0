//! A secret is a type: it cannot be printed, and it knows how to take itself out of a text.

use std::fmt;

use crate::report::redact::Needles;

/// A token, a session, a password or user data: something that must appear in no output, log or error.
///
/// It has no `Display`, and its `Debug` tells nothing, so that only [`Secret::expose`] gives it away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without this secret, for words of others that may quote it back to us, in whatever form.
    ///
    /// Secrets of fewer than four characters are left: they would tear holes into every sentence,
    /// and no provider issues them.
    pub fn strike_from(&self, text: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.push(self);
        secrets.strike_from(text)
    }
}

/// Secrets that are struck together.
#[derive(Default)]
pub struct Secrets(Needles);

impl Secrets {
    /// One more.
    pub fn push(&mut self, secret: &Secret) {
        self.0.push(secret.expose());
    }

    /// `text` without any of them: see [`Secret::strike_from`].
    pub fn strike_from(&self, text: &str) -> String {
        self.0.redact(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_it() {
        assert_eq!(format!("{:?}", Secret::new("tok-1")), "Secret");
    }

    #[test]
    fn it_is_struck_from_what_others_say() {
        let token = Secret::new("tok-1234");
        assert_eq!(token.strike_from("bad token tok-1234!"), "bad token [secret]!");
        assert_eq!(Secret::new("").strike_from("nothing"), "nothing");
    }
}
