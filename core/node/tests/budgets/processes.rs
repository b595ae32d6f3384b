//! A holder in another process, which is killed: what it spent is counted by a file.

use super::support::{node_in, soon};
use super::*;
use hubless_proto::audit::Event;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const HOME: &str = "HUBLESS_TEST_BUDGET_HOME";
const ASKING_HOME: &str = "HUBLESS_TEST_ASKING_HOME";
/// Lease of a budget, in milliseconds: shorter than the silence after which a connection is lost.
const LEASE_MS: u64 = 4_000;
/// Tokens of one spending.
const ONCE: u64 = 10;

/// The other process: this test alone, in a process of its own.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let spent = Path::new(&home).join("spent");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options =
            hubless::NodeOptions { home: Some(home.into()), ..hubless::NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        register(&node, json!({"name": "spend"}), move |call: Call, _| {
            let spent = spent.clone();
            async move {
                for _ in 0..1_000 {
                    let spend = call.spend(output(ONCE)).await?;
                    let file = OpenOptions::new().append(true).create(true).open(&spent);
                    file.unwrap().write_all(b"x").unwrap();
                    spend.used(output(ONCE));
                }
                Ok(Content::default())
            }
        })
        .await;
        println!("ready");
        let mut line = String::new();
        // Ends with the parent, at the latest.
        let _ = std::io::stdin().read_line(&mut line);
    });
}

/// Another process, that asks under a budget: this test alone, in a process of its own.
#[test]
fn asking_child() {
    let Ok(home) = std::env::var(ASKING_HOME) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let home = Some(home.into());
        let node = Node::start(hubless::NodeOptions { home, ..Default::default() }).await.unwrap();
        let terms = Terms { lease_ms: LEASE_MS, ..limit(Component::OutputTokens, 1_000) };
        let switch = KillSwitch::new(terms);
        println!("ready");
        let asked = RequestOptions { wait_ms: Some(10_000), ..paid(&switch, "wait", json!(0)) };
        let _ = node.request(asked).await;
    });
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn a_holder_whose_issuer_stands_still_stops_with_its_lease() {
    let home = tempfile::tempdir().unwrap();
    let node = node_in(&home).await;
    let mut heard = waiter(&node, json!({"name": "wait"})).await;
    let mut tries = 0..3;
    let child = loop {
        let child = start(home.path(), ("processes::asking_child", ASKING_HOME));
        assert_eq!(soon("the call", heard.recv()).await.unwrap(), "runs");
        // As long as it is renewed it goes on, for more than one lease.
        let leases = Duration::from_millis(2 * LEASE_MS);
        let renewed = tokio::time::timeout(leases, heard.recv()).await;
        if renewed.is_err() {
            break child;
        }
        // A machine that stands still for seconds may cost it a lease, not one after the other.
        assert!(tries.next().is_some(), "{renewed:?}");
    };
    signal(&child.0, "-STOP");
    // By the clock of the holder: what holds up its process holds up both.
    tokio::time::sleep(Duration::from_millis(LEASE_MS)).await;
    let lost = tokio::time::timeout(Duration::from_secs(3), heard.recv()).await;
    assert_eq!(lost.expect("at the end of the lease").unwrap(), "killed lease_lost");
    signal(&child.0, "-CONT");
    let by = format!("mesh:{}", node.key());
    let is_told = || {
        let mut rows = node.audit().rows.into_iter().map(|kept| kept.row.entry);
        rows.any(|row| {
            (row.kind, &*row.reason, &row.by) == (Event::GrantTripped, "lease_lost", &by)
        })
    };
    until("a row of who and why", is_told).await;
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(home: &Path, (test, variable): (&str, &str)) -> Killed {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(variable, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended early");
    }
    std::thread::spawn(move || output.lines().for_each(drop));
    Killed(child)
}

fn spent(home: &Path) -> u64 {
    std::fs::metadata(home.join("spent")).map_or(0, |file| file.len() * ONCE)
}

#[tokio::test]
async fn killed_holders_never_make_a_budget_be_exceeded() {
    let home = tempfile::tempdir().unwrap();
    let node = node_in(&home).await;
    let switch = tokens(4_000);
    let mut charged = 0;
    for round in 0..5 {
        let mut child = start(home.path(), ("processes::child", HOME));
        let before = spent(home.path());
        let asked = RequestOptions { wait_ms: Some(10_000), ..paid(&switch, "spend", json!(0)) };
        let asking = node.clone();
        let call = tokio::spawn(async move { asking.request(asked).await });
        let spends = || spent(home.path()) > before;
        until("the holder spends, or all is spent", || spends() || call.is_finished()).await;
        child.0.kill().unwrap();
        let _ = call.await.unwrap();
        let tree = switch.tree().unwrap();
        let now = tree.charged.of(Component::OutputTokens);
        assert!(spent(home.path()) <= now && now <= 4_000, "{round}: {now}");
        assert!(now >= charged, "what was charged came back from a process that is dead");
        charged = now;
        drop(child);
    }
    assert!(spent(home.path()) > 0);
}
