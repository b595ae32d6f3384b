//! A host that takes nothing of what is queued for it: what comes is refused, and nothing is lost.

use crate::harness::Host;
use hubless_proto::limits;
use serde_json::{Value, json};

const CALL: u8 = 3;
const AUTH: u8 = 6;
const COUNT: u8 = 7;

/// A host with an agent of each kind that has something queued for it before it is called.
fn host() -> Host {
    let mut host = Host::start();
    host.register(json!({"name": "open"}));
    host.register(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    let counted = json!({"maxTokens": 5, "tokenCounter": "host"});
    host.register(json!({"name": "counted", "requirements": counted}));
    host
}

/// Queues results that nobody takes, up to so many events below the bound.
fn fill(host: &mut Host, free: usize) {
    for _ in free..limits::SESSION_EVENTS {
        // Of a call that there is not: it fails before the submission returns.
        host.submit("call.progress", json!({"call": 1}), vec![]);
    }
}

/// Takes what is queued, and counts the events of each kind.
fn taken(host: &Host) -> [usize; 11] {
    let mut kinds = [0; 11];
    loop {
        let events = hubless_shared::drain(host.session, 1_024);
        if events.is_empty() {
            return kinds;
        }
        for event in events {
            kinds[usize::from(event.kind)] += 1;
        }
    }
}

fn request(to: &str) -> Value {
    let auth = json!({"scheme": "custom", "secret": "letmein"});
    json!({"to": to, "content": {"value": "one two"}, "auth": auth})
}

#[test]
fn a_host_that_is_behind_is_asked_nothing_about_calls_that_are_only_coming() {
    let mut host = host();
    let mut caller = Host::beside(&host);
    fill(&mut host, 0);

    for to in ["open", "guarded", "counted"] {
        let refused = caller.failed("request", request(to));
        assert_eq!(refused["kind"], "busy", "{to}: {refused}");
        assert_eq!(refused["code"], "host_behind", "{to}: {refused}");
        assert_eq!(refused["retry"], json!({"afterMs": 100}), "{to}: {refused}");
    }
    let kinds = taken(&host);
    assert_eq!(kinds[2], limits::SESSION_EVENTS, "{kinds:?}");
    assert_eq!(kinds.iter().sum::<usize>(), limits::SESSION_EVENTS, "{kinds:?}");

    // The control: with room again the same requests get through.
    for (to, event, answer) in [
        ("guarded", AUTH, Some(("auth.verdict", json!({"allow": true})))),
        ("counted", COUNT, Some(("count.result", json!({"tokens": 2})))),
        ("open", CALL, None),
    ] {
        let ticket = caller.submit("request", request(to), vec![]);
        if let Some((op, mut answer)) = answer {
            answer["id"] = json!(host.next_of(event).ticket);
            host.done(op, answer);
        }
        let call = host.next_of(CALL).ticket;
        host.done("call.final", json!({"call": call, "content": {"value": to}}));
        assert_eq!(caller.end_of(ticket).body["value"], to);
    }
}

#[test]
fn the_last_place_of_a_queue_goes_to_one_call() {
    let mut host = host();
    let mut caller = Host::beside(&host);
    fill(&mut host, 1);

    let tickets = [(); 2].map(|()| caller.submit("request", request("open"), vec![]));
    let refused = caller.first(|seen| tickets.contains(&seen.ticket));

    assert_eq!(refused.body["code"], "host_behind", "{}", refused.body);
    let kinds = taken(&host);
    assert_eq!((kinds[2], kinds[3]), (limits::SESSION_EVENTS - 1, 1), "{kinds:?}");
}
