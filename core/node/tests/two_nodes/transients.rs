//! Agents that live only moments: called at once by who is told, found by others after a second.

use super::support::{Pair, WAIT_MS, ask, node_in, pair, register, soon};
use hubless::node::{Change, Found, Scope, Watch};
use hubless::{Agent, Content, FindOptions, Kind, Node, RequestOptions};
use hubless_proto::identity::{NodeKey, Target};
use hubless_proto::limits;
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Most rounds until one in which a busy machine let no agent live so long that it is announced.
const ROUNDS: usize = 5;

async fn brief(node: &Node, name: &str) -> Agent {
    let options = json!({"name": name, "transient": true, "tags": ["brief"],
        "skills": [{"id": "echo", "description": "echoes", "effect": "PURE"}]});
    register(node, options, |_, content| async move { Ok(content) }).await
}

fn query() -> Query {
    Query::read(json!({"tags": ["brief"]})).unwrap()
}

/// Names that a node finds without waiting.
async fn found(node: &Node) -> Vec<String> {
    let now = FindOptions { wait: Duration::ZERO, explain: false };
    names(node.find(query(), now).await.unwrap())
}

fn names(found: Vec<Found>) -> Vec<String> {
    found.into_iter().map(|found| found.name).collect()
}

async fn watching(node: &Node) -> Watch {
    let mut watch = node.watch(query()).unwrap();
    assert!(matches!(watch.next().await, Some(Change::Snapshot(all)) if all.is_empty()));
    watch
}

async fn next(watch: &mut Watch) -> String {
    match soon("a change", watch.next()).await.unwrap() {
        Change::Arrived(found) => format!("+{}", found.name),
        Change::Departed { name, .. } => format!("-{name}"),
        other @ (Change::Snapshot(_) | Change::Changed(_) | Change::Lagged(_)) => {
            panic!("{other:?}")
        }
    }
}

fn to(reach: Target, value: Value) -> RequestOptions {
    let wait_ms = Some(WAIT_MS);
    RequestOptions { wait_ms, ..RequestOptions::new(reach, Content::value(value)) }
}

#[tokio::test]
async fn it_is_called_at_once_by_its_reach_and_found_after_a_second() {
    let Pair { one, two, _home } = pair().await;
    let mut watch = watching(&two).await;
    let began = Instant::now();
    let agent = brief(&one, "moment").await;
    let reach = agent.reach().to_string();
    assert_eq!(reach, format!("{}@{}", agent.id(), one.key()));
    let reply = two.request(ask(&reach, json!("hello"))).await.unwrap();
    assert_eq!(reply.content.joined_text(), "hello");
    assert_eq!((reply.agent.agent_id, reply.agent.node_key), (agent.id(), one.key()));
    let described = two.describe(&reach).await.unwrap();
    assert!(described.descriptor.transient);
    assert_eq!(described.skills[0].description, "echoes");
    // Its own node knows it, by every name.
    assert_eq!(found(&one).await, ["moment"]);
    assert_eq!(names(one.list_agents(Scope::Local).unwrap()), ["moment"]);
    for name in [&reach, &agent.id().to_string(), "moment"] {
        assert!(one.request(ask(name, json!(1))).await.is_ok(), "{name}");
    }
    let (seen, listed) = (found(&two).await, names(two.list_agents(Scope::All).unwrap()));
    if began.elapsed() < limits::TRANSIENT_UNTOLD {
        assert_eq!((seen.len(), listed.len()), (0, 0), "{seen:?} {listed:?}");
    }
    assert_eq!(next(&mut watch).await, "+moment");
    assert!(began.elapsed() >= limits::TRANSIENT_UNTOLD, "{:?}", began.elapsed());
    assert_eq!(found(&two).await, ["moment"]);
    assert!(two.request(ask("moment", json!(2))).await.is_ok());
    assert!(two.request(ask(&reach, json!(3))).await.is_ok());
    agent.unregister(Duration::ZERO).await.unwrap();
    assert_eq!(next(&mut watch).await, "-moment");
    for node in [&one, &two] {
        let error = node.request(ask(&reach, json!(4))).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::NotFound, Some("to")), "{error}");
        assert!(found(node).await.is_empty());
    }
}

#[tokio::test]
async fn a_reach_is_good_for_any_agent_and_for_its_node_alone() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let lasting = register(&one, json!({"name": "lasting"}), |_, c| async move { Ok(c) }).await;
    let moment = brief(&one, "moment").await;
    for agent in [&lasting, &moment] {
        assert!(two.request(to(agent.reach(), json!(1))).await.is_ok());
        let elsewhere = Target::At { agent: agent.id(), node: three.key() };
        for asking in [&one, &two, &three] {
            let error = asking.request(to(elsewhere.clone(), json!(1))).await.unwrap_err();
            assert_eq!(error.kind, Kind::NotFound, "{error}");
        }
    }
    let nowhere = Target::At { agent: moment.id(), node: NodeKey::from_bytes([1; 32]) };
    let mut asked = to(nowhere, json!(1));
    asked.wait_ms = Some(0);
    let error = two.request(asked).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "unknown_node"));
}

#[tokio::test]
async fn a_node_that_appears_later_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let one = node_in(&home).await;
    // The record of a new node comes after it: who is told of its agent at once is earlier.
    let two = node_in(&home).await;
    let agent = brief(&two, "moment").await;
    assert!(one.request(to(agent.reach(), json!(1))).await.is_ok());
}

#[tokio::test]
async fn a_young_agent_asks_others_and_gets_their_answers() {
    let mut rounds = 1..ROUNDS;
    let (pair, mut watch) = loop {
        let pair = pair().await;
        register(&pair.one, json!({"name": "who"}), |call, _| async move {
            Ok(Content::value(json!(call.caller().agent)))
        })
        .await;
        assert!(pair.two.request(ask("who", json!(1))).await.is_ok());
        let watch = watching(&pair.one).await;
        let longest = young_ones_ask(&pair.two).await;
        if longest < limits::TRANSIENT_UNTOLD / 2 {
            break (pair, watch);
        }
        assert!(rounds.next().is_some(), "one lived for {longest:?} in each round");
    };
    // Nothing of them is announced: the next thing that is seen lives longer.
    brief(&pair.two, "longer").await;
    assert_eq!(next(&mut watch).await, "+longer");
}

/// Five agents ask, one after the other, and go; gives the longest of their lives.
async fn young_ones_ask(node: &Node) -> Duration {
    let (sender, mut came) = mpsc::channel(8);
    let mut longest = Duration::ZERO;
    for n in 0..5 {
        let sender = sender.clone();
        let options = json!({"name": format!("young-{n}"), "transient": true, "tags": ["brief"]});
        let began = Instant::now();
        let young = register(node, options, move |_, content| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(content.decoded()).await;
                Ok(Content::text("thanks"))
            }
        })
        .await;
        let asked = RequestOptions { from: Some(young.id()), ..ask("who", json!(1)) };
        let value = node.request(asked).await.unwrap().content.decoded();
        assert_eq!(value, Some(json!(young.id())), "its node vouches for it");
        let id = young.id().to_string();
        let elsewhere = RequestOptions { return_to: id, ..ask("who", json!(1)) };
        node.request(elsewhere).await.unwrap();
        let answer = soon("the answer", came.recv()).await.unwrap();
        assert_eq!(answer, Some(Value::Null), "the answer came to it");
        young.unregister(Duration::ZERO).await.unwrap();
        longest = longest.max(began.elapsed());
    }
    longest
}

/// A node, one of its own folder and one of another folder, that know each other.
struct Three {
    one: Node,
    near: Node,
    far: Node,
    /// Where the first one shows its agents.
    shown: std::path::PathBuf,
    _homes: [tempfile::TempDir; 2],
}

async fn three() -> Three {
    let home = tempfile::tempdir().unwrap();
    let one = node_in(&home).await;
    let near = node_in(&home).await;
    let options = hubless::node::InviteOptions { local: true, ..Default::default() };
    let ticket = one.invite(options).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    hubless::node::join(Some(elsewhere.path()), &ticket).await.unwrap();
    let far = node_in(&elsewhere).await;
    register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    for node in [&near, &far] {
        assert!(node.request(ask("echo", json!(1))).await.is_ok(), "they know each other");
    }
    let shown = record_of(&home, &one);
    Three { one, near, far, shown, _homes: [home, elsewhere] }
}

/// 500 agents come and go; gives the longest of their lives, and where the last one was.
async fn short_ones_come_and_go(node: &Node) -> (Duration, Target) {
    let (mut longest, mut last) = (Duration::ZERO, None);
    for n in 0..500 {
        let began = Instant::now();
        let agent = brief(node, &format!("short-{n}")).await;
        last = Some(agent.reach());
        agent.unregister(Duration::ZERO).await.unwrap();
        longest = longest.max(began.elapsed());
    }
    (longest, last.unwrap())
}

#[tokio::test]
async fn one_that_is_gone_within_a_second_never_leaves_its_node() {
    let mut rounds = 1..ROUNDS;
    let (three, mut watches, before, last) = loop {
        let three = three().await;
        let watches = [watching(&three.near).await, watching(&three.far).await];
        let before = written(&three.shown);
        let (longest, last) = short_ones_come_and_go(&three.one).await;
        if longest < limits::TRANSIENT_UNTOLD / 2 {
            break (three, watches, before, last);
        }
        assert!(rounds.next().is_some(), "one lived for {longest:?} in each round");
    };
    let Three { one, far, shown, .. } = &three;
    assert_eq!(written(shown), before, "no file was written");
    let control = brief(one, "control").await;
    for watch in &mut watches {
        assert_eq!(next(watch).await, "+control");
    }
    // Over connections it may be told of before the file of its node is.
    let told = async {
        while written(shown) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("a file for the one that lives longer", told).await;
    assert!(far.request(to(control.reach(), json!(1))).await.is_ok());
    let error = far.request(to(last, json!(1))).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

fn record_of(home: &tempfile::TempDir, node: &Node) -> std::path::PathBuf {
    let name = format!("{}.rec", node.key());
    let mut folders = vec![home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_name().to_str() == Some(&name) {
                return entry.path();
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no record of {}", node.key());
}

fn written(file: &std::path::Path) -> std::time::SystemTime {
    std::fs::metadata(file).unwrap().modified().unwrap()
}
