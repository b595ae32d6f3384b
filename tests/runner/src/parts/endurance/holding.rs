//! A handler that holds what its process runs on holds up nobody else.

use super::cast::{self, PATIENCE, RUN};
use crate::count::Outcome;
use crate::house::Result;
use crate::language::Language;
use crate::parts::conformance::{called, with_home};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long a handler holds, in ms.
const HOLD_MS: u64 = 10_000;
/// Rounds of a runner beside it, and calls of each.
const ROUNDS: usize = 20;
const CALLS: usize = 20;
/// How many rounds must have ended before the handler does: those who start a runner take seconds.
const BESIDE_MIN: usize = 3;

/// In each language in turn, while the others are called.
pub(super) fn run() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for held in Language::ALL {
        outcome += with_home("endurance-holding", |home| held_in(held, home))?;
    }
    Ok(outcome)
}

fn held_in(held: Language, home: &Path) -> Result<Outcome> {
    let name = held.name();
    let subjects = cast::subjects(&Language::ALL, home)?;
    let files = (
        cast::cases(&format!("held-{name}"), &held_cases())?,
        cast::cases(&format!("beside-{name}"), &beside_cases(held))?,
    );
    let over = AtomicBool::new(false);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| -> Result<()> {
        let over = &over;
        let caller = cast::caller(cast::next(held))?;
        let (held_file, beside_file) = (&files.0, &files.1);
        let holding = scope.spawn(move || {
            let after = |report: &Value, _| {
                if report["case"] == "held" {
                    over.store(true, Ordering::SeqCst);
                }
            };
            called(&RUN, (caller, held.name()), held_file, home, after)
        });
        // Its own process says when it begins: it answers nobody from then on.
        let held_subject = subjects.iter().find(|subject| subject.language == held);
        if let Some(subject) = held_subject {
            subject.process.expect("holding", PATIENCE)?;
        }
        let others = Language::ALL.into_iter().filter(|other| *other != held);
        let others =
            others.map(|other| scope.spawn(move || beside(other, beside_file, home, over)));
        let others: Vec<_> = others.collect();
        for thread in others.into_iter().chain([holding]) {
            let done = thread.join().unwrap_or_else(|_| Err("a runner panicked".to_owned()));
            outcome += Outcome::of(done);
        }
        Ok(())
    })?;
    cast::finish(subjects)?;
    Ok(outcome)
}

/// Calls a subject from its own language while another one is held; some rounds must be over before
/// that is.
fn beside(other: Language, file: &Path, home: &Path, over: &AtomicBool) -> Result<Outcome> {
    let rounds = AtomicUsize::new(0);
    let after = |_: &Value, _| {
        if !over.load(Ordering::SeqCst) {
            rounds.fetch_add(1, Ordering::SeqCst);
        }
    };
    let mut outcome = called(&RUN, (cast::caller(other)?, other.name()), file, home, after)?;
    let rounds = rounds.into_inner();
    let name = other.name();
    eprintln!("  large: {rounds} rounds of {name} beside a handler that holds");
    outcome += Outcome::one(rounds >= BESIDE_MIN, || {
        format!("{name} had {rounds} rounds while another one was held, at least {BESIDE_MIN}")
    });
    Ok(outcome)
}

/// The handler that holds, and what its process does afterwards.
fn held_cases() -> Value {
    json!([
        {"id": "held", "agent": "hold", "request": {"content": {"value": {"ms": HOLD_MS}}},
         "expect": {"value": "done"}, "runs": 1, "patienceMs": 4 * HOLD_MS},
        {"id": "served-afterwards", "agent": "echo", "request": {"content": {"value": "still"}},
         "action": {"repeat": 100}, "expect": {"value": "still"}, "runs": 100},
    ])
}

/// Calls of somebody else; the one that is held is found as before.
fn beside_cases(held: Language) -> Value {
    let held = format!("{}.hold", held.name());
    let round = |n: usize| {
        json!({"id": format!("round-{n}"), "agent": "echo", "action": {"repeat": CALLS},
               "request": {"content": {"value": "beside"}}, "expect": {"value": "beside"}})
    };
    let query = json!({"filter": {"field": "name", "op": "=", "value": held}});
    let found = json!({"id": "found", "agent": "echo", "action": {"find": query},
                       "expect": {"includes": [held]}});
    (0..BESIDE_MIN).map(round).chain([found]).chain((BESIDE_MIN..ROUNDS).map(round)).collect()
}
