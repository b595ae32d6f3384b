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
    let mut doubled = 0;
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
        doubled += usize::from(settle(&mut pair[0]) | settle(&mut pair[1]));
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
        "{rounds} rounds, {wanted} requests answered, {handled} handled; two connections were \
         still open after the last answer in {doubled} rounds"
    );
    assert_eq!(handled, wanted, "each request ran once");
}

/// Waits until one connection is left; true when there were more.
fn settle(side: &mut Subject) -> bool {
    let until = Instant::now() + LONG;
    let mut more = false;
    loop {
        side.tell(&json!({"do": "status"}));
        let status = side.event("status");
        let open: u64 = status["status"]["peers"]
            .as_array()
            .map(|peers| peers.iter().filter_map(|peer| peer["connections"].as_u64()).sum())
            .unwrap_or_default();
        if open == 1 {
            return more;
        }
        more |= open > 1;
        assert!(Instant::now() < until, "{open} connections are left: {status}");
    }
}
