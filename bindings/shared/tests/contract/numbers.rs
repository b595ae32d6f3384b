//! Whole numbers that the host of one session has, and that of another one has not.

use crate::harness::Host;
use serde_json::{Value, json};

const CALL: u8 = 3;
const TOOL: u8 = 5;

/// 2^53 + 1.
const ODD: i64 = 9_007_199_254_740_993;

/// A host that has doubles and no other numbers.
fn doubles() -> Host {
    let mut host = Host::bare();
    let home = host.home().to_owned();
    host.done("node.start", json!({"home": home, "numbers": "double"}));
    host
}

fn answers(host: &mut Host, call: u64, value: &Value) {
    host.done("call.final", json!({"call": call, "content": {"value": value}}));
}

fn imprecise(error: &Value, field: &str) {
    assert_eq!((&error["kind"], &error["code"]), (&json!("json"), &json!("number_precision")));
    assert_eq!(error["field"], field, "{error}");
}

#[test]
fn a_call_with_a_number_that_its_host_would_change_is_refused_before_the_handler_runs() {
    for (mut host, keeps) in [(Host::start(), true), (doubles(), false)] {
        host.register(json!({"name": "echo"}));
        for (content, field) in [
            (json!({"content": {"value": [ODD]}}), "content"),
            (json!({"content": {"parts": [{"text": "x", "metadata": {"m": ODD}}]}}), "content"),
            (json!({"content": {"value": 1}, "metadata": {"m": ODD}}), "metadata"),
        ] {
            let mut asked = content;
            asked["to"] = json!("echo");
            let ticket = host.submit("request", asked, vec![]);
            if keeps {
                let call = host.next_of(CALL);
                assert!(call.body.to_string().contains(&ODD.to_string()), "{}", call.body);
                answers(&mut host, call.ticket, &json!(ODD));
                assert_eq!(host.end_of(ticket).body["value"], ODD);
            } else {
                let failed = host.end_of(ticket);
                assert_eq!(failed.kind, 2, "{}", failed.body);
                imprecise(&failed.body, field);
            }
        }
        // The next call is the next event: those that were refused were no event at all.
        let ticket = host.submit("request", json!({"to": "echo", "content": {"value": 1}}), vec![]);
        let call = host.next_of(CALL);
        assert_eq!(call.body["content"]["value"], 1);
        answers(&mut host, call.ticket, &json!("9007199254740993"));
        assert_eq!(host.end_of(ticket).body["value"], "9007199254740993");
    }
}

#[test]
fn an_answer_and_a_tool_call_with_such_a_number_fail_at_who_gets_them() {
    let mut host = doubles();
    host.register(json!({"name": "echo"}));
    let asked = json!({"to": "echo", "content": {"value": 1}, "tools": [{"name": "t"}]});
    for op in ["request", "send"] {
        let ticket = host.submit(op, asked.clone(), vec![]);
        let call = host.next_of(CALL).ticket;
        answers(&mut host, call, &json!({"n": ODD}));
        imprecise(&host.end_of(ticket).body, "content");
    }
    let stream = host.done("stream", asked.clone())["stream"].clone();
    let call = host.next_of(CALL).ticket;
    answers(&mut host, call, &json!(ODD));
    imprecise(&host.failed("stream.next", json!({"stream": stream})), "content");

    let ticket = host.submit("request", asked, vec![]);
    let call = host.next_of(CALL).ticket;
    let tool = |n: i64| json!({"call": call, "name": "t", "arguments": {"n": n}});
    imprecise(&host.failed("call.tool", tool(ODD)), "arguments");
    let said = host.submit("call.tool", tool(ODD - 1), vec![]);
    let question = host.next_of(TOOL);
    assert_eq!(question.body["arguments"]["n"], ODD - 1);
    host.done("tool.final", json!({"id": question.ticket, "content": {"value": 1}}));
    assert_eq!(host.end_of(said).kind, 1);
    answers(&mut host, call, &json!(1));
    assert_eq!(host.end_of(ticket).kind, 1);
}
