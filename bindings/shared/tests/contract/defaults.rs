//! Bounds that hold where nobody says otherwise, as a host sees them.

use crate::harness::Host;
use bytes::Bytes;
use hubless_proto::limits;
use serde_json::json;
use std::time::{Duration, Instant};

const CALL: u8 = 3;

fn agent(host: &mut Host, name: &str) {
    host.register(json!({"name": name, "skills": [{"id": name, "effect": "PURE"}]}));
}

#[test]
fn a_blob_above_its_bound_is_streamed_and_one_at_it_is_not() {
    let mut there = Host::start();
    agent(&mut there, "kept");
    let mut here = Host::beside(&there);
    for (more, form) in [(0, "blob"), (1, "stream")] {
        let bytes = Bytes::from(vec![7; limits::STREAMED_PART_BYTES + more]);
        let part = json!({"blob": {"mediaType": "image/png", "attachment": 0}});
        let request = json!({"to": "kept", "content": {"parts": [part]}});
        let ticket = here.submit("request", request, vec![bytes]);
        let call = there.next_of(CALL);
        let arrived = &call.body["content"]["parts"][0];
        assert!(arrived[form].is_object(), "{more} above the bound: {arrived}");
        there.submit("call.final", json!({"call": call.ticket}), vec![]);
        assert_eq!(here.end_of(ticket).body["path"], "direct");
    }
}

#[test]
fn an_agent_that_does_not_say_has_the_usual_context_window() {
    let mut host = Host::start();
    agent(&mut host, "usual");
    host.register(json!({"name": "small", "contextWindowTokens": 7}));
    for (name, tokens) in [("usual", limits::CONTEXT_WINDOW_TOKENS), ("small", 7)] {
        let described = host.done("describe", json!({"agent": name}));
        assert_eq!(described["descriptor"]["contextWindowTokens"], tokens, "{name}");
    }
}

#[test]
fn a_search_waits_for_a_first_match_and_no_longer() {
    let mut host = Host::start();
    let begun = Instant::now();
    let found = host.done("find", json!({"query": {"text": "nobody"}}));
    assert_eq!(found["agents"], json!([]));
    assert!(begun.elapsed() >= limits::FIND_WAIT, "{:?}", begun.elapsed());
    // One that is there ends the wait.
    agent(&mut host, "somebody");
    let begun = Instant::now();
    let found = host.done("find", json!({"query": {"text": "somebody"}, "waitMs": 20_000}));
    assert_eq!(found["agents"][0]["name"], "somebody");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_caller_is_told_of_a_handler_that_is_silent() {
    let mut host = Host::start();
    agent(&mut host, "silent");
    let begun = Instant::now();
    let request = json!({"to": "silent", "content": {"value": "?"}});
    let stream = host.done("stream", request)["stream"].as_u64().unwrap();
    let call = host.next_of(CALL).ticket;
    // The handler has said nothing yet.
    let first = host.done("stream.next", json!({"stream": stream, "max": 1}));
    assert_eq!(first["items"], json!([{"accepted": true}]));
    assert!(begun.elapsed() >= limits::ACCEPTED_AFTER, "{:?}", begun.elapsed());
    host.done("call.final", json!({"call": call, "content": {"value": "done"}}));
    let last = host.done("stream.next", json!({"stream": stream}));
    assert_eq!((&last["items"][0]["final"]["value"], &last["end"]), (&json!("done"), &json!(true)));
}
