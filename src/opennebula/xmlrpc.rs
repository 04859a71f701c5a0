//! XML-RPC as oned speaks it: a call, and what one brought.

use anyhow::{Result, bail};

use crate::wire::xml;

/// A parameter of a call.
pub enum Parameter<'a> {
    /// `<string>`
    Text(&'a str),
    /// `<i4>`
    Number(u32),
    /// `<boolean>`
    Flag(bool),
}

/// A call, as oned's clients write it: the session comes first in each.
pub fn method_call(method: &str, session: &str, parameters: &[Parameter<'_>]) -> String {
    let mut call = format!("<?xml version=\"1.0\" ?><methodCall><methodName>{method}</methodName><params>");
    for parameter in [Parameter::Text(session)].iter().chain(parameters) {
        let value = match parameter {
            Parameter::Text(text) => {
                // A bare carriage return would come out as a line feed (XML 1.0, 2.11).
                let text = quick_xml::escape::partial_escape(*text).replace('\r', "&#13;");
                format!("<string>{text}</string>")
            }
            Parameter::Number(number) => format!("<i4>{number}</i4>"),
            Parameter::Flag(flag) => format!("<boolean>{}</boolean>", u8::from(*flag)),
        };
        call.push_str(&format!("<param><value>{value}</value></param>"));
    }
    call.push_str("</params></methodCall>\n");
    call
}

/// What a call brought.
#[derive(Debug, PartialEq, Eq)]
pub enum MethodResponse {
    /// `[true, text, …]`
    Good(String),
    /// `[false, message, code, …]`
    Bad {
        /// What oned says.
        message: String,
        /// Its `Request::ErrorCode`.
        code: Option<i64>,
    },
    /// `<fault>`
    Fault(String),
}

/// Reads an answer: the first three values of its array, or its fault.
///
/// # Errors
/// It is no XML, or not in the form of an answer.
pub fn method_response(text: &str) -> Result<MethodResponse> {
    const VALUES: [&str; 7] = ["methodResponse", "params", "param", "value", "array", "data", "value"];
    let mut values: Vec<String> = Vec::new();
    let mut fault: Option<String> = None;
    let mut member = String::new();
    let mut root = None;
    xml::leaves(text, |path, value| {
        if root.is_none() {
            root = path.first().cloned();
        }
        if path.get(..VALUES.len()).is_some_and(|path| path == VALUES) {
            // A success has its text second, and only that may be large: nothing else is kept.
            if values.len() < 3 {
                values.push(value.to_owned());
            }
        } else if path.get(1).is_some_and(|name| name == "fault") {
            fault.get_or_insert_default();
            match path.last().map(String::as_str) {
                Some("name") => member = value.to_owned(),
                _ if member == "faultString" => fault = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(())
    })?;
    if let Some(message) = fault {
        return Ok(MethodResponse::Fault(message));
    }
    if root.as_deref() != Some("methodResponse") {
        bail!("its root element is <{}>", root.unwrap_or_default());
    }
    let mut values = values.into_iter();
    match (values.next().as_deref(), values.next()) {
        (Some("1" | "true"), Some(text)) => Ok(MethodResponse::Good(text)),
        (Some("0" | "false"), Some(message)) => {
            Ok(MethodResponse::Bad { message, code: values.next().and_then(|code| code.trim().parse().ok()) })
        }
        _ => bail!("it has not the two values of an answer"),
    }
}

/// Where the text of a success begins, by the `begin` of an answer, in the form in which oned writes it. `None` where it may
/// be anything else.
pub fn text_of_success(begin: &[u8]) -> Option<usize> {
    const BEFORE: [&str; 13] = [
        "<methodResponse>",
        "<params>",
        "<param>",
        "<value>",
        "<array>",
        "<data>",
        "<value>",
        "<boolean>",
        "1",
        "</boolean>",
        "</value>",
        "<value>",
        "<string>",
    ];
    let mut rest = begin.strip_prefix(b"<?xml")?;
    rest = &rest[rest.iter().position(|byte| *byte == b'>')? + 1..];
    for part in BEFORE {
        rest = rest.trim_ascii_start().strip_prefix(part.as_bytes())?;
    }
    Some(begin.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opennebula::host::Host;

    macro_rules! recording {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/opennebula-5.12/", $name))
        };
    }

    #[test]
    fn a_call_is_what_oneprovision_sends() {
        let call =
            method_call("one.host.info", "oneadmin:opennebula", &[Parameter::Number(1002), Parameter::Flag(true)]);
        assert_eq!(call, recording!("host.info-decrypt.request.xml"));
    }

    #[test]
    fn the_session_cannot_leave_its_value() {
        let call = method_call("m", "a:</string>&\r", &[]);
        assert!(call.contains("<string>a:&lt;/string&gt;&amp;&#13;</string>"));
    }

    #[test]
    fn the_recorded_answers_are_read() -> Result<()> {
        let good = method_response(recording!("host.info-decrypt.response.xml"))?;
        let MethodResponse::Good(text) = good else {
            bail!("{good:?}");
        };
        let (host, _) = Host::parse(&text)?;
        assert_eq!(host.provision("PACKET_TOKEN"), Some("tok-0123456789abcdefSECRET"));
        assert_eq!(
            method_response(recording!("host.info-no-such-host.response.xml"))?,
            MethodResponse::Bad { message: "[one.host.info] Error getting host [99].".into(), code: Some(1024) }
        );
        assert_eq!(
            method_response(recording!("fault.response.xml"))?,
            MethodResponse::Fault("Method 'one.nosuch' not defined".into())
        );
        Ok(())
    }

    #[test]
    fn the_text_of_a_success_is_found_in_the_recorded_answer_and_in_no_other() {
        let good = recording!("host.info-decrypt.response.xml");
        let at = text_of_success(&good.as_bytes()[..1024]).unwrap_or_default();
        assert!(good[at..].starts_with("&lt;HOST&gt;&lt;ID&gt;"), "{}", &good[at..at + 40]);
        for other in [recording!("host.info-no-such-host.response.xml"), recording!("fault.response.xml"), ""] {
            assert_eq!(text_of_success(other.as_bytes()), None);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in ["<html></html>", "<methodResponse><params/></methodResponse>", "<methodResponse/>", "{}"] {
            assert!(method_response(text).is_err(), "{text}");
        }
    }
}
