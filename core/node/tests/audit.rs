//! What is in the audit log, of a node and of its data folder, and what never is.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::audit::LogFile;
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms, TripReason};
use hubless::home::Home;
use hubless::node::{Credentials, InviteOptions, Pins, join};
use hubless::{Kind, Node, NodeOptions, RequestOptions};
use hubless_proto::audit::{Event, Head, Outcome, Row};
use hubless_proto::identity::{AgentId, SecretKey};
use hubless_proto::wire::v1::Auth;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use support::{ask, memory_node, node_in, register};
use tempfile::TempDir;

/// What must not be in any row.
const CANARY: &str = "canary-4711";

async fn named(home: &TempDir, name: &str) -> Node {
    let (home, name) = (Some(home.path().to_owned()), Some(name.to_owned()));
    Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await.unwrap()
}

fn in_memory(node: &Node) -> Vec<Row> {
    node.audit().rows.into_iter().map(|kept| kept.row).collect()
}

/// The rows of a log of a home, which holds.
fn on_disk(home: &TempDir, log: &str) -> Vec<Row> {
    let home = Home::open(Some(home.path())).unwrap();
    let log = LogFile::named(&home, log).unwrap();
    let checked = log.check(None).unwrap();
    assert_eq!(checked.fault, None);
    let mut rows = Vec::new();
    log.read(|row| rows.push(row)).unwrap();
    // It may have been written to in between.
    assert!(rows.len() as u64 >= checked.rows);
    rows
}

fn of(rows: &[Row], kind: Event) -> Vec<&Row> {
    rows.iter().filter(|row| row.entry.kind == kind).collect()
}

/// Waits for a state that comes by itself.
async fn until(what: &str, state: impl Fn() -> bool) {
    let reached = async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "{what}");
}

#[tokio::test]
async fn agents_that_come_and_go_are_written_down() {
    let node = memory_node().await;
    let agent = register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    agent.unregister(Duration::ZERO).await.unwrap();
    let rows = in_memory(&node);
    let kinds: Vec<_> = rows.iter().map(|row| row.entry.kind).collect();
    assert_eq!(kinds, [Event::NodeStarted, Event::AgentRegistered, Event::AgentRemoved]);
    assert_eq!(rows[0].entry.node, node.key().to_string());
    for row in &rows[1..] {
        assert_eq!((&row.entry.agent, row.entry.name.as_str()), (&agent.id().to_string(), "echo"));
    }
    assert_eq!(node.audit().start, Head::START);
}

#[tokio::test]
async fn refused_calls_are_written_down_with_who_and_why_and_counted() {
    let node = memory_node().await;
    let closed = json!({"name": "closed", "requirements":
        {"auth": {"sharedSecret": CANARY}}});
    let agent = register(&node, closed, |_, c| async move { Ok(c) }).await;
    let times = 40;
    for _ in 0..times {
        let asked = RequestOptions {
            auth: Some(Auth {
                scheme: "shared_secret".to_owned(),
                secret: format!("{CANARY}-wrong"),
            }),
            ..ask("closed", json!(CANARY))
        };
        assert_eq!(node.request(asked).await.unwrap_err().kind, Kind::Auth);
    }
    let refused = || -> u64 {
        of(&in_memory(&node), Event::CallRefused).iter().map(|row| row.entry.count).sum()
    };
    until("all are counted", || refused() == times).await;
    let rows = in_memory(&node);
    let refused = of(&rows, Event::CallRefused);
    assert!(refused.len() < 20, "{} rows for {times} calls", refused.len());
    for row in refused {
        let entry = &row.entry;
        assert_eq!((entry.outcome, &entry.agent), (Outcome::Refused, &agent.id().to_string()));
        assert!(entry.reason.starts_with("auth/"), "{}", entry.reason);
        assert_eq!(entry.by, format!("mesh:{}", node.key()));
    }
    assert!(!format!("{rows:?}").contains(CANARY));
    // The control: what is refused before a name is known is seen as well.
    assert!(format!("{rows:?}").contains("closed"));
}

#[tokio::test]
async fn a_budget_is_written_down_from_its_opening_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let node = named(&home, "root").await;
    register(&node, json!({"name": "think"}), |call: hubless::Call, content| async move {
        let some = Amount::ZERO.with(Component::OutputTokens, 60).unwrap();
        call.spend(some).await?.used(some);
        Ok(content)
    })
    .await;
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    let switch = KillSwitch::new(Terms::of(ceiling));
    let paid = RequestOptions { kill_switch: Some(switch.clone()), ..ask("think", json!(1)) };
    node.request(paid).await.unwrap();
    switch.trip(TripReason::Operator);
    until("it is stopped", || switch.stop().is_some()).await;
    drop(switch);
    let closed = || !of(&on_disk(&home, "node:root"), Event::BudgetClosed).is_empty();
    until("it is closed", closed).await;
    node.close(Duration::from_secs(2)).await;
    let rows = on_disk(&home, "node:root");
    let one = |kind| {
        let [row] = of(&rows, kind)[..] else { panic!("{kind}: {rows:?}") };
        &row.entry
    };
    let (opened, tripped) = (one(Event::BudgetOpened), one(Event::BudgetTripped));
    assert_eq!((&tripped.budget, tripped.reason.as_str()), (&opened.budget, "operator"));
    assert_eq!(tripped.by, format!("mesh:{}", node.key()));
    let closed = one(Event::BudgetClosed);
    let spent = closed.spent.unwrap();
    assert_eq!((&closed.budget, spent.output_tokens, spent.calls), (&opened.budget, 60, 1));
    assert_eq!(rows.last().unwrap().entry.kind, Event::NodeEnded);
}

#[tokio::test]
async fn the_log_of_a_named_node_goes_on_at_its_next_start() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let node = named(&home, "one").await;
        // Read beside the node that writes it.
        until("it is on disk", || on_disk(&home, "node:one").len() % 2 == 1).await;
        node.close(Duration::from_secs(1)).await;
    }
    let kinds: Vec<_> = on_disk(&home, "node:one").iter().map(|row| row.entry.kind).collect();
    let life = [Event::NodeStarted, Event::NodeEnded];
    assert_eq!(kinds, [life, life].concat());
    let home = Home::open(Some(home.path())).unwrap();
    assert_eq!(LogFile::named(&home, "node:two").unwrap_err().kind, Kind::NotFound);
    assert_eq!(LogFile::named(&home, "one").unwrap_err().field.as_deref(), Some("log"));
}

#[tokio::test]
async fn peers_that_meet_write_each_other_down() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (named(&home, "one").await, node_in(&home).await);
    register(&one, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let asked = RequestOptions { wait_ms: Some(10_000), ..ask("echo", json!(1)) };
    two.request(asked).await.unwrap();
    let by_one = || on_disk(&home, "node:one");
    until("it is on disk", || !of(&by_one(), Event::PeerAccepted).is_empty()).await;
    for (node, rows) in [(&two, by_one()), (&one, in_memory(&two))] {
        let met = of(&rows, Event::PeerAccepted);
        assert!(!met.is_empty(), "{rows:?}");
        for row in met {
            let entry = &row.entry;
            assert_eq!((&entry.node, entry.reason.as_str()), (&node.key().to_string(), "owner"));
        }
    }
}

#[tokio::test]
async fn what_changes_the_data_folder_is_in_its_own_log() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = node_in(&ours).await;
    let options = InviteOptions { local: true, ..InviteOptions::default() };
    let ticket = node.invite(options).await.unwrap();
    join(Some(theirs.path()), &ticket).await.unwrap();
    // Used up.
    let again = tempfile::tempdir().unwrap();
    assert_eq!(join(Some(again.path()), &ticket).await.unwrap_err().kind, Kind::Denied);
    let home = Home::open(Some(ours.path())).unwrap();
    let (pins, agent) = (Pins::of(home.clone()), AgentId::from_bytes([1; 32]));
    pins.set("Weather", agent).unwrap();
    assert!(pins.remove("weather").unwrap() && !pins.remove("weather").unwrap());
    let credentials = Credentials::open(home);
    let auth = Auth { scheme: "bearer".to_owned(), secret: CANARY.to_owned() };
    credentials.store("https://example.org", auth).unwrap();
    assert!(credentials.remove("https://example.org").unwrap());

    let key = format!("data/meshes/{}/member.key", node.mesh_id());
    let key = std::fs::read(theirs.path().join(key)).unwrap();
    let seed: [u8; 32] = key[key.len() - 32..].try_into().unwrap();
    let member = SecretKey::from_seed(seed).node_key().to_string();
    let rows = on_disk(&ours, "folder");
    let said: Vec<_> = rows.iter().map(|row| (row.entry.kind, row.entry.name.as_str())).collect();
    let wanted = [
        (Event::InviteMinted, ""),
        (Event::InviteRedeemed, member.as_str()),
        (Event::PinSet, "weather"),
        (Event::PinRemoved, "weather"),
        (Event::CredentialSet, "https://example.org"),
        (Event::CredentialRemoved, "https://example.org"),
    ];
    assert_eq!(said, wanted);
    assert_eq!(
        (&rows[1].entry.invite, rows[2].entry.agent.as_str()),
        (&rows[0].entry.invite, &*agent.to_string())
    );
    let refused = in_memory(&node);
    let [refused] = of(&refused, Event::InviteRedeemed)[..] else { panic!("{refused:?}") };
    let entry = &refused.entry;
    assert_eq!((entry.reason.as_str(), &entry.invite), ("denied/invite", &rows[0].entry.invite));
    let joined = on_disk(&theirs, "folder");
    assert_eq!(joined[0].entry.kind, Event::MeshJoined);
    assert_eq!(joined[0].entry.mesh, node.mesh_id().to_string());
    // Neither the ticket nor the credential is in any file of a log.
    let secret = hubless_proto::identity::hex::encode(
        hubless::membership::Ticket::text(&ticket.parse().unwrap()).as_bytes(),
    );
    let files = ["audit.db", "audit.db-wal"];
    let bytes = files.map(|file| std::fs::read(ours.path().join("data").join(file)));
    let bytes = bytes.map(std::io::Result::unwrap_or_default).concat();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for kept in ["weather", "https://example.org"] {
        assert!(holds(kept), "{kept} is in a row, and was not found");
    }
    for hidden in [CANARY, &ticket, &secret] {
        assert!(!holds(hidden), "in a file of {} bytes", bytes.len());
    }
}

/// Home of the process that this test starts of itself.
const WRITER: &str = "HUBLESS_TEST_WRITER";

/// Writes rows as fast as it can, until it is killed.
async fn write_on(home: PathBuf) -> ! {
    let (home, name) = (Some(home), Some("writer".to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await.unwrap();
    loop {
        let agent = register(&node, json!({"name": "brief"}), |_, c| async move { Ok(c) }).await;
        agent.unregister(Duration::ZERO).await.unwrap();
    }
}

/// A process that writes until it is killed with -9, as it is when this is dropped.
struct Writer(std::process::Child);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_writes_leaves_a_log_that_holds() {
    if let Some(home) = std::env::var_os(WRITER) {
        write_on(home.into()).await;
    }
    let name = "a_process_that_is_killed_while_it_writes_leaves_a_log_that_holds";
    let home = tempfile::tempdir().unwrap();
    // Makes its folders.
    node_in(&home).await.close(Duration::ZERO).await;
    let (mut rows, lives) = (0, 5);
    for _ in 0..lives {
        let writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(WRITER, home.path())
            .stdout(std::process::Stdio::null())
            .spawn();
        let writer = Writer(writer.unwrap());
        let store = home.path().join("data/nodes/writer.db");
        let writes = || store.exists() && on_disk(&home, "node:writer").len() > rows + 50;
        until("it writes", writes).await;
        drop(writer);
        let left = on_disk(&home, "node:writer").len();
        assert!(left > rows + 50, "{left} of {rows}");
        rows = left;
    }
    let all = on_disk(&home, "node:writer");
    let (started, ended) = (of(&all, Event::NodeStarted), of(&all, Event::NodeEnded));
    assert_eq!((started.len(), ended.len()), (lives, 0), "each was killed");
}

#[test]
fn rows_are_in_one_form_of_json() {
    let text = r#"{"seq":1,"atMs":2,"kind":"peer_accepted","outcome":"ok","node":"01"}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(Row::decode(text).unwrap()).unwrap(), value);
}
