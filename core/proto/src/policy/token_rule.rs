//! Which tokens of others an agent takes as proof.

use crate::error::Result;
use crate::fields::Fields;
use crate::identity::MeshId;
use crate::limits;
use serde_json::{Map, Value};
use std::fmt;

/// Facts that a check states about the call itself, or that bind a token: no proof of anything.
const OWN: [&str; 7] = ["agent", "bearer", "caller", "member", "node", "skill", "time"];

/// Tokens that stand under one root and state certain facts; `Debug` prints the names only.
///
/// ```
/// use hubless_proto::policy::TokenRule;
///
/// let rule = serde_json::json!({"root": "07".repeat(32), "facts": {"team": "finance"}});
/// let rule = TokenRule::read("token", rule).unwrap();
/// assert_eq!(rule.facts[0].name, "team");
/// assert!(!format!("{rule:?}").contains("finance"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRule {
    /// Public key that signs the tokens; that of a mesh is the mesh id.
    pub root: MeshId,
    /// What the root must have stated, each of them.
    pub facts: Vec<StatedFact>,
}

/// One fact with one value, such as `team("finance")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedFact {
    /// A letter, then letters, digits and `_`; at most 64.
    pub name: String,
    /// What it is true of.
    pub value: FactValue,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Flag(bool),
}

impl TokenRule {
    /// Reads `{"root": hex, "facts": {name: value or values}}`. A list asks for each of its values.
    ///
    /// # Errors
    /// `invalid_argument` naming the field below `path`, never its value.
    pub fn read(path: &str, value: Value) -> Result<Self> {
        let mut fields = Fields::of(path, value)?;
        let root = fields.need::<MeshId>("root")?;
        let given = fields.take::<Map<String, Value>>("facts")?.unwrap_or_default();
        let mut facts = Vec::new();
        for (name, value) in given {
            let one = format!("facts.{name}");
            if !StatedFact::is_name(&name) || OWN.contains(&name.as_str()) {
                return Err(fields.wrong("facts", "a fact has a name that tokens cannot state"));
            }
            let values = match value {
                Value::Array(values) => values,
                one @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => vec![one],
            };
            if values.is_empty() {
                return Err(fields.wrong(&one, "expected at least one value"));
            }
            for value in values {
                let value = FactValue::read(value);
                let value = value.ok_or_else(|| {
                    fields.wrong(&one, "expected a text, a whole number, true, false, or a list")
                })?;
                facts.push(StatedFact { name: name.clone(), value });
            }
        }
        if facts.len() > limits::RULE_ENTRIES {
            let message = format!("expected at most {} entries", limits::RULE_ENTRIES);
            let error = fields.wrong("facts", message);
            return Err(error.with_limit("RULE_ENTRIES", limits::RULE_ENTRIES as u64));
        }
        fields.end()?;
        Ok(Self { root, facts })
    }

    /// How the world learns of it: the kind and the root, never the facts.
    pub fn scheme(&self) -> String {
        format!("token:{}", self.root)
    }
}

impl StatedFact {
    /// Reads `name=value`: `true`, `false`, a whole number, or else a text.
    ///
    /// ```
    /// use hubless_proto::policy::{FactValue, StatedFact};
    ///
    /// assert!(matches!(StatedFact::parse("level=3").unwrap().value, FactValue::Integer(3)));
    /// assert!(StatedFact::parse("time=1").is_err());
    /// ```
    ///
    /// # Errors
    /// `invalid_argument`, field `fact`, for what is no such pair and for names of the check's own.
    pub fn parse(text: &str) -> Result<Self> {
        let known = text.split_once('=').filter(|(name, value)| {
            Self::is_name(name) && !OWN.contains(name) && !value.is_empty()
        });
        let (name, value) = known.ok_or_else(|| {
            let names = OWN.join(", ");
            crate::Error::invalid("fact", format!("expected name=value, the name not {names}"))
        })?;
        let value = serde_json::from_str(value).ok().and_then(|read| match FactValue::read(read) {
            // A text in quotes keeps them: it was not written as JSON.
            Some(FactValue::Text(_)) | None => None,
            found @ Some(FactValue::Integer(_) | FactValue::Flag(_)) => found,
        });
        let given = text.split_once('=').map_or("", |(_, value)| value);
        let value = value.unwrap_or_else(|| FactValue::Text(given.to_owned()));
        Ok(Self { name: name.to_owned(), value })
    }

    fn is_name(name: &str) -> bool {
        name.len() <= 64
            && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    }
}

impl FactValue {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Bool(flag) => Some(Self::Flag(flag)),
            Value::Number(number) => number.as_i64().map(Self::Integer),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Debug for TokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRule")?;
        f.debug_list().entries(self.facts.iter().map(|fact| &fact.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(facts: Value) -> Result<TokenRule> {
        TokenRule::read("auth.token", json!({"root": "07".repeat(32), "facts": facts}))
    }

    #[test]
    fn a_list_asks_for_each_of_its_values() {
        let rule = read(json!({"team": ["a", "b"], "level": 3, "cleared": true})).unwrap();
        assert_eq!(rule.facts.len(), 4);
        assert_eq!(rule.scheme(), format!("token:{}", "07".repeat(32)));
        assert_eq!(read(json!({})).unwrap().facts.len(), 0);
    }

    #[test]
    fn wrong_facts_are_named_and_never_repeated() {
        for (facts, field) in [
            (json!({"team": {}}), "auth.token.facts.team"),
            (json!({"team": null}), "auth.token.facts.team"),
            (json!({"team": 1.5}), "auth.token.facts.team"),
            (json!({"team": ["canary", []]}), "auth.token.facts.team"),
            (json!({"team": []}), "auth.token.facts.team"),
            (json!({"canary-": 1}), "auth.token.facts"),
            (json!({"1canary": 1}), "auth.token.facts"),
            (json!({"node": "canary"}), "auth.token.facts"),
            (json!(["canary"]), "auth.token.facts"),
            (json!({"team": vec![1; limits::RULE_ENTRIES + 1]}), "auth.token.facts"),
        ] {
            let error = read(facts).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field));
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let root = TokenRule::read("auth.token", json!({"root": "canary"})).unwrap_err();
        assert_eq!(root.field.as_deref(), Some("auth.token.root"));
    }

    #[test]
    fn pairs_are_read_by_their_look() {
        let value = |text: &str| StatedFact::parse(text).unwrap().value;
        assert!(matches!(value("a=true"), FactValue::Flag(true)));
        assert!(matches!(value("a=-7"), FactValue::Integer(-7)));
        for text in ["1.5", "x=y", "\"3\"", "[1]"] {
            assert!(matches!(value(&format!("a={text}")), FactValue::Text(read) if read == text));
        }
        for wrong in ["a", "a=", "=1", "a-b=1", "bearer=x"] {
            assert_eq!(StatedFact::parse(wrong).unwrap_err().field.as_deref(), Some("fact"));
        }
    }
}
