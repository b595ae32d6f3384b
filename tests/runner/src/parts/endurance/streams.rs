//! Long streams in constant memory, in all pairs at the same time.

use super::cast::{self, RUN, Subject};
use super::length::Length;
use crate::count::Outcome;
use crate::house::Result;
use crate::language::Language;
use crate::parts::conformance::{called, with_home};
use crate::parts::large::{constant, forget_peak, peak};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Between two pieces, in ms, and the letters of each: an hour of them is 350 MB in each pair,
/// which nobody could keep unseen.
const EVERY_MS: u64 = 10;
const SIZE: u64 = 1_000;
/// At least each tenth of them arrives: sixteen pairs share the machine.
const LATE: u64 = 10;
/// Before the hour is a sixth of it, after which each process has what it needs.
const SETTLING: u64 = 6;

/// Sixteen runners read from four subjects, each one stream.
pub(super) fn run(length: &Length) -> Result<Outcome> {
    with_home("endurance-streams", |home| {
        let subjects = cast::subjects(&Language::ALL, home)?;
        let file = cast::cases("streams", &cases(length.stream_s * 1_000))?;
        let settled = Mutex::new(Settled::default());
        let mut outcome = Outcome::default();
        std::thread::scope(|scope| {
            let pair = |caller, callee| {
                let (file, settled, subjects) = (&file, &settled, ids(&subjects));
                let pair = Pair { caller, callee, home };
                scope.spawn(move || pair.read(file, settled, &subjects))
            };
            let all = Language::ALL.map(|callee| Language::ALL.map(|caller| pair(caller, callee)));
            for reader in all.into_iter().flatten() {
                let read = reader.join().unwrap_or_else(|_| Err("a reader panicked".to_owned()));
                outcome += Outcome::of(read);
            }
        });
        let settled = settled.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome += settled.judge(&subjects);
        cast::finish(subjects)?;
        Ok(outcome)
    })
}

/// A stream before which each process has what it needs, and the long one.
fn cases(ms: u64) -> Value {
    let one = |id: &str, ms: u64| {
        let given = json!({"to": "$TO.pour", "ms": ms, "everyMs": EVERY_MS, "size": SIZE});
        json!({
            "id": id, "agent": "pour", "action": {"readFor": given}, "patienceMs": ms,
            "expect": {"range": {"read": [least(ms), u32::MAX], "wrong": [0, 0]}},
        })
    };
    json!([one("settle", ms / SETTLING), one("endure", ms)])
}

/// Fewest pieces of a stream of so many milliseconds.
fn least(ms: u64) -> u64 {
    (ms / (EVERY_MS * LATE)).max(1)
}

fn ids(subjects: &[Subject]) -> Vec<u32> {
    subjects.iter().map(|subject| subject.process.id()).collect()
}

/// One runner and one subject.
struct Pair<'a> {
    caller: Language,
    callee: Language,
    home: &'a Path,
}

impl Pair<'_> {
    /// Reads, and looks at the runner's own memory.
    fn read(&self, file: &Path, settled: &Mutex<Settled>, subjects: &[u32]) -> Result<Outcome> {
        let Self { caller, callee, home } = *self;
        let pair = format!("{} to {}", caller.name(), callee.name());
        let (mut before, mut grown) = (0, None);
        let after = |report: &Value, runner: u32| match report["case"].as_str() {
            Some("settle") => {
                forget_peak(runner);
                before = peak(runner);
                settled.lock().unwrap_or_else(PoisonError::into_inner).one_more(subjects);
            }
            Some("endure") => {
                grown = Some(peak(runner).saturating_sub(before));
                let read = cast::number(report, "read").unwrap_or_default();
                eprintln!("  large: {pair}: {read} pieces, {grown:?} MiB more of the reader");
            }
            _ => {}
        };
        let mut outcome = called(&RUN, (cast::caller(caller)?, callee.name()), file, home, after)?;
        let fits = grown.is_some_and(|grown| grown <= constant(caller));
        outcome += Outcome::one(fits, || format!("{pair}: the reader grew by {grown:?} MiB"));
        Ok(outcome)
    }
}

/// What the subjects had when the last pair had begun its long stream.
#[derive(Default)]
struct Settled {
    pairs: usize,
    before: BTreeMap<u32, u64>,
}

impl Settled {
    fn one_more(&mut self, subjects: &[u32]) {
        self.pairs += 1;
        if self.pairs == Language::ALL.len() * Language::ALL.len() {
            subjects.iter().for_each(|process| forget_peak(*process));
            self.before = subjects.iter().map(|process| (*process, peak(*process))).collect();
        }
    }

    /// What they grew by since; each has four writers.
    fn judge(&self, subjects: &[Subject]) -> Outcome {
        let mut outcome = Outcome::default();
        for Subject { language, process } in subjects {
            let now = peak(process.id());
            let grown = self.before.get(&process.id()).map(|before| now.saturating_sub(*before));
            eprintln!("  large: writers in {}: {grown:?} MiB more", language.name());
            outcome +=
                Outcome::one(grown.is_some_and(|grown| grown <= constant(*language)), || {
                    format!("{}: the writers grew by {grown:?} MiB", language.name())
                });
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_stood_for_most_of_its_time_is_too_short() {
        let given = cases(3_600_000);
        let of = |n: usize| given[n]["expect"]["range"]["read"][0].as_u64();
        assert_eq!([of(0), of(1)], [Some(6_000), Some(36_000)]);
        assert_eq!(least(1), 1);
    }
}
