//! Nodes in network namespaces: joining by ticket, calls across, deaths, links that are cut or lose
//! what they carry, translated addresses, and that nothing leaves the machine unless it was asked
//! for.
//!
//! Needs root to make the namespaces; skipped with the reason elsewhere.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "tests print what they measured")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod cut;
mod lan;
mod link;
mod loss;
mod members;
mod nat;
mod relay;
mod shim;
mod silent;
mod six;
mod spaces;
mod two_nats;

use hubless_mesh_tests::{Spawn, Subject};
use link::Link;
use serde_json::{Value, json};
use std::path::Path;

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
/// A node that dies elsewhere is gone within this time, while a connection to it is open.
const GONE_US: u64 = 10_000_000;

/// A process in one of the namespaces.
fn spawn(namespace: &str, home: &Path, name: &str) -> Subject {
    let how = Spawn { namespace: Some(namespace), ..Spawn::default() };
    Subject::spawn(SUBJECT, home, name, how)
}

#[test]
fn another_machine_joins_by_ticket() {
    let Some(link) = Link::new("join") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut anna = spawn(&link.left(), ours.path(), "anna");
    let ready = anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = invite(&mut anna, 1);

    let mut clerk = spawn(&link.right(), theirs.path(), "clerk");
    clerk.tell(&json!({"do": "join", "ticket": ticket}));
    assert_eq!(clerk.event("joined")["mesh"], ready["mesh"]);

    // The ticket serves every later process of that user, which names nothing.
    let mut bert = spawn(&link.right(), theirs.path(), "bert");
    assert_eq!(bert.start(&json!({"do": "start"}))["mesh"], ready["mesh"]);
    bert.sees("anna");
    anna.sees("bert");
    for (caller, to) in [(&mut bert, "anna"), (&mut anna, "bert")] {
        caller.tell(&json!({"do": "call", "to": to, "text": "across"}));
        let reply = caller.event("reply");
        assert_eq!((&reply["text"], &reply["path"]), (&json!("across"), &json!("direct")));
        eprintln!("{to} answered across namespaces in {} us", reply["took_us"]);
    }
    bert.tell(&json!({"do": "blob", "to": "anna", "bytes": 5_000_000}));
    assert_eq!(bert.event("blob")["bytes"], 5_000_000);
    anna.tell(&json!({"do": "register", "name": "late"}));
    bert.sees("late");

    // Used up.
    let third = tempfile::tempdir().unwrap();
    let mut thief = spawn(&link.right(), third.path(), "thief");
    thief.tell(&json!({"do": "join", "ticket": ticket}));
    assert_eq!(thief.event("error")["kind"], "denied");

    bert.tell(&json!({"do": "call", "to": "anna", "skill": "hang", "text": ""}));
    anna.event("hanging");
    let killed = anna.kill();
    let gone = bert.misses("anna") - killed;
    assert_eq!(bert.event("failed")["kind"], "unknown_outcome");
    eprintln!("killed across namespaces: gone after {:.1} s", gone as f64 / 1e6);
    assert!(gone < GONE_US, "gone only after {gone} us");
}

#[test]
fn a_second_minter_serves_when_the_first_is_dead() {
    let Some(link) = Link::new("mint") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = spawn(&link.left(), ours.path(), "first");
    let mut second = spawn(&link.left(), ours.path(), "second");
    first.start(&json!({"do": "start", "listen": "all"}));
    second.start(&json!({"do": "start", "listen": "all"}));
    first.sees("second");
    let ticket = invite(&mut first, 1);
    first.kill();
    let mut clerk = spawn(&link.right(), theirs.path(), "clerk");
    clerk.tell(&json!({"do": "join", "ticket": ticket}));
    clerk.event("joined");
    let mut guest = spawn(&link.right(), theirs.path(), "guest");
    guest.start(&json!({"do": "start"}));
    guest.sees("second");
    guest.tell(&json!({"do": "call", "to": "second", "text": "hello"}));
    assert_eq!(guest.event("reply")["text"], "hello");
}

#[test]
fn nothing_leaves_the_machine_unasked() {
    let Some(link) = Link::new("quiet") else { return };
    let home = tempfile::tempdir().unwrap();
    let before = link.sent();
    let mut anna = spawn(&link.left(), home.path(), "anna");
    let mut bert = spawn(&link.left(), home.path(), "bert");
    anna.start(&json!({"do": "start"}));
    bert.start(&json!({"do": "start"}));
    bert.sees("anna");
    bert.tell(&json!({"do": "call", "to": "anna", "text": "quietly"}));
    bert.event("reply");
    anna.tell(&json!({"do": "invite"}));
    assert_eq!(anna.event("error")["code"], "no_minter");
    // Nor of a node that listens to the network, before anyone there joined.
    let mut open = spawn(&link.left(), home.path(), "open");
    open.start(&json!({"do": "start", "listen": "all"}));
    for (caller, to) in [(&mut open, "bert"), (&mut bert, "open")] {
        caller.sees(to);
        caller.tell(&json!({"do": "call", "to": to, "text": "quietly"}));
        caller.event("reply");
    }
    invite(&mut open, 1);
    for closing in [&mut anna, &mut open] {
        closing.tell(&json!({"do": "close"}));
        closing.event("closed");
    }
    assert_eq!(link.sent(), before, "packets left the machine");
    // The control: one packet sent on purpose is counted.
    link.ping();
    assert!(link.sent() > before, "the counter counts");
}

fn invite(minter: &mut Subject, uses: u32) -> Value {
    minter.tell(&json!({"do": "invite", "uses": uses}));
    minter.event("ticket")["ticket"].clone()
}
