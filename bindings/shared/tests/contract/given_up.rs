//! Operations given up at any moment leave nothing behind.

use crate::harness::Host;
use hubless_shared::{cancel, wait};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DONE: u8 = 1;
const FAILED: u8 = 2;
const CALL: u8 = 3;

/// Longest time that any one thing here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// More events than a stream takes ahead of its reader.
const CHUNKS: usize = 300;

fn echo() -> Host {
    let mut host = Host::start();
    host.register(json!({"name": "echo", "skills": [{"id": "echo", "effect": "PURE"}]}));
    host
}

/// A part that the host writes.
fn opened(host: &mut Host) -> (Value, Value) {
    let body = host.done("body.open", json!({}))["body"].clone();
    let part = json!({"stream": {"kind": "blob", "mediaType": "a/b", "body": body}});
    (body, json!({"parts": [part]}))
}

/// The handle of the streamed part that content shows.
fn shown(body: &Value) -> Value {
    body["content"]["parts"][0]["stream"]["body"].clone()
}

/// Begins a request that is answered with a streamed part; gives its ticket and the answer's.
fn asked(host: &mut Host) -> (u64, u64, Value) {
    let ticket = host.submit("request", json!({"to": "echo", "content": {"value": 1}}), vec![]);
    let call = host.next_of(CALL).ticket;
    let (body, content) = opened(host);
    let answer = host.submit("call.final", json!({"call": call, "content": content}), vec![]);
    (ticket, answer, body)
}

#[test]
fn what_a_result_opened_goes_when_it_is_given_up_and_stays_otherwise() {
    let rows = [
        ("body.open", json!({}), "body", "body.end"),
        ("discover", json!({"query": "echo"}), "stream", "stream.next"),
        ("register", json!({"name": "late", "skills": [{"id": "late"}]}), "agent", "unregister"),
    ];
    let mut host = echo();
    for (op, body, field, usage) in rows {
        for given_up in [false, true] {
            let ticket = host.submit(op, body.clone(), vec![]);
            let handle = host.end_of(ticket).body[field].clone();
            if given_up {
                cancel(host.session, ticket);
            }

            let used = host.run(usage, json!({field: handle}));

            assert_eq!(used.kind, if given_up { FAILED } else { DONE }, "{op}: {}", used.body);
        }
    }
    // The name of the agent is free again as well, soon.
    let until = Instant::now() + PATIENCE;
    while host.run("register", json!({"name": "late", "skills": [{"id": "late"}]})).kind != DONE {
        assert!(Instant::now() < until, "the agent stayed registered");
    }
}

#[test]
fn a_reply_given_up_after_it_came_is_not_read() {
    let mut host = echo();
    for given_up in [false, true] {
        let (ticket, _, body) = asked(&mut host);
        host.done("body.end", json!({"body": body}));
        let part = shown(&host.end_of(ticket).body);
        if given_up {
            cancel(host.session, ticket);
        }

        let read = host.run("body.read", json!({"body": part}));

        assert_eq!(read.kind, if given_up { FAILED } else { DONE }, "{}", read.body);
    }
}

#[test]
fn a_reply_that_races_with_giving_up_is_not_read() {
    let mut host = echo();
    for round in 0..40 {
        let (ticket, answer, body) = asked(&mut host);
        if round % 2 == 1 {
            // Something is queued, and not taken: the end of the request, or of its answer.
            assert!(wait(host.session, Some(PATIENCE)));
        }
        cancel(host.session, ticket);
        host.end_of(answer);
        host.run("body.end", json!({"body": body}));
        let end = host.end_of(ticket);
        if end.kind == DONE {
            let error = host.failed("body.read", json!({"body": shown(&end.body)}));
            assert_eq!(error["field"], "body");
        }
    }
}

#[test]
fn a_ticket_used_again_does_not_give_up_what_its_first_operation_opened() {
    let mut host = Host::bare();
    let ticket = 900;
    let submit = |op: &str| {
        assert!(hubless_shared::submit(host.session, ticket, op, "{}".into(), vec![]));
    };
    submit("body.open");
    submit("no.such");
    let body = host.end_of(ticket).body["body"].clone();
    assert_eq!(host.end_of(ticket).kind, FAILED);

    cancel(host.session, ticket);

    host.done("body.end", json!({"body": body}));
}

#[test]
fn a_call_whose_last_word_is_given_up_lets_its_streamed_parts_go() {
    // The word may get through before it is given up: then the call is over all the same.
    let given_up = (0..20).any(|_| gives_its_last_word_up());
    assert!(given_up, "no last word was given up in time");
}

/// True when the last word was given up; its call and the streamed part are gone in every case.
fn gives_its_last_word_up() -> bool {
    let mut host = echo();
    let (_, content) = opened(&mut host);
    host.submit("stream", json!({"to": "echo", "content": content}), vec![]);
    let call = host.next_of(CALL);
    let part = shown(&call.body);
    // Nobody reads: some of these wait, and so does what comes after them.
    let chunk = json!({"call": call.ticket, "content": {"value": 1}});
    let chunks: Vec<u64> =
        (0..CHUNKS).map(|_| host.submit("call.chunk", chunk.clone(), vec![])).collect();
    for ticket in &chunks {
        cancel(host.session, *ticket);
    }
    let gave_up = chunks.iter().filter(|ticket| host.end_of(**ticket).kind == FAILED).count();
    assert!(gave_up > 0, "the stream took {CHUNKS} chunks ahead");
    let last = host.submit("call.final", json!({"call": call.ticket}), vec![]);
    cancel(host.session, last);
    let end = host.end_of(last);
    let given_up = end.kind == FAILED;
    assert!(!given_up || end.body["kind"] == "cancelled", "{:?}", end.body);

    let error = host.failed("body.read", json!({"body": part}));

    assert_eq!(error["field"], "body");
    given_up
}
