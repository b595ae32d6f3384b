//! What a caller learns when the process of its callee is killed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::node::{Change, Path};
use hubless::{Content, FindOptions, Kind, Node, StreamItem};
use hubless_proto::query::Query;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{ask, node_in, register};

const HOME: &str = "HUBLESS_TEST_CHILD_HOME";

/// The other process: this test alone, in a process of its own.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options =
            hubless::NodeOptions { home: Some(home.into()), ..hubless::NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
        for (name, effect) in [("careful", "AT_MOST_ONCE"), ("pure", "PURE")] {
            let options = json!({"name": name, "skills": [{"id": name, "effect": effect}]});
            register(&node, options, |call, _| async move {
                call.progress("running", None).await?;
                std::future::pending::<()>().await;
                Ok(Content::default())
            })
            .await;
        }
        let mut line = String::new();
        // Ends with the parent, at the latest.
        let _ = std::io::stdin().read_line(&mut line);
    });
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(home: &FilePath) -> Killed {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env(HOME, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().for_each(drop));
    Killed(child)
}

#[tokio::test]
async fn a_killed_process_is_gone_at_once_and_its_calls_end_by_their_effect() {
    let home = tempfile::tempdir().unwrap();
    let mut other = start(home.path());
    let node = node_in(&home).await;
    let mut first = ask("echo", json!("hello"));
    first.wait_ms = Some(10_000);
    let reply = node.request(first).await.unwrap();
    assert_eq!((reply.path, reply.agent.node_key == node.key()), (Path::Direct, false));

    let mut watch = node.watch(Query::read(json!({"skill": "pure"})).unwrap()).unwrap();
    assert!(matches!(watch.next().await, Some(Change::Snapshot(all)) if all.len() == 1));
    let mut running = Vec::new();
    for name in ["careful", "pure"] {
        let mut stream = node.stream(ask(name, json!(1))).unwrap();
        let is_running = |item: &StreamItem| matches!(item, StreamItem::Progress { .. });
        while !is_running(&stream.next().await.unwrap().unwrap()) {}
        running.push(stream);
    }
    other.0.kill().unwrap();
    let killed = Instant::now();
    let gone = watch.next().await;
    assert!(matches!(gone, Some(Change::Departed { .. })));
    assert!(killed.elapsed() < Duration::from_millis(200), "{:?}", killed.elapsed());
    for (mut stream, kind) in running.into_iter().zip([Kind::UnknownOutcome, Kind::Transport]) {
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind, kind);
    }
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    let none = FindOptions { wait: Duration::ZERO, explain: false };
    let found = node.find(Query::read(json!({"skill": "pure"})).unwrap(), none).await.unwrap();
    assert!(found.is_empty());
}
