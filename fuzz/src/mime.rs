//! A plain reading of MIME (RFC 2045, 2046), as far as cloud-init needs it: judges what the driver composes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A message, or a part of one.
#[derive(Debug)]
pub struct Part {
    headers: Vec<(String, String)>,
    body: String,
}

impl Part {
    /// Reads headers and a body, with an empty line between them.
    pub fn parse(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (head, body) = match text.strip_prefix('\n') {
            Some(body) => ("", body),
            None => text.split_once("\n\n").unwrap_or((&text, "")),
        };
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        let headers = unfolded
            .lines()
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a header");
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Part { headers, body: body.to_owned() }
    }

    /// A header, its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key == name)?;
        Some(&header.1)
    }

    /// The content type without its parameters.
    pub fn kind(&self) -> &str {
        let value = self.header("content-type").unwrap_or("text/plain");
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The parts of a multipart.
    pub fn parts(&self) -> Vec<Part> {
        assert!(self.kind().starts_with("multipart/"), "{self:?}");
        let parameters = self.header("content-type").unwrap_or_default();
        let boundary = parameters
            .split(';')
            .find_map(|parameter| parameter.trim().strip_prefix("boundary="))
            .expect("a boundary")
            .trim_matches('"');
        let mut parts: Vec<Vec<&str>> = Vec::new();
        let mut is_closed = false;
        for line in self.body.split('\n') {
            match line.strip_prefix("--").and_then(|line| line.strip_prefix(boundary)) {
                Some("") => {
                    assert!(!is_closed, "a part after the end: {self:?}");
                    parts.push(Vec::new());
                }
                Some("--") => is_closed = true,
                _ if is_closed => {}
                // What stands before the first boundary is no part.
                _ => parts.iter_mut().last().into_iter().for_each(|part| part.push(line)),
            }
        }
        assert!(is_closed, "no end: {self:?}");
        // The line feed before a boundary belongs to the boundary.
        parts.iter().map(|part| Part::parse(&part.join("\n"))).collect()
    }

    /// The content, decoded.
    pub fn text(&self) -> String {
        match self.header("content-transfer-encoding").unwrap_or("7bit") {
            "7bit" => {
                assert!(self.body.is_ascii(), "{self:?}");
                self.body.clone()
            }
            "base64" => {
                let bytes = STANDARD.decode(self.body.replace('\n', "")).expect("base64");
                String::from_utf8(bytes).expect("UTF-8")
            }
            other => panic!("encoding {other}"),
        }
    }
}
