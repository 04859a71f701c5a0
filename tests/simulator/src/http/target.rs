//! The request's target: path and query, decoded.

/// `/metal/v1/projects/1/devices?tag=a%20b`
#[derive(Debug)]
pub(crate) struct Target {
    /// The path as it came.
    pub path: String,
    query: Vec<(String, String)>,
}

impl Target {
    pub(crate) fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Target {
            path: path.to_owned(),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        }
    }

    /// A query of these, without a path.
    pub(crate) fn of_pairs(query: impl Iterator<Item = (String, String)>) -> Self {
        Target { path: String::new(), query: query.collect() }
    }

    /// The last value of this key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// Each value of this key.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Each key and its value, in their order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The query with one key set anew, encoded, for links to other pages.
    pub(crate) fn query_with(&self, key: &str, value: &str) -> String {
        self.query
            .iter()
            .filter(|(name, _)| name != key)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([(key, value)])
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, bytes[at]) {
            (Some(byte), _) => {
                out.push(byte);
                at += 2;
            }
            (None, b'+') => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let target = Target::parse("/a?tag=ONE_HOST_ID%3D7&page=2&tag=a+b%");
        assert_eq!(target.path, "/a");
        assert_eq!(target.all("tag").collect::<Vec<_>>(), ["ONE_HOST_ID=7", "a b%"]);
        assert_eq!(target.query_with("page", "3"), "tag=ONE_HOST_ID%3D7&tag=a%20b%25&page=3");
    }
}
