//! Large parts and many calls at once, from every language to every other.

use super::conformance::{self, Caller, Run};
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const RUN: Run = Run { part: "large", origin: Origin::Checkout };
/// The case in which the caller holds 64 MiB: it shows that growth is seen.
const HELD: &str = "blob-held-whole";
/// What a process grows by that holds 64 MiB, at least; in MiB.
const HELD_MIN: u64 = 60;
/// How long a subject may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The young generation of the JVM, which would otherwise be filled with garbage up to a part of
/// the machine's memory before anybody looks.
const YOUNG: &str = "-Xmn16m";

/// 256 MiB each way in constant memory in all 16 pairs, and 10,000 calls at once from each
/// language.
///
/// # Errors
/// A program could not be started.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (index, callee) in Language::ALL.into_iter().enumerate() {
        let before = index.checked_sub(1).unwrap_or(Language::ALL.len() - 1);
        let many = Language::ALL.into_iter().nth(before).unwrap_or(callee);
        let name = format!("{}-blobs-{}", RUN.part, callee.name());
        outcome += conformance::with_home(&name, |home| streamed(callee, home))?;
        outcome += conformance::with_subject(&RUN, callee, |home, _| {
            conformance::call(&RUN, (many, callee), &cases("many"), home, |_, _| {})
        })?;
    }
    Ok(outcome)
}

/// Blobs to and from one language, from all.
fn streamed(callee: Language, home: &Path) -> Result<Outcome> {
    let mut command = measured(callee)?;
    command.args(["serve", "--name", callee.name()]).env("HUBLESS_HOME", home);
    let log = house::logs().join(format!("{}-subject-{}-blobs.log", RUN.part, callee.name()));
    let subject = Process::start(callee.name(), &mut command, &log)?;
    subject.expect("ready", PATIENCE)?;
    let mut outcome = Outcome::default();
    for caller in Language::ALL {
        outcome += blobs((caller, callee), home, subject.id())?;
    }
    subject.finish(PATIENCE)?;
    Ok(outcome)
}

/// The conformance program of a language, so that its memory says something.
fn measured(language: Language) -> Result<Command> {
    let mut command = language.command(RUN.origin, Program::Conformance)?;
    command.env("JAVA_TOOL_OPTIONS", YOUNG);
    Ok(command)
}

/// What a process may grow by while hundreds of MiB pass through it, in MiB; a collector lets some
/// garbage lie before it looks.
pub(super) const fn constant(language: Language) -> u64 {
    match language {
        Language::Python | Language::C => 24,
        Language::Node | Language::Kotlin => 112,
    }
}

/// The same of one case, 256 MiB each way: in one blob to the callee, after one of a quarter of
/// that, and from it in four, since no answer may be larger. Less than what a quarter takes, but
/// for the answers in Node.js: V8 lets 64 MiB outside of its heap lie the first time, so what
/// shows that its reader holds nothing is the way to the callee, where the first time is over.
fn most(language: Language, case: &str) -> u64 {
    match (language, case) {
        (Language::Node, "blob-down") => constant(language),
        _ => constant(language).min(HELD_MIN - 4),
    }
}

/// What each process grew by in each case, in MiB: the caller's and the callee's.
type Growth = BTreeMap<String, (u64, u64)>;

fn blobs((caller, callee): (Language, Language), home: &Path, subject: u32) -> Result<Outcome> {
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
    let runner = Caller { name: caller.name(), command: measured(caller)? };
    let pair_of = (runner, callee.name());
    let mut outcome = conformance::called(&RUN, pair_of, &cases("blobs"), home, after)?;
    eprintln!("  large: {pair}: MiB more, of caller and callee: {growth:?}");
    for (case, (ours, theirs)) in &growth {
        let fits = if case == HELD {
            *ours >= HELD_MIN
        } else {
            *ours <= most(caller, case) && *theirs <= most(callee, case)
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
