//! The encryption of `PROVISION/PACKET_TOKEN`, as far as a client can see it: there is a text that is not the token.

use std::collections::BTreeMap;

use crate::random::Random;

/// Clear tokens and what oned shows in their place.
#[derive(Debug)]
pub(crate) struct Vault(BTreeMap<String, String>);

impl Vault {
    /// Knows the recorded pair.
    pub(crate) fn new() -> Self {
        Vault(BTreeMap::from([(crate::TOKEN.to_owned(), crate::ENCRYPTED_TOKEN.to_owned())]))
    }

    pub(crate) fn know(&mut self, clear: &str, encrypted: &str) {
        self.0.insert(clear.to_owned(), encrypted.to_owned());
    }

    /// The token in the clear, where it is encrypted, and as it is where it is not.
    pub(crate) fn open(&self, token: &str) -> String {
        self.0
            .iter()
            .find(|(_, encrypted)| *encrypted == token)
            .map_or(token, |(clear, _)| clear)
            .to_owned()
    }

    /// The token encrypted: as known, else as something of the right look and length.
    pub(crate) fn seal(&self, clear: &str) -> String {
        const BASE64: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if let Some(encrypted) = self.0.get(clear) {
            return encrypted.clone();
        }
        let seed = clear
            .bytes()
            .fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Random::new(seed);
        // AES pads to whole blocks of 16 bytes, which leave one or two of base64's last four characters empty, or none.
        let bytes = (clear.len() / 16 + 1) * 16;
        let digits = (bytes * 4).div_ceil(3);
        let padding = digits.next_multiple_of(4) - digits;
        let mut text: String =
            (0..digits).map(|_| char::from(BASE64[random.below(64) as usize])).collect();
        text.push_str(&"=".repeat(padding));
        text
    }
}
