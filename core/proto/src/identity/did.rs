//! The text of an agent id: `did:key` with the multicodec of Ed25519 public keys, base58btc.

use crate::error::{Error, Result};

const PREFIX: &str = "did:key:z";
/// Multicodec `ed25519-pub` (0xed) as an unsigned varint.
const MULTICODEC: [u8; 2] = [0xed, 0x01];
/// Letters after the prefix: 34 bytes that begin with 0xed always take this many.
const LETTERS: usize = 47;

pub(super) fn encode(key: &[u8; 32]) -> String {
    let mut bytes = [0; 34];
    let (codec, rest) = bytes.split_at_mut(MULTICODEC.len());
    codec.copy_from_slice(&MULTICODEC);
    rest.copy_from_slice(key);
    format!("{PREFIX}{}", bs58::encode(bytes).into_string())
}

pub(super) fn decode(field: &str, text: &str) -> Result<[u8; 32]> {
    read(text).ok_or_else(|| {
        let message = "expected a did:key of an Ed25519 key, such as did:key:z6Mk…";
        Error::invalid(field, message).with_code("bad_did")
    })
}

fn read(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_prefix(PREFIX)?;
    if letters.len() != LETTERS {
        return None;
    }
    let mut bytes = [0; 34];
    let length = bs58::decode(letters).onto(&mut bytes).ok()?;
    let key = bytes.get(..length)?.strip_prefix(&MULTICODEC)?;
    key.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_ed25519_did() {
        let good = encode(&[9; 32]);
        assert_eq!(decode("agent", &good), Ok([9; 32]));
        let mut x25519 = vec![0xec, 0x01];
        x25519.extend([9; 32]);
        let bad = [
            String::new(),
            "did:key:".into(),
            "did:web:example.org".into(),
            good.replacen('z', "u", 1),
            good.to_uppercase(),
            format!("{good}1"),
            format!("{good}#{good}"),
            format!("{PREFIX}1{}", good.split_at(PREFIX.len() + 1).1),
            good.replace('6', "0"),
            good.split_at(good.len() - 1).0.into(),
            format!("{PREFIX}{}", bs58::encode(x25519).into_string()),
            format!("{PREFIX}{}", "z".repeat(LETTERS)),
            format!("{PREFIX}{}", "z".repeat(100_000)),
        ];
        for text in bad {
            let error = decode("agent", &text).unwrap_err();
            assert_eq!(error.code, "bad_did", "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_one_text(key: [u8; 32], other: [u8; 32]) {
            let text = encode(&key);
            prop_assert_eq!(decode("agent", &text), Ok(key));
            prop_assert_eq!(encode(&other) == text, key == other);
        }

        #[test]
        fn what_reads_is_what_is_written(text in "did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}") {
            if let Ok(key) = decode("agent", &text) {
                prop_assert_eq!(encode(&key), text);
            }
        }
    }
}
