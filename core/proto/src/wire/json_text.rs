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
