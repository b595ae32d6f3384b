//! A process that is there and says nothing: stopped in the middle, neither dead nor answering.

use super::spawn;
use hubless_mesh_tests::{LONG, Subject};
use hubless_proto::limits;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Rounds until both calls have met the silent node.
const ROUNDS: usize = 20;

/// Sends a signal to the process of a subject.
fn signal(subject: &Subject, signal: Signal) {
    let id = i32::try_from(subject.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(id, signal).unwrap();
}

/// Stops the process of a subject; it has stopped when its last thread has.
fn stop(subject: &Subject) {
    signal(subject, Signal::STOP);
    let end = Instant::now() + LONG;
    let tasks = format!("/proc/{}/task", subject.id());
    // One that ended meanwhile has no file.
    let runs = |stat: String| stat.rsplit(')').next().is_some_and(|rest| !rest.starts_with(" T"));
    while std::fs::read_dir(&tasks)
        .unwrap()
        .flatten()
        .any(|task| std::fs::read_to_string(task.path().join("stat")).is_ok_and(runs))
    {
        assert!(Instant::now() < end, "it does not stop");
        std::thread::yield_now();
    }
}

/// The end of the call with this tag.
fn ended(asker: &mut Subject, tag: &str) -> Value {
    asker.expect("the end of a call", LONG, |event| (event["tag"] == tag).then(|| event.clone()))
}

#[test]
fn a_call_that_may_be_repeated_turns_from_a_silent_node_to_another_host() {
    let home = tempfile::tempdir().unwrap();
    let mut hosts = [spawn(home.path(), "anna"), spawn(home.path(), "bert")];
    let nodes = hosts.each_mut().map(|host| host.start(&json!({"do": "start"}))["node"].clone());
    let mut asker = spawn(home.path(), "carl");
    asker.start(&json!({"do": "start"}));
    for host in &mut hosts {
        host.tell(&json!({"do": "register", "name": "twin", "identity": "twin"}));
        host.event("registered");
    }
    asker.sees("twin");
    for name in ["anna", "bert"] {
        // Both are connected, so that both are known as hosts.
        asker.tell(&json!({"do": "call", "to": name, "skill": "echo", "text": "x", "tag": name}));
        assert_eq!(ended(&mut asker, name)["event"], "reply");
    }
    let call = |skill: &str, tag: &str| {
        let mut call = json!({"do": "call", "to": "twin", "text": "x"});
        (call["skill"], call["tag"]) = (skill.into(), tag.into());
        call
    };
    // Which host is asked is decided by round trips: until both calls went to the one that is
    // stopped, as the times tell.
    let turned = (0..ROUNDS).any(|round| {
        asker.tell(&call("echo", "echo"));
        let first = ended(&mut asker, "echo")["node"].clone();
        let asked = nodes.iter().position(|node| *node == first).unwrap();
        stop(&hosts[asked]);
        // The control: one that names no skill may run once only, and stays where it was sent.
        asker.tell(&call("", "once"));
        asker.tell(&call("echo", "echo"));
        let echo = ended(&mut asker, "echo");
        let once = ended(&mut asker, "once");
        signal(&hosts[asked], Signal::CONT);
        assert_eq!((&echo["event"], &echo["node"]), (&json!("reply"), &nodes[1 - asked]), "{echo}");
        let took = Duration::from_micros(echo["took_us"].as_u64().unwrap());
        eprintln!("round {round}: echo after {} ms, once: {}", took.as_millis(), once["event"]);
        if once["event"] == "failed" {
            assert_eq!(once["kind"], "unknown_outcome", "{once}");
        }
        took >= limits::SILENT_PATH && once["event"] == "failed"
    });
    assert!(turned, "in no round both calls went to the silent node");
}
