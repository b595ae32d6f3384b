//! Nodes of one local network that meet by multicast DNS, and only where they ask for it.

use super::{invite, spawn};
use crate::link::Link;
use hubless_mesh_tests::Subject;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Time enough to meet, as the positive control shows in less.
const APART: Duration = Duration::from_secs(3);

/// Peers that a node knows.
fn peers(subject: &mut Subject) -> usize {
    subject.tell(&json!({"do": "status"}));
    subject.event("status")["status"]["peers"].as_array().unwrap().len()
}

/// Joins the mesh of the ticket from a home of its own.
fn join(namespace: &str, home: &Path, ticket: &Value) {
    let mut clerk = spawn(namespace, home, "clerk");
    clerk.tell(&json!({"do": "join", "ticket": ticket}));
    clerk.event("joined");
}

#[test]
fn members_meet_on_a_local_network_when_they_ask_for_it() {
    let Some(link) = Link::new("lan") else { return };
    let homes = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let [owner, ours, theirs, foreign] = homes.each_ref().map(tempfile::TempDir::path);
    let mut minter = spawn(&link.left(), owner, "minter");
    minter.start(&json!({"do": "start", "listen": "all"}));
    let ticket = invite(&mut minter, 2);
    join(&link.left(), ours, &ticket);
    join(&link.right(), theirs, &ticket);
    // Nobody is left whom both know.
    minter.kill();
    minter.gone();

    let mut anna = spawn(&link.left(), ours, "anna");
    let mut bert = spawn(&link.right(), theirs, "bert");
    for quiet in [&mut anna, &mut bert] {
        quiet.start(&json!({"do": "start", "listen": "all"}));
    }
    std::thread::sleep(APART);
    // The control: they do not meet by themselves.
    assert_eq!((peers(&mut anna), peers(&mut bert)), (0, 0));
    for quiet in [&mut anna, &mut bert] {
        quiet.tell(&json!({"do": "close"}));
        quiet.event("closed");
    }

    let mut stranger = spawn(&link.right(), foreign, "stranger");
    stranger.start(&json!({"do": "start", "lan": true}));
    let mut anna = spawn(&link.left(), ours, "anna");
    anna.start(&json!({"do": "start", "lan": true}));
    let mut bert = spawn(&link.right(), theirs, "bert");
    let began = hubless_mesh_tests::now_us();
    bert.start(&json!({"do": "start", "lan": true}));
    bert.sees("anna");
    anna.sees("bert");
    eprintln!("met after {} ms", (hubless_mesh_tests::now_us() - began) / 1_000);
    for (caller, to) in [(&mut bert, "anna"), (&mut anna, "bert")] {
        caller.tell(&json!({"do": "call", "to": to, "text": "here"}));
        let reply = caller.event("reply");
        assert_eq!((&reply["text"], &reply["path"]), (&json!("here"), &json!("direct")));
    }
    // Somebody of another mesh on the same network is nobody to them, nor they to it.
    assert_eq!((peers(&mut anna), peers(&mut bert), peers(&mut stranger)), (1, 1, 0));

    // One that comes back at other ports is met again.
    bert.tell(&json!({"do": "close"}));
    bert.event("closed");
    anna.misses("bert");
    let mut again = spawn(&link.right(), theirs, "again");
    again.start(&json!({"do": "start", "lan": true}));
    anna.sees("again");
}
