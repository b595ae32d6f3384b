//! `records.json`: signed records that are taken, and those that are refused, with their code.

use super::{compare, hex};
use bytes::Bytes;
use hubless_proto::identity::{Domain, SecretKey};
use hubless_proto::vectors::read;
use hubless_proto::wire::record::{self, RecordKind, Term};
use hubless_proto::wire::v1;
use prost::Message;
use serde_json::{Value, json};
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;

fn agent() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn row(kind: RecordKind, what: &str, signed: &v1::SignedRecord) -> Value {
    let (kind, pieces) = (kind.name(), [signed.signed.clone(), signed.signature.clone()]);
    let mut row = json!({
        "what": what,
        "kind": kind,
        "nowMs": NOW,
        "signed": hex(&signed.signed),
        "signature": hex(&signed.signature),
        "digest": read("digest", NOW, &pieces[..1]).unwrap()["digest"],
    });
    match read(kind, NOW, &pieces) {
        Ok(Value::Object(said)) => row.as_object_mut().unwrap().extend(said),
        Ok(other) => panic!("{other} is no object"),
        Err(error) => row["refused"] = json!({ "kind": error.kind.name(), "code": error.code }),
    }
    row
}

fn descriptor() -> v1::Descriptor {
    use v1::attribute::Value::{List, Number, Text};
    let text = |text: &str| v1::Attribute { value: Some(Text(text.into())) };
    let pair = v1::AttributeList { items: vec![text("EUR/USD")] };
    let skill = v1::Skill {
        id: "rates".into(),
        title: "Exchange rates".into(),
        description: "Rates to the minute".into(),
        tags: vec!["fx".into()],
        attributes: [
            ("pair".to_owned(), v1::Attribute { value: Some(List(pair)) }),
            ("resolution_s".to_owned(), v1::Attribute { value: Some(Number(60.0)) }),
        ]
        .into(),
        effect: "PURE".into(),
        spends: "none".into(),
        share: "no".into(),
        document_digest: Bytes::from_static(&[7; 32]),
    };
    v1::Descriptor {
        name: "fx".into(),
        title: "Währungen 💱".into(),
        version: "1.0.0".into(),
        skills: vec![skill],
        context_window_tokens: 32_000,
        ..Default::default()
    }
}

fn node_record() -> v1::NodeRecord {
    v1::NodeRecord {
        addresses: vec!["127.0.0.1:4433".into(), "[::1]:4433".into()],
        mesh: Bytes::from_static(&[9; 32]),
        instance: 77,
        ..Default::default()
    }
}

/// A tombstone with one field changed before it is signed.
fn changed(change: impl FnOnce(&mut v1::Record)) -> v1::SignedRecord {
    let mut record = v1::Record {
        kind: "tombstone".into(),
        version: record::VERSION,
        key: Bytes::copy_from_slice(&agent().public()),
        seq: 1,
        issued_at_ms: NOW,
        expires_at_ms: NOW + 1_000,
        body: v1::Tombstone { reason: "closed".into(), ..Default::default() }
            .encode_to_vec()
            .into(),
    };
    change(&mut record);
    let signed = record.encode_to_vec();
    let signature = Bytes::copy_from_slice(&agent().sign(Domain::Tombstone, &signed));
    v1::SignedRecord { signed: signed.into(), signature }
}

fn refused() -> Vec<Value> {
    let row = |what: &str, signed: &v1::SignedRecord| row(RecordKind::Tombstone, what, signed);
    let mut unsigned = changed(|_| ());
    unsigned.signature = vec![0; 64].into();
    vec![
        row("signature of zeros", &unsigned),
        row("another kind", &changed(|record| record.kind = "node".into())),
        row("another key", &changed(|record| record.key = vec![3; 32].into())),
        row("a newer version", &changed(|record| record.version = 2)),
        row("expired", &changed(|record| record.expires_at_ms = NOW)),
        row(
            "issued 10 min ahead",
            &changed(|record| {
                record.issued_at_ms = NOW + 600_000;
                record.expires_at_ms = NOW + 700_000;
            }),
        ),
        row("numbered as high as can be", &changed(|record| record.seq = u64::MAX)),
        row("body of 8 KiB and one byte", &changed(|record| record.body = vec![0; 8_193].into())),
        row("body that is no message", &changed(|record| record.body = vec![0xff].into())),
    ]
}

#[test]
fn records() {
    let term = Term::starting(NOW, Duration::from_secs(3_600));
    let descriptor = record::sign(&agent(), term, &descriptor()).unwrap();
    let hosting = v1::Hosting {
        node_key: Bytes::from_static(&[2; 32]),
        descriptor_digest: Bytes::copy_from_slice(&record::digest(&descriptor.signed)),
        priority: 1,
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&agent(), term, &hosting).unwrap();
    let node = record::sign(&SecretKey::from_seed([2; 32]), term, &node_record()).unwrap();
    let made = json!({
        "taken": [
            row(RecordKind::Descriptor, "a descriptor", &descriptor),
            row(RecordKind::Hosting, "its hosting", &hosting),
            row(RecordKind::Node, "a node", &node),
            row(RecordKind::Tombstone, "a tombstone", &changed(|_| ())),
        ],
        "refused": refused(),
    });
    for taken in made["taken"].as_array().unwrap() {
        assert!(taken.get("refused").is_none(), "{taken}");
    }
    for refused in made["refused"].as_array().unwrap() {
        assert!(refused.get("refused").is_some(), "{refused}");
    }
    compare("records.json", &made);
}
