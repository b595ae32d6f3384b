//! Two and three processes: the ordinary day, and a sudden death.

use super::{spawn, spread};
use serde_json::json;

/// A killed process must be gone from every other's view within this time.
const GONE_US: u64 = 200_000;
/// A registration must be visible in another process within this time (99 of 100).
const VISIBLE_US: u64 = 50_000;

#[test]
fn two_processes_find_and_call_each_other() {
    let home = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (spawn(home.path(), "anna"), spawn(home.path(), "bert"));
    let ready_a = a.start(&json!({"do": "start"}));
    let ready_b = b.start(&json!({"do": "start"}));
    assert_eq!(ready_a["mesh"], ready_b["mesh"]);
    assert_ne!(ready_a["node"], ready_b["node"]);
    a.sees("bert");
    b.sees("anna");
    for (caller, to, node) in
        [(&mut a, "bert", &ready_b["node"]), (&mut b, "anna", &ready_a["node"])]
    {
        caller.tell(&json!({"do": "call", "to": to, "text": "hello"}));
        let reply = caller.event("reply");
        assert_eq!((&reply["text"], &reply["path"]), (&json!("hello"), &json!("direct")));
        assert_eq!(&reply["node"], node);
        eprintln!("{to} answered in {} us", reply["took_us"]);
    }
    a.tell(&json!({"do": "blob", "to": "bert", "bytes": 3_000_000}));
    assert_eq!(a.event("blob")["bytes"], 3_000_000);
    a.tell(&json!({"do": "close"}));
    b.misses("anna");
}

#[test]
fn a_registration_is_visible_at_once_and_so_is_its_end() {
    let home = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (spawn(home.path(), "anna"), spawn(home.path(), "bert"));
    a.start(&json!({"do": "start"}));
    b.start(&json!({"do": "start"}));
    b.sees("anna");
    let (mut visible, mut ended) = (Vec::new(), Vec::new());
    for round in 0..100 {
        let name = format!("extra-{round}");
        a.tell(&json!({"do": "register", "name": name}));
        let registered = a.event("registered")["at_us"].as_u64().unwrap();
        visible.push(b.sees(&name).saturating_sub(registered));
        a.tell(&json!({"do": "unregister", "name": name}));
        let removed = a.event("unregistered")["at_us"].as_u64().unwrap();
        ended.push(b.misses(&name).saturating_sub(removed));
    }
    let (shown, gone) = (spread(&mut visible), spread(&mut ended));
    eprintln!(
        "visible after {:.2} ms, at most {:.2}; gone after {:.2}, at most {:.2}",
        shown.0, shown.1, gone.0, gone.1
    );
    assert!(visible.iter().filter(|us| **us > VISIBLE_US).count() <= 1, "{visible:?}");
}

#[test]
fn a_killed_process_is_gone_and_its_calls_end() {
    let home = tempfile::tempdir().unwrap();
    let mut times = Vec::new();
    let (mut a, mut b) = (spawn(home.path(), "anna"), spawn(home.path(), "bert"));
    a.start(&json!({"do": "start"}));
    b.start(&json!({"do": "start"}));
    for round in 0..10 {
        let name = format!("victim-{round}");
        let mut victim = spawn(home.path(), &name);
        victim.start(&json!({"do": "start"}));
        a.sees(&name);
        b.sees(&name);
        a.tell(&json!({"do": "call", "to": name, "skill": "hang", "text": ""}));
        victim.event("hanging");
        let killed = victim.kill();
        times.push(a.misses(&name) - killed);
        times.push(b.misses(&name) - killed);
        let failed = a.event("failed");
        assert_eq!(failed["kind"], "unknown_outcome", "{failed}");
        let took = failed["at_us"].as_u64().unwrap() - killed;
        assert!(took < GONE_US, "the call ended only after {took} us");
        a.tell(&json!({"do": "find"}));
        assert!(!a.event("found")["names"].as_array().unwrap().contains(&json!(name)));
    }
    let (middle, longest) = spread(&mut times);
    eprintln!("gone after {middle:.2} ms, at most {longest:.2} ms");
    assert!(times.iter().all(|us| *us < GONE_US), "{times:?}");
    let left = std::fs::read_dir(home.path().join("run/records")).unwrap().count();
    assert_eq!(left, 2, "records of the dead are removed");
}

#[test]
fn a_caller_that_is_killed_gives_its_calls_up() {
    let home = tempfile::tempdir().unwrap();
    let mut b = spawn(home.path(), "bert");
    b.start(&json!({"do": "start"}));
    let mut times = Vec::new();
    for round in 0..20 {
        // It calls and dies before others need to have seen it.
        let mut victim = spawn(home.path(), &format!("victim-{round}"));
        victim.start(&json!({"do": "start"}));
        victim.tell(&json!({"do": "call", "to": "bert", "skill": "hang", "text": ""}));
        b.event("hanging");
        let killed = victim.kill();
        times.push(b.event("given_up")["at_us"].as_u64().unwrap().saturating_sub(killed));
    }
    let (middle, longest) = spread(&mut times);
    eprintln!("calls of the killed are given up after {middle:.2} ms, at most {longest:.2} ms");
    assert!(times.iter().all(|us| *us < GONE_US), "{times:?}");
}

#[test]
fn four_processes_that_start_in_an_empty_home_end_in_one_mesh() {
    for _ in 0..10 {
        let home = tempfile::tempdir().unwrap();
        let mut four: Vec<_> =
            (0..4).map(|number| spawn(home.path(), &format!("agent-{number}"))).collect();
        four.iter_mut().for_each(|one| one.tell(&json!({"do": "start"})));
        let meshes: Vec<_> =
            four.iter_mut().map(|one| one.event("ready")["mesh"].clone()).collect();
        assert!(meshes.iter().all(|mesh| *mesh == meshes[0]), "{meshes:?}");
        for one in &mut four {
            for number in 0..4 {
                if one.name != format!("agent-{number}") {
                    one.sees(&format!("agent-{number}"));
                }
            }
        }
    }
}

#[test]
fn a_stored_node_key_is_used_by_one_process_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (spawn(home.path(), "anna"), spawn(home.path(), "bert"));
    let first = a.start(&json!({"do": "start", "node": "worker"}));
    b.tell(&json!({"do": "start", "node": "worker"}));
    assert_eq!(b.event("error")["kind"], "conflict");
    // One that removes what is left of it, at the same moment.
    let mut other = spawn(home.path(), "carl");
    other.start(&json!({"do": "start"}));
    a.kill();
    a.gone();
    let second = b.start(&json!({"do": "start", "node": "worker"}));
    assert_eq!(first["node"], second["node"]);
}

#[test]
fn a_process_that_closes_ends_its_running_calls_first() {
    let home = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (spawn(home.path(), "anna"), spawn(home.path(), "bert"));
    a.start(&json!({"do": "start"}));
    b.start(&json!({"do": "start"}));
    a.sees("bert");
    a.tell(&json!({"do": "call", "to": "bert", "skill": "slow", "text": "to the end"}));
    b.event("working");
    b.tell(&json!({"do": "close"}));
    let left = a.misses("bert");
    let reply = a.event("reply");
    assert_eq!(reply["text"], "to the end");
    assert!(left < reply["at_us"].as_u64().unwrap(), "it is found no more while it ends its call");
    b.event("closed");
}
