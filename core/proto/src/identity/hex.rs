//! Lower-case hexadecimal, the text of node keys, mesh ids and digests.

use crate::error::{Error, Result};

/// Writes bytes as lower-case hexadecimal.
pub fn encode(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Reads exactly `N` bytes of lower-case hexadecimal; `field` names the value in an error.
///
/// # Errors
/// `invalid_argument`, code `not_hex`, for another length or any other character.
pub fn decode<const N: usize>(field: &str, text: &str) -> Result<[u8; N]> {
    let wrong = || {
        Error::invalid(field, format!("expected {} lower-case hex digits", 2 * N))
            .with_code("not_hex")
    };
    if text.len() != 2 * N {
        return Err(wrong());
    }
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes());
    bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        assert_eq!(encode(&[0, 0xab, 255]), "00abff");
        assert_eq!(decode::<3>("x", "00abff"), Ok([0, 0xab, 255]));
        for bad in ["", "00abf", "00abf0f", "00ABFF", "00abfg", "é0abf", " 0abff"] {
            let error = decode::<3>("x", bad).unwrap_err();
            assert_eq!((error.code.as_str(), error.field.as_deref()), ("not_hex", Some("x")));
        }
    }
}
