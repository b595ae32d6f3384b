//! The table of parts, and how they are run and counted.

use super::{
    boundary, conformance, docs, fresh, install, killswitch, languages, large, lint, long, memory,
    network, rust, simulation, trace,
};
use crate::count::Outcome;
use crate::house::Result;
use crate::{demo, prepare};
use std::time::{Duration, Instant};

struct Part {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Outcome>,
}

const PARTS: [Part; 26] = [
    Part { name: "lint", what: "fmt, clippy, mypy, tsc, ktlint", run: lint::run },
    Part { name: "tidy", what: "rules of style and architecture", run: rust::tidy },
    Part { name: "unit", what: "Rust unit and property tests", run: rust::unit },
    Part { name: "killswitch", what: "models of budgets, faults found", run: killswitch::run },
    Part { name: "simulation", what: "the directory in virtual time", run: simulation::run },
    Part { name: "generated", what: "generated files are current", run: rust::generated },
    Part { name: "conformance", what: "cases from each language", run: conformance::ring },
    Part { name: "matrix", what: "16 pairs over QUIC", run: conformance::matrix },
    Part { name: "trace", what: "one call through four languages", run: trace::run },
    Part { name: "python", what: "Python's suite and programs", run: languages::python },
    Part { name: "node", what: "Node.js's suite and programs", run: languages::node },
    Part { name: "kotlin", what: "Kotlin's suite and programs", run: languages::kotlin },
    Part { name: "c", what: "C's suite and programs", run: languages::c },
    Part { name: "memory", what: "C's suite under sanitizers", run: memory::run },
    Part { name: "large", what: "64 MiB and 10,000 calls in all pairs", run: large::run },
    Part {
        name: "boundary",
        what: "faults of each language, then 1,000 calls",
        run: boundary::run,
    },
    Part { name: "mesh", what: "many processes on one machine", run: rust::mesh },
    Part { name: "edge", what: "HTTP listener and gateway over real sockets", run: rust::edge },
    Part { name: "network", what: "namespaces (needs root)", run: network::run },
    Part { name: "demo", what: "run, figures, fail-over", run: demo::test },
    Part { name: "fuzz", what: "fuzz functions over their corpora", run: rust::fuzz },
    Part { name: "doc", what: "doc tests and doc build", run: rust::doc },
    Part { name: "docs", what: "guides run, references are made", run: docs::run },
    Part { name: "deny", what: "licences, bans, sources", run: lint::deny },
    Part { name: "install", what: "packages, installed and used", run: install::quick },
    Part { name: "fresh", what: "clone, empty home, ten lines", run: fresh::run },
];

/// Runs the named parts, or all; prints the seconds of each, and the sum.
///
/// What could not be built counts as a failure: the last line of a run is always the counts.
///
/// # Errors
/// A part has no such name, or no long form.
pub(crate) fn verify(names: &[String]) -> Result<bool> {
    match names.first().map(String::as_str) {
        Some("list") => {
            for part in &PARTS {
                println!("{:<12} {}", part.name, part.what);
            }
            return Ok(true);
        }
        Some("long") => {
            let outcome = long::run(names.get(1..).unwrap_or_default())?;
            show(&outcome.notes);
            println!("{outcome}");
            return Ok(holds(&outcome));
        }
        _ => {}
    }
    if let Some(unknown) = names.iter().find(|name| !PARTS.iter().any(|p| p.name == **name)) {
        return Err(format!("no part {unknown:?}: `cargo verify list` prints them"));
    }
    let wanted = |part: &&Part| names.is_empty() || names.iter().any(|name| name == part.name);
    let parts: Vec<_> = PARTS.iter().filter(wanted).collect();
    let all = run(&parts, prepare::everything);
    Ok(holds(&all))
}

/// Runs parts once everything is built, and prints what they came to.
fn run(parts: &[&Part], prepared: impl FnOnce() -> Result<()>) -> Outcome {
    let mut all = Outcome::default();
    let mut failed = Vec::new();
    let (mut ran, mut took) = (0, Duration::ZERO);
    if let Err(message) = prepared() {
        all += Outcome::failure(message);
        failed.push(("the preparation", all.notes.clone()));
    } else {
        for part in parts {
            let (outcome, own) = timed(part);
            if outcome.failed > 0 {
                failed.push((part.name, outcome.notes.clone()));
            }
            all += outcome;
            took += own;
            ran += 1;
        }
    }
    // Of a long run often only the end is kept: it says once more what failed.
    for (part, notes) in failed {
        println!("failed in {part}:");
        show(&notes);
    }
    println!("{}", closing(ran, took, &all));
    all
}

fn timed(part: &Part) -> (Outcome, Duration) {
    eprintln!("{}: {}", part.name, part.what);
    let started = Instant::now();
    let outcome = told((part.run)());
    let took = started.elapsed();
    println!("{:<12} {:>6.1} s  {outcome}", part.name, took.as_secs_f64());
    show(&outcome.notes);
    (outcome, took)
}

/// What a part came to: an error is a failure, and so is a part that ran nothing.
fn told(done: Result<Outcome>) -> Outcome {
    let outcome = Outcome::of(done);
    if outcome.passed + outcome.failed + outcome.skipped == 0 {
        return Outcome::failure("no test was run".to_owned());
    }
    outcome
}

fn show(notes: &[String]) {
    for note in notes {
        println!("             {}", note.replace('\n', "\n             "));
    }
}

/// The last lines of a run: how long its parts took, then the counts.
fn closing(parts: usize, took: Duration, all: &Outcome) -> String {
    let what = if parts == 1 { "part" } else { "parts" };
    format!("{parts} {what} in {} s\n{all}", grouped(took.as_secs()))
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let (thousands, rest) = (number / 1_000, number % 1_000);
    if thousands == 0 { rest.to_string() } else { format!("{},{rest:03}", grouped(thousands)) }
}

/// Whether a run is good; one that executed nothing has failed.
const fn holds(all: &Outcome) -> bool {
    all.failed == 0 && all.passed > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(passed: u64, failed: u64, skipped: u64) -> Outcome {
        Outcome { passed, failed, skipped, ..Outcome::default() }
    }

    #[test]
    fn holds_only_where_something_passed_and_nothing_failed() {
        assert!(holds(&counted(1, 0, 0)) && holds(&counted(1, 0, 5)));
        for bad in [counted(0, 0, 0), counted(0, 0, 3), counted(9, 1, 0)] {
            assert!(!holds(&bad), "{bad}");
        }
    }

    #[test]
    fn a_part_that_ran_nothing_has_failed_and_so_has_an_error() {
        let nothing = told(Ok(Outcome::default()));
        assert_eq!((nothing.failed, nothing.notes), (1, vec!["no test was run".to_owned()]));
        let error = told(Err("cc is missing".to_owned()));
        assert_eq!((error.failed, error.notes), (1, vec!["cc is missing".to_owned()]));
        assert_eq!(told(Ok(counted(0, 0, 1))), counted(0, 0, 1));
    }

    #[test]
    fn the_last_line_is_the_counts_and_the_one_before_the_seconds() {
        let took = Duration::from_millis(1_234_900);
        let told = closing(23, took, &counted(2_000, 0, 3));
        assert_eq!(told, "23 parts in 1,234 s\n2000 passed, 0 failed, 3 skipped");
        assert!(closing(1, Duration::ZERO, &counted(1, 0, 0)).starts_with("1 part in 0 s\n"));
        assert_eq!([grouped(999), grouped(1_000_005)], ["999", "1,000,005"]);
    }

    #[test]
    fn parts_are_counted_after_one_that_failed() {
        let good = Part { name: "good", what: "passes", run: || Ok(counted(1, 0, 0)) };
        let bad = Part { name: "bad", what: "is an error", run: || Err("broken".to_owned()) };
        let all = run(&[&bad, &good], || Ok(()));
        assert_eq!((all.passed, all.failed), (1, 1));
    }

    #[test]
    fn what_cannot_be_prepared_is_one_failure_and_no_part_runs() {
        let part = Part { name: "part", what: "must not run", run: || panic!("it ran") };
        let all = run(&[&part], || Err("javac is missing".to_owned()));
        assert_eq!((all.passed, all.failed), (0, 1));
        assert_eq!(all.notes, ["javac is missing"]);
    }
}
