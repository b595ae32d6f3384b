//! A link that is cut and mended while calls run over it.

use super::link::Link;
use hubless_mesh_tests::{Spawn, Subject, boot_us, now_us};
use serde_json::json;
use std::path::Path;

const SPENDER: &str = env!("CARGO_BIN_EXE_spender");
/// Lease of the budgets, and what a clock may be wrong by meanwhile.
const LEASE_MS: u64 = 3_000;
const END_US: u64 = LEASE_MS * 1_000 * 101 / 100;
/// So long others are watched afterwards; who went on would spend dozens of times.
const LONGER_US: u64 = 500_000;
/// Tokens of each budget, of which none is ever used up here.
const CEILING: u64 = 1_000_000;
/// Spendings of one call that may be on their way to the provider.
const ON_THEIR_WAY: usize = 1;

/// The provider, a process of its own, and what it was asked for.
struct Bill {
    provider: Subject,
    spent: Vec<(String, u64)>,
}

impl Bill {
    /// Starts the provider on the right side.
    fn open(link: &Link, socket: &Path) -> Self {
        let right = link.right();
        let how = Spawn { namespace: Some(&right), ..Spawn::default() };
        let socket = socket.to_str().unwrap();
        let mut provider = Subject::spawn(SPENDER, Path::new("clock"), socket, how);
        provider.event("ready");
        Self { provider, spent: Vec::new() }
    }

    /// Waits until it was asked so often under this label at this time or later.
    fn until(&mut self, label: &str, from_us: u64, count: usize) {
        while self.count(label, from_us) < count {
            let spent = self.provider.event("spent");
            let label = spent["label"].as_str().unwrap().to_owned();
            self.spent.push((label, spent["boot_us"].as_u64().unwrap()));
        }
    }

    fn count(&self, label: &str, from_us: u64) -> usize {
        self.times(label).filter(|at| *at >= from_us).count()
    }

    fn times(&self, label: &str) -> impl Iterator<Item = u64> {
        let own = self.spent.iter().filter(move |(one, _)| one == label);
        own.map(|(_, at)| *at)
    }
}

#[test]
fn a_holder_that_is_cut_off_spends_no_longer_than_its_lease() {
    let Some(link) = Link::new("part") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("provider");
    let mut bill = Bill::open(&link, &socket);
    let mut anna = super::spawn(&link.left(), ours.path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = super::invite(&mut anna, 1);
    let mut holder = super::spawn(&link.right(), theirs.path(), "holder");
    holder.tell(&json!({"do": "join", "ticket": ticket}));
    holder.event("joined");
    holder.start(&json!({"do": "start"}));
    holder.tell(&json!({"do": "spender", "name": "purse", "provider": socket}));
    holder.event("registered");
    // The control: a root that is not cut off from the holder.
    let mut near = super::spawn(&link.right(), theirs.path(), "near");
    near.start(&json!({"do": "start"}));
    for (root, label) in [(&mut anna, "far"), (&mut near, "near")] {
        root.sees("purse");
        root.tell(&json!({"do": "under", "to": "purse", "label": label, "ceiling": CEILING,
            "lease_ms": LEASE_MS}));
    }
    for label in ["far", "near"] {
        bill.until(label, 0, 50);
    }

    link.cut();
    let cut = boot_us();
    anna.tell(&json!({"do": "trip"}));
    anna.event("tripped");
    let end = cut + END_US;
    bill.until("near", end + LONGER_US, 1);

    // Nobody told it: it spent on, until its lease was over.
    assert!(bill.count("far", cut) > ON_THEIR_WAY, "the stop arrived, or it ended before");
    let late = bill.count("far", end);
    let last = bill.times("far").max().unwrap();
    eprintln!(
        "cut off and stopped: last asked {} ms later, lease {LEASE_MS} ms; beside it the other \
         went on for {} spendings",
        last.saturating_sub(cut) / 1_000,
        bill.count("near", end)
    );
    assert!(late <= ON_THEIR_WAY, "{late} spendings began after the lease");

    link.mend();
    anna.tell(&json!({"do": "settled"}));
    let settled = anna.event("settled");
    assert_eq!(settled["states"], json!(["settled"]), "{settled}");
    assert_eq!(settled["stranded"], 0, "{settled}");
    // One that was set aside and never asked for counts as spent.
    let (paid, spent) = (bill.count("far", 0), settled["spent"].as_u64().unwrap());
    assert!((paid..=paid + ON_THEIR_WAY).contains(&usize::try_from(spent).unwrap()), "{settled}");
    near.tell(&json!({"do": "trip"}));
    near.event("tripped");
}

#[test]
fn an_answer_waits_until_a_link_that_was_cut_is_mended() {
    let Some(link) = Link::new("cut") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut anna = super::spawn(&link.left(), ours.path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = super::invite(&mut anna, 1);
    let mut bert = super::spawn(&link.right(), theirs.path(), "bert");
    bert.tell(&json!({"do": "join", "ticket": ticket}));
    bert.event("joined");
    bert.start(&json!({"do": "start"}));
    bert.sees("anna");
    bert.tell(&json!({"do": "call", "to": "anna", "skill": "wait", "text": "patience"}));
    anna.event("waiting");

    link.cut();
    anna.tell(&json!({"do": "release"}));
    anna.event("released");
    // It is said, and again, to nobody.
    link.sends(3);
    let mended = now_us();
    link.mend();

    let reply = bert.event("reply");
    assert_eq!(reply["text"], "patience");
    assert!(reply["at_us"].as_u64().unwrap() > mended, "it came through the cut: {reply}");
    anna.tell(&json!({"do": "status"}));
    assert_eq!(anna.event("status")["handled"], 1);
}
