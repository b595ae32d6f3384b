//! Two processes dial each other at the same moment.

use super::spawn;
use hubless_mesh_tests::{LONG, Subject};
use serde_json::json;
use std::time::Instant;

/// Rounds, unless `HUBLESS_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 200;
/// Calls of each side in a round.
const CALLS: u64 = 20;

#[test]
fn simultaneous_dials_end_in_one_connection_and_lose_no_request() {
    let rounds = std::env::var("HUBLESS_TEST_ROUNDS").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let home = tempfile::tempdir().unwrap();
    let mut pair = [spawn(home.path(), "anna"), spawn(home.path(), "bert")];
    let mut merged = 0;
    for _ in 0..rounds {
        for side in &mut pair {
            side.start(&json!({"do": "start"}));
        }
        pair[0].sees("bert");
        pair[1].sees("anna");
        for (side, to) in pair.iter_mut().zip(["bert", "anna"]) {
            side.tell(&json!({"do": "burst", "to": to, "count": CALLS}));
        }
        for side in &mut pair {
            let burst = side.event("burst");
            assert_eq!(burst["answered"], CALLS, "{burst}");
        }
        // One side may have closed the other connection before the other side took it up.
        let given_up = [settle(&mut pair[0]), settle(&mut pair[1])];
        merged += u64::from(given_up.iter().any(|merged| *merged > 0));
        for side in &mut pair {
            side.tell(&json!({"do": "close"}));
            side.event("closed");
        }
    }
    let mut handled = 0;
    for side in &mut pair {
        side.start(&json!({"do": "start"}));
        side.tell(&json!({"do": "status"}));
        handled += side.event("status")["handled"].as_u64().unwrap();
    }
    let wanted = 2 * CALLS * rounds as u64;
    eprintln!(
        "{rounds} rounds, {wanted} requests answered, {handled} handled; two connections became \
         one in {merged} rounds"
    );
    assert!(merged > 0, "no two connections were made at once");
    assert_eq!(handled, wanted, "each request ran once");
}

/// Waits until one connection is left; gives how many were given up for it.
fn settle(side: &mut Subject) -> u64 {
    let until = Instant::now() + LONG;
    loop {
        side.tell(&json!({"do": "status"}));
        let status = side.event("status");
        let open: u64 = status["status"]["peers"]
            .as_array()
            .map(|peers| peers.iter().filter_map(|peer| peer["connections"].as_u64()).sum())
            .unwrap_or_default();
        if open == 1 {
            return status["merged"].as_u64().unwrap();
        }
        assert!(Instant::now() < until, "{open} connections are left: {status}");
    }
}
