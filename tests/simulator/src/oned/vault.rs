//! The encryption of a host's secrets: that of 5.8, which a driver decrypts itself, and that of later ones as far as a
//! client can see it: there is a text that is not the token.

use std::collections::BTreeMap;

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::options::Version;
use crate::random::Random;

/// The recorded key of oned 5.8, of which the first 32 characters are used.
pub const ONE_KEY: &str = "0123456789abcdef0123456789abcdef01234567";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The length of AES's blocks.
const BLOCK: usize = 16;

/// Clear tokens and what oned shows in their place.
#[derive(Debug)]
pub(crate) struct Vault {
    version: Version,
    known: BTreeMap<String, String>,
}

impl Vault {
    /// Knows the recorded pair.
    pub(crate) fn new(version: Version) -> Self {
        let pair = (crate::TOKEN.to_owned(), crate::ENCRYPTED_TOKEN.to_owned());
        let known = if version == Version::V5_8 { BTreeMap::new() } else { [pair].into() };
        Vault { version, known }
    }

    pub(crate) fn know(&mut self, clear: &str, encrypted: &str) {
        self.known.insert(clear.to_owned(), encrypted.to_owned());
    }

    /// The token in the clear, where it is encrypted, and as it is where it is not.
    pub(crate) fn open(&self, token: &str) -> String {
        let known = self.known.iter().find(|(_, encrypted)| *encrypted == token);
        if let Some((clear, _)) = known {
            return clear.clone();
        }
        let opened = (self.version == Version::V5_8).then(|| decrypt(token)).flatten();
        opened.unwrap_or_else(|| token.to_owned())
    }

    /// The token encrypted: as known, or as 5.8 does it, else as something of the right look and length.
    pub(crate) fn seal(&self, clear: &str) -> String {
        if let Some(encrypted) = self.known.get(clear) {
            return encrypted.clone();
        }
        if self.version == Version::V5_8 {
            return encrypt(clear);
        }
        let seed = clear.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Random::new(seed);
        // AES pads to whole blocks.
        let bytes = (clear.len() / BLOCK + 1) * BLOCK;
        base64(&(0..bytes).map(|_| random.below(256) as u8).collect::<Vec<_>>())
    }
}

fn cipher() -> Option<Aes256> {
    Aes256::new_from_slice(&ONE_KEY.as_bytes()[..32]).ok()
}

/// As oneprovision 5.8 does it: AES-256, CBC, no initialization vector, PKCS#7, base64.
fn encrypt(clear: &str) -> String {
    let padding = BLOCK - clear.len() % BLOCK;
    let mut bytes = clear.as_bytes().to_vec();
    bytes.extend(std::iter::repeat_n(padding as u8, padding));
    let mut before = [0; BLOCK];
    let Some(cipher) = cipher() else {
        return clear.to_owned();
    };
    for chunk in bytes.chunks_exact_mut(BLOCK) {
        let mixed: [u8; BLOCK] = std::array::from_fn(|at| chunk[at] ^ before[at]);
        let mut block = Block::<Aes256>::from(mixed);
        cipher.encrypt_block(&mut block);
        chunk.copy_from_slice(&block);
        before.copy_from_slice(chunk);
    }
    base64(&bytes)
}

fn decrypt(sealed: &str) -> Option<String> {
    let bytes = from_base64(sealed)?;
    let cipher = cipher()?;
    let mut clear = Vec::new();
    let mut before = [0; BLOCK];
    for chunk in bytes.chunks(BLOCK) {
        let mut block = Block::<Aes256>::try_from(chunk).ok()?;
        cipher.decrypt_block(&mut block);
        clear.extend(block.iter().zip(before).map(|(byte, before)| byte ^ before));
        before.copy_from_slice(chunk);
    }
    let padding = usize::from(*clear.last()?);
    clear.truncate(clear.len().checked_sub(padding)?);
    let text = String::from_utf8(clear).ok()?;
    (encrypt(&text) == sealed).then_some(text)
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0, |group, at| group << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut group, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = BASE64.iter().position(|digit| *digit == byte)?;
        group = group << 6 | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits & 255) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_token_is_encrypted_as_oneprovision_5_8_did() {
        let vault = Vault::new(Version::V5_8);
        assert_eq!(vault.seal(crate::TOKEN), crate::ENCRYPTED_TOKEN_5_8);
        assert_eq!(vault.open(crate::ENCRYPTED_TOKEN_5_8), crate::TOKEN);
        assert_eq!(vault.open("clear"), "clear");
        for length in 0..50 {
            let clear = "x".repeat(length);
            assert_eq!(vault.open(&vault.seal(&clear)), clear);
        }
    }
}
