//! Three machines whose nodes joined by one of them: each finds the agents of all, and goes on when
//! that one is no more, or when they are cut off from each other for a while.

use super::spaces::Namespaces;
use super::{invite, spawn};
use hubless_mesh_tests::{Subject, now_us};
use serde_json::{Value, json};
use std::path::Path;

/// Machines; the switch between them is a namespace as well.
const MACHINES: [&str; 3] = ["one", "two", "three"];
/// The agents of a node that was killed are found nowhere after this time.
const GONE_US: u64 = 30_000_000;

fn lan(test: &'static str) -> Option<Namespaces> {
    let spaces = Namespaces::new(test, &["one", "two", "three", "switch"])?;
    spaces.ip("switch", "link add lan type bridge");
    spaces.ip("switch", "link set lan up");
    for (place, host) in MACHINES.iter().enumerate() {
        spaces.cable((host, "cable"), ("switch", host));
        spaces.ip("switch", &format!("link set {host} master lan"));
        spaces.ip(host, &format!("addr add 10.198.0.{}/24 dev cable", place + 1));
    }
    Some(spaces)
}

fn joined(space: &str, home: &Path, name: &str, ticket: &Value) -> Subject {
    let mut one = spawn(space, home, name);
    one.tell(&json!({"do": "join", "ticket": ticket}));
    one.event("joined");
    one.start(&json!({"do": "start"}));
    one
}

#[test]
fn three_machines_find_all_and_go_on_without_the_one_that_admitted_them() {
    let Some(lan) = lan("memb") else { return };
    let homes = MACHINES.map(|_| tempfile::tempdir().unwrap());
    let mut anna = spawn(&lan.name("one"), homes[0].path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = invite(&mut anna, 2);
    let mut bert = joined(&lan.name("two"), homes[1].path(), "bert", &ticket);
    let mut carl = joined(&lan.name("three"), homes[2].path(), "carl", &ticket);
    for (one, others) in [
        (&mut anna, ["bert", "carl"]),
        (&mut bert, ["anna", "carl"]),
        (&mut carl, ["anna", "bert"]),
    ] {
        others.iter().for_each(|other| drop(one.sees(other)));
        one.tell(&json!({"do": "find"}));
        let mut found = one.event("found")["names"].clone();
        found.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        assert_eq!(found, json!(["anna", "bert", "carl"]));
    }
    // Neither of the two was named to the other by anybody but a record.
    bert.tell(&json!({"do": "call", "to": "carl", "skill": "wait", "text": "held"}));
    carl.event("waiting");
    let killed = anna.kill();
    carl.tell(&json!({"do": "release"}));
    let reply = bert.event("reply");
    assert_eq!((&reply["text"], &reply["path"]), (&json!("held"), &json!("direct")));
    carl.tell(&json!({"do": "register", "name": "late"}));
    bert.sees("late");
    for one in [&mut bert, &mut carl] {
        let gone = one.misses("anna").saturating_sub(killed);
        eprintln!("killed by who admitted others: gone after {:.1} s", gone as f64 / 1e6);
        assert!(gone < GONE_US, "gone only after {gone} us");
    }
    // One more process on a machine that joined has the mesh by its folder.
    let mut dora = spawn(&lan.name("three"), homes[2].path(), "dora");
    dora.start(&json!({"do": "start"}));
    for other in ["bert", "carl", "late"] {
        dora.sees(other);
    }
    bert.sees("dora");
    bert.tell(&json!({"do": "call", "to": "dora", "text": "hello"}));
    assert_eq!(bert.event("reply")["text"], "hello");
    carl.tell(&json!({"do": "unregister", "name": "late"}));
    bert.misses("late");
    dora.tell(&json!({"do": "close"}));
    dora.event("closed");
    bert.misses("dora");
}

#[test]
fn halves_of_a_mesh_that_were_cut_off_from_each_other_find_each_other_again() {
    let Some(lan) = lan("cuts") else { return };
    let homes = MACHINES.map(|_| tempfile::tempdir().unwrap());
    let mut anna = spawn(&lan.name("one"), homes[0].path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = invite(&mut anna, 2);
    let mut bert = joined(&lan.name("two"), homes[1].path(), "bert", &ticket);
    let mut carl = joined(&lan.name("three"), homes[2].path(), "carl", &ticket);
    bert.sees("carl");
    carl.sees("bert");
    // Nobody is left that a ticket names.
    anna.kill();
    for one in [&mut bert, &mut carl] {
        one.sees("anna");
        one.misses("anna");
    }
    lan.ip("switch", "link set three down");
    bert.misses("carl");
    carl.misses("bert");
    carl.tell(&json!({"do": "register", "name": "late"}));
    let mended = now_us();
    lan.ip("switch", "link set three up");
    carl.sees("bert");
    for name in ["carl", "late"] {
        let seen = bert.sees(name).saturating_sub(mended);
        eprintln!("a cut was mended: {name} is seen after {:.1} s", seen as f64 / 1e6);
    }
    bert.tell(&json!({"do": "call", "to": "late", "text": "hello"}));
    assert_eq!(bert.event("reply")["text"], "hello");
}
