//! Ways to write something else than is meant: of addresses, of HTML and of JSON.

/// Reads the escape that some bytes begin with: its length, and what it says. They begin with its mark.
pub(super) type Escape = fn(&[u8]) -> Option<(usize, Meant)>;

/// What an escape says.
pub(super) enum Meant {
    /// A byte, which may be a piece of a character.
    Byte(u8),
    /// A character.
    Char(char),
}

/// `%2F`
pub(super) fn percent(bytes: &[u8]) -> Option<(usize, Meant)> {
    let byte = number(bytes.get(1..3)?, 16)?;
    Some((3, Meant::Byte(u8::try_from(byte).ok()?)))
}

/// `&amp;`, `&#38;` or `&#x26;`
pub(super) fn entity(bytes: &[u8]) -> Option<(usize, Meant)> {
    let end = bytes.iter().take(12).position(|byte| *byte == b';')?;
    let c = match &bytes[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        _ => return None,
    };
    Some((end + 1, Meant::Char(c)))
}

/// `\"`, `\n`, `\u0022`, as JSON has them; `\x22` as some languages do.
pub(super) fn backslash(bytes: &[u8]) -> Option<(usize, Meant)> {
    let unit = |at: usize| number(bytes.get(at..at + 4)?, 16);
    match bytes.get(1)? {
        b'n' | b'r' | b't' | b'b' | b'f' => Some((2, Meant::Char('\n'))),
        b'x' => Some((4, Meant::Char(char::from_u32(number(bytes.get(2..4)?, 16)?)?))),
        b'u' => {
            let high = unit(2)?;
            if let Some(c) = char::from_u32(high) {
                return Some((6, Meant::Char(c)));
            }
            let low = bytes.get(6..8).filter(|mark| *mark == b"\\u").and_then(|_| unit(8))?;
            let c = char::from_u32(0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff))?;
            Some((12, Meant::Char(c)))
        }
        byte if byte.is_ascii() => Some((2, Meant::Byte(*byte))),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(text, radix).ok()
}
