//! A path that loses, delays and reorders.

use super::shim::{Lossy, Weather};
use serde_json::json;
use std::time::Duration;

/// One datagram in twenty is lost.
const WEATHER: Weather = Weather {
    seed: 0x68_75_62_6c_65_73_73,
    delay: Duration::from_millis(2),
    lost: 50,
    late: 10,
    rate: 20_000_000,
};
const BLOB: u64 = 8 * 1024 * 1024;
/// For the blob there and back.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_large_blob_comes_whole_through_loss() {
    let Some(link) = Lossy::new("loss", WEATHER) else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut anna = super::spawn(&link.right(), ours.path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    link.open_right();
    let ticket = super::invite(&mut anna, 1);
    let mut bert = super::spawn(&link.left(), theirs.path(), "bert");
    bert.tell(&json!({"do": "join", "ticket": ticket}));
    bert.event("joined");
    bert.start(&json!({"do": "start"}));
    bert.sees("anna");
    let (_, lost_before) = link.counts();

    bert.tell(&json!({"do": "whole", "to": "anna", "bytes": BLOB}));
    let whole = bert.expect("the blob", PATIENCE, |event| {
        let is_end = ["whole", "failed"].iter().any(|end| event["event"] == *end);
        is_end.then(|| event.clone())
    });

    let (carried, lost) = link.counts();
    let lost = lost - lost_before;
    eprintln!("8 MiB there and back in {} us, {carried} carried, {lost} lost", whole["took_us"]);
    assert_eq!((&whole["bytes"], &whole["same"]), (&json!(BLOB), &json!(true)), "{whole}");
    // The core has checked the bytes against it at either end.
    assert_eq!(whole["sha256"].as_str().map(str::len), Some(64), "{whole}");
    anna.tell(&json!({"do": "status"}));
    assert_eq!(anna.event("status")["handled"], 1);
    // The control: at one in twenty it is several hundred.
    assert!(lost > 100, "{lost} were lost");
}
