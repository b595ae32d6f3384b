//! What programs are tested with: fake peers in meshes of their own, recordings.
#![allow(clippy::unwrap_used, reason = "a test")]

use hubless::budget::{Amount, Component, KillSwitch, Terms};
use hubless::node::CallStream;
use hubless::testing::{Ending, Fake, House, Mode, Recorder, RecorderOptions, Saved, Script};
use hubless::{Agent, handler};
use hubless::{AgentOptions, Content, Error, Kind, Node, RequestOptions, Result, StreamItem};
use hubless_proto::limits;
use hubless_proto::wire::v1::Auth;
use serde_json::{Value, json};
use std::time::Duration;

fn options(name: &str) -> AgentOptions {
    AgentOptions { name: name.into(), ..AgentOptions::default() }
}

async fn fake(node: &Node, script: Value) -> Fake {
    let fake = Fake::new("weather", Script::read(script).unwrap());
    node.register(options("weather"), fake.handler()).await.unwrap();
    fake
}

async fn ask(node: &Node, to: &str, value: Value) -> Result<Value> {
    let reply = node.request(RequestOptions::new(to, Content::value(value))).await?;
    Ok(reply.content.decoded().unwrap_or_default())
}

async fn over(nodes: Vec<Node>) {
    for node in nodes {
        node.close(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn nodes_of_one_house_meet_and_those_of_another_do_not() {
    let (house, other) = (House::new().unwrap(), House::new().unwrap());
    let home = Node::start(house.options()).await.unwrap();
    let (guest, stranger) = (house.options(), other.options());
    let (guest, stranger) = (Node::start(guest).await, Node::start(stranger).await);
    let (guest, stranger) = (guest.unwrap(), stranger.unwrap());
    fake(&home, json!({"otherwise": {"answer": {"value": 7}}})).await;

    assert_eq!(ask(&guest, "weather", json!("?")).await.unwrap(), 7);
    let none = ask(&stranger, "weather", json!("?")).await.unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
    for address in home.status().addresses {
        let bound: std::net::SocketAddr = address.parse().unwrap();
        assert!(bound.ip().is_loopback(), "{address}");
    }

    over(vec![home, guest, stranger]).await;
    let folder = house.home().to_owned();
    assert!(folder.exists());
    drop(house);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_fake_says_events_and_errors_of_its_steps_and_remembers_what_it_was_asked() {
    let house = House::new().unwrap();
    let node = Node::start(house.options()).await.unwrap();
    let fake = fake(
        &node,
        json!({"steps": [
        {"when": {"value": "stream"}, "answer": {"value": "end"}, "events": [
            {"progress": {"note": "half", "fraction": 0.5}}, {"chunk": {"value": "be"}},
            {"chunk": {"value": "gin "}}]},
        {"when": {"value": "fail"},
         "error": {"kind": "busy", "code": "tea", "message": "m", "retry": {"afterMs": 7}}}]}),
    )
    .await;

    let mut stream: CallStream =
        node.stream(RequestOptions::new("weather", Content::text("stream"))).unwrap();
    let mut said = Vec::new();
    while let Some(item) = stream.next().await {
        said.push(match item.unwrap() {
            StreamItem::Accepted => continue,
            StreamItem::Progress { note, fraction } => format!("{note} {fraction:?}"),
            StreamItem::Chunk { content, append } => format!("{} {append}", content.joined_text()),
            StreamItem::Final(reply) => reply.content.joined_text(),
        });
    }
    assert_eq!(said, ["half Some(0.5)", "be true", "gin  true", "end"]);
    let error = ask(&node, "weather", json!("fail")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Busy, "tea"));
    assert!(error.rejection);
    assert_eq!(error.retry, hubless_proto::error::Retry::AfterMs(7));
    let refused = ask(&node, "weather", json!("else")).await.unwrap_err();
    assert_eq!(refused.code, "script_used_up");

    let asked = fake.asked(3).await;
    let endings: Vec<_> = asked.iter().map(|asked| (asked.step, asked.ending)).collect();
    let wanted = [(Some(0), Ending::Answered), (Some(1), Ending::Failed), (None, Ending::Refused)];
    assert_eq!(endings, wanted);
    assert_eq!(fake.verify().unwrap_err().code, "script_unmet");
    over(vec![node]).await;
}

#[tokio::test]
async fn a_gate_holds_an_answer_until_it_is_opened() {
    let house = House::new().unwrap();
    let node = Node::start(house.options()).await.unwrap();
    let fake = fake(
        &node,
        json!({"steps": [
        {"hold": "door", "answer": {"value": 1}, "times": 2},
        {"hold": "never", "answer": {"value": 2}}]}),
    )
    .await;

    let held = {
        let node = node.clone();
        tokio::spawn(async move { ask(&node, "weather", json!("?")).await })
    };
    assert_eq!(fake.asked(1).await[0].ending, Ending::Open);
    assert!(!held.is_finished());
    fake.release("door").unwrap();
    assert_eq!(held.await.unwrap().unwrap(), 1);
    // It stays open.
    assert_eq!(ask(&node, "weather", json!("?")).await.unwrap(), 1);

    let given_up = node.stream(RequestOptions::new("weather", Content::text("?"))).unwrap();
    assert_eq!(fake.asked(3).await[2].ending, Ending::Open);
    drop(given_up);
    while fake.asked(3).await[2].ending == Ending::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.asked(3).await[2].ending, Ending::Cancelled);
    let wrong = fake.release("dor").unwrap_err();
    assert_eq!(wrong.message, "expected one of door, never, got \"dor\"");
    over(vec![node]).await;
}

#[tokio::test]
async fn a_fake_says_what_it_spent() {
    let house = House::new().unwrap();
    let node = Node::start(house.options()).await.unwrap();
    fake(&node, json!({"otherwise": {"answer": {"value": 1}, "usage": {"inputTokens": 5}}})).await;
    let switch = KillSwitch::new(Terms::read("", &json!({"inputTokens": 100})).unwrap());

    let paid = RequestOptions {
        kill_switch: Some(switch.clone()),
        ..RequestOptions::new("weather", Content::text("?"))
    };
    let reply = node.request(paid).await.unwrap();

    assert_eq!(reply.usage.input_tokens, 5);
    let wanted = Amount::ZERO.with(Component::InputTokens, 5).unwrap();
    assert_eq!(switch.spent().of(Component::InputTokens), wanted.of(Component::InputTokens));
    over(vec![node]).await;
}

/// A peer that streams and fails, wants a credential and is asked for with a password.
async fn real(node: &Node) -> Agent {
    let read = AgentOptions::read(json!({"name": "weather", "description": "says the weather",
        "skills": [{"id": "forecast", "description": "of a city", "effect": "PURE",
                    "attributes": {"pair": "x"}, "inputSchema": {"type": "object"}}],
        "requirements": {"auth": {"sharedSecret": "canary-secret"}}}));
    let answer = handler(|call: hubless::Call, content: Content| async move {
        let asked = content.decoded().unwrap_or_default();
        if asked["city"] == "Nowhere" {
            let message = "no such city, said canary-secret";
            return Err(Error::refusal(Kind::NotFound, "city", message));
        }
        call.progress("looking", None).await?;
        call.chunk(Content::text("cold"), true).await?;
        Ok(Content::data(&json!({"city": asked["city"], "apiKey": "canary-answer"})))
    });
    node.register(read.unwrap(), answer).await.unwrap()
}

/// Everything that comes of a request.
async fn all_of(node: &Node, to: &str, city: &str, password: &str) -> Vec<Value> {
    let value = json!({"city": city, "password": password});
    let asked = RequestOptions {
        skill: "forecast".into(),
        ..RequestOptions::new(to, Content::value(value))
    };
    let mut stream = node.stream(asked).unwrap();
    let mut all = Vec::new();
    while let Some(item) = stream.next().await {
        all.push(match item {
            Ok(StreamItem::Accepted) => continue,
            Ok(StreamItem::Progress { note, .. }) => json!(note),
            Ok(StreamItem::Chunk { content, .. }) => json!(content.joined_text()),
            Ok(StreamItem::Final(reply)) => {
                reply.content.decoded().unwrap_or_default()["city"].take()
            }
            Err(error) => json!([error.kind.name(), error.code]),
        });
    }
    all
}

#[tokio::test]
async fn what_was_recorded_is_answered_again_without_the_peer_and_holds_no_secret() {
    let house = House::new().unwrap();
    let node = Node::start(house.options()).await.unwrap();
    let peer = real(&node).await;
    let auth = Auth { scheme: "shared_secret".into(), secret: "canary-secret".into() };
    let options = RecorderOptions { auth: Some(auth), redact: vec![] };
    let recorder = Recorder::new(&node, "weather", options).await.unwrap();
    node.register(options_of(&recorder, "recorded"), recorder.handler()).await.unwrap();

    let mut live = Vec::new();
    for city in ["Oslo", "Nowhere", "Rome"] {
        live.push(all_of(&node, "recorded", city, "canary-password").await);
    }
    assert_eq!(live[0], [json!("looking"), json!("cold"), json!("Oslo")]);
    assert_eq!(live[1], [json!(["not_found", "city"])]);
    let path = house.home().join("weather.json");
    assert_eq!(recorder.save(&path).await.unwrap(), Saved { steps: 3, open: 0 });
    peer.unregister(Duration::ZERO).await.unwrap();

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(text.matches("[redacted]").count(), 6, "{text}");
    let script = Script::load(&path).await.unwrap();
    assert_eq!(script.agent()["name"], "weather");
    let skill = &script.agent()["skills"][0];
    assert_eq!((&skill["description"], &skill["effect"]), (&json!("of a city"), &json!("PURE")));
    assert_eq!(skill["inputSchema"], json!({"type": "object"}));

    let again = Fake::new("weather", script.clone());
    let options = AgentOptions::read(Value::Object(script.agent().clone())).unwrap();
    let replayed = node.register(options, again.handler()).await.unwrap();
    for (city, wanted) in ["Oslo", "Nowhere", "Rome"].into_iter().zip(&live) {
        assert_eq!(all_of(&node, "weather", city, "another").await, *wanted);
    }
    again.verify().unwrap();
    let more = all_of(&node, "weather", "Oslo", "x").await;
    assert_eq!(more, [json!(["handler_failed", "script_used_up"])]);
    replayed.unregister(Duration::ZERO).await.unwrap();

    let loose = Fake::new("weather", script.with_mode(Mode::Loose));
    node.register(options_of(&recorder, "weather"), loose.handler()).await.unwrap();
    for city in ["Rome", "Oslo", "Rome", "Rome"] {
        assert_eq!(all_of(&node, "weather", city, "x").await[2], json!(city));
    }
    over(vec![node]).await;
}

#[tokio::test]
async fn a_secret_that_is_streamed_in_pieces_is_not_in_the_recording() {
    let house = House::new().unwrap();
    let node = Node::start(house.options()).await.unwrap();
    let answer = handler(|call: hubless::Call, content: Content| async move {
        let text = content.joined_text();
        let (one, two) = text.split_at(8);
        call.chunk(Content::text(one), true).await?;
        call.progress("half", None).await?;
        call.chunk(Content::text(two), true).await?;
        Ok(Content::default())
    });
    let wanted = json!({"auth": {"sharedSecret": "canary-secret"}});
    let echo = AgentOptions::read(json!({"name": "echo", "requirements": wanted})).unwrap();
    node.register(echo, answer).await.unwrap();
    let auth = Auth { scheme: "shared_secret".into(), secret: "canary-secret".into() };
    let with = RecorderOptions { auth: Some(auth), redact: vec![] };
    let recorder = Recorder::new(&node, "echo", with).await.unwrap();
    node.register(options("recorded"), recorder.handler()).await.unwrap();
    for text in ["I am canary-secret", "innocent canaries"] {
        assert_eq!(ask(&node, "recorded", json!(text)).await.unwrap(), text);
    }
    let path = house.home().join("echo.json");
    assert_eq!(recorder.save(&path).await.unwrap(), Saved { steps: 2, open: 0 });

    let text = std::fs::read_to_string(&path).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    let texts = |step: usize| -> Vec<Value> {
        let events = recorded["steps"][step]["events"].as_array().unwrap();
        let chunks = events.iter().filter(|event| event["chunk"].is_object());
        chunks.map(|chunk| chunk["chunk"]["part"]["text"].clone()).collect()
    };
    assert_eq!(texts(0), ["I am [redacted]"]);
    assert_eq!(texts(1), ["innocent", " canaries"]);
    for piece in ["canary-secret", "-secret", "I am can"] {
        assert!(!text.contains(piece), "{text}");
    }
    over(vec![node]).await;
}

fn options_of(recorder: &Recorder, name: &str) -> AgentOptions {
    let mut agent = recorder.agent().clone();
    agent.insert("name".into(), name.into());
    AgentOptions::read(Value::Object(agent)).unwrap()
}

#[tokio::test]
async fn a_recording_that_cannot_be_read_is_refused_with_its_path() {
    let house = House::new().unwrap();
    let path = house.home().join("broken.json");
    let missing = Script::load(&path).await.unwrap_err();
    assert_eq!((missing.kind, missing.code.as_str()), (Kind::Configuration, "bad_file"));
    assert!(missing.message.contains("broken.json"), "{missing}");

    std::fs::write(&path, "{").unwrap();
    assert_eq!(Script::load(&path).await.unwrap_err().code, "bad_file");
    std::fs::write(&path, "{\"steps\": []}").unwrap();
    assert!(Script::load(&path).await.is_ok());

    let large = std::fs::File::create(&path).unwrap();
    large.set_len(limits::TESTING_BYTES as u64 + 1).unwrap();
    let refused = Script::load(&path).await.unwrap_err();
    assert_eq!(refused.limit.map(|limit| limit.name).as_deref(), Some("TESTING_BYTES"));
}
