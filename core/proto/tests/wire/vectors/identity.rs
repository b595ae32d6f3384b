//! `identity.json`: keys, ids, addresses, names, signatures.

use super::{compare, hex};
use crate::signatures::{SMALL_ORDER, with_high_scalar};
use bytes::Bytes;
use hubless_proto::Kind;
use hubless_proto::identity::{Address, AgentId, Domain, MeshId, Name, NodeKey, SecretKey, Target};
use hubless_proto::vectors::read;
use serde_json::{Value, json};

fn seeds() -> [[u8; 32]; 4] {
    let mut counting = [0; 32];
    for (value, byte) in (0..).zip(&mut counting) {
        *byte = value;
    }
    [[0; 32], [1; 32], [0xff; 32], counting]
}

fn keys() -> Vec<Value> {
    let mesh = SecretKey::from_seed([9; 32]).mesh_id();
    let row = |seed: [u8; 32]| {
        let pieces = [Bytes::copy_from_slice(&seed), mesh.to_wire()];
        let mut row = json!({ "seed": hex(&seed) });
        let Value::Object(said) = read("key", 0, &pieces).unwrap() else { panic!("no object") };
        row.as_object_mut().unwrap().extend(said);
        row
    };
    seeds().into_iter().map(row).collect()
}

fn holds(key: &[u8], tag: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let held = read("signature", 0, &[key, tag, message, signature].map(Bytes::copy_from_slice));
    let why = held.as_ref().err().map(|error| (error.kind, error.code.as_str()));
    assert!(why.is_none_or(|why| why == (Kind::Auth, "bad_signature")), "{why:?}");
    held.is_ok()
}

fn signatures() -> Vec<Value> {
    let mut rows = Vec::new();
    for (seed, domain) in seeds().into_iter().zip(Domain::ALL) {
        let secret = SecretKey::from_seed(seed);
        let message = b"ping";
        let signature = secret.sign(domain, message);
        let mut row = |key: [u8; 32], signature: &[u8], why: &str| {
            let held = holds(&key, domain.tag(), message, signature);
            assert_eq!(held, why.is_empty(), "{why}");
            rows.push(json!({
                "publicKey": hex(&key),
                "tag": hex(domain.tag()),
                "message": hex(message),
                "signature": hex(signature),
                "valid": held,
                "why": why,
            }));
        };
        row(secret.public(), &signature, "");
        row(secret.public(), &with_high_scalar(&signature), "scalar not reduced");
        row(secret.public(), &signature[..63], "63 bytes");
        row(SecretKey::from_seed([5; 32]).public(), &signature, "another key");
    }
    for point in SMALL_ORDER {
        let key: NodeKey = point.parse().unwrap();
        let signature = [*key.as_bytes(), [0; 32]].concat();
        assert!(!holds(key.as_bytes(), Domain::Hello.tag(), b"ping", &signature));
        rows.push(json!({
            "publicKey": point,
            "tag": hex(Domain::Hello.tag()),
            "message": hex(b"ping"),
            "signature": hex(&signature),
            "valid": false,
            "why": "key of small order",
        }));
    }
    rows
}

/// What is read as `T`: its own text, or the code of the refusal.
fn texts<T>(inputs: &[&str]) -> Vec<Value>
where
    T: std::str::FromStr<Err = hubless_proto::Error> + std::fmt::Display,
{
    let row = |input: &&str| match input.parse::<T>() {
        Ok(value) => json!({ "input": input, "text": value.to_string() }),
        Err(error) => json!({ "input": input, "code": error.code }),
    };
    inputs.iter().map(row).collect()
}

#[test]
fn identity() {
    let did = SecretKey::from_seed([1; 32]).agent_id().to_string();
    let node = "ab".repeat(32);
    let at_mesh = format!("Sum@{node}");
    let at_node = format!("{did}@{node}");
    let [no_node, no_hex] = [format!("{did}@"), format!("{did}@{}", node.to_uppercase())];
    let long = "n".repeat(65);
    let upper = node.to_uppercase();
    let made = json!({
        "keys": keys(),
        "signatures": signatures(),
        "agentIds": texts::<AgentId>(&[&did, &did[..54], "did:web:a.b", "did:key:z6Mk0", ""]),
        "nodeKeys": texts::<NodeKey>(&[&node, &upper, &node[..62], ""]),
        "meshIds": texts::<MeshId>(&[&node, "zz"]),
        "addresses": texts::<Address>(&[
            "0:0000.0000.0001", "65535:ABCD.EF01.2345", "7:abcd.ef01.2345", "65536:0000.0000.0000",
            "07:0000.0000.0000", "7:0000.0000", "7:0000.0000.000g", "",
        ]),
        "names": texts::<Name>(&[
            "sum", "Sum", "a.b-c_9", "", "a b", "a/b", "caf\u{e9}", "a\0", "a\u{202e}b", &long,
        ]),
        "targets": texts::<Target>(&[
            "Sum", &at_mesh, &did, &at_node, "7:abcd.ef01.2345", "did:key:z", "a:b", "a@b", "@", "",
            &no_node, &no_hex,
        ]),
    });
    compare("identity.json", &made);
}
