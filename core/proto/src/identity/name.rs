//! Names of agents.

use crate::error::{Error, Result};
use crate::limits::NAME_CHARS;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// 1 to 64 of `a-z 0-9 - _ .`; upper case is folded on input. No other letter is taken, so that
/// two names that look alike are alike.
///
/// ```
/// use hubless_proto::identity::Name;
///
/// assert_eq!("Weather.v2".parse::<Name>().unwrap().as_str(), "weather.v2");
/// assert_eq!("wea ther".parse::<Name>().unwrap_err().code, "bad_name");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.len() > NAME_CHARS {
            return Err(Error::invalid("name", format!("expected at most {NAME_CHARS} letters"))
                .with_code("bad_name")
                .with_limit("NAME_CHARS", NAME_CHARS as u64));
        }
        if text.is_empty() || !text.bytes().all(allowed) {
            let message = format!("expected 1 to {NAME_CHARS} of a-z 0-9 - _ . in a name");
            return Err(Error::invalid("name", message).with_code("bad_name"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_letters_that_deceive() {
        let long = "a".repeat(NAME_CHARS + 1);
        let bad = [
            "",
            " ",
            "a b",
            "a\0",
            "a\n",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200b}",
            "é",
            "а",
            "a/b",
            "a@b",
            "a:b",
            "\u{feff}a",
            "ａ",
            "\u{212a}",
            long.as_str(),
        ];
        for text in bad {
            let error = text.parse::<Name>().unwrap_err();
            assert_eq!((error.code.as_str(), error.field.as_deref()), ("bad_name", Some("name")));
        }
        assert!("a".repeat(NAME_CHARS).parse::<Name>().is_ok());
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in "\\PC{0,70}|[A-Za-z0-9._-]{1,64}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.as_str(), text.to_lowercase());
                let again = name.as_str().parse::<Name>();
                prop_assert_eq!(again, Ok(name));
            }
        }
    }
}
