//! Options in their JSON form, read with errors that name the field.

use super::options::{AgentOptions, NodeOptions, SkillOptions};
use super::request::{AgentRequest, RequestOptions, Target};
use crate::budget::{Allowance, Orphans};
use hubless_proto::error::{Error, Result};
use hubless_proto::policy::Requirements;
use hubless_proto::query::Query;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

macro_rules! readable {
    ($($name:ident),*) => {$(
        impl $name {
            /// Reads the JSON form of the language contract; fields it does not know are left.
            ///
            /// # Errors
            /// `invalid_argument` naming the field.
            pub fn read(value: Value) -> Result<Self> {
                read(value)
            }
        }
    )*};
}

readable!(SkillOptions, AgentRequest);

impl NodeOptions {
    /// Reads the JSON form of the language contract; fields it does not know are left.
    ///
    /// # Errors
    /// `invalid_argument` naming the field.
    pub fn read(value: Value) -> Result<Self> {
        let mut object = object(value)?;
        let orphans = object.shift_remove("orphans");
        let mut options: Self = read(Value::Object(object))?;
        if let Some(orphans) = orphans {
            options.orphans = Orphans::read(&orphans)?;
        }
        Ok(options)
    }
}

impl AgentOptions {
    /// Reads the JSON form of the language contract; fields it does not know are left.
    ///
    /// # Errors
    /// `invalid_argument` naming the field.
    pub fn read(value: Value) -> Result<Self> {
        let mut object = object(value)?;
        let requirements = object.shift_remove("requirements").unwrap_or_default();
        let mut options: Self = read(Value::Object(object))?;
        if !requirements.is_null() {
            options.requirements = Requirements::read(requirements)?;
        }
        Ok(options)
    }
}

impl RequestOptions {
    /// Reads the JSON form of the language contract; fields it does not know are left.
    ///
    /// # Errors
    /// `invalid_argument` naming the field.
    pub fn read(value: Value) -> Result<Self> {
        let mut object = object(value)?;
        let to = object.shift_remove("to").unwrap_or_default();
        let max = object.shift_remove("max");
        let mut options: Self = read(Value::Object(object))?;
        options.to = target(to)?;
        options.max = max.map(|max| Allowance::read("max", &max)).transpose()?;
        Ok(options)
    }
}

fn target(value: Value) -> Result<Target> {
    match value {
        Value::String(text) => Ok(Target::Text(text)),
        Value::Object(mut object) if object.contains_key("query") => {
            let query = object.shift_remove("query").unwrap_or_default();
            Query::read(query).map(Target::from)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Error::invalid("to", "expected an id, address, name or {query}"))
        }
    }
}

/// Reads a struct all of whose fields have defaults.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    let object = object(value)?;
    let error = match serde_json::from_value(Value::Object(object.clone())) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    // Which field it was shows when each stands alone.
    for (name, value) in object {
        let alone = Map::from_iter([(name.clone(), value)]);
        if let Err(error) = serde_json::from_value::<T>(Value::Object(alone)) {
            return Err(Error::invalid(&name, short(&error)));
        }
    }
    Err(Error::invalid("body", short(&error)))
}

/// What serde expected; the value that came is left out, since it may be a secret.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find("expected ") {
        Some(at) => text.get(at..).unwrap_or_default().to_owned(),
        None if text.starts_with("missing field") => text,
        None => "expected another form".to_owned(),
    }
}

fn object(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Error::invalid("body", "expected an object"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_field_is_named_and_its_value_kept_out() {
        let error = RequestOptions::read(json!({"to": "a", "timeoutMs": "canary"})).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("timeoutMs"));
        assert!(!error.message.contains("canary"), "{}", error.message);
    }

    #[test]
    fn requirements_are_read_strictly() {
        let error = AgentOptions::read(json!({"name": "a", "requirements": {"maxTokens": "x"}}));
        assert_eq!(error.unwrap_err().field.as_deref(), Some("requirements.maxTokens"));
    }
}
