//! Two machines that have addresses of IPv6 and no others, and a port that was fixed.

use super::{invite, spawn};
use crate::link::Link;
use serde_json::json;
use std::net::{Ipv6Addr, SocketAddr};

/// The port that anna's operator opened.
const PORT: u16 = 4_433;
const ANNA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

#[test]
fn machines_that_speak_ipv6_alone_meet_at_a_fixed_port() {
    let Some(link) = Link::six("six") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut anna = spawn(&link.left(), ours.path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all", "port": PORT}));
    let ticket = invite(&mut anna, 1);
    anna.tell(&json!({"do": "status"}));
    let status = anna.event("status")["status"].clone();
    let addresses: Vec<SocketAddr> = serde_json::from_value(status["addresses"].clone()).unwrap();
    assert!(addresses.contains(&SocketAddr::from((ANNA, PORT))), "{addresses:?}");
    // The control: there is no other way.
    assert!(addresses.iter().all(|at| at.is_ipv6() || at.ip().is_loopback()), "{addresses:?}");

    let mut bert = spawn(&link.right(), theirs.path(), "bert");
    bert.tell(&json!({"do": "join", "ticket": ticket}));
    bert.event("joined");
    bert.start(&json!({"do": "start", "listen": "all"}));
    bert.sees("anna");
    anna.sees("bert");
    for (caller, to) in [(&mut bert, "anna"), (&mut anna, "bert")] {
        caller.tell(&json!({"do": "call", "to": to, "text": "by six"}));
        let reply = caller.event("reply");
        assert_eq!((&reply["text"], &reply["path"]), (&json!("by six"), &json!("direct")));
    }

    // Another one that is to listen at the same port says so, and the first one goes on.
    let mut other = spawn(&link.left(), ours.path(), "other");
    other.tell(&json!({"do": "start", "listen": "all", "port": PORT}));
    assert_eq!(other.event("error")["code"], "bind");
    bert.tell(&json!({"do": "call", "to": "anna", "text": "still"}));
    assert_eq!(bert.event("reply")["text"], "still");
}
