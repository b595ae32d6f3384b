//! Whatever JSON a language or a person writes is read or refused with the name of a field; the
//! readers never panic, and never repeat a value.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hubless_proto::error::{Kind, Result};
use hubless_proto::policy::{AuthRule, Requirements};
use hubless_proto::query::{Filter, Query, VersionRange, attribute_from_json};
use hubless_proto::schema::Schema;
use hubless_proto::template::Template;
use proptest::prelude::*;
use serde_json::{Value, json};

const WORDS: [&str; 24] = [
    "auth",
    "host",
    "none",
    "sharedSecret",
    "maxTokens",
    "queue",
    "acceptedContent",
    "text",
    "allowedCallers",
    "groups",
    "ratePerS",
    "filter",
    "and",
    "or",
    "not",
    "field",
    "op",
    "value",
    "contains",
    "interval",
    "date",
    "attributes.x",
    "content",
    "type",
];

/// JSON of the words that the readers know, so that it gets past the first field.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn named<T>(read: Result<T>) -> std::result::Result<(), TestCaseError> {
    if let Err(error) = read {
        prop_assert_eq!(error.kind, Kind::InvalidArgument);
        prop_assert!(error.field.is_some() && !error.message.contains("canary"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reads_or_names_a_field(value in any_json(), text in "\\PC{0,30}|[0-9.^~<>=|x* -]{0,20}") {
        named(Requirements::read(value.clone()))?;
        named(AuthRule::read(value.clone()))?;
        named(Query::read(value.clone()))?;
        named(Filter::read(value.clone()))?;
        named(Template::read(value.clone()))?;
        named(Template::read_of_callee(value.clone()))?;
        named(attribute_from_json("x", &value))?;
        named(text.parse::<VersionRange>())?;
        if let Err(error) = Schema::compile(&value.to_string()) {
            prop_assert_eq!(error.code, "bad_schema");
        }
    }

    #[test]
    fn never_repeats_a_value(field in prop::sample::select(WORDS.to_vec())) {
        for value in [json!("canary"), json!(["canary"]), json!({"canary": "canary"})] {
            let object = json!({field: value});
            for error in [
                Requirements::read(object.clone()).err(),
                Query::read(object.clone()).err(),
                Template::read(object.clone()).err(),
                AuthRule::read(object).err(),
            ]
            .into_iter()
            .flatten()
            {
                prop_assert!(!error.message.contains("canary"), "{error}");
            }
        }
    }
}
