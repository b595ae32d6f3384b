//! The end of a node while calls run.

use crate::harness::Host;
use serde_json::json;

const CALL: u8 = 3;
const CANCEL: u8 = 4;

/// Two nodes: the second one has a call running at the first one's `outer`.
fn with_a_running_call() -> (Host, Host, u64, u64) {
    let mut closing = Host::start();
    let mut other = Host::beside(&closing);
    closing.register(json!({"name": "outer"}));
    other.register(json!({"name": "inner"}));
    let request = json!({"to": "outer", "content": {"value": "?"}, "wait": 5_000});
    let asked = other.submit("request", request, vec![]);
    let call = closing.next_of(CALL).ticket;
    (closing, other, asked, call)
}

#[test]
fn a_running_call_may_ask_others_while_its_node_closes() {
    let (mut closing, mut other, asked, call) = with_a_running_call();
    let closed = closing.submit("node.close", json!({"graceMs": 10_000}), vec![]);

    // Closing has begun once nothing new is taken.
    let refused = closing.failed("register", json!({"name": "late"}));
    assert_eq!(refused["kind"], "closed");
    let nested = json!({"to": "inner", "content": {"value": "!"}, "parent": call, "wait": 5_000});
    let nested = closing.submit("request", nested, vec![]);
    let inner = other.next_of(CALL).ticket;
    other.done("call.final", json!({"call": inner, "content": {"value": "helped"}}));
    let helped = closing.end_of(nested);
    assert_eq!((helped.kind, &helped.body["value"]), (1, &json!("helped")), "{}", helped.body);
    closing.done("call.final", json!({"call": call, "content": {"value": "done"}}));

    let answered = other.end_of(asked);
    assert_eq!(answered.body["value"], "done", "{}", answered.body);
    assert_eq!(closing.end_of(closed).kind, 1);
    assert_eq!(closing.failed("node.status", json!({}))["kind"], "closed");
}

#[test]
fn closing_again_without_grace_ends_the_grace() {
    let (mut closing, mut other, asked, call) = with_a_running_call();
    let first = closing.submit("node.close", json!({"graceMs": 60_000}), vec![]);
    assert_eq!(closing.failed("register", json!({"name": "late"}))["kind"], "closed");

    let second = closing.submit("node.close", json!({"graceMs": 0}), vec![]);

    assert_eq!(closing.next_of(CANCEL).ticket, call);
    assert_eq!(other.end_of(asked).kind, 2);
    assert_eq!((closing.end_of(first).kind, closing.end_of(second).kind), (1, 1));
}

#[test]
fn serving_ends_when_the_node_is_closed() {
    let mut host = Host::start();
    let serving = host.submit("node.serve", json!({}), vec![]);
    host.done("node.close", json!({"graceMs": 0}));
    assert_eq!(host.end_of(serving).kind, 1);
    assert_eq!(host.failed("node.serve", json!({}))["kind"], "closed");
    assert_eq!(host.failed("node.serve", json!({"colour": 1}))["field"], "colour");
}

/// What the host lets go of at the end must not come before the word that the node is closed.
#[test]
fn a_call_of_its_own_that_waits_is_closed_with_its_node() {
    for round in 0..100 {
        let mut host = Host::start();
        host.register(json!({"name": "slow"}));
        let request = json!({"to": "slow", "content": {"value": "?"}});
        let asked = host.submit("request", request, vec![]);
        host.next_of(CALL);
        let closed = host.submit("node.close", json!({"graceMs": 0}), vec![]);
        let end = host.end_of(asked);
        assert_eq!(end.body["kind"], "closed", "round {round}: {}", end.body);
        assert_eq!(host.end_of(closed).kind, 1);
    }
}
