//! One compiled schema.

use super::cost::Cost;
use crate::error::{Error, Kind, Result};
use crate::limits;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::fmt;

/// A JSON Schema (draft 2020-12) ready to check values; references must stay inside it.
///
/// ```
/// use hubless_proto::schema::Schema;
/// use serde_json::json;
///
/// let schema = Schema::compile(r#"{"type": "object", "required": ["a"]}"#).unwrap();
/// assert!(schema.check(&json!({"a": 1}), "content").is_ok());
/// assert_eq!(schema.check(&json!([]), "content").unwrap_err().kind.name(), "json");
/// ```
pub struct Schema {
    validator: Validator,
    source: Value,
    cost: Cost,
}

impl Schema {
    /// Compiles the JSON text of a schema.
    ///
    /// # Errors
    /// `json`, code `bad_schema`: no JSON, no schema, larger than `SCHEMA_BYTES`, deeper than
    /// `JSON_DEPTH`, with a reference that leads outside or back to itself in place, or with more
    /// than `SCHEMA_BRANCHES` looks at one value.
    pub fn compile(text: &str) -> Result<Self> {
        if text.len() > limits::SCHEMA_BYTES {
            return Err(bad("the schema is larger than allowed")
                .with_limit("SCHEMA_BYTES", limits::SCHEMA_BYTES as u64));
        }
        let source: Value = serde_json::from_str(text).map_err(|_| bad("expected JSON text"))?;
        Self::of(source)
    }

    /// Compiles a schema that was parsed already; only `compile` bounds its size.
    ///
    /// # Errors
    /// As `compile`.
    pub fn of(source: Value) -> Result<Self> {
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(limits::PATTERN_STEPS)
            .size_limit(limits::PATTERN_BYTES)
            .dfa_size_limit(limits::PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(patterns)
            .build(&source)
            .map_err(|error| bad(&reason(&error)))?;
        let cost = Cost::of(&source)?;
        Ok(Self { validator, source, cost })
    }

    /// Checks a value that stands in `field`.
    ///
    /// # Errors
    /// `json`, code `schema`, with the JSON pointer of the first place that does not fit, unless
    /// the search for it would not end. The message names the rule, never the value. A value that
    /// cannot be checked within `SCHEMA_STEPS` and `SCHEMA_NESTING` is refused unseen.
    pub fn check(&self, value: &Value, field: &str) -> Result<()> {
        let search = self.cost.admit(value).map_err(|error| error.with_field(field))?;
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if !search {
            let message = "the value does not fit the schema";
            return Err(Error::refusal(Kind::Json, "schema", message).with_field(field));
        }
        let Err(error) = self.validator.validate(value) else { return Ok(()) };
        let pointer = error.instance_path().to_string();
        Err(Error::refusal(Kind::Json, "schema", reason(&error))
            .with_field(field)
            .with_pointer(pointer))
    }

    /// The schema as it was given.
    pub const fn source(&self) -> &Value {
        &self.source
    }
}

/// What the library says, with the value masked and within bounds.
fn reason(error: &jsonschema::ValidationError<'_>) -> String {
    let text = error.masked_with("the value").to_string();
    let mut short: String = text.chars().take(limits::REASON_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn bad(message: &str) -> Error {
    Error::refusal(Kind::Json, "bad_schema", message)
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(schema: &Value, value: &Value) -> String {
        let schema = match Schema::compile(&schema.to_string()) {
            Ok(schema) => schema,
            Err(error) => return error.code,
        };
        schema.check(value, "content").err().map_or_else(|| "ok".to_owned(), |error| error.code)
    }

    #[test]
    fn checks_by_the_draft_of_2020() {
        let schema = json!({"prefixItems": [{"type": "integer"}], "items": false});
        assert_eq!(code(&schema, &json!([1])), "ok");
        assert_eq!(code(&schema, &json!([1, 2])), "schema");
        let renamed = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "null"});
        assert_eq!(code(&renamed, &json!(null)), "ok");
    }

    #[test]
    fn names_the_place_and_not_the_value() {
        let schema = r#"{"properties": {"a": {"items": {"type": "integer"}}}}"#;
        let schema = Schema::compile(schema).unwrap();
        let error = schema.check(&json!({"a": [1, "canary"]}), "content").unwrap_err();
        assert_eq!(error.pointer.as_deref(), Some("/a/1"));
        assert_eq!(error.field.as_deref(), Some("content"));
        assert!(error.rejection && !error.message.contains("canary"), "{error}");
    }

    #[test]
    fn a_check_ends_where_its_work_doubles_at_every_level() {
        let twice = |next: &str| json!({"allOf": [{"$ref": next}, {"$ref": next}]});
        let deep = |last: Value| (0..60).fold(last, |inner, _| json!([inner]));
        let tree = json!({"items": twice("#"), "not": {"const": "x"}});
        assert_eq!(code(&tree, &deep(json!(1))), "ok");
        assert_eq!(code(&tree, &deep(json!("x"))), "schema");
        let union = json!({"anyOf": [
            {"items": {"$ref": "#"}, "type": "array"},
            {"items": {"$ref": "#"}, "type": "array"},
            {"type": "number"},
        ]});
        assert_eq!(code(&union, &deep(json!(1))), "ok");
        assert_eq!(code(&union, &deep(json!("x"))), "schema");
    }

    #[test]
    fn attacks_end_in_an_answer() {
        let text = json!("a".repeat(60) + "!");
        for (schema, answer) in [
            (json!({"$ref": "https://example.com/schema"}), "bad_schema"),
            (json!({"$ref": "file:///etc/passwd"}), "bad_schema"),
            (json!({"$ref": "#/$defs/none"}), "bad_schema"),
            (json!({"type": "strange"}), "bad_schema"),
            (json!({"pattern": "("}), "bad_schema"),
            (json!({"$ref": "#"}), "bad_schema"),
            (json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}), "bad_schema"),
            (
                json!({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}),
                "bad_schema",
            ),
            (json!({"pattern": "^(a+)+$"}), "schema"),
            (json!({"pattern": "^(?=(a|a)*$)"}), "schema"),
            (json!({"pattern": "(((a{100}){100}){100}){100}"}), "bad_schema"),
            (json!(false), "schema"),
            (json!(5), "bad_schema"),
        ] {
            let got = code(&schema, &text);
            assert_eq!(got, answer, "{schema}");
        }
        assert_eq!(Schema::compile("{").unwrap_err().code, "bad_schema");
        let deep = "[".repeat(100_000);
        assert_eq!(Schema::compile(&deep).unwrap_err().code, "bad_schema");
        let large = format!("{{\"title\": \"{}\"}}", "x".repeat(limits::SCHEMA_BYTES));
        assert_eq!(Schema::compile(&large).unwrap_err().limit.unwrap().name, "SCHEMA_BYTES");
    }

    #[test]
    fn a_reason_is_cut_at_its_bound() {
        let long = json!({"required": ["x".repeat(1_000)]});
        let schema = Schema::compile(&long.to_string()).unwrap();
        let error = schema.check(&json!({}), "content").unwrap_err();
        let chars = error.message.chars().count();
        assert!(error.message.contains('…'), "{error}");
        assert!((limits::REASON_CHARS..limits::REASON_CHARS + 100).contains(&chars), "{chars}");
    }
}
