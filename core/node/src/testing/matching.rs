//! Whether a request is what a step waits for.

use hubless_proto::error::Result;
use hubless_proto::fields::Fields;
use hubless_proto::wire::v1;
use serde_json::{Map, Value, json};

/// Most characters of a value that an error shows.
const SHOWN: usize = 200;

/// A request as steps look at it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) skill: String,
    /// The content in its JSON form: `parts` and `metadata`.
    pub(super) content: Value,
}

impl Seen {
    /// The string of one text part, the value of one data part; null for anything else.
    fn value(&self) -> &Value {
        let parts = self.content["parts"].as_array().map_or(&[][..], Vec::as_slice);
        let [only] = parts else { return &Value::Null };
        only.get("text").or_else(|| only.get("data")).unwrap_or(&Value::Null)
    }

    fn text(&self) -> String {
        let parts = self.content["parts"].as_array();
        parts.into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let value = self.value();
        let what = if value.is_null() { &self.content["parts"] } else { value };
        shown(&self.skill, "value", Some(what))
    }
}

/// What a step waits for; empty: anything.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    skill: Option<String>,
    value: Option<Value>,
    contains: Option<Value>,
    /// In its JSON form.
    content: Option<Value>,
}

impl When {
    /// This skill and this content, in its JSON form.
    pub(super) fn exactly(skill: &str, content: Value) -> Self {
        let (skill, content) = (Some(skill.to_owned()), Some(content));
        Self { skill, content, value: None, contains: None }
    }

    pub(super) fn read(path: &str, value: Value) -> Result<Self> {
        let mut fields = Fields::of(path, value)?;
        let when = Self {
            skill: fields.take("skill")?,
            value: fields.value("value"),
            contains: fields.value("contains"),
            content: match fields.value("content") {
                Some(content) => Some(json_of(&content_of(&fields.name("content"), content)?)),
                None => None,
            },
        };
        fields.end()?;
        Ok(when)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut all = Map::new();
        for (name, value) in [
            ("skill", self.skill.clone().map(Value::String)),
            ("value", self.value.clone()),
            ("contains", self.contains.clone()),
            ("content", self.content.clone()),
        ] {
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        Value::Object(all)
    }

    pub(super) fn fits(&self, seen: &Seen) -> bool {
        let part = |part: &Option<Value>| match part {
            Some(Value::String(text)) => seen.text().contains(text.as_str()),
            Some(part) => holds(part, seen.value()),
            None => true,
        };
        let whole = |content: &Value| {
            let of = |name: &str| same(&content[name], &seen.content[name]);
            of("parts") && of("metadata")
        };
        self.skill.as_ref().is_none_or(|skill| *skill == seen.skill)
            && self.value.as_ref().is_none_or(|value| same(value, seen.value()))
            && part(&self.contains)
            && self.content.as_ref().is_none_or(whole)
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let (word, value) = match (&self.value, &self.contains, &self.content) {
            (Some(value), _, _) => ("value", Some(value)),
            (None, Some(part), _) => ("containing", Some(part)),
            (None, None, Some(content)) => ("parts", Some(&content["parts"])),
            (None, None, None) => ("", None),
        };
        shown(self.skill.as_deref().unwrap_or_default(), word, value)
    }
}

fn shown(skill: &str, word: &str, value: Option<&Value>) -> String {
    let skill = (!skill.is_empty()).then(|| format!("skill {skill:?}"));
    let value = value.map(|value| format!("{word} {}", short(&value.to_string())));
    let all: Vec<String> = skill.into_iter().chain(value).collect();
    if all.is_empty() { "anything".to_owned() } else { all.join(", ") }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Equal as JSON, where 1 is 1.0: languages write the same number in different ways.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            // Large whole numbers differ although the nearest float of both is the same.
            let floats = (one.is_f64() || other.is_f64()).then(|| one.as_f64().zip(other.as_f64()));
            one == other || floats.flatten().is_some_and(|(a, b)| a == b)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let equal = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(value, other))
            };
            one.len() == other.len() && one.iter().all(equal)
        }
        _ => one == other,
    }
}

/// Every member of an object and every element of a list that is expected is there.
fn holds(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            let held = |(name, value): (&String, &Value)| {
                whole.get(name).is_some_and(|whole| holds(value, whole))
            };
            part.iter().all(held)
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.iter().all(|value| whole.iter().any(|whole| holds(value, whole)))
        }
        _ => same(part, whole),
    }
}

/// Reads content: parts, or the shorthand `value`, with the bytes of blobs as base64.
///
/// # Errors
/// `invalid_argument` with the field.
pub(super) fn content_of(path: &str, value: Value) -> Result<v1::Content> {
    let mut fields = Fields::of(path, value)?;
    let (parts, metadata) = (fields.value("parts"), fields.value("metadata"));
    // What content that came out of the core has besides.
    let _: Option<String> = fields.take("text")?;
    let short = fields.value("value");
    let wrong = fields.wrong("parts", "expected parts of text, data, blob or uri");
    fields.end()?;
    if parts.is_none() {
        let short = crate::Content::value(short.unwrap_or_default()).message;
        let metadata = json!({ "metadata": metadata.unwrap_or_else(|| json!({})) });
        let read: v1::Content = serde_json::from_value(metadata).map_err(|_| wrong)?;
        return Ok(v1::Content { parts: short.parts, ..read });
    }
    let mut whole = json!({ "parts": parts });
    if let (Some(metadata), Some(object)) = (metadata, whole.as_object_mut()) {
        object.insert("metadata".to_owned(), metadata);
    }
    let read: v1::Content = serde_json::from_value(whole).map_err(|_| wrong.clone())?;
    let open = |part: &v1::Part| matches!(part.kind, Some(v1::part::Kind::Stream(_)) | None);
    if read.parts.iter().any(open) { Err(wrong) } else { Ok(read) }
}

/// The JSON form of content, which reads back as the same.
pub(super) fn json_of(content: &v1::Content) -> Value {
    serde_json::to_value(content).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(skill: &str, content: &Value) -> Seen {
        let content = content_of("content", content.clone()).unwrap();
        Seen { skill: skill.to_owned(), content: json_of(&content) }
    }

    #[test]
    fn a_step_fits_what_it_names() {
        let oslo = json!({"value": {"city": "Oslo", "days": 3, "tags": ["a", "b"]}});
        let text = json!({"value": "what about Oslo"});
        let rows = [
            (json!({}), &oslo, true),
            (json!({"skill": "forecast"}), &oslo, true),
            (json!({"skill": "other"}), &oslo, false),
            (json!({"value": {"tags": ["a", "b"], "days": 3.0, "city": "Oslo"}}), &oslo, true),
            (json!({"value": {"city": "Oslo"}}), &oslo, false),
            (json!({"contains": {"city": "Oslo", "tags": ["b"]}}), &oslo, true),
            (json!({"contains": {"city": "Rome"}}), &oslo, false),
            (json!({"contains": {"tags": ["c"]}}), &oslo, false),
            (json!({"contains": "Oslo"}), &text, true),
            (json!({"contains": "Rome"}), &text, false),
            (json!({"value": "what about Oslo"}), &text, true),
            (json!({"content": {"parts": [{"text": "what about Oslo"}]}}), &text, true),
            (json!({"content": {"parts": [{"text": "what"}]}}), &text, false),
            (json!({"content": {"value": "what about Oslo", "metadata": {"a": 1}}}), &text, false),
        ];
        for (when, content, wanted) in rows {
            let read = When::read("when", when.clone()).unwrap();
            assert_eq!(read.fits(&seen("forecast", content)), wanted, "{when}");
        }
    }

    #[test]
    fn numbers_are_the_same_in_any_form_and_no_others() {
        let large = 9_007_199_254_740_993_u64;
        let rows = [
            (json!(1), json!(1.0), true),
            (json!(large), json!(large), true),
            (json!(large), json!(large - 1), false),
            (json!(1), json!(1.5), false),
        ];
        for (one, other, wanted) in rows {
            assert_eq!(same(&one, &other), wanted, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_content_is_refused_with_its_field() {
        let rows = [
            (json!({"content": {"parts": [{"text": 7}]}}), "when.content.parts"),
            (json!({"content": 7}), "when.content"),
            (json!({"skil": "x"}), "when.skil"),
            (json!({"skill": 7}), "when.skill"),
        ];
        for (when, field) in rows {
            let refused = When::read("when", when).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(field));
        }
    }

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let shown = seen("", &json!({"value": "ä".repeat(SHOWN * 2)})).shown();
        assert!(shown.ends_with('…') && shown.chars().count() < SHOWN + 20, "{shown}");
    }
}
