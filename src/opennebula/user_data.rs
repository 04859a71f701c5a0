//! What cloud-init gets: the front-end's SSH keys and the user's own data, together.
//!
//! Without the key the host cannot be reached for its configuration, so user data never replaces it. cloud-init
//! takes several parts as MIME multipart; it tells what a part is by its content type, or by its first line
//! (cloudinit/user_data.py, `INCLUSION_TYPES_MAP`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::report::secret::Secret;

/// What to send.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UserData {
    /// The user data; `None` where there is nothing to say.
    pub text: Option<Secret>,
    /// What the user should know.
    pub warning: Option<String>,
}

/// What the first line of a part makes of it, as cloud-init reads it. Longer beginnings come first.
const FIRST_LINES: &[(&str, &str)] = &[
    ("#!", "text/x-shellscript"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#part-handler", "text/part-handler"),
    ("#upstart-job", "text/upstart-job"),
    ("## template: jinja", "text/jinja2"),
];

/// Puts the public SSH keys `keys` and the user's `own` data together.
pub fn compose(keys: &[&str], own: Option<&str>) -> UserData {
    let own = own.filter(|text| !text.trim().is_empty());
    let alone = |text: &str, warning: Option<&str>| UserData {
        text: Some(Secret::new(text)),
        warning: warning.map(|reason| {
            format!("{reason}, so the SSH key of the front-end is not added: see that it gets onto the host")
        }),
    };
    let (own, keys) = match (own, key_part(keys)) {
        (None, None) => return UserData::default(),
        (None, Some(keys)) => return alone(&keys, None),
        (Some(own), None) => return alone(own, None),
        (Some(own), Some(keys)) => (own, keys),
    };
    // Packet hands this to its own boot loader before any system runs (API description, `userdata`).
    if own.trim_start().starts_with("#!ipxe") {
        return alone(own, Some("USERDATA is an iPXE script, which takes no second part"));
    }
    let combined = if is_mime(own) {
        add_to_multipart(own, &keys)
    } else {
        content_type(own).map(|kind| multipart(kind, own, &keys))
    };
    match combined {
        Some(text) => alone(&text, None),
        None => alone(own, Some("USERDATA is nothing that cloud-init knows by its first line")),
    }
}

/// The keys as cloud-config: strings of YAML that nothing in a key can leave.
///
/// A list that the user's own cloud-config has is kept: cloud-init merges a later part as that part says.
fn key_part(keys: &[&str]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    let mut part = String::from("#cloud-config\nssh_authorized_keys:\n");
    for key in keys {
        part.push_str(&format!("- {}\n", yaml_string(key)));
    }
    Some(part)
}

/// `text` in quotes and in ASCII: YAML takes more characters for the end of a line than JSON does, and refuses
/// a whole document for others (YAML 1.1, 5.1 and 5.4).
fn yaml_string(text: &str) -> String {
    let mut string = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            ' '..='~' => string.push(c),
            c => string.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    string.push('"');
    string
}

const MERGE: &str =
    "merge_how:\n- name: list\n  settings: [append]\n- name: dict\n  settings: [no_replace, recurse_list]\n";

/// What `text` is by its first line: in any case of letters, and after blanks, as cloud-init reads it
/// (cloudinit/handlers, `type_from_starts_with`).
fn content_type(text: &str) -> Option<&'static str> {
    let line = text.trim_start().lines().next()?.to_ascii_lowercase();
    FIRST_LINES.iter().find(|(beginning, _)| line.starts_with(beginning)).map(|(_, kind)| *kind)
}

fn is_mime(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default().to_ascii_lowercase();
    first.starts_with("content-type:") || first.starts_with("mime-version:") || first.starts_with("from ")
}

/// A new multipart of the user's data and the keys; the keys last, so that they say how to merge.
fn multipart(kind: &str, own: &str, keys: &str) -> String {
    let boundary = (0..)
        .map(|count| format!("==pm-packet-{count}=="))
        .find(|boundary| !own.contains(boundary.as_str()))
        .unwrap_or_default();
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n{}{}--{boundary}--\n",
        part(&boundary, kind, own),
        key_section(&boundary, keys),
    )
}

/// The keys as one part of several.
fn key_section(boundary: &str, keys: &str) -> String {
    part(boundary, "text/cloud-config", &format!("{keys}{MERGE}"))
}

/// One part, with the boundary before it.
fn part(boundary: &str, kind: &str, text: &str) -> String {
    // Anything but short lines of plain text could be changed on its way through a mail parser.
    let is_plain = text.is_ascii() && !text.contains('\r') && text.lines().all(|line| line.len() < 900);
    let (charset, encoding, body) = if is_plain {
        ("us-ascii", "7bit", text.to_owned())
    } else {
        ("utf-8", "base64", lines_of_76(&STANDARD.encode(text)))
    };
    format!(
        "--{boundary}\nContent-Type: {kind}; charset=\"{charset}\"\nMIME-Version: 1.0\n\
         Content-Transfer-Encoding: {encoding}\n\n{body}\n"
    )
}

/// Puts the keys in front of the end of the user's own multipart; `None` if it is none.
fn add_to_multipart(own: &str, keys: &str) -> Option<String> {
    let boundary = boundary(own)?;
    let end = if own.contains("\r\n") { "\r\n" } else { "\n" };
    let close = format!("--{boundary}--");
    let at =
        own.match_indices(&close).map(|(at, _)| at).filter(|at| *at == 0 || own.as_bytes()[at - 1] == b'\n').last();
    let section = key_section(&boundary, keys).replace('\n', end);
    Some(match at {
        Some(at) => format!("{}{section}{}", &own[..at], &own[at..]),
        // A parser takes the end of the text for the end of the multipart.
        None => format!("{}{end}{section}{close}{end}", own.trim_end()),
    })
}

/// The boundary that the headers of a multipart name.
fn boundary(text: &str) -> Option<String> {
    let headers: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).collect();
    // A header goes on in lines that begin with a blank.
    let unfolded = headers.join("\n").replace("\n ", " ").replace("\n\t", " ");
    let header = unfolded.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"))?;
    let lower = header.to_ascii_lowercase();
    if !lower.contains("multipart/") {
        return None;
    }
    let value = header[lower.find("boundary=")? + "boundary=".len()..].trim();
    let boundary = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([';', ' ', '\t']).next()?,
    };
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

fn lines_of_76(text: &str) -> String {
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-rsa AAAAB3Nza test@one";

    fn text(keys: &[&str], own: Option<&str>) -> String {
        compose(keys, own).text.map(|text| text.expose().to_owned()).unwrap_or_default()
    }

    #[test]
    fn keys_alone_are_plain_cloud_config() {
        assert_eq!(
            text(&[KEY, "ssh-ed25519 B"], None),
            "#cloud-config\nssh_authorized_keys:\n- \"ssh-rsa AAAAB3Nza test@one\"\n- \"ssh-ed25519 B\"\n"
        );
        assert_eq!(compose(&[], None), UserData::default());
    }

    #[test]
    fn user_data_without_keys_is_sent_as_it_is() {
        assert_eq!(text(&[], Some("#!/bin/sh\ntrue\n")), "#!/bin/sh\ntrue\n");
    }

    #[test]
    fn a_key_cannot_leave_its_string() {
        let part = text(&["ssh-rsa A \"\n\u{85}runcmd: [reboot]\\"], None);
        assert_eq!(part.lines().last(), Some(r#"- "ssh-rsa A \"\U0000000A\U00000085runcmd: [reboot]\\""#));
    }

    #[test]
    fn a_script_keeps_its_text_and_the_key_comes_with_it() {
        let both = text(&[KEY], Some("#!/bin/sh\ntrue\n"));
        assert!(both.starts_with("Content-Type: multipart/mixed; boundary="));
        assert!(both.contains("text/x-shellscript"));
        assert!(both.contains("\n\n#!/bin/sh\ntrue\n"));
        assert!(both.contains("text/cloud-config"));
    }

    #[test]
    fn a_boundary_in_the_user_data_is_not_used() {
        let both = text(&[KEY], Some("#!/bin/sh\necho ==pm-packet-0==\n"));
        assert!(both.contains("boundary=\"==pm-packet-1==\""));
    }

    #[test]
    fn a_multipart_gets_one_more_part() {
        let own = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=BB; x=y\r\n\r\n--BB\r\nContent-Type: text/x-shellscript\r\n\r\n#!/bin/sh\r\n--BB--\r\n";
        let both = text(&[KEY], Some(own));
        assert_eq!(both.matches("--BB\r\n").count(), 2);
        assert!(both.ends_with("--BB--\r\n"));
        assert!(!both.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn what_takes_no_part_is_sent_alone_with_a_warning() {
        for own in ["#!ipxe\nboot", "{\"ignition\": {}}", "Content-Type: text/plain\n\nx"] {
            let userdata = compose(&[KEY], Some(own));
            assert_eq!(userdata.text, Some(Secret::new(own)));
            assert!(userdata.warning.is_some());
        }
    }
}
