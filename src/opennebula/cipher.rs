//! The secrets of OpenNebula 5.8, which oneprovision encrypts itself, and `oned` knows nothing of.
//!
//! AES-256 in CBC mode, PKCS#7, base64 in one line; the key is the first 32 bytes of oned's `ONE_KEY`, and the
//! initialization vector is all zeros: so the stock driver of 5.8.0 to 5.8.5 does it. From 5.10 on oned decrypts.

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt as _, KeyInit as _};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::report::finding::Mistake;
use crate::report::secret::Secret;

/// The length of a block of AES, and of a key of AES-256, in bytes.
const BLOCK: usize = 16;
const KEY: usize = 32;

/// The blocks that `text` stands for, if it has the form of something encrypted.
fn blocks(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    (!bytes.is_empty() && bytes.len().is_multiple_of(BLOCK)).then_some(bytes)
}

/// Whether `text` has the form of something encrypted: base64 of whole blocks.
pub(super) fn is_encrypted(text: &str) -> bool {
    blocks(text).is_some()
}

/// What oned calls `ONE_KEY`, ready for use.
pub(super) struct Key(Aes256);

impl Key {
    /// The key that `text` holds.
    ///
    /// # Errors
    /// It is too short.
    pub(super) fn new(text: &Secret) -> Result<Self> {
        let key = text.expose().as_bytes().get(..KEY);
        let key = key.and_then(|key| Aes256::new_from_slice(key).ok());
        key.map(Self).with_context(|| {
            Mistake::new(
                format!("ONE_KEY of oned has not the {KEY} characters of a key"),
                "see /var/lib/one/.one/one_key",
            )
        })
    }

    /// The clear text of `text`. `None`: it was not encrypted with this key, or not at all.
    pub(super) fn decrypt(&self, text: &str) -> Option<Secret> {
        let sealed = blocks(text)?;
        let mut clear = Vec::with_capacity(sealed.len());
        let mut before = [0; BLOCK];
        for chunk in sealed.chunks_exact(BLOCK) {
            let mut block = Block::<Aes256>::try_from(chunk).ok()?;
            self.0.decrypt_block(&mut block);
            clear.extend(block.iter().zip(before).map(|(byte, before)| byte ^ before));
            before.copy_from_slice(chunk);
        }
        let count = usize::from(*clear.last()?);
        let end = clear.len().checked_sub(count)?;
        let is_padding = (1..=BLOCK).contains(&count) && clear[end..].iter().all(|byte| usize::from(*byte) == count);
        clear.truncate(end);
        let text = is_padding.then(|| String::from_utf8(clear).ok())?;
        text.map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    const SEALED: &str = "d1Bf/yJQ1EFtUKe4iTTNjYC3WxE2m5qJGPgln/xuAEc=";

    #[test]
    fn the_recorded_token_is_decrypted() -> Result<()> {
        let key = Key::new(&Secret::new("0123456789abcdef0123456789abcdef01234567"))?;
        let clear = key.decrypt(&format!(" {SEALED}\n")).context("it is decrypted")?;
        assert_eq!(clear.expose(), "tok-0123456789abcdefSECRET");
        Ok(())
    }

    #[test]
    fn what_another_key_encrypted_is_left() -> Result<()> {
        let key = Key::new(&Secret::new("f123456789abcdef0123456789abcdef"))?;
        assert_eq!(key.decrypt(SEALED), None);
        assert!(Key::new(&Secret::new("0123456789abcdef0123456789abcde")).is_err());
        assert!(Key::new(&Secret::new("")).is_err());
        Ok(())
    }

    #[test]
    fn only_base64_of_whole_blocks_is_taken_for_encrypted() {
        assert!(is_encrypted(SEALED));
        for text in [
            "",
            "tok-0123456789abcdefSECRET",
            "0123456789abcdef0123456789abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "d1Bf/yJQ1EFtUKe4iTTNjYC3WxE2m5qJGPgln/xuAEc",
        ] {
            assert!(!is_encrypted(text), "{text}");
        }
    }
}
