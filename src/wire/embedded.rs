//! A text within the XML of another, as oned's answers hold them: decoded while it is read.

use std::io::{self, BufRead, ErrorKind, Read};

use quick_xml::events::BytesRef;

use super::xml::resolve;

/// How much of the text is kept decoded.
const BUFFER: usize = 4 * 1024;
/// The longest reference to a character or an entity: `&#x10FFFF;`, with some zeros.
const REFERENCE: usize = 16;

/// The references that tags are made of.
const USUAL: [(&[u8], u8); 3] = [(b"lt;", b'<'), (b"gt;", b'>'), (b"amp;", b'&')];

/// The text of an element, from where it begins to the next tag.
pub struct Embedded<R> {
    inner: R,
    decoded: Vec<u8>,
    at: usize,
    /// The reference that is being read, or was last, without its signs.
    reference: String,
    is_reference: bool,
    is_over: bool,
}

impl<R: BufRead> Embedded<R> {
    /// The text that `inner` has from here on.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            decoded: Vec::with_capacity(BUFFER),
            at: 0,
            reference: String::new(),
            is_reference: false,
            is_over: false,
        }
    }

    /// Decodes what there is, at most a buffer of it.
    fn decode(&mut self) -> io::Result<()> {
        let bytes = self.inner.fill_buf()?;
        let bytes = &bytes[..bytes.len().min(BUFFER)];
        if bytes.is_empty() {
            return Err(malformed("it is cut off"));
        }
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first().filter(|_| !self.is_over) {
            if self.is_reference {
                self.is_reference = *first != b';';
                match *first {
                    b';' => {
                        let c = resolve(&BytesRef::new(&*self.reference));
                        let c = c.map_err(|error| malformed(&error.to_string()))?;
                        self.decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    byte if byte.is_ascii() && self.reference.len() < REFERENCE => {
                        self.reference.push(char::from(byte));
                    }
                    _ => return Err(malformed("it has a sign & that begins no entity")),
                }
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'<' | b'&' | 0)).unwrap_or(rest.len());
            self.decoded.extend_from_slice(&rest[..end]);
            rest = match &rest[end..] {
                [b'&', after @ ..] => match USUAL.iter().find(|(name, _)| after.starts_with(name)) {
                    Some((name, byte)) => {
                        self.decoded.push(*byte);
                        &after[name.len()..]
                    }
                    None => {
                        self.reference.clear();
                        self.is_reference = true;
                        after
                    }
                },
                [0, ..] => return Err(malformed("it has a NUL character")),
                rest => {
                    self.is_over = !rest.is_empty();
                    rest
                }
            };
        }
        let taken = bytes.len() - rest.len();
        self.inner.consume(taken);
        Ok(())
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl<R: BufRead> BufRead for Embedded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.decoded.len() {
            self.decoded.clear();
            self.at = 0;
        }
        while self.decoded.is_empty() && !self.is_over {
            self.decode()?;
        }
        Ok(&self.decoded[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl<R: BufRead> Read for Embedded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The text in pieces of every size, for a reference may be cut anywhere.
    fn read(text: &str) -> Vec<io::Result<String>> {
        let sizes = 1..=text.len().max(1);
        sizes
            .map(|size| {
                let mut read = String::new();
                Embedded::new(BufReader::with_capacity(size, text.as_bytes())).read_to_string(&mut read)?;
                Ok(read)
            })
            .collect()
    }

    #[test]
    fn a_text_ends_at_the_next_tag_and_its_entities_are_resolved() {
        for (text, expected) in [
            ("&lt;A&gt;x &amp;amp; y&lt;/A&gt;</string>&x", "<A>x &amp; y</A>"),
            ("&#13;&#x41;\u{e9}&#233;&quot;<", "\rA\u{e9}\u{e9}\""),
            ("<", ""),
        ] {
            for read in read(text) {
                assert_eq!(read.unwrap(), expected);
            }
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in ["", "abc", "a&lt", "a&own;<", "a & b<", "&#0;<", "&#x0000000000000041;<", "\0<", "&\u{e9};<"] {
            assert!(read(text).iter().all(Result::is_err), "{text}");
        }
    }
}
