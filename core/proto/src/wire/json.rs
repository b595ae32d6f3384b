//! How single fields look in JSON: proto3 JSON mapping, but 64-bit numbers stay numbers
//! (every one that a JSON reader needs is below 2^53) and a field that holds JSON text appears as
//! its value.

/// True for a field that the JSON form leaves out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a oneof that stands among the fields of its message; none of its fields: `None`.
///
/// An `Option` alone would also read a field with a wrong value as `None`. Serde tells the two
/// apart by its message only.
///
/// # Errors
/// That of the field that is there.
pub fn one_of<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    match T::deserialize(deserializer) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.to_string().starts_with("no variant of enum") => Ok(None),
        Err(error) => Err(error),
    }
}

/// A field of JSON text, shown as the value itself; the empty text is null.
pub mod text {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _,
    };
    use serde_json::value::RawValue;

    /// Writes the value that the text spells.
    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        if text.is_empty() {
            return serializer.serialize_unit();
        }
        let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }

    /// Reads any value and keeps its text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        serde_json::to_string(&value).map_err(D::Error::custom)
    }
}

/// A field of JSON text that may be missing: null reads as the empty text.
pub mod optional_text {
    pub use super::text::serialize;
    use serde::Deserializer;

    /// Reads any value and keeps its text; null as the empty text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let text = super::text::deserialize(deserializer)?;
        Ok(if text == "null" { String::new() } else { text })
    }
}

/// A map from name to JSON text, shown as an object of values.
pub mod text_map {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use serde_json::Value;
    use std::collections::BTreeMap;

    /// Writes each value that a text spells.
    pub fn serialize<S: Serializer>(
        map: &BTreeMap<String, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let values = map
            .iter()
            .map(|(name, text)| Ok((name, serde_json::from_str::<Value>(text)?)))
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map_err(S::Error::custom)?;
        serializer.collect_map(values)
    }

    /// Reads an object and keeps the text of each value.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        BTreeMap::<String, Value>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, value)| Ok((name, serde_json::to_string(&value)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(D::Error::custom)
    }
}

/// Bytes as base64 (RFC 4648 section 4); the URL alphabet is read as well.
pub mod base64 {
    use bytes::Bytes;
    use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes padded base64.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    /// Reads base64 in either alphabet, padded or not.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        decode(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub(super) fn decode(text: &str) -> Result<Bytes, &'static str> {
        let encodings = [&BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
        let found = encodings.iter().find_map(|e| e.decode(text.as_bytes()).ok());
        found.map(Bytes::from).ok_or("expected base64")
    }
}

/// A list of byte strings as base64.
pub mod base64_list {
    use bytes::Bytes;
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes a list of padded base64 strings.
    pub fn serialize<S: Serializer>(list: &[Bytes], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| BASE64.encode(bytes)))
    }

    /// Reads a list of base64 strings.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| super::base64::decode(text).map_err(D::Error::custom))
            .collect()
    }
}
