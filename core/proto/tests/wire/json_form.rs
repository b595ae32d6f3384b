//! The JSON form of the messages: what is written reads back, and looks as the mapping says.

use crate::messages;
use hubless_proto::wire::v1;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

fn round<T: Serialize + DeserializeOwned>(message: &T) -> T {
    let text = serde_json::to_string(message).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_request_looks_as_the_mapping_says() {
    let value = json!({
        "id": "AAAAAAAAAAAAAAAAAAAAAA==",
        "content": {"parts": [
            {"text": "hello"},
            {"data": {"a": [1, null]}},
            {"blob": {"mediaType": "image/png", "bytes": "/w=="}},
            {"stream": {"kind": "blob", "size": 0, "index": 3}},
        ], "metadata": {"k": "v"}},
        "accept": {"streaming": false},
        "inputSchema": {"type": "object"},
        "deadlineMs": 5000,
    });
    let request: v1::Request = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(request.input_schema_json, r#"{"type":"object"}"#);
    let content = request.content.as_ref().unwrap();
    assert_eq!(content.parts[1].kind, Some(v1::part::Kind::DataJson(r#"{"a":[1,null]}"#.into())));
    assert_eq!(request.accept.as_ref().unwrap().streaming, Some(false));
    assert_eq!(serde_json::to_value(&request).unwrap(), value);
}

#[test]
fn null_is_a_value_where_a_value_is_meant_and_nothing_elsewhere() {
    let part: v1::Part = serde_json::from_value(json!({"data": null})).unwrap();
    assert_eq!(part.kind, Some(v1::part::Kind::DataJson("null".into())));
    let tool: v1::Tool = serde_json::from_value(json!({"name": "t", "inputSchema": null})).unwrap();
    assert_eq!(tool.input_schema_json, "");
}

#[test]
fn base64_is_read_in_both_alphabets_and_nothing_else() {
    for text in ["+/+/", "-_-_"] {
        let blob: v1::Blob = serde_json::from_value(json!({"bytes": text})).unwrap();
        assert_eq!(blob.bytes, [0xfb, 0xff, 0xbf].as_slice());
    }
    for text in ["/w", "/w=="] {
        let blob: v1::Blob = serde_json::from_value(json!({"bytes": text})).unwrap();
        assert_eq!(blob.bytes, [0xff].as_slice());
    }
    for text in ["/w=", "\u{fc}", "a b c d", "+_+_"] {
        assert!(serde_json::from_value::<v1::Blob>(json!({"bytes": text})).is_err(), "{text}");
    }
}

#[test]
fn a_wrong_value_is_not_taken_for_none() {
    assert!(serde_json::from_value::<v1::Part>(json!({"text": 5})).is_err());
    assert!(serde_json::from_value::<v1::Part>(json!({"blob": {"bytes": "?"}})).is_err());
    assert!(serde_json::from_value::<v1::Attribute>(json!({"number": "x"})).is_err());
    assert!(serde_json::from_value::<v1::Retry>(json!({"afterMs": -1})).is_err());
    let empty: v1::Part = serde_json::from_value(json!({"role": "user"})).unwrap();
    assert_eq!(empty.kind, None);
    assert_eq!(serde_json::from_value::<v1::Retry>(json!({})).unwrap().when, None);
}

#[test]
fn unknown_fields_of_the_json_form_are_passed_over() {
    let value = json!({"noSuchField": {"deep": [1]}, "role": "user", "text": "x"});
    let part: v1::Part = serde_json::from_value(value).unwrap();
    assert_eq!((part.role.as_str(), part.kind), ("user", Some(v1::part::Kind::Text("x".into()))));
}

proptest! {
    #[test]
    fn requests_read_back(request in messages::request()) {
        prop_assert_eq!(round(&request), request);
    }

    #[test]
    fn events_read_back(event in messages::event()) {
        prop_assert_eq!(round(&event), event);
    }

    #[test]
    fn descriptors_read_back(descriptor in messages::descriptor()) {
        prop_assert_eq!(round(&descriptor), descriptor);
    }
}
