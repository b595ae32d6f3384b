//! Large parts and many calls at once, from every language to every other.

use super::conformance::{self, Run};
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

const RUN: Run = Run { part: "large", origin: Origin::Checkout };
/// The case in which the caller holds 64 MiB: it shows that growth is seen.
const HELD: &str = "blob-held-whole";
/// What a process grows by that holds 64 MiB, at least; in MiB.
const HELD_MIN: u64 = 60;

/// 192 MiB each way in constant memory in all 16 pairs, and 10,000 calls at once from each
/// language.
///
/// # Errors
/// A program could not be started.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (index, callee) in Language::ALL.into_iter().enumerate() {
        let before = index.checked_sub(1).unwrap_or(Language::ALL.len() - 1);
        let many = Language::ALL.into_iter().nth(before).unwrap_or(callee);
        outcome += conformance::with_subject(&RUN, callee, |home, subject| {
            let mut outcome = Outcome::default();
            for caller in Language::ALL {
                outcome += blobs((caller, callee), home, subject)?;
            }
            let pair = (many, callee);
            outcome += conformance::call(&RUN, pair, &cases("many"), home, |_, _| {})?;
            Ok(outcome)
        })?;
    }
    Ok(outcome)
}

/// What a process may grow by while 192 MiB pass through it, in MiB; a collector lets some garbage
/// lie before it looks.
pub(super) const fn constant(language: Language) -> u64 {
    match language {
        Language::Python | Language::C => 24,
        Language::Node | Language::Kotlin => 112,
    }
}

/// What each process grew by in each case, in MiB: the caller's and the callee's.
type Growth = BTreeMap<String, (u64, u64)>;

fn blobs(
    (caller, callee): (Language, Language),
    home: &std::path::Path,
    subject: u32,
) -> Result<Outcome> {
    let mut growth = Growth::new();
    let mut before = (0, 0);
    let after = |case: &Value, runner: u32| {
        let id = case.get("case").and_then(Value::as_str).unwrap_or_default();
        let now = (peak(runner), peak(subject));
        if !id.starts_with("warm-up") {
            let grown = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
            growth.insert(id.to_owned(), grown);
        }
        for process in [runner, subject] {
            forget_peak(process);
        }
        before = (peak(runner), peak(subject));
    };
    let pair = format!("{} to {}", caller.name(), callee.name());
    let mut outcome = conformance::call(&RUN, (caller, callee), &cases("blobs"), home, after)?;
    eprintln!("  large: {pair}: MiB more, of caller and callee: {growth:?}");
    for (case, (ours, theirs)) in &growth {
        let fits = if case == HELD {
            *ours >= HELD_MIN
        } else {
            *ours <= constant(caller) && *theirs <= constant(callee)
        };
        let note = || format!("{pair}: {case}: the processes grew by {ours} and {theirs} MiB");
        outcome += Outcome::one(fits, note);
    }
    Ok(outcome)
}

fn cases(name: &str) -> PathBuf {
    house::root().join("tests/conformance/large").join(format!("{name}.json"))
}

/// The most memory that a process had since its peak was forgotten, in MiB (proc(5), `VmHWM`).
pub(super) fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    kib / 1024
}

/// Lets the peak begin again at what the process has now (proc(5), `clear_refs`).
pub(super) fn forget_peak(process: u32) {
    // Where it is not allowed, the peak of the case before counts as well.
    let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
}
