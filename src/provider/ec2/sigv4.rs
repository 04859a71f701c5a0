//! Signature Version 4, with which AWS wants requests signed: for requests by POST without a query, the only
//! ones that are sent here.
//!
//! The steps and their names are those of AWS's own description ("Create a signed AWS API request", in the
//! user guide of IAM). There are crates for it, but each brings an SDK's types or a second SHA-256 along;
//! `ring` is in the binary already, for TLS.

use ring::hmac;

use crate::report::secret::Secret;
use crate::wire::digest::{hex, sha256};

/// Who signs, and for whom.
pub struct Signer<'a> {
    /// The id of the access key.
    pub access: &'a str,
    /// The access key itself.
    pub secret: &'a Secret,
    /// The region that is asked.
    pub region: &'a str,
    /// The service that is asked.
    pub service: &'a str,
}

impl Signer<'_> {
    /// The header `Authorization` of a POST to `path`. `headers` are all that is signed, in small letters
    /// and alphabetical order; `time`, as [`compact`](crate::wire::time::compact) writes it, must be among them as `x-amz-date`.
    pub fn authorization(&self, path: &str, headers: &[(&str, &str)], body: &[u8], time: &str) -> String {
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut request = format!("POST\n{path}\n\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}:{}\n", value.trim()));
        }
        request.push_str(&format!("\n{names}\n{}", sha256(body)));

        let date = &time[..8];
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
        let mut key = hmac_sha256(format!("AWS4{}", self.secret.expose()).as_bytes(), date);
        for part in [self.region, self.service, "aws4_request"] {
            key = hmac_sha256(key.as_ref(), part);
        }
        let signature = hex(hmac_sha256(key.as_ref(), &to_sign).as_ref());
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.access)
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20150830T123600Z";

    /// Signs as AWS's published test suite (`aws-sig-v4-test-suite`) does.
    fn sign(headers: &[(&str, &str)], body: &str) -> String {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let signer = Signer { access: "AKIDEXAMPLE", secret: &secret, region: "us-east-1", service: "service" };
        let line = signer.authorization("/", headers, body.as_bytes(), TIME);
        let rest =
            line.strip_prefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ");
        rest.unwrap_or_default().to_owned()
    }

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", TIME);

    #[test]
    fn the_test_suites_post_vanilla_is_signed() {
        assert_eq!(
            sign(&[HOST, DATE], ""),
            "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    #[test]
    fn the_test_suites_form_is_signed() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_eq!(
            sign(&[form, HOST, DATE], "Param1=value1"),
            "SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    #[test]
    fn the_test_suites_session_token_is_signed() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        assert_eq!(
            sign(&[HOST, DATE, ("x-amz-security-token", token)], ""),
            "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        );
    }
}
