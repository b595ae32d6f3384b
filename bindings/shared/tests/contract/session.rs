//! The edges of the contract, through the public functions, without any node.

use crate::harness::Host;
use bytes::Bytes;
use hubless_proto::limits;
use serde_json::json;

#[test]
fn bad_bodies_name_the_field() {
    let mut host = Host::bare();
    let rows = [
        ("no.such", json!({}), "invalid_argument", "op"),
        ("call.nothing", json!({}), "invalid_argument", "op"),
        ("call.final", json!({}), "invalid_argument", "call"),
        ("call.final", json!({"call": 1, "other": 1}), "invalid_argument", "other"),
        ("call.final", json!({"call": 1}), "closed", "call"),
        ("body.read", json!({"body": 7}), "invalid_argument", "body"),
        ("stream.next", json!({"stream": 7}), "invalid_argument", "stream"),
        ("unregister", json!({"agent": 7}), "invalid_argument", "agent"),
        ("health", json!({"agent": 7, "health": "well"}), "invalid_argument", "health"),
        ("health", json!({"agent": 7, "health": "down"}), "invalid_argument", "agent"),
        ("register", json!({"name": "x", "colour": 1}), "invalid_argument", "colour"),
        ("request", json!({"to": "x", "colour": 1}), "invalid_argument", "colour"),
        ("find", json!({}), "invalid_argument", "query"),
        ("node.start", json!({"colour": 1}), "invalid_argument", "colour"),
        ("join", json!({}), "invalid_argument", "ticket"),
        ("request", json!([1]), "invalid_argument", "body"),
    ];
    for (op, body, kind, field) in rows {
        let error = host.failed(op, body.clone());
        assert_eq!(error["kind"], kind, "{op} {body}: {error}");
        assert_eq!(error["field"], field, "{op} {body}: {error}");
        assert_eq!(error["operation"], op);
        assert_eq!(error["rejection"], false);
    }
}

#[test]
fn what_needs_a_node_says_so() {
    let mut host = Host::bare();
    let rows =
        [("node.status", json!({})), ("find", json!({"query": "x"})), ("listAgents", json!({}))];
    for (op, body) in rows {
        assert_eq!(host.failed(op, body)["kind"], "closed", "{op}");
    }
}

#[test]
fn a_ticket_is_good_for_one_open_operation() {
    let host = Host::bare();
    assert!(!hubless_shared::submit(host.session, 0, "node.status", Bytes::new(), vec![]));
    assert!(!hubless_shared::submit(host.session + 1_000_000, 1, "x", Bytes::new(), vec![]));
}

#[test]
fn open_operations_end_with_closed_and_nothing_follows() {
    let mut host = Host::bare();
    let body = host.done("body.open", json!({}))["body"].as_u64().unwrap();
    // More than the part takes ahead: the last of them waits.
    let piece = Bytes::from(vec![0; 1 << 20]);
    let ticket = host.submit("body.write", json!({"body": body}), vec![piece]);

    hubless_shared::close(host.session);

    let ends = hubless_shared::drain(host.session, 16);
    assert_eq!(ends.len(), 1);
    assert_eq!((ends[0].kind, ends[0].ticket), (2, ticket));
    let error: serde_json::Value = serde_json::from_slice(&ends[0].body).unwrap();
    assert_eq!(error["kind"], "closed");
    assert!(hubless_shared::drain(host.session, 16).is_empty());
    assert!(!hubless_shared::wait(host.session, None));
}

#[test]
fn so_many_operations_are_open_in_one_session() {
    let mut host = Host::bare();
    let body = host.done("body.open", json!({}))["body"].as_u64().unwrap();
    // More than the part takes ahead: this waits, and so does all that comes behind it.
    let write = json!({"body": body});
    let mut last = host.submit("body.write", write.clone(), vec![Bytes::from(vec![0; 1 << 20])]);
    for _ in 1..limits::SESSION_OPERATIONS {
        last = host.submit("body.write", write.clone(), vec![Bytes::from_static(b"x")]);
    }
    let refused = host.failed("body.open", json!({}));
    assert_eq!(refused["kind"], "busy", "{refused}");
    assert_eq!(refused["limit"]["name"], "SESSION_OPERATIONS");
    // What ends something goes in all the same: here, to be told that there is no such call.
    let unknown = host.failed("call.fail", json!({"call": 1, "message": "so"}));
    assert_eq!((&unknown["kind"], &unknown["field"]), (&json!("closed"), &json!("call")));
    hubless_shared::cancel(host.session, last);
    assert_eq!(host.end_of(last).body["kind"], "cancelled");
    host.done("body.open", json!({}));
}

#[test]
fn too_deep_content_is_refused_before_it_is_built() {
    let mut host = Host::bare();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"to": "x", "content": {{"value": {deep}}}}}"#);
    assert!(hubless_shared::submit(host.session, 7, "request", body.into(), vec![]));
    let error = host.end_of(7).body;
    assert_eq!((&error["kind"], &error["code"]), (&json!("json"), &json!("too_deep")));
}
