//! Calls through the public functions, in process: one session is caller and callee.

use crate::harness::{self, Host};
use bytes::Bytes;
use serde_json::{Value, json};

const CALL: u8 = 3;
const CANCEL: u8 = 4;
const TOOL: u8 = 5;
const AUTH: u8 = 6;
const COUNT: u8 = 7;
const INPUT: u8 = 9;

fn echo(host: &mut Host) -> u64 {
    host.register(json!({"name": "echo", "skills": [{"id": "echo", "effect": "PURE"}]}))
}

#[test]
fn a_request_reaches_the_handler_and_its_answer_the_caller() {
    let mut host = Host::start();
    let agent = echo(&mut host);
    let request = json!({"to": "echo", "skill": "echo", "content": {"value": {"a": [1, null]}}});

    let ticket = host.submit("request", request, vec![]);
    let call = host.next_of(CALL);
    assert_eq!(call.body["agent"], agent);
    assert_eq!(call.body["skill"], "echo");
    assert_eq!(call.body["fresh"], false);
    assert_eq!(call.body["depth"], 0);
    assert_eq!(call.body["caller"]["kind"], "local");
    assert_eq!(call.body["content"]["value"], json!({"a": [1, null]}));
    host.done("call.usage", json!({"call": call.ticket, "inputTokens": 3, "model": "m"}));
    host.done("call.final", json!({"call": call.ticket, "content": {"value": "Grüße"}}));

    let reply = host.end_of(ticket);
    assert_eq!(reply.kind, 1, "{}", reply.body);
    assert_eq!(reply.body["value"], "Grüße");
    assert_eq!(reply.body["text"], "Grüße");
    assert_eq!(reply.body["path"], "in_process");
    assert_eq!(reply.body["usage"]["inputTokens"], 3);
    assert_eq!(reply.body["usage"]["byModel"]["m"]["inputTokens"], 3);
    assert_eq!(reply.body["agent"]["name"], "echo");
    assert_eq!(reply.body["attempts"], 1);
}

#[test]
fn a_failing_handler_is_a_refusal_with_its_words() {
    let mut host = Host::start();
    echo(&mut host);
    let rows = [
        (json!({}), "handler_failed", ""),
        (json!({"kind": "denied", "code": "not_today"}), "denied", "not_today"),
    ];
    for (more, kind, code) in rows {
        let ticket =
            host.submit("request", json!({"to": "echo", "content": {"value": "?"}}), vec![]);
        let call = host.next_of(CALL);
        let mut fail = json!({"call": call.ticket, "message": "broken on purpose"});
        fail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        host.done("call.fail", fail);

        let failed = host.end_of(ticket);
        assert_eq!(failed.kind, 2);
        assert_eq!(failed.body["kind"], kind);
        assert_eq!(failed.body["code"].as_str().unwrap_or_default(), code);
        assert_eq!(failed.body["rejection"], true);
        assert!(failed.body["message"].as_str().unwrap().contains("broken on purpose"));
    }
}

#[test]
fn send_never_fails_for_a_refusal() {
    let mut host = Host::start();
    echo(&mut host);
    let ticket = host.submit("send", json!({"agent": "echo", "prompt": "hello"}), vec![]);
    let call = host.next_of(CALL);
    assert_eq!(call.body["content"]["text"], "hello");
    host.done("call.fail", json!({"call": call.ticket, "kind": "busy", "message": "no room"}));

    let response = host.end_of(ticket);
    assert_eq!(response.kind, 1, "{}", response.body);
    assert_eq!(response.body["rejection"]["kind"], "busy");
    assert_eq!(response.body["usage"]["calls"], 0);
}

#[test]
fn a_prompt_is_a_text_part_before_the_content() {
    let mut host = Host::start();
    echo(&mut host);
    let content = json!({"parts": [{"data": 1}], "metadata": {"m": 2}});
    for (op, to) in [("request", "to"), ("send", "to"), ("send", "agent"), ("stream", "to")] {
        let mut request = json!({"prompt": "look", "content": content});
        request[to] = json!("echo");
        let ticket = host.submit(op, request, vec![]);
        let call = host.next_of(CALL);
        let parts = &call.body["content"]["parts"];
        let values = [&parts[0]["text"], &parts[1]["data"], &parts[2]];
        assert_eq!(values, [&json!("look"), &json!(1), &json!(null)], "{op} {to}");
        assert_eq!(call.body["content"]["metadata"]["m"], 2);
        host.done("call.final", json!({"call": call.ticket}));
        assert_eq!(host.end_of(ticket).kind, 1, "{op} {to}");
    }
}

#[test]
fn cancelling_the_request_stops_the_handler() {
    let mut host = Host::start();
    echo(&mut host);
    let ticket = host.submit("request", json!({"to": "echo", "content": {"value": "?"}}), vec![]);
    let call = host.next_of(CALL);

    hubless_shared::cancel(host.session, ticket);

    assert_eq!(host.end_of(ticket).body["kind"], "cancelled");
    let stop = host.next_of(CANCEL);
    assert_eq!((stop.ticket, &stop.body["kind"]), (call.ticket, &json!("cancelled")));
    let late = host.failed("call.final", json!({"call": call.ticket, "content": {"value": 1}}));
    assert_eq!(late["kind"], "closed");
}

#[test]
fn the_deadline_stops_caller_and_handler() {
    let mut host = Host::start();
    echo(&mut host);
    let mut total_ms = 80;
    let (ticket, call) = loop {
        let request = json!({"to": "echo", "content": {"value": "?"}, "totalMs": total_ms});
        let ticket = host.submit("request", request, vec![]);
        let seen = host.first(|seen| seen.kind == CALL || seen.ticket == ticket);
        if seen.kind == CALL {
            break (ticket, seen);
        }
        // A busy machine had not come to the handler when the time was over.
        assert_eq!(seen.body["kind"], "deadline");
        total_ms *= 2;
    };

    assert_eq!(host.end_of(ticket).body["kind"], "deadline");
    let stop = host.next_of(CANCEL);
    assert_eq!((stop.ticket, &stop.body["kind"]), (call.ticket, &json!("deadline")));
}

#[test]
fn a_streamed_answer_comes_in_order() {
    let mut host = Host::start();
    echo(&mut host);
    let request = json!({"to": "echo", "content": {"value": "?"}});
    let stream = host.done("stream", request)["stream"].as_u64().unwrap();
    let call = host.next_of(CALL).ticket;
    // Not awaited one by one: the order of submission is the order of arrival.
    for n in 1..=40 {
        host.submit(
            "call.chunk",
            json!({"call": call, "content": {"value": n.to_string()}}),
            vec![],
        );
    }
    host.submit("call.progress", json!({"call": call, "note": "half", "fraction": 0.5}), vec![]);
    host.submit("call.final", json!({"call": call, "content": {"value": {"n": 40}}}), vec![]);

    let mut items = Vec::new();
    loop {
        let next = host.done("stream.next", json!({"stream": stream}));
        items.extend(next["items"].as_array().unwrap().clone());
        if next["end"] == true {
            break;
        }
    }

    let chunks: Vec<_> =
        items.iter().filter_map(|item| item["chunk"]["part"]["text"].as_str()).collect();
    let wanted: Vec<_> = (1..=40).map(|n| n.to_string()).collect();
    assert_eq!(chunks, wanted);
    assert!(items.iter().any(|item| item["progress"]["note"] == "half"));
    assert_eq!(items.last().unwrap()["final"]["value"], json!({"n": 40}));
    let gone = host.failed("stream.next", json!({"stream": stream}));
    assert_eq!((&gone["kind"], &gone["field"]), (&json!("invalid_argument"), &json!("stream")));
}

/// Sends one piece and ends the call; gives the parts, and whether each continues the one before.
fn pieces(host: &mut Host, piece: &Value, attachments: Vec<Bytes>) -> Vec<(Value, bool)> {
    let request = json!({"to": "echo", "content": {"value": "?"}});
    let stream = host.done("stream", request)["stream"].clone();
    let call = host.next_of(CALL).ticket;
    let mut body = piece.clone();
    body["call"] = json!(call);
    let sent = host.submit("call.chunk", body, attachments);
    let sent = host.end_of(sent);
    assert_eq!(sent.kind, 1, "{}", sent.body);
    host.done("call.final", json!({"call": call}));
    let mut chunks = Vec::new();
    loop {
        let next = host.done("stream.next", json!({"stream": stream}));
        chunks.extend(next["items"].as_array().cloned().unwrap_or_default());
        if next["end"] == true {
            break;
        }
    }
    let chunks = chunks.into_iter().filter_map(|item| item.get("chunk").cloned());
    chunks.map(|chunk| (chunk["part"].clone(), chunk["append"] == true)).collect()
}

#[test]
fn content_of_several_parts_is_as_many_chunks() {
    let mut host = Host::start();
    echo(&mut host);
    let blob = json!({"blob": {"mediaType": "image/png", "attachment": 0}});
    let parts = json!([{"text": "a"}, {"data": {"n": 1}}, blob, {"text": "b"}, {"text": "c"}]);
    for (append, first) in [(json!(null), true), (json!(false), false), (json!(true), true)] {
        let piece = json!({"content": {"parts": parts}, "append": append});
        let bytes = vec![Bytes::from_static(b"png")];
        let chunks = pieces(&mut host, &piece, bytes);
        let texts: Vec<&Value> = chunks.iter().map(|(part, _)| &part["value"]).collect();
        let wanted = [json!("a"), json!({"n": 1}), json!(null), json!("b"), json!("c")];
        assert_eq!(texts, wanted.iter().collect::<Vec<_>>());
        assert_eq!(chunks[2].0["blob"]["mediaType"], "image/png");
        // What comes as parts of their own stays that.
        let goes_on: Vec<bool> = chunks.iter().map(|(_, goes_on)| *goes_on).collect();
        assert_eq!(goes_on, [first, false, false, false, false]);
    }
}

#[test]
fn a_piece_that_cannot_be_sent_is_refused_and_nothing_of_it_is_sent() {
    let mut host = Host::start();
    echo(&mut host);
    let request = json!({"to": "echo", "content": {"value": "?"}});
    let ticket = host.submit("request", request, vec![]);
    let call = host.next_of(CALL).ticket;
    let rows = [
        (json!({"parts": []}), "content"),
        (json!({"parts": [{"text": "a"}], "metadata": {"m": 1}}), "metadata"),
        (json!({"parts": [{"text": "a"}, {}]}), "parts"),
        (
            json!({"parts": [{"text": "a"}, {"blob": {"mediaType": "a/b", "attachment": 0}}]}),
            "attachment",
        ),
    ];
    for (content, field) in rows {
        let refused = host.failed("call.chunk", json!({"call": call, "content": content}));
        assert_eq!(
            (&refused["kind"], &refused["field"]),
            (&json!("invalid_argument"), &json!(field))
        );
    }
    host.done("call.chunk", json!({"call": call, "content": {"value": "sent"}}));
    host.done("call.final", json!({"call": call}));
    assert_eq!(host.end_of(ticket).body["value"], "sent");
}

#[test]
fn an_answer_that_cannot_be_read_is_a_fault_of_the_handler_and_ends_the_call() {
    let mut host = Host::start();
    echo(&mut host);
    for (content, message) in [
        (json!({"parts": [{}]}), "the answer is wrong: expected one of text, data"),
        (
            json!({"parts": [{"blob": {"mediaType": "a/b", "attachment": 0}}]}),
            "the answer is wrong: expected an index below 0",
        ),
    ] {
        let request = json!({"to": "echo", "content": {"value": "?"}});
        let ticket = host.submit("request", request, vec![]);
        let call = host.next_of(CALL).ticket;
        let told = host.failed("call.final", json!({"call": call, "content": content}));
        let failed = host.end_of(ticket).body;
        for said in [&told, &failed] {
            assert_eq!(said["kind"], "handler_failed", "{said}");
            assert!(said["message"].as_str().unwrap().contains(message), "{said}");
        }
        assert_eq!(host.failed("call.fail", json!({"call": call}))["kind"], "closed");
    }
}

#[test]
fn dropping_a_stream_ends_a_waiting_read_and_the_call() {
    let mut host = Host::start();
    echo(&mut host);
    let request = json!({"to": "echo", "content": {"value": "?"}});
    let stream = host.done("stream", request)["stream"].as_u64().unwrap();
    let call = host.next_of(CALL);
    let mut read = host.submit("stream.next", json!({"stream": stream}), vec![]);
    let first = host.first(|seen| seen.ticket == read && seen.kind == 1);
    if first.body["items"][0]["accepted"] == true {
        read = host.submit("stream.next", json!({"stream": stream}), vec![]);
    }

    host.done("stream.drop", json!({"stream": stream}));

    assert_eq!(host.end_of(read).body["kind"], "cancelled");
    assert_eq!(host.next_of(CANCEL).ticket, call.ticket);
}

#[test]
fn a_tool_is_called_back_and_its_answer_decoded() {
    let mut host = Host::start();
    echo(&mut host);
    let schema = json!({"type": "object", "required": ["a"]});
    let tools = json!([{"name": "add", "description": "adds", "inputSchema": schema}]);
    let request = json!({"to": "echo", "content": {"value": "?"}, "tools": tools});
    let ticket = host.submit("request", request, vec![]);
    let call = host.next_of(CALL);
    assert_eq!(call.body["tools"][0]["name"], "add");
    let using = json!({"call": call.ticket, "name": "add", "arguments": {"a": 1}});
    let used = host.submit("call.tool", using, vec![]);

    let tool = host.next_of(TOOL);
    assert_eq!(tool.body["request"], ticket);
    assert_eq!(tool.body["arguments"], json!({"a": 1}));
    host.done("tool.final", json!({"id": tool.ticket, "content": {"value": 7}}));
    assert_eq!(host.end_of(used).body["value"], 7);
    let undeclared = json!({"call": call.ticket, "name": "other", "arguments": {}});
    assert_eq!(host.failed("call.tool", undeclared)["kind"], "denied");
    host.done("call.final", json!({"call": call.ticket, "content": {"value": "ok"}}));
    assert_eq!(host.end_of(ticket).body["value"], "ok");
}

#[test]
fn a_question_of_the_callee_is_answered() {
    let mut host = Host::start();
    echo(&mut host);
    let request = json!({"to": "echo", "content": {"value": "?"}, "onInput": true});
    let ticket = host.submit("request", request, vec![]);
    let call = host.next_of(CALL).ticket;
    let asking = json!({"call": call, "prompt": {"value": "which?"}});
    let asked = host.submit("call.input", asking, vec![]);

    let input = host.next_of(INPUT);
    assert_eq!(input.body["prompt"]["value"], "which?");
    assert_eq!(input.body["request"], ticket);
    host.done("input.final", json!({"id": input.ticket, "content": {"value": "this one"}}));

    assert_eq!(host.end_of(asked).body["value"], "this one");
    host.done("call.final", json!({"call": call, "content": {"value": 1}}));
    assert_eq!(host.end_of(ticket).kind, 1);
}

#[test]
fn the_hosts_own_auth_function_decides() {
    let mut host = Host::start();
    let agent = host.register(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    for (secret, allow) in [("letmein", true), ("nope", false)] {
        let auth = json!({"scheme": "custom", "secret": secret});
        let request = json!({"to": "guarded", "content": {"value": "?"}, "auth": auth});
        let ticket = host.submit("request", request, vec![]);
        let check = host.next_of(AUTH);
        assert_eq!(check.body["agent"], agent);
        assert_eq!(check.body["credential"], secret);
        assert_eq!(check.body["scheme"], "custom");
        assert_eq!(check.body["caller"]["kind"], "local");
        host.done("auth.verdict", json!({"id": check.ticket, "allow": allow}));
        if allow {
            let call = host.next_of(CALL).ticket;
            host.done("call.final", json!({"call": call, "content": {"value": "in"}}));
            assert_eq!(host.end_of(ticket).body["value"], "in");
        } else {
            let refused = host.end_of(ticket).body;
            assert_eq!((&refused["kind"], &refused["rejection"]), (&json!("auth"), &json!(true)));
        }
    }
}

#[test]
fn the_hosts_own_counter_counts() {
    let mut host = Host::start();
    host.register(json!({
        "name": "counted", "requirements": {"maxTokens": 5, "tokenCounter": "host"}
    }));
    let request = json!({"to": "counted", "content": {"value": "one two"}});
    let ticket = host.submit("request", request, vec![]);
    let count = host.next_of(COUNT);
    assert!(count.body["texts"].as_array().unwrap().contains(&json!("one two")));
    host.done("count.result", json!({"id": count.ticket, "tokens": 6}));

    assert_eq!(host.end_of(ticket).body["kind"], "prompt");
}

/// Asks a guarded agent, and answers what the host is asked about it; gives how the request ended.
fn after(host: &mut Host, event: u8, (op, answer): (&str, Value)) -> (Value, Value) {
    let auth = json!({"scheme": "custom", "secret": "letmein"});
    let request = json!({"to": "guarded", "content": {"value": "one two"}, "auth": auth});
    let ticket = host.submit("request", request, vec![]);
    let asked = host.next_of(event).ticket;
    let mut said = answer;
    said["id"] = json!(asked);
    host.run(op, said);
    let ended = host.end_of(ticket).body;
    (ended["kind"].clone(), ended["code"].clone())
}

#[test]
fn a_function_of_the_host_that_fails_refuses_and_keeps_nobody_waiting() {
    let mut host = Host::start();
    let verdicts = [
        json!({"failed": true}),
        json!({}),
        json!({"allow": "yes"}),
        json!({"allow": true, "x": 1}),
    ];
    host.register(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    for said in verdicts {
        let (kind, code) = after(&mut host, AUTH, ("auth.verdict", said));
        assert_eq!((kind, code), (json!("auth"), json!("check_failed")));
    }
    // The control: what can be read is what decides.
    let (kind, code) = after(&mut host, AUTH, ("auth.verdict", json!({"allow": false})));
    assert_eq!((kind, code), (json!("auth"), json!("bad_credential")));

    let mut host = Host::start();
    let counts =
        [json!({"failed": true}), json!({}), json!({"tokens": -1}), json!({"tokens": 0.5})];
    host.register(json!({
        "name": "guarded", "requirements": {"maxTokens": 5, "tokenCounter": "host"}
    }));
    for said in counts {
        let (kind, code) = after(&mut host, COUNT, ("count.result", said));
        assert_eq!((kind, code), (json!("prompt"), json!("counter_failed")));
    }
    let (kind, code) = after(&mut host, COUNT, ("count.result", json!({"tokens": 6})));
    assert_eq!((kind, code), (json!("prompt"), json!("tokens")));
}

#[test]
fn a_streamed_blob_goes_there_and_back() {
    let mut host = Host::start();
    echo(&mut host);
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| ((i * 31 + 7) % 251) as u8).collect();
    let body = host.done("body.open", json!({}))["body"].as_u64().unwrap();
    let part = json!({"stream": {"kind": "blob", "mediaType": "video/mp4", "body": body}});
    let request = json!({"to": "echo", "content": {"parts": [part]}});
    let ticket = host.submit("request", request, vec![]);
    for piece in bytes.chunks(100_000) {
        let piece = Bytes::copy_from_slice(piece);
        host.submit("body.write", json!({"body": body, "attachment": 0}), vec![piece]);
    }
    host.submit("body.end", json!({"body": body}), vec![]);

    // The handler hands the part on as it came, without reading it.
    let call = host.next_of(CALL);
    let parts = call.body["content"]["parts"].clone();
    assert_eq!(parts[0]["stream"]["mediaType"], "video/mp4");
    host.submit("call.final", json!({"call": call.ticket, "content": {"parts": parts}}), vec![]);
    let reply = host.end_of(ticket);
    assert_eq!(reply.kind, 1, "{}", reply.body);
    let back = reply.body["content"]["parts"][0]["stream"]["body"].as_u64().unwrap();
    let mut got = Vec::new();
    loop {
        let ticket = host.submit("body.read", json!({"body": back, "max": 70_000}), vec![]);
        let read = host.end_of(ticket);
        if read.body["end"] == true {
            break;
        }
        assert!(read.attachments[0].len() <= 70_000);
        got.extend_from_slice(&read.attachments[0]);
    }

    assert_eq!(got, bytes);
    let gone = host.failed("body.read", json!({"body": back}));
    assert_eq!(gone["kind"], "invalid_argument");
}

#[test]
fn a_read_takes_no_more_than_its_bound_whatever_is_asked_for() {
    let bound = hubless_proto::limits::BODY_READ_BYTES;
    let mut host = Host::start();
    echo(&mut host);
    let body = host.done("body.open", json!({}))["body"].as_u64().unwrap();
    let part = json!({"stream": {"kind": "blob", "mediaType": "video/mp4", "body": body}});
    let request = json!({"to": "echo", "content": {"parts": [part]}});
    let ticket = host.submit("request", request, vec![]);
    let piece = Bytes::from(vec![7; bound + 1]);
    host.submit("body.write", json!({"body": body, "attachment": 0}), vec![piece]);
    host.submit("body.end", json!({"body": body}), vec![]);
    let call = host.next_of(CALL);
    let arrived = call.body["content"]["parts"][0]["stream"]["body"].as_u64().unwrap();
    for (max, length) in [(json!(u32::MAX), bound), (json!(null), 1)] {
        let ticket = host.submit("body.read", json!({"body": arrived, "max": max}), vec![]);
        assert_eq!(host.end_of(ticket).attachments[0].len(), length);
    }
    assert_eq!(host.done("body.read", json!({"body": arrived}))["end"], true);
    host.submit("call.final", json!({"call": call.ticket}), vec![]);
    assert_eq!(host.end_of(ticket).kind, 1);
}

#[test]
fn a_small_blob_is_an_attachment() {
    let mut host = Host::start();
    echo(&mut host);
    let part = json!({"blob": {"mediaType": "image/png", "filename": "a.png", "attachment": 0}});
    let request = json!({"to": "echo", "content": {"parts": [part]}});
    let ticket = host.submit("request", request, vec![Bytes::from_static(b"png")]);
    let call = host.next_of(CALL);
    assert_eq!(call.attachments, [Bytes::from_static(b"png")]);
    let blob = &call.body["content"]["parts"][0]["blob"];
    assert_eq!((&blob["mediaType"], &blob["filename"]), (&json!("image/png"), &json!("a.png")));
    host.done("call.final", json!({"call": call.ticket}));
    assert_eq!(host.end_of(ticket).kind, 1);
}

#[test]
fn a_nested_call_is_a_child() {
    let mut host = Host::start();
    let agent = echo(&mut host);
    let outer = host.submit("request", json!({"to": "echo", "content": {"value": 1}}), vec![]);
    let parent = host.next_of(CALL);
    let child = json!({"to": "echo", "content": {"value": 2}, "parent": parent.ticket});
    let inner = host.submit("request", child, vec![]);
    let call = host.next_of(CALL);

    assert_eq!(call.body["depth"], 1);
    assert_eq!(call.body["agent"], agent);
    assert!(call.body["caller"]["agent"].is_string());
    let trace = |seen: &harness::Seen| {
        seen.body["trace"]["traceparent"].as_str().unwrap()[3..35].to_owned()
    };
    assert_eq!(trace(&call), trace(&parent));
    // The end of the parent gives its children up.
    host.done("call.final", json!({"call": parent.ticket, "content": {"value": "over"}}));
    assert_eq!(host.end_of(outer).kind, 1);
    assert_eq!(host.end_of(inner).body["kind"], "cancelled");
    assert_eq!(host.next_of(CANCEL).ticket, call.ticket);
}

#[test]
fn find_gives_what_was_registered() {
    let mut host = Host::start();
    echo(&mut host);
    let found = host.done("find", json!({"query": {"skill": "echo"}, "explain": true}));
    assert_eq!(found["agents"][0]["name"], "echo", "{found}");
    assert_eq!(found["agents"][0]["path"], "in_process");
    let none = host.done("find", json!({"query": {"skill": "no-such"}, "waitMs": 0}));
    assert_eq!(none["agents"], json!([]));
    let peer = host.failed("peer", json!({"query": {"skill": "no-such"}, "waitMs": 0}));
    assert_eq!(peer["kind"], "not_found");
    assert_eq!(host.done("peer", json!({"query": "echo"}))["name"], "echo");
}

#[test]
fn closing_the_session_frees_every_handle() {
    let before = hubless_shared::handles();
    let mut host = Host::start();
    echo(&mut host);
    host.submit("request", json!({"to": "echo", "content": {"value": "?"}}), vec![]);
    host.next_of(CALL);
    host.done("body.open", json!({}));
    // Other tests of this process open and close handles meanwhile; ours are at least these.
    assert!(hubless_shared::handles() >= 4.min(before + 4));

    host.done("node.close", json!({"graceMs": 0}));
    assert_eq!(host.failed("node.status", json!({}))["kind"], "closed");
    hubless_shared::close(host.session);
    assert!(!hubless_shared::submit(host.session, 99, "node.status", Bytes::new(), vec![]));
}
