//! JSON text inside a message: well-formed, not too deep, every escape a character.

use crate::error::{Error, Kind, Result};
use crate::limits::JSON_DEPTH;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Checks a JSON text before anyone builds a value of it; allocates nothing but the one string
/// with escapes that is being read.
///
/// # Errors
/// `json`, naming `field`: code `too_deep` above 64 levels, `bad_json` for anything that is no
/// JSON (RFC 8259), lone surrogates and numbers beyond a double among it.
pub fn check_json(field: &str, text: &str) -> Result<()> {
    check_json_depth(field, text)?;
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict) => Ok(()),
        Err(error) => {
            let message = format!("expected JSON, got an error at column {}", error.column());
            Err(Error::new(Kind::Json, message).with_code("bad_json").with_field(field))
        }
    }
}

/// Checks the nesting of a JSON text without parsing it, so that depth costs no stack.
///
/// # Errors
/// `json`, code `too_deep`, above 64 levels.
pub fn check_json_depth(field: &str, text: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH {
            let message = format!("expected at most {JSON_DEPTH} levels of JSON");
            return Err(Error::new(Kind::Json, message)
                .with_code("too_deep")
                .with_field(field)
                .with_limit("JSON_DEPTH", JSON_DEPTH as u64));
        }
    }
    Ok(())
}

/// Refuses a JSON text with a whole number that a double does not write back in the same digits,
/// such as 2^53 + 1: a language that has no other numbers would change it without a word.
///
/// ```
/// use hubless_proto::wire::json_text::check_doubles;
///
/// assert!(check_doubles("content", r#"[9007199254740992, "9007199254740993"]"#).is_ok());
/// let refused = check_doubles("content", "[9007199254740993]").unwrap_err();
/// assert_eq!(refused.code, "number_precision");
/// ```
///
/// # Errors
/// `json`, code `number_precision`, naming `field`.
pub fn check_doubles(field: &str, text: &str) -> Result<()> {
    let (mut number, mut in_string, mut escaped) = (None, false, false);
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        let in_number = matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        match (byte, number) {
            _ if escaped => escaped = false,
            (b'\\', _) if in_string => escaped = true,
            (b'"', _) => in_string = !in_string,
            (b'0'..=b'9' | b'-', None) if !in_string => number = Some(at),
            (_, Some(from)) if !in_number => {
                number = None;
                if !text.get(from..at).is_none_or(is_kept_by_a_double) {
                    return Err(imprecise(field));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// True of fractions as well, which every language reads as doubles.
fn is_kept_by_a_double(number: &str) -> bool {
    // Doubles have all numbers of fewer digits.
    let is_long = number.len() >= 16;
    if !is_long || number.contains(['.', 'e', 'E']) {
        return true;
    }
    number.parse::<f64>().is_ok_and(|double| double.to_string() == number)
}

fn imprecise(field: &str) -> Error {
    let message = "expected whole numbers that a double keeps, which is sure up to 2^53, since the \
                   receiver has no others: send larger ones as text";
    Error::refusal(Kind::Json, "number_precision", message).with_field(field)
}

/// Reads everything and keeps nothing. Unlike `IgnoredAny` it looks into strings and numbers.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_depth_without_using_the_stack() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(check_json("x", &nested(JSON_DEPTH)), Ok(()));
        for text in [nested(JSON_DEPTH + 1), "{\"a\":".repeat(100_000), "[".repeat(100_000)] {
            assert_eq!(check_json("x", &text).unwrap_err().code, "too_deep");
        }
        assert_eq!(check_json("x", &format!("\"{}\"", "[".repeat(1_000))), Ok(()));
        assert_eq!(check_json("x", &format!("\"\\\"{}\"", "[".repeat(1_000))), Ok(()));
    }

    #[test]
    fn a_number_that_a_double_would_change_is_refused_wherever_it_stands() {
        let kept = |text: &str| check_doubles("content", text).is_ok();
        for number in [
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "12345678901234567890123456789",
            &"9".repeat(400),
        ] {
            for text in [
                number.to_owned(),
                format!("[{number}]"),
                format!("[1,{number} ]"),
                format!("{{\"a\\\"\":{number}}}"),
                format!("[\"\\\\\",{number}]"),
            ] {
                assert!(!kept(&text), "{text}");
            }
            for text in [
                format!("\"{number}\""),
                format!("{{\"{number}\":1}}"),
                format!("\"\\\"{number}\""),
                format!("0.{}", number.replace('-', "")),
            ] {
                assert!(kept(&text), "{text}");
            }
        }
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740994",
            "0",
            "-0",
            "1e300",
            "590295810358705700000",
            "1000000000000000000000",
            "12345678901234567e3",
            "",
            "[]",
        ] {
            assert!(kept(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_of_a_double_is_kept(number: f64) {
            prop_assume!(number.is_finite());
            let text = format!("[{number},{number:e}]");
            prop_assert!(check_doubles("x", &text).is_ok());
        }
    }

    #[test]
    fn refuses_what_a_value_could_not_hold() {
        let bad = [
            "",
            " ",
            "nul",
            "{",
            "[1,]",
            "{\"a\"}",
            "'a'",
            "1e999",
            "\"\\ud800\"",
            "\"\\ud800a\"",
            "\"\\udc00\"",
            "\"\n\"",
            "01",
            "1 2",
            "[1]]",
            "\u{feff}1",
            "NaN",
            "\"\\x\"",
            "{\"\\ud800\": 1}",
        ];
        for text in bad {
            assert_eq!(check_json("x", text).unwrap_err().code, "bad_json", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,40}|\\PC{0,20}") {
            let parsed = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(check_json("x", &text).is_ok(), parsed);
        }
    }
}
