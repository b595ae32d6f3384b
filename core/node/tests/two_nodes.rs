//! Calls between nodes of one home: records, handshake, QUIC streams.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

#[path = "two_nodes/accepting.rs"]
mod accepting;
#[path = "two_nodes/behind.rs"]
mod behind;
#[path = "two_nodes/dishonest.rs"]
mod dishonest;
#[path = "two_nodes/health.rs"]
mod health;
#[path = "two_nodes/loads.rs"]
mod loads;
#[path = "two_nodes/moves.rs"]
mod moves;
#[path = "two_nodes/node_auth.rs"]
mod node_auth;
#[path = "two_nodes/parts.rs"]
mod parts;
#[path = "two_nodes/pins.rs"]
mod pins;
#[path = "two_nodes/repeats.rs"]
mod repeats;
#[path = "two_nodes/replicas.rs"]
mod replicas;
#[path = "two_nodes/returns.rs"]
mod returns;
mod support;
#[path = "two_nodes/traces.rs"]
mod traces;
#[path = "two_nodes/transients.rs"]
mod transients;
#[path = "two_nodes/unsendable.rs"]
mod unsendable;
#[path = "two_nodes/withheld.rs"]
mod withheld;
#[path = "two_nodes/zones.rs"]
mod zones;

use hubless::foreign::{Answer, ToolHost};
use hubless::node::{Change, Path};
use hubless::{
    AgentOptions, Body, BodyWriter, Content, Error, FindOptions, Kind, RequestOptions, StreamItem,
    body,
};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Pair, WAIT_MS, agent, ask, gated, node_in, pair, patient, register, soon};
use tokio::sync::mpsc;

#[tokio::test]
async fn another_node_is_found_and_asked() {
    let Pair { one, two, _home } = pair().await;
    let echo = register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let reply = two.request(ask("echo", json!({"x": "Grüße"}))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"x": "Grüße"})));
    assert_eq!((reply.path, reply.agent.node_key), (Path::Direct, one.key()));
    assert_eq!(reply.agent.agent_id, echo.id());
    let by_id = two.request(ask(&echo.id().to_string(), json!(1))).await.unwrap();
    assert_eq!(by_id.agent.agent_id, echo.id());
    assert_eq!(two.status().peers.len(), 1);
    assert_eq!(two.status().peers[0].connections, 1);
}

#[tokio::test]
async fn find_ranks_filters_and_explains() {
    let Pair { one, two, _home } = pair().await;
    let fx = |name: &str, from: &str, to: &str| {
        json!({"name": name, "description": "historic exchange rates", "tags": ["fx"],
            "skills": [{"id": "rate", "description": "one day's rate", "effect": "PURE",
            "attributes": {"pair": ["EUR/USD"],
                "period": {"interval": {"from": from, "to": to}}}}]})
    };
    register(&one, fx("old", "2001-01-01", "2010-12-31"), |_, c| async move { Ok(c) }).await;
    register(&one, fx("new", "2021-01-01", "2024-12-31"), |_, c| async move { Ok(c) }).await;
    register(&one, json!({"name": "other"}), |_, c| async move { Ok(c) }).await;
    let query = Query::read(json!({"text": "fx rates", "skill": "rate", "filter": {"field":
        "attributes.period", "op": "covers",
        "value": {"interval": {"from": "2022-01-01", "to": "2022-12-31"}}}}))
    .unwrap();
    let options = FindOptions { explain: true, ..patient() };
    let found = two.find(query, options).await.unwrap();
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["new"]);
    assert!(found[0].explain.as_ref().is_some_and(|signals| !signals.is_empty()));
    let shown = serde_json::to_value(&found[0]).unwrap();
    let wanted = json!({"from": "2021-01-01", "to": "2024-12-31"});
    assert_eq!(shown["skills"][0]["attributes"]["period"]["interval"], wanted);
    assert_eq!(shown["nodeKey"], json!(one.key()));
    let none = Query::read(json!({"skill": "no-such-skill"})).unwrap();
    let quick = FindOptions { wait: Duration::from_millis(10), explain: false };
    assert!(two.find(none, quick).await.unwrap().is_empty());
}

#[tokio::test]
async fn schemas_travel_by_digest() {
    let Pair { one, two, _home } = pair().await;
    let options = json!({"name": "sum", "skills": [{"id": "sum", "description": "adds",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}}}]});
    register(&one, options, |_, c| async move { Ok(c) }).await;
    two.peer(Query::read(json!({"skill": "sum"})).unwrap(), patient()).await.unwrap();
    let description = two.describe("sum").await.unwrap();
    assert_eq!(description.descriptor.name, "sum");
    assert!(description.skills[0].input_schema_json.contains("integer"));
    let asked = Query::read(json!({"accepts": {"type": "object", "properties":
        {"a": {"type": "integer"}}, "required": ["a"]}}))
    .unwrap();
    let found = two.find(asked, patient()).await.unwrap();
    assert_eq!(found.len(), 1);
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i * 31 + 7) % 251) as u8).collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn write_all(writer: BodyWriter, bytes: Vec<u8>) {
    for piece in bytes.chunks(100_000) {
        writer.write(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.end();
}

async fn read_all(body: Body) -> Vec<u8> {
    body.gather(64 << 20).await.unwrap().to_vec()
}

fn stream_of(content: &mut Content) -> Body {
    content.bodies.drain().next().expect("a streamed part").1
}

#[tokio::test]
async fn blobs_are_streamed_there_and_back() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "digest"}), |_, mut content| async move {
        let bytes = content.bytes(64 << 20).await?;
        Ok(Content::value(json!({"size": bytes.len(), "sha256": digest(&bytes)})))
    })
    .await;
    register(&one, json!({"name": "make"}), |_, content| async move {
        let size = content.decoded().unwrap()["size"].as_u64().unwrap() as usize;
        let (writer, reader) = body();
        tokio::spawn(write_all(writer, bytes(size)));
        Ok(Content::stream("application/octet-stream", Some(size as u64), reader))
    })
    .await;
    register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let (writer, reader) = body();
    tokio::spawn(write_all(writer, bytes(3_000_000)));
    let mut request = ask("digest", Value::Null);
    request.content = Content::stream("video/mp4", None, reader);
    let value = two.request(request).await.unwrap().content.decoded().unwrap();
    assert_eq!(value, json!({"size": 3_000_000, "sha256": digest(&bytes(3_000_000))}));

    let mut made = two.request(ask("make", json!({"size": 2_500_000}))).await.unwrap();
    assert_eq!(digest(&read_all(stream_of(&mut made.content)).await), digest(&bytes(2_500_000)));

    let (writer, reader) = body();
    tokio::spawn(write_all(writer, bytes(1_500_000)));
    let mut request = ask("echo", Value::Null);
    request.content = Content::stream("application/octet-stream", Some(1_500_000), reader);
    let mut echoed = two.request(request).await.unwrap();
    assert_eq!(digest(&read_all(stream_of(&mut echoed.content)).await), digest(&bytes(1_500_000)));
}

#[tokio::test]
async fn large_blobs_texts_and_data_are_split_and_gathered() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let value = json!({"text": "x".repeat(700_000), "more": "ä".repeat(300_000)});
    let reply = two.request(ask("echo", value.clone())).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(value));
    let blob = hubless_proto::wire::v1::Blob {
        media_type: "application/octet-stream".into(),
        filename: String::new(),
        bytes: bytes(1 << 20).into(),
    };
    let part = hubless_proto::wire::v1::Part {
        kind: Some(hubless_proto::wire::v1::part::Kind::Blob(blob)),
        ..Default::default()
    };
    let mut request = ask("echo", Value::Null);
    request.content.message.parts = vec![part];
    let mut reply = two.request(request).await.unwrap();
    assert_eq!(digest(&reply.content.bytes(2 << 20).await.unwrap()), digest(&bytes(1 << 20)));
}

#[tokio::test]
async fn more_than_the_agent_takes_is_refused_while_it_arrives() {
    let Pair { one, two, _home } = pair().await;
    let options = json!({"name": "small", "requirements": {"maxBinaryBytes": 200_000}});
    register(&one, options, |_, mut content| async move {
        let bytes = content.bytes(64 << 20).await?;
        Ok(Content::value(json!(bytes.len())))
    })
    .await;
    for (declared, size) in [(Some(1_000_000), 1_000_000), (None, 1_000_000)] {
        let (writer, reader) = body();
        tokio::spawn(async move {
            // Refused in the middle: the rest is not wanted.
            for piece in bytes(size).chunks(100_000) {
                if writer.write(bytes::Bytes::copy_from_slice(piece)).await.is_err() {
                    return;
                }
            }
            writer.end();
        });
        let mut request = ask("small", Value::Null);
        request.content = Content::stream("video/mp4", declared, reader);
        let error = two.request(request).await.unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge, "{error}");
    }
}

#[tokio::test]
async fn streams_tools_and_errors_cross_the_connection() {
    struct Add;
    impl ToolHost for Add {
        fn call_tool(&self, _: String, arguments: Value) -> Answer<Content> {
            let sum = arguments["a"].as_i64().unwrap() + arguments["b"].as_i64().unwrap();
            Box::pin(async move { Ok(Content::value(json!(sum))) })
        }
    }
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "tool"}), |call, content| async move {
        call.progress("asking", None).await?;
        call.chunk(Content::text("…"), false).await?;
        let sum = call.call_tool("add", &content.decoded().unwrap()).await?;
        Ok(Content::value(json!({"fromTool": sum.decoded()})))
    })
    .await;
    let mut request = RequestOptions::read(json!({"to": "tool", "waitMs": WAIT_MS,
        "tools": [{"name": "add", "inputSchema": {"type": "object"}}]}))
    .unwrap();
    request.content = Content::value(json!({"a": 3, "b": 4}));
    request.tool_host = Some(Arc::new(Add));
    let mut stream = two.stream(request).unwrap();
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, .. } => seen.push(note),
            StreamItem::Chunk { content, .. } => seen.push(content.joined_text()),
            StreamItem::Final(reply) => seen.push(reply.content.decoded().unwrap().to_string()),
        }
    }
    assert_eq!(seen, ["asking", "…", r#"{"fromTool":7}"#]);
    let mut unknown = ask("tool", json!({"a": 1, "b": 2}));
    unknown.wait_ms = Some(0);
    let error = two.request(unknown).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "undeclared_tool"));
    assert_eq!(error.origin, Some(one.key().to_string()));
}

#[tokio::test]
async fn a_given_up_call_stops_the_handler_elsewhere() {
    /// Tells of each of its calls when it begins and when it is told to stop.
    struct Slow(mpsc::UnboundedSender<(&'static str, Option<Value>)>);
    impl hubless::Handler for Slow {
        fn handle(&self, inbound: hubless::Inbound) {
            let (told, asked) = (self.0.clone(), inbound.content.decoded());
            // One that is late for its caller may outlive this test.
            let _ = told.send(("begun", asked.clone()));
            tokio::spawn(async move {
                inbound.call.cancelled().await;
                let _ = told.send(("stopped", asked));
            });
        }
    }
    let Pair { one, two, _home } = pair().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    one.register(agent(json!({"name": "slow"})), Arc::new(Slow(told))).await.unwrap();
    register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    two.request(ask("echo", json!(0))).await.unwrap();
    let given_up = two.request(ask("slow", json!("given up")));
    let asked = Some(json!("given up"));
    tokio::select! {
        ended = given_up => panic!("{ended:?}"),
        first = soon("the handler", heard.recv()) => {
            assert_eq!(first, Some(("begun", asked.clone())));
        }
    }
    assert_eq!(soon("its end", heard.recv()).await, Some(("stopped", asked)));
    let mut total_ms = 50;
    let begun = loop {
        let mut late = ask("slow", json!(total_ms));
        late.total_ms = Some(total_ms);
        assert_eq!(two.request(late).await.unwrap_err().kind, Kind::Deadline);
        if let Ok(first) = heard.try_recv() {
            break first;
        }
        // A busy machine had not come to the handler when the time was over.
        total_ms *= 2;
        assert!(total_ms < 60_000, "the handler did not begin");
    };
    assert_eq!(begun.0, "begun");
    let stopped = Some(("stopped", begun.1));
    while soon("its end", heard.recv()).await != stopped {}
}

#[tokio::test]
async fn the_calling_agent_is_vouched_for_by_its_node() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "who"}), |call, _| async move {
        let caller = call.caller();
        Ok(Content::value(json!({"kind": caller.kind.name(), "agent": caller.agent})))
    })
    .await;
    let from = register(&two, json!({"name": "asker"}), |_, c| async move { Ok(c) }).await;
    let plain = two.request(ask("who", json!(1))).await.unwrap().content.decoded();
    assert_eq!(plain, Some(json!({"kind": "member", "agent": null})));
    let mut request = ask("who", json!(1));
    request.from = Some(from.id());
    let named = two.request(request).await.unwrap().content.decoded();
    assert_eq!(named, Some(json!({"kind": "member", "agent": from.id()})));
}

#[tokio::test]
async fn watchers_see_agents_come_and_go() {
    let Pair { one, two, _home } = pair().await;
    let mut watch = two.watch(Query::read(json!({"tags": ["seen"]})).unwrap()).unwrap();
    assert!(matches!(watch.next().await, Some(Change::Snapshot(all)) if all.is_empty()));
    let options = json!({"name": "a", "tags": ["seen"]});
    let a = register(&one, options, |_, c| async move { Ok(c) }).await;
    assert!(matches!(watch.next().await, Some(Change::Arrived(found)) if found.name == "a"));
    a.unregister(Duration::ZERO).await.unwrap();
    let gone = watch.next().await;
    assert!(matches!(gone, Some(Change::Departed { name, .. }) if name == "a"));
    let mut finds = two
        .discover(Query::read(json!({"tags": ["seen"]})).unwrap(), FindOptions::default())
        .unwrap();
    register(&one, json!({"name": "b", "tags": ["seen"]}), |_, c| async move { Ok(c) }).await;
    assert_eq!(finds.next().await.unwrap().name, "b");
}

#[tokio::test]
async fn an_imported_agent_is_called_once_its_node_announces_it() {
    let Pair { one, two, _home } = pair().await;
    let options = AgentOptions {
        identity: hubless::node::Identity::Stored("paper".into()),
        ..agent(json!({"name": "paper", "tags": ["seen"]}))
    };
    let echo = hubless::handler(|_, c| async move { Ok(c) });
    let paper = one.register(options.clone(), Arc::clone(&echo)).await.unwrap();
    let seen = || Query::read(json!({"tags": ["seen"]})).unwrap();
    let mut watch = two.watch(seen()).unwrap();
    let arrives = async {
        loop {
            match watch.next().await.unwrap() {
                Change::Snapshot(all) if all.is_empty() => {}
                Change::Snapshot(_) | Change::Arrived(_) => return,
                other @ (Change::Changed(_) | Change::Departed { .. } | Change::Lagged(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    };
    arrives.await;
    paper.unregister(Duration::ZERO).await.unwrap();
    assert!(matches!(watch.next().await, Some(Change::Departed { .. })));
    let entry = json!({"agentId": paper.id().to_string(), "name": "paper", "tags": ["seen"]});
    assert_eq!(two.load_agents(vec![entry]).unwrap().loaded, 1);
    let arrived = watch.next().await;
    assert!(matches!(arrived, Some(Change::Arrived(found)) if found.node_key.is_none()));
    let again = one.register(options, echo).await.unwrap();
    assert_eq!(again.id(), paper.id());
    let changed = watch.next().await;
    assert!(matches!(changed, Some(Change::Changed(found)) if found.node_key == Some(one.key())));
    assert!(two.request(ask("paper", json!(1))).await.is_ok());
    let found = two.find(seen(), FindOptions::default()).await.unwrap();
    assert_eq!((found.len(), found[0].node_key), (1, Some(one.key())), "once, as announced");
    again.unregister(Duration::ZERO).await.unwrap();
    let left = watch.next().await;
    assert!(matches!(left, Some(Change::Changed(found)) if found.node_key.is_none()));
}

#[tokio::test]
async fn a_node_that_closes_is_gone_and_its_calls_end() {
    let Pair { one, two, _home } = pair().await;
    let slow = gated(&one, json!({"name": "slow"})).await;
    let named = json!({"filter": {"field": "name", "op": "=", "value": "slow"}});
    let mut watch = two.watch(Query::read(named).unwrap()).unwrap();
    let asking = two.clone();
    let running = tokio::spawn(async move { asking.request(ask("slow", json!(1))).await });
    slow.started(1).await;
    let closing = one.clone();
    let closed = tokio::spawn(async move { closing.close(Duration::from_secs(5)).await });
    slow.gate.add_permits(1);
    running.await.unwrap().expect("a running call may end");
    closed.await.unwrap();
    // Over the folder the news may come later than the end of the connection.
    while !matches!(watch.next().await, Some(Change::Departed { .. })) {}
    let mut gone = ask("slow", json!(1));
    gone.wait_ms = Some(0);
    assert_eq!(two.request(gone).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn a_stored_name_is_pinned_at_first_use_and_never_answered_by_another() {
    let Pair { one, two, _home } = pair().await;
    let stored = AgentOptions {
        identity: hubless::node::Identity::Stored("keeper".into()),
        ..agent(json!({"name": "keeper"}))
    };
    let echo = hubless::handler(|_, c| async move { Ok(c) });
    let keeper = one.register(stored.clone(), Arc::clone(&echo)).await.unwrap();
    let twice = two.register(stored, Arc::clone(&echo)).await.unwrap_err();
    assert_eq!(twice.kind, Kind::Conflict);
    assert!(two.request(ask("keeper", json!(1))).await.is_ok());
    let pins = two.pins().list().unwrap();
    assert_eq!((pins.len(), pins[0].agent_id), (1, keeper.id()));
    keeper.unregister(Duration::ZERO).await.unwrap();
    one.register(agent(json!({"name": "keeper"})), echo).await.unwrap();
    let error = loop {
        match two.request(ask("keeper", json!(1))).await {
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => break error,
            Ok(_) => panic!("another key answered to a pinned name"),
        }
    };
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "pinned"));
}

#[tokio::test]
async fn a_replica_has_the_same_key_and_the_same_descriptor() {
    let Pair { one, two, _home } = pair().await;
    let stored = |json: Value, replica: bool| AgentOptions {
        identity: hubless::node::Identity::Stored("twin".into()),
        replica,
        ..agent(json)
    };
    let echo = hubless::handler(|_, c| async move { Ok(c) });
    let first = one.register(stored(json!({"name": "twin"}), false), Arc::clone(&echo)).await;
    let first = first.unwrap();
    let query = Query::read(json!({"filter": {"field": "name", "op": "=", "value": "twin"}}));
    two.peer(query.unwrap(), patient()).await.unwrap();
    let other = stored(json!({"name": "twin", "description": "another"}), true);
    let error = two.register(other, Arc::clone(&echo)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "replica"));
    let same = two.register(stored(json!({"name": "twin"}), true), echo).await.unwrap();
    assert_eq!(same.id(), first.id());
    assert!(one.request(ask("twin", json!(1))).await.is_ok());
    assert_eq!(two.request(ask("twin", json!(1))).await.unwrap().path, Path::InProcess);
}

#[tokio::test]
async fn a_refusal_does_not_pass_for_silence() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (node_in(&home).await, node_in(&home).await);
    let asker = node_in(&home).await;
    let runs = Arc::new(AtomicUsize::new(0));
    for node in [&one, &two] {
        let counted = Arc::clone(&runs);
        let failing = hubless::handler(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err(Error::refusal(Kind::Transport, "silent_path", "said by a handler")) }
        });
        let twin = AgentOptions {
            identity: hubless::node::Identity::Stored("twin".into()),
            replica: true,
            ..agent(json!({"name": "twin"}))
        };
        node.register(twin, failing).await.unwrap();
    }
    let query = Query::read(json!({"filter": {"field": "name", "op": "=", "value": "twin"}}));
    asker.peer(query.unwrap(), patient()).await.unwrap();
    for effect in [None, Some("PURE")] {
        runs.store(0, Ordering::SeqCst);
        let mut request = RequestOptions::read(json!({"to": "twin", "effect": effect})).unwrap();
        request.content = Content::text("x");
        assert_eq!(asker.request(request).await.unwrap_err().code, "silent_path");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn a_duplicate_stands_only_where_both_allow_it() {
    let home = tempfile::tempdir().unwrap();
    let node = node_in(&home).await;
    let named = |name: &str, allow: bool| AgentOptions {
        identity: hubless::node::Identity::Stored("twin".into()),
        ..agent(json!({"name": name, "requirements": {"allowAgentDuplication": allow}}))
    };
    let echo = hubless::handler(|_, c| async move { Ok(c) });
    let first = node.register(named("first", true), Arc::clone(&echo)).await.unwrap();
    let error = node.register(named("second", false), Arc::clone(&echo)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "agent_taken"));
    let other = hubless::handler(|_, _| async move { Ok(Content::text("the second")) });
    let second = node.register(named("second", true), other).await.unwrap();
    assert_eq!(first.id(), second.id());
    for (name, answer) in [("first", "hello"), ("second", "the second")] {
        let reply = node.request(ask(name, json!("hello"))).await.unwrap();
        assert_eq!(reply.content.joined_text(), answer, "each answers by its own name");
    }
    first.unregister(Duration::ZERO).await.unwrap();
    assert!(node.request(ask(&second.id().to_string(), json!(1))).await.is_ok());
}

#[tokio::test]
async fn of_duplicates_others_know_the_first_by_name_and_then_the_next() {
    let Pair { one, two, _home } = pair().await;
    let named = |name: &str| AgentOptions {
        identity: hubless::node::Identity::Stored("twin".into()),
        ..agent(json!({"name": name, "requirements": {"allowAgentDuplication": true}}))
    };
    let says =
        |text: &'static str| hubless::handler(move |_, _| async move { Ok(Content::text(text)) });
    // What both nodes find, once it is this one agent.
    let known = async |name: &str| {
        for node in [&one, &two] {
            let only = async {
                loop {
                    let found = node.find(Query::default(), patient()).await.unwrap();
                    let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
                    if names == [name] {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            soon(name, only).await;
        }
    };
    let asked =
        async |to: &str| two.request(ask(to, json!(1))).await.unwrap().content.joined_text();
    let middle = one.register(named("middle"), says("middle")).await.unwrap();
    known("middle").await;
    let last = one.register(named("zulu"), says("zulu")).await.unwrap();
    let id = last.id().to_string();
    assert_eq!(middle.id(), last.id());
    known("middle").await;
    assert_eq!((asked("middle").await, asked(&id).await), ("middle".into(), "middle".into()));
    let first = one.register(named("alpha"), says("alpha")).await.unwrap();
    known("alpha").await;
    assert_eq!((asked("alpha").await, asked(&id).await), ("alpha".into(), "alpha".into()));
    // One that others do not know goes without a word.
    middle.unregister(Duration::ZERO).await.unwrap();
    known("alpha").await;
    first.unregister(Duration::ZERO).await.unwrap();
    known("zulu").await;
    assert_eq!((asked("zulu").await, asked(&id).await), ("zulu".into(), "zulu".into()));
    last.unregister(Duration::ZERO).await.unwrap();
    let none = async {
        for node in [&one, &two] {
            let quick = || FindOptions { wait: Duration::ZERO, explain: false };
            while !node.find(Query::default(), quick()).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    };
    soon("none is left", none).await;
}

#[tokio::test]
async fn an_invite_names_the_node_that_made_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let node = node_in(&home).await;
    let options = hubless::node::InviteOptions { local: true, ..Default::default() };
    let ticket = node.invite(options).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mesh = hubless::node::join(Some(elsewhere.path()), &ticket).await.unwrap();
    assert_eq!(mesh, node.mesh_id());
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let joined = node_in(&elsewhere).await;
    assert_eq!(joined.mesh_id(), node.mesh_id());
    let reply = joined.request(ask("echo", json!("across"))).await.unwrap();
    assert_eq!((reply.path, reply.agent.node_key), (Path::Direct, node.key()));
    let used_up = hubless::node::join(Some(elsewhere.path()), &ticket).await.unwrap_err();
    assert_eq!(used_up.kind, Kind::Denied);
}

#[tokio::test]
async fn two_agents_of_one_name_are_ambiguous() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    register(&one, json!({"name": "same"}), |_, c| async move { Ok(c) }).await;
    register(&three, json!({"name": "same"}), |_, c| async move { Ok(c) }).await;
    let all = async {
        let query = || {
            Query::read(json!({"filter":
            {"field": "name", "op": "=", "value": "same"}}))
            .unwrap()
        };
        while two.find(query(), FindOptions::default()).await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("both", all).await;
    let error = two.request(ask("same", json!(1))).await.unwrap_err();
    assert_eq!((error.kind, error.candidates.len()), (Kind::Ambiguous, 2));
    let own = one.request(ask("same", json!(1))).await.unwrap();
    assert_eq!(own.path, Path::InProcess);
}

#[tokio::test]
async fn thousands_of_calls_at_once_all_come_back() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "echo", "requirements": {"queue": 10_000}}), |_, c| async move {
        Ok(c)
    })
    .await;
    assert!(two.request(ask("echo", json!(0))).await.is_ok());
    let calls = (0..1_000).map(|n| {
        let two = two.clone();
        tokio::spawn(async move { two.request(ask("echo", json!(n))).await })
    });
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        // One caller may have more than these waiting for this agent.
        let reply = call.await.unwrap().unwrap();
        assert_eq!(reply.content.decoded(), Some(json!(n)));
    }
}
