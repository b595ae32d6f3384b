//! The operations by which each language exercises its own bridge.

use crate::harness::{Host, Seen, refused, told};
use bytes::Bytes;
use hubless_proto::Kind;
use hubless_shared::cancel;
use serde_json::{Value, json};

const DONE: u8 = 1;
const FAILED: u8 = 2;

/// Longer than any test here: what ends before was ended.
const FOREVER_MS: u64 = 3_600_000;

/// An error with every field of the contract.
fn whole(kind: &str) -> Value {
    json!({
        "kind": kind,
        "code": "on_purpose",
        "operation": "bridge",
        "message": "grüße\u{0} 💱",
        "field": "content",
        "limit": {"name": "JSON_DEPTH", "value": 64},
        "retry": {"afterMs": 250},
        "agent": "did:key:z6Mk",
        "origin": "ab",
        "traceId": "cd",
        "candidates": ["one", "two"],
        "rejection": true,
        "pointer": "/a/0",
    })
}

#[test]
fn every_kind_is_thrown_as_it_was_told() {
    let mut host = Host::bare();
    for kind in Kind::ALL {
        let wanted = whole(kind.name());
        assert_eq!(host.failed("bridge.throw", wanted.clone()), wanted);
        assert_eq!(refused("bridge.throw", &wanted.to_string()), wanted);

        let brief = host.failed("bridge.throw", json!({"kind": kind.name()}));
        assert_eq!((&brief["kind"], &brief["rejection"]), (&json!(kind.name()), &json!(false)));
        assert_eq!(brief["operation"], "bridge.throw");
    }
    for (body, field) in [("{}", "kind"), (r#"{"kind": "odd"}"#, "kind"), (r#"{"x": 1}"#, "x")] {
        let error = refused("bridge.throw", body);
        assert_eq!((&error["kind"], &error["field"]), (&json!("invalid_argument"), &json!(field)));
    }
}

#[test]
fn what_is_echoed_is_what_was_sent() {
    let mut host = Host::bare();
    let sizes = [0, 1, 64 * 1024, 1024 * 1024];
    let pieces: Vec<Bytes> = sizes.map(|size| (0_u8..251).cycle().take(size).collect()).into();
    let body = json!({"text": "a\u{0}b 💱 \u{feff}", "deep": [{"n": 1.5, "": null}], "b": true});

    let ticket = host.submit("bridge.echo", body.clone(), pieces.clone());
    let Seen { kind, body: back, attachments, .. } = host.end_of(ticket);

    assert_eq!((kind, &back), (DONE, &body));
    assert_eq!(attachments, pieces);
    assert_eq!(told("bridge.echo", &body), body);
}

#[test]
fn a_sleep_holds_up_nothing_and_can_be_given_up() {
    let mut host = Host::bare();
    let long = host.submit("bridge.sleep", json!({"ms": FOREVER_MS}), vec![]);
    host.done("bridge.sleep", json!({"ms": 1}));
    host.done("bridge.echo", json!({}));

    cancel(host.session, long);

    let end = host.end_of(long);
    assert_eq!((end.kind, &end.body["kind"]), (FAILED, &json!("cancelled")));
    let left = host.submit("bridge.sleep", json!({"ms": FOREVER_MS}), vec![]);
    hubless_shared::close(host.session);
    assert_eq!(host.end_of(left).body["kind"], "closed");
}

#[test]
fn bytes_are_read_by_the_core_or_refused_in_its_words() {
    let mut host = Host::bare();
    let clock = Bytes::from_static(&[6, 2, 8, 7]);

    let ticket = host.submit("bridge.read", json!({"what": "frames"}), vec![clock.clone()]);
    assert_eq!(host.end_of(ticket).body["frames"][0]["message"], json!({"clockMs": 7}));

    let short = clock.slice(..3);
    let ticket = host.submit("bridge.read", json!({"what": "frames"}), vec![short]);
    let error = host.end_of(ticket).body;
    assert_eq!((&error["kind"], &error["code"]), (&json!("transport"), &json!("incomplete")));
    for (body, field) in [(json!({"what": "odd"}), "what"), (json!({"what": "frames"}), "bytes")] {
        assert_eq!(host.failed("bridge.read", body)["field"], field);
    }
    assert_eq!(host.failed("bridge.odd", json!({}))["field"], "op");
}
