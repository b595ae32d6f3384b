//! Whether one schema takes every value of another, as far as their form shows it.

use serde_json::{Map, Value};

/// Keywords that `accepts` understands; a schema with others is compared by them literally.
const UNDERSTOOD: [&str; 15] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "deprecated",
];

/// True when every value of `offered` is surely one of `own`; careful: false when in doubt.
///
/// ```
/// use hubless_proto::schema::accepts;
/// use serde_json::json;
///
/// let own = json!({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]});
/// let offered =
///     json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
/// assert!(accepts(&own, &offered) && !accepts(&offered, &own));
/// ```
pub fn accepts(own: &Value, offered: &Value) -> bool {
    match (own, offered) {
        (Value::Bool(true), _) | (_, Value::Bool(false)) => true,
        (Value::Object(own), Value::Object(offered)) => object_accepts(own, offered),
        (Value::Object(own), Value::Bool(true)) => own.keys().all(|key| is_note(key)),
        _ => false,
    }
}

fn object_accepts(own: &Map<String, Value>, offered: &Map<String, Value>) -> bool {
    if own == offered {
        return true;
    }
    let literal = |(key, value): (&String, &Value)| {
        UNDERSTOOD.contains(&key.as_str()) || offered.get(key) == Some(value)
    };
    // A reference of `offered` may mean anything; one of `own` was compared literally.
    let plain = !offered.contains_key("$ref") || own.get("$ref") == offered.get("$ref");
    own.iter().all(literal)
        && plain
        && types_accept(own, offered)
        && values_accept(own, offered)
        && properties_accept(own, offered)
        && own.get("items").is_none_or(|items| {
            !may_be(offered, "array")
                || offered.get("items").is_some_and(|other| accepts(items, other))
        })
}

fn types(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn may_be(schema: &Map<String, Value>, name: &str) -> bool {
    types(schema).is_none_or(|types| types.contains(&name))
}

fn types_accept(own: &Map<String, Value>, offered: &Map<String, Value>) -> bool {
    let Some(own) = types(own) else { return true };
    let taken = |name: &&str| own.contains(name) || (*name == "integer" && own.contains(&"number"));
    types(offered).is_some_and(|offered| offered.iter().all(taken))
}

fn values(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        (None, _) => None,
    }
}

fn values_accept(own: &Map<String, Value>, offered: &Map<String, Value>) -> bool {
    let Some(own) = values(own) else { return true };
    values(offered).is_some_and(|offered| offered.iter().all(|value| own.contains(value)))
}

fn properties_accept(own: &Map<String, Value>, offered: &Map<String, Value>) -> bool {
    if !may_be(offered, "object") {
        return true;
    }
    let list = |schema: &Map<String, Value>| -> Vec<String> {
        let names = schema.get("required").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let promised = list(offered);
    let empty = Map::new();
    let of = |schema: &'_ Map<String, Value>| {
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let (known, given) = (of(own), of(offered));
    let extra = own.get("additionalProperties");
    let closed = offered.get("additionalProperties") == Some(&Value::Bool(false));
    let fits = |(name, value): (&String, &Value)| match (known.get(name), extra) {
        (Some(own), _) => accepts(own, value),
        (None, Some(extra)) => accepts(extra, value),
        (None, None) => true,
    };
    // A property that `offered` does not speak of may hold anything, unless it is closed.
    let silent = closed
        || (known.keys().all(|name| given.contains_key(name))
            && extra.is_none_or(|extra| accepts(extra, &Value::Object(empty))));
    list(own).iter().all(|name| promised.contains(name)) && given.iter().all(fits) && silent
}

fn is_note(key: &str) -> bool {
    matches!(
        key,
        "title"
            | "description"
            | "default"
            | "examples"
            | "$schema"
            | "$id"
            | "$comment"
            | "deprecated"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn is_sure_or_says_no() {
        let sum = json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "required": ["a"], "additionalProperties": false});
        let closed = |properties: Value, required: Value| {
            json!({"type": "object", "properties": properties, "required": required,
                "additionalProperties": false})
        };
        for (own, offered, taken) in [
            (json!(true), sum.clone(), true),
            (json!({}), sum.clone(), true),
            (json!({"title": "any"}), json!(true), true),
            (sum.clone(), sum.clone(), true),
            (sum.clone(), json!(true), false),
            (
                sum.clone(),
                closed(json!({"a": {"const": 3, "type": "integer"}}), json!(["a"])),
                true,
            ),
            (sum.clone(), closed(json!({"a": {"type": "string"}}), json!(["a"])), false),
            (sum.clone(), closed(json!({"a": {"type": "integer"}}), json!([])), false),
            (
                sum.clone(),
                closed(json!({"a": {"type": "integer"}, "b": {"type": "null"}}), json!(["a"])),
                false,
            ),
            (
                sum,
                json!({"type": "object", "properties": {"a": {"type": "integer"}},
                "required": ["a"]}),
                false,
            ),
            (json!({"enum": [1, 2, 3]}), json!({"enum": [1, 3]}), true),
            (json!({"enum": [1, 2, 3]}), json!({"type": "integer"}), false),
            (json!({"type": ["string", "number"]}), json!({"type": "integer"}), true),
            (json!({"minimum": 3}), json!({"type": "integer"}), false),
            (json!({"minimum": 3}), json!({"minimum": 3, "type": "integer"}), true),
            (json!({"items": {"type": "string"}}), json!({"type": "array"}), false),
            (json!({"items": {"type": "string"}}), json!({"type": "string"}), true),
            (json!({"type": "string"}), json!({"$ref": "#/$defs/x", "type": "string"}), false),
        ] {
            assert_eq!(accepts(&own, &offered), taken, "{own} {offered}");
        }
    }

    fn some_schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(true)),
            Just(json!({"type": "integer"})),
            Just(json!({"type": "number"})),
            Just(json!({"type": ["string", "null"]})),
            Just(json!({"enum": [1, "a"]})),
            Just(json!({"const": 1})),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
                (inner.clone(), inner, any::<bool>(), any::<bool>()).prop_map(
                    |(a, b, required, closed)| {
                        let required = if required { vec!["a"] } else { Vec::new() };
                        json!({"type": "object", "properties": {"a": a, "b": b},
                            "required": required, "additionalProperties": !closed})
                    }
                ),
            ]
        })
    }

    fn some_value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!(1)), Just(json!(1.5)), Just(json!("a")), Just(json!(null))];
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[abc]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// What is said to be taken is taken.
        #[test]
        fn never_promises_too_much(
            own in some_schema(),
            offered in some_schema(),
            values in prop::collection::vec(some_value(), 8),
        ) {
            prop_assert!(accepts(&own, &own));
            if !accepts(&own, &offered) {
                return Ok(());
            }
            let (own, offered) = (Schema::of(own).unwrap(), Schema::of(offered).unwrap());
            for value in values {
                if offered.check(&value, "x").is_ok() {
                    prop_assert!(own.check(&value, "x").is_ok(), "{own:?} {offered:?} {value}");
                }
            }
        }
    }
}
