//! The vectors of identity, through the contract.

use crate::harness::Host;
use serde_json::{Value, json};

#[test]
fn texts_read_as_the_vectors_say() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/vectors/identity.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut host = Host::bare();
    let kinds = [
        ("agentIds", "agentId"),
        ("nodeKeys", "nodeKey"),
        ("meshIds", "meshId"),
        ("addresses", "address"),
        ("names", "name"),
        ("targets", "target"),
    ];
    for (list, kind) in kinds {
        for row in vectors[list].as_array().unwrap() {
            let seen = host.run("id.inspect", json!({"kind": kind, "text": row["input"]}));
            if row["code"].is_null() {
                assert_eq!(seen.body["text"], row["text"], "{row}");
            } else {
                assert_eq!(seen.body["kind"], "invalid_argument", "{row}");
                assert_eq!(seen.body["code"], row["code"], "{row}");
            }
        }
    }
    for row in vectors["keys"].as_array().unwrap() {
        let asked = json!({"kind": "agentId", "text": row["agentId"], "mesh": row["mesh"]});
        let seen = host.done("id.inspect", asked);
        assert_eq!(seen["key"], row["publicKey"]);
        assert_eq!(seen["address"], row["address"]);
    }
}

#[test]
fn every_bound_is_told_without_a_node() {
    let mut host = Host::bare();
    let told = host.done("limits", json!({}));
    let told = told["limits"].as_object().unwrap();
    let all = hubless_proto::limits::all();
    assert_eq!(told.len(), hubless_proto::limits::NAMES.len());
    for (name, value) in all {
        assert_eq!(told[name], value, "{name}");
    }
    assert_eq!((&told["DEADLINE"], &told["CALL_DEPTH"]), (&json!(60_000), &json!(16)));
    assert_eq!(host.failed("limits", json!({"x": 1}))["kind"], "invalid_argument");
}
