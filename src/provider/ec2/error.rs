//! What EC2's errors mean ("Error codes for the Amazon EC2 API").

use super::super::kit::*;

/// What an error answer means. Where EC2 says it by a code, the status decides nothing.
pub fn explain(status: u16, body: &Tree, has_session: bool) -> Explanation {
    let Some((code, message)) = error_of(body) else {
        return Explanation::default();
    };
    let (kind, remedy) = meaning(code, message, has_session);
    let by_status = (status == 404).then_some(Kind::Rejected);
    let kind = kind.or(by_status);
    let remedy = remedy.or(match kind {
        Some(Kind::PermissionDenied) => Some("let the policy of EC2_ACCESS allow the action"),
        Some(Kind::Protected) => Some("take its termination or stop protection off at AWS first"),
        _ if code.starts_with("Insufficient") => Some(NO_CAPACITY),
        _ => None,
    });
    Explanation {
        kind,
        reasons: vec![format!("{code}: {message}")],
        code: Some(code.to_owned()),
        remedy,
        ..Explanation::default()
    }
}

/// The code and the reason of an error, in any of AWS's forms; the root element has several names.
fn error_of<'a>(body: &'a Tree) -> Option<(&'a str, &'a str)> {
    let (_, root) = body.members("").next()?;
    let forms = ["Errors.Error", "Error"];
    let error = forms.iter().map(|path| root.at(path)).find(|error| !error.is_null())?;
    Some((error.text("Code")?, error.text("Message").unwrap_or_default()))
}

/// What a code and a message mean, with a remedy where the kind does not say it all. No kind: what the status says.
fn meaning(code: &str, message: &str, has_session: bool) -> (Option<Kind>, Option<&'static str>) {
    if let Some(remedy) = credentials(code, message, has_session) {
        return (Some(Kind::Unauthenticated), Some(remedy));
    }
    let kind = match code {
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "ThrottledException" => Kind::RateLimited,
        "RequestThrottled" | "RequestThrottledException" | "EC2ThrottledException" => Kind::RateLimited,
        "BandwidthLimitExceeded" | "SlowDown" => Kind::RateLimited,
        "InvalidInstanceID.NotFound" => Kind::NotFound,
        // "Not authorized for images: [ami-…]" is about what is ordered.
        "AuthFailure" => Kind::Rejected,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => Kind::PermissionDenied,
        "OperationNotPermitted" => Kind::Protected,
        // These are sent as 500 and 503, but they are no fault: AWS has none to give.
        _ if code.starts_with("Insufficient") => Kind::Rejected,
        // Whether it passes, the engine sees by the machine's state.
        "IncorrectState" | "IncorrectInstanceState" => Kind::Rejected,
        "IdempotentInstanceTerminated" => Kind::KeySpent,
        _ => return (None, None),
    };
    (Some(kind), None)
}

/// What to do where a code says that it is not let in.
fn credentials(code: &str, message: &str, has_session: bool) -> Option<&'static str> {
    const CLOCK: &str = "set the clock of this machine";
    Some(match code {
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" => {
            "EC2_SESSION_TOKEN has expired or is wrong: get new keys from STS"
        }
        // EC2 says so of an expired session as well as of a clock that is slow.
        "RequestExpired" if has_session => {
            "EC2_SESSION_TOKEN has expired, or the clock of this machine is wrong: get new keys from STS, or set it"
        }
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => CLOCK,
        // "Signature expired: … is now earlier than …", "Signature not yet current: …".
        "SignatureDoesNotMatch" | "InvalidSignatureException" if message.starts_with("Signature ") => CLOCK,
        "SignatureDoesNotMatch" | "InvalidSignatureException" => "check EC2_SECRET",
        "InvalidClientTokenId" | "UnrecognizedClientException" => "check EC2_ACCESS and REGION_NAME",
        "AuthFailure" if message.starts_with("Not authorized for") => return None,
        "AuthFailure" | "MissingAuthenticationToken" | "IncompleteSignature" => {
            "check EC2_ACCESS and EC2_SECRET, and the clock of this machine"
        }
        "OptInRequired" | "Blocked" | "NotSignedUp" => "see the account at AWS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(status: u16, code: &str) -> Option<Kind> {
        let body = format!("<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>");
        explain(status, &Tree::xml(body.as_bytes()).unwrap_or_default(), false).kind
    }

    #[test]
    fn errors_are_read_in_both_forms() {
        let code = |body: &str| {
            let body = Tree::xml(body.as_bytes()).unwrap_or_default();
            error_of(&body).map(|(code, _)| code.to_owned())
        };
        assert_eq!(code("<Response><Errors><Error><Code>A</Code></Error></Errors></Response>").as_deref(), Some("A"));
        assert_eq!(
            code("<ErrorResponse><Error><Type>Sender</Type><Code>B</Code></Error></ErrorResponse>").as_deref(),
            Some("B")
        );
        // As moto answers who is not known.
        let known = "<ErrorResponse><Errors><Error><Code>C</Code></Error></Errors></ErrorResponse>";
        assert_eq!(code(known).as_deref(), Some("C"));
        assert_eq!(code("<html><body>Bad Gateway</body></html>"), None);
        assert_eq!(code("{\"message\": \"no\"}"), None);
    }

    #[test]
    fn what_aws_has_not_to_give_is_a_refusal_whatever_its_status() {
        assert_eq!(explained(500, "InsufficientInstanceCapacity"), Some(Kind::Rejected));
        assert_eq!(explained(503, "RequestLimitExceeded"), Some(Kind::RateLimited));
        assert_eq!(explained(500, "InternalError"), None);
        assert_eq!(explained(400, "InvalidParameterValue"), None);
        assert_eq!(explained(400, "IdempotentInstanceTerminated"), Some(Kind::KeySpent));
    }
}
