//! A process that the tests start: a node with echoing agents, driven by JSON lines.
//!
//! Reads commands from standard input and writes events, each with the time in microseconds, to
//! standard output. Ends with its input.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its events go to standard output")]

use hubless::budget::KillSwitch;
use hubless::call::body::body;
use hubless::membership::InviteOptions;
use hubless::node::{Change, FindOptions, Identity, Listen, Path, SkillOptions, join_by};
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, RequestOptions, handler,
};
use hubless_mesh_tests::{relays, switches};
use hubless_proto::query::Query;
use hubless_proto::wire::v1::{self, part};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Grace of a close.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes of an answer.
const ANSWER: u64 = 1 << 30;

#[derive(Clone)]
struct Subject {
    home: PathBuf,
    name: String,
    handled: Arc<AtomicU64>,
    /// How many calls that wait may go on.
    released: Arc<Semaphore>,
}

/// A running node.
struct Running {
    node: Node,
    agents: BTreeMap<String, hubless::Agent>,
    /// The budget that it began last, and its ceiling.
    switch: Option<(KillSwitch, u64)>,
    watching: tokio::task::JoinHandle<()>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    hubless::telemetry::init();
    let mut arguments = std::env::args().skip(1);
    let home = arguments.next().map(PathBuf::from).unwrap_or_default();
    let name = arguments.next().unwrap_or_default();
    let released = Arc::new(Semaphore::new(0));
    let subject = Subject { home, name, handled: Arc::default(), released };
    let mut running = None;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let command: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Err(error) = obey(&subject, &mut running, &command).await {
            say(
                "error",
                &json!({"kind": error.kind.name(), "code": error.code,
                "message": error.message, "tag": command["tag"]}),
            );
        }
    }
}

async fn obey(
    subject: &Subject,
    running: &mut Option<Running>,
    command: &Value,
) -> Result<(), Error> {
    let text = |field: &str| command[field].as_str().unwrap_or_default().to_owned();
    match text("do").as_str() {
        "start" => *running = Some(start(subject, command).await?),
        "join" => {
            let ca = command["relay_ca"].as_str().map(PathBuf::from);
            let mesh = join_by(Some(&subject.home), &text("ticket"), ca.as_deref()).await?;
            say("joined", &json!({"mesh": mesh.to_string()}));
        }
        "invite" => {
            let home = hubless::home::Home::open(Some(&subject.home))?;
            let uses = command["uses"].as_u64().and_then(|uses| u32::try_from(uses).ok());
            let local = command["local"].as_bool().unwrap_or_default();
            let uses = uses.unwrap_or(1);
            let options = InviteOptions { uses, local, ..InviteOptions::default() };
            let ticket = hubless::mesh::invite(&home, &options)?.text();
            say("ticket", &json!({"ticket": ticket}));
        }
        other => match running.as_mut() {
            Some(node) => drive(subject, node, other, command).await?,
            None => return Err(Error::invalid("do", "no node was started")),
        },
    }
    if text("do") == "close" {
        *running = None;
    }
    Ok(())
}

async fn start(subject: &Subject, command: &Value) -> Result<Running, Error> {
    let listen = command["listen"].as_str().map(Listen::parse).transpose()?;
    let name = command["node"].as_str().map(str::to_owned);
    let home = Some(subject.home.clone());
    let port = command["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let lan = command["lan"].as_bool();
    let options = NodeOptions { home, listen, port, lan, name, ..relays::said(command)? };
    let node = Node::start(options).await?;
    let started = now_us();
    let mut agents = BTreeMap::new();
    let agent = register(subject, &node, &subject.name, Identity::default()).await?;
    let id = agent.id().to_string();
    agents.insert(subject.name.clone(), agent);
    say(
        "ready",
        &json!({"node": node.key().to_string(), "mesh": node.mesh_id().to_string(),
        "agent": id, "name": subject.name, "started_us": started}),
    );
    let watching = tokio::spawn(watch(node.clone()));
    Ok(Running { node, agents, switch: None, watching })
}

/// Adds a line to a file: what tells of a run does not depend on what is tested.
fn mark(path: &str) -> Result<(), Error> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(b"ran\n"));
    written.map_err(|error| Error::new(Kind::Internal, format!("cannot write: {error}")))
}

/// Says that a hanging call was given up.
struct Told;

impl Drop for Told {
    fn drop(&mut self) {
        say("given_up", &json!({}));
    }
}

async fn register(
    subject: &Subject,
    node: &Node,
    name: &str,
    identity: Identity,
) -> Result<hubless::Agent, Error> {
    let (handled, released) = (Arc::clone(&subject.handled), Arc::clone(&subject.released));
    let echo = handler(move |call: Call, content: Content| {
        handled.fetch_add(1, Ordering::SeqCst);
        let released = Arc::clone(&released);
        async move {
            if call.request().skill == "wait" {
                say("waiting", &json!({}));
                if let Ok(one) = released.acquire().await {
                    one.forget();
                }
                say("released", &json!({}));
            }
            if call.request().skill == "hang" {
                // Dropped where it waits: that is how a handler learns that its call is over.
                let _told = Told;
                say("hanging", &json!({}));
                return std::future::pending().await;
            }
            if call.request().skill == "mark" {
                mark(&content.joined_text())?;
            }
            if call.request().skill == "slow" {
                say("working", &json!({}));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(content)
        }
    });
    let skill = |id: &str, effect: &str| SkillOptions {
        id: id.to_owned(),
        effect: Some(effect.to_owned()),
        ..SkillOptions::default()
    };
    let options = AgentOptions {
        name: name.to_owned(),
        skills: vec![
            // What a call asks that names none.
            skill("handle", "AT_MOST_ONCE"),
            skill("echo", "PURE"),
            skill("slow", "PURE"),
            skill("hang", "AT_MOST_ONCE"),
            skill("wait", "AT_MOST_ONCE"),
            skill("mark", "AT_MOST_ONCE"),
        ],
        replica: matches!(identity, Identity::Stored(_)),
        identity,
        ..AgentOptions::default()
    };
    node.register(options, echo).await
}

async fn drive(
    subject: &Subject,
    running: &mut Running,
    what: &str,
    command: &Value,
) -> Result<(), Error> {
    let text = |field: &str| command[field].as_str().unwrap_or_default().to_owned();
    let node = running.node.clone();
    match what {
        "register" => {
            let identity = match command["identity"].as_str() {
                Some(name) => Identity::Stored(name.to_owned()),
                None => Identity::default(),
            };
            let agent = register(subject, &node, &text("name"), identity).await?;
            say("registered", &json!({"agent": agent.id().to_string(), "name": text("name")}));
            running.agents.insert(text("name"), agent);
        }
        "unregister" => {
            if let Some(agent) = running.agents.remove(&text("name")) {
                agent.unregister(GRACE).await?;
            }
            say("unregistered", &json!({"name": text("name")}));
        }
        "call" => {
            let (to, skill, body, tag) =
                (text("to"), text("skill"), text("text"), command["tag"].clone());
            tokio::spawn(async move { call(&node, to, skill, body, tag).await });
        }
        "blob" => {
            let (to, bytes) = (text("to"), command["bytes"].as_u64().unwrap_or_default());
            tokio::spawn(async move { blob(&node, to, bytes).await });
        }
        "whole" => {
            let (to, bytes) = (text("to"), command["bytes"].as_u64().unwrap_or_default());
            tokio::spawn(async move { whole(&node, to, bytes).await });
        }
        "release" => subject.released.add_permits(1),
        "burst" => {
            let (to, count) = (text("to"), command["count"].as_u64().unwrap_or_default());
            tokio::spawn(async move { burst(node, to, count).await });
        }
        "describe" => {
            let to = text("to");
            node.describe(&to).await?;
            say("described", &json!({"to": to}));
        }
        "find" => {
            let found = node.find(Query::default(), FindOptions::default()).await?;
            let names: Vec<_> = found.iter().map(|found| found.name.clone()).collect();
            say("found", &json!({"names": names}));
        }
        "status" => say("status", &status(subject, &node)),
        "at_relay" => {
            let began = now_us();
            let relay = node.at_relay(hubless_mesh_tests::LONG).await?;
            say("at_relay", &json!({"relay": relay.to_string(), "took_us": now_us() - began}));
        }
        "relays" => say("relays", &json!({"relays": node.status().relays})),
        "close" => {
            node.close(GRACE).await;
            running.watching.abort();
            say("closed", &json!({}));
        }
        _ => return budget(running, what, command).await,
    }
    Ok(())
}

fn status(subject: &Subject, node: &Node) -> Value {
    let status = serde_json::to_value(node.status()).unwrap_or_default();
    let handled = subject.handled.load(Ordering::SeqCst);
    let counts = node.counts();
    json!({
        "status": status, "handled": handled, "repeats": counts.repeats, "merged": counts.merged,
    })
}

async fn budget(running: &mut Running, what: &str, command: &Value) -> Result<(), Error> {
    let text = |field: &str| command[field].as_str().unwrap_or_default().to_owned();
    match (what, &running.switch) {
        ("spender", _) => {
            let (name, provider) = (text("name"), text("provider").into());
            let agent = switches::spender(&running.node, name.clone(), provider).await?;
            say("registered", &json!({"agent": agent.id().to_string(), "name": name}));
            running.agents.insert(name, agent);
        }
        ("under", _) => {
            let switch = switches::under(&running.node, command);
            running.switch = Some((switch, command["ceiling"].as_u64().unwrap_or_default()));
        }
        ("trip", Some((switch, _))) => {
            switches::trip(switch).await;
            say("tripped", &json!({}));
        }
        ("settled", Some((switch, ceiling))) => {
            say("settled", &switches::settled(switch, *ceiling).await);
        }
        _ => return Err(Error::invalid("do", "expected a command of this program")),
    }
    Ok(())
}

async fn watch(node: Node) {
    let Ok(mut watch) = node.watch(Query::default()) else { return };
    let arrived = |found: &hubless::Found| {
        say("arrived", &json!({"agent": found.agent_id.to_string(), "name": found.name}));
    };
    while let Some(change) = watch.next().await {
        match change {
            Change::Snapshot(all) => all.iter().for_each(arrived),
            Change::Arrived(found) => arrived(&found),
            Change::Changed(_) => {}
            Change::Departed { agent_id, name } => {
                say("departed", &json!({"agent": agent_id.to_string(), "name": name}));
            }
            Change::Lagged(count) => say("lagged", &json!({"count": count})),
        }
    }
}

async fn call(node: &Node, to: String, skill: String, body: String, tag: Value) {
    let mut options = RequestOptions::new(to, Content::text(body));
    options.skill = skill;
    let began = now_us();
    match node.request(options).await {
        Ok(reply) => say(
            "reply",
            &json!({"text": reply.content.joined_text(), "tag": tag,
            "path": reply.path, "node": reply.agent.node_key.to_string(),
            "took_us": now_us() - began}),
        ),
        Err(error) => say(
            "failed",
            &json!({"kind": error.kind.name(), "code": error.code,
            "message": error.message, "tag": tag}),
        ),
    }
}

/// Sends a streamed part and counts what comes back.
async fn blob(node: &Node, to: String, bytes: u64) {
    let (writer, reader) = body();
    let content = Content::stream("application/octet-stream", Some(bytes), reader);
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let size = usize::try_from(left.min(60_000)).unwrap_or_default();
            if writer.write(vec![7; size].into()).await.is_err() {
                return;
            }
            left -= size as u64;
        }
        writer.end();
    });
    let answer = async {
        let mut reply = node.request(RequestOptions::new(to, content)).await?;
        reply.content.bytes(ANSWER).await
    };
    match answer.await {
        Ok(back) => say("blob", &json!({"bytes": back.len()})),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) {
    let (kind, code, message) = (error.kind.name(), &error.code, &error.message);
    say("failed", &json!({"kind": kind, "code": code, "message": message}));
}

/// Sends bytes that differ from place to place as one part, which travels with its digest, and
/// compares what comes back.
async fn whole(node: &Node, to: String, count: u64) {
    let bytes: Vec<u8> = (0..count).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
    let blob = v1::Blob { bytes: bytes.clone().into(), ..v1::Blob::default() };
    let part = v1::Part { kind: Some(part::Kind::Blob(blob)), ..v1::Part::default() };
    let content = Content::from(v1::Content { parts: vec![part], ..v1::Content::default() });
    let began = now_us();
    let answer = async {
        let mut reply = node.request(RequestOptions::new(to, content)).await?;
        let first = reply.content.message.parts.first();
        let Some(part::Kind::Stream(stream)) = first.and_then(|part| part.kind.as_ref()) else {
            return Err(Error::new(Kind::Internal, "expected a streamed part"));
        };
        let digest = stream.sha256.clone();
        Ok((digest, reply.content.bytes(ANSWER).await?))
    };
    match answer.await {
        Ok((digest, back)) => {
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            say(
                "whole",
                &json!({"bytes": back.len(), "same": back == bytes, "sha256": digest,
                "took_us": now_us() - began}),
            );
        }
        Err(error) => failed(&error),
    }
}

async fn burst(node: Node, to: String, count: u64) {
    let mut calls = JoinSet::new();
    for number in 0..count {
        let (node, to) = (node.clone(), to.clone());
        calls.spawn(async move {
            // Spread over the moments in which two connections become one.
            tokio::time::sleep(Duration::from_micros(300 * number)).await;
            let options = RequestOptions::new(to, Content::text(number.to_string()));
            let reply = node.request(options).await?;
            if reply.content.joined_text() != number.to_string() || reply.path != Path::Direct {
                return Err(Error::new(Kind::Internal, "another answer than was asked for"));
            }
            Ok::<_, Error>(reply.attempts)
        });
    }
    let (mut answered, mut failed) = (0, Vec::new());
    while let Some(done) = calls.join_next().await {
        match done {
            Ok(Ok(_)) => answered += 1,
            Ok(Err(error)) => failed.push(error.to_string()),
            Err(error) => failed.push(error.to_string()),
        }
    }
    say("burst", &json!({"answered": answered, "failed": failed}));
}

fn say(event: &str, fields: &Value) {
    let mut line = fields.clone();
    if let Some(object) = line.as_object_mut() {
        object.insert("event".to_owned(), event.into());
        object.insert("at_us".to_owned(), now_us().into());
    }
    println!("{line}");
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}
