//! The table of parts, and how they are run and counted.

use super::lanes::{self, Beside, Shared};
use super::{
    boundary, conformance, docs, fresh, install, killswitch, languages, large, lint, long, memory,
    network, rust, simulation, trace,
};
use crate::count::{Outcome, caught};
use crate::house::Result;
use crate::{demo, prepare, step};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

struct Part {
    name: &'static str,
    what: &'static str,
    beside: Beside,
    run: fn() -> Result<Outcome>,
}

const ALONE: Beside = Beside::Nothing;
const ANY: Beside = Beside::All;
const MAKE: Beside = Beside::AllBut(Shared::Make);
const MAVEN: Beside = Beside::AllBut(Shared::Maven);

/// In the order in which they begin: long ones first, so that the last two end together.
const PARTS: [Part; 26] = [
    Part {
        name: "install",
        what: "packages, installed and used",
        beside: MAVEN,
        run: install::quick,
    },
    Part { name: "unit", what: "Rust unit and property tests", beside: ANY, run: rust::unit },
    Part { name: "lint", what: "fmt, clippy, mypy, tsc, ktlint", beside: MAVEN, run: lint::run },
    Part { name: "fresh", what: "clone, empty home, ten lines", beside: MAVEN, run: fresh::run },
    Part {
        name: "kotlin",
        what: "Kotlin's suite and programs",
        beside: MAVEN,
        run: languages::kotlin,
    },
    Part {
        name: "killswitch",
        what: "models of budgets, faults found",
        beside: ANY,
        run: killswitch::run,
    },
    Part {
        name: "simulation",
        what: "the directory in virtual time",
        beside: ANY,
        run: simulation::run,
    },
    Part {
        name: "conformance",
        what: "cases from each language",
        beside: ANY,
        run: conformance::ring,
    },
    Part {
        name: "python",
        what: "Python's suite and programs",
        beside: ANY,
        run: languages::python,
    },
    Part { name: "matrix", what: "16 pairs over QUIC", beside: ANY, run: conformance::matrix },
    Part {
        name: "boundary",
        what: "faults of each language, then 1,000 calls",
        beside: MAKE,
        run: boundary::run,
    },
    Part { name: "docs", what: "guides run, references are made", beside: MAVEN, run: docs::run },
    Part { name: "doc", what: "doc tests and doc build", beside: ANY, run: rust::doc },
    Part { name: "node", what: "Node.js's suite and programs", beside: ANY, run: languages::node },
    Part { name: "memory", what: "C's suite under sanitizers", beside: MAKE, run: memory::run },
    Part { name: "c", what: "C's suite and programs", beside: MAKE, run: languages::c },
    Part {
        name: "edge",
        what: "HTTP listener and gateway over real sockets",
        beside: ANY,
        run: rust::edge,
    },
    Part { name: "tidy", what: "rules of style and architecture", beside: ANY, run: rust::tidy },
    Part { name: "deny", what: "licences, bans, sources", beside: ANY, run: lint::deny },
    Part { name: "fuzz", what: "fuzz functions over their corpora", beside: ANY, run: rust::fuzz },
    Part { name: "trace", what: "one call through four languages", beside: ANY, run: trace::run },
    Part {
        name: "generated",
        what: "generated files are current",
        beside: ANY,
        run: rust::generated,
    },
    Part {
        name: "large",
        what: "64 MiB and 10,000 calls in all pairs",
        beside: ALONE,
        run: large::run,
    },
    Part { name: "mesh", what: "many processes on one machine", beside: ALONE, run: rust::mesh },
    Part { name: "network", what: "namespaces (needs root)", beside: ALONE, run: network::run },
    Part { name: "demo", what: "run, figures, fail-over", beside: ALONE, run: demo::test },
];

/// Runs the named parts, or all; prints the seconds of each, and the sum.
///
/// What could not be built counts as a failure, and so does a part that panicked, that has no such
/// name or no long form: the last line of a run is always the counts.
pub(crate) fn verify(names: &[String]) -> bool {
    match names.first().map(String::as_str) {
        Some("list") => {
            for part in &PARTS {
                println!("{:<12} {}", part.name, part.what);
            }
            return true;
        }
        Some("long") => {
            return closed(&told(caught(|| long::run(names.get(1..).unwrap_or_default()))));
        }
        _ => {}
    }
    if let Some(unknown) = names.iter().find(|name| !PARTS.iter().any(|p| p.name == **name)) {
        let message = format!("no part {unknown:?}: `cargo verify list` prints them");
        return closed(&Outcome::failure(message));
    }
    let wanted = |part: &&Part| names.is_empty() || names.iter().any(|name| name == part.name);
    let parts: Vec<_> = PARTS.iter().filter(wanted).collect();
    holds(&run(&parts, prepare::everything))
}

/// Prints what was not run as parts, the counts last; whether it is good.
fn closed(all: &Outcome) -> bool {
    show(&all.notes);
    println!("{all}");
    holds(all)
}

/// Runs parts once everything is built, and prints what they came to.
fn run(parts: &[&Part], prepared: impl FnOnce() -> Result<()>) -> Outcome {
    let ran = Mutex::new(Ran::default());
    let note =
        |name, outcome| ran.lock().unwrap_or_else(PoisonError::into_inner).add(name, outcome);
    let begun = Instant::now();
    let prepared = caught(prepared);
    let started = Instant::now();
    if let Err(message) = prepared {
        note("the preparation", Outcome::failure(message));
    } else {
        let beside: Vec<_> = parts.iter().map(|part| part.beside).collect();
        lanes::run(&beside, |at| {
            if let Some(part) = parts.get(at) {
                note(part.name, timed(part));
            }
        });
    }
    let ran = ran.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Of a long run often only the end is kept: it says once more what failed.
    for (part, notes) in ran.failed {
        println!("failed in {part}:");
        show(&notes);
    }
    let took = Took { preparing: started - begun, running: started.elapsed() };
    println!("{}", closing(ran.parts, took, &ran.all));
    ran.all
}

/// What the parts that ended came to.
#[derive(Default)]
struct Ran {
    all: Outcome,
    failed: Vec<(&'static str, Vec<String>)>,
    parts: usize,
}

impl Ran {
    fn add(&mut self, name: &'static str, outcome: Outcome) {
        if outcome.failed > 0 {
            self.failed.push((name, outcome.notes.clone()));
        }
        self.all += outcome;
        self.parts += 1;
    }
}

/// Of a run: until everything was built, and from then on.
#[derive(Clone, Copy)]
struct Took {
    preparing: Duration,
    running: Duration,
}

fn timed(part: &Part) -> Outcome {
    step::line(&format!("{}: {}", part.name, part.what));
    let started = Instant::now();
    let outcome = told(caught(part.run));
    let took = started.elapsed().as_secs_f64();
    let mut said = format!("{:<12} {took:>6.1} s  {outcome}", part.name);
    for note in &outcome.notes {
        said.push('\n');
        said.push_str(&indented(note));
    }
    // In one piece: another part may be telling something.
    step::print(&said);
    outcome
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
        println!("{}", indented(note));
    }
}

fn indented(note: &str) -> String {
    format!("             {}", note.replace('\n', "\n             "))
}

/// The last lines of a run: how long it took, then the counts.
fn closing(parts: usize, took: Took, all: &Outcome) -> String {
    let what = if parts == 1 { "part" } else { "parts" };
    let [before, running] = [took.preparing, took.running].map(|time| grouped(time.as_secs()));
    format!("{parts} {what} in {running} s, after {before} s of building\n{all}")
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let (thousands, rest) = (number / 1_000, number % 1_000);
    if thousands == 0 { rest.to_string() } else { format!("{},{rest:03}", grouped(thousands)) }
}

/// Whether a run is good; one that counted nothing has failed. What cannot run here says why it
/// was skipped, and is no failure, also where it was all that was asked for.
const fn holds(all: &Outcome) -> bool {
    all.failed == 0 && all.passed + all.skipped > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(passed: u64, failed: u64, skipped: u64) -> Outcome {
        Outcome { passed, failed, skipped, ..Outcome::default() }
    }

    #[test]
    fn holds_only_where_something_was_counted_and_nothing_failed() {
        for good in [counted(1, 0, 0), counted(1, 0, 5), counted(0, 0, 1)] {
            assert!(holds(&good), "{good}");
        }
        for bad in [counted(0, 0, 0), counted(9, 1, 0), counted(0, 1, 3)] {
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
        let took = Took {
            preparing: Duration::from_millis(900),
            running: Duration::from_millis(1_234_900),
        };
        let told = closing(23, took, &counted(2_000, 0, 3));
        let first = "23 parts in 1,234 s, after 0 s of building";
        assert_eq!(told, format!("{first}\n2000 passed, 0 failed, 3 skipped"));
        assert!(closing(1, took, &counted(1, 0, 0)).starts_with("1 part in 1,234 s,"));
        assert_eq!([grouped(999), grouped(1_000_005)], ["999", "1,000,005"]);
    }

    #[test]
    fn parts_are_counted_after_one_that_failed() {
        let good = Part { name: "good", what: "passes", beside: ANY, run: || Ok(counted(1, 0, 0)) };
        let bad = Part {
            name: "bad",
            what: "is an error",
            beside: ALONE,
            run: || Err("broken".to_owned()),
        };
        let all = run(&[&bad, &good], || Ok(()));
        assert_eq!((all.passed, all.failed), (1, 1));
    }

    #[test]
    fn a_part_that_panics_is_a_failure_and_the_others_are_counted() {
        let good = Part { name: "good", what: "passes", beside: ANY, run: || Ok(counted(1, 0, 0)) };
        let bad = Part { name: "bad", what: "panics", beside: ALONE, run: || panic!("of {}", 1) };
        let all = run(&[&bad, &good], || Ok(()));
        assert_eq!((all.passed, all.failed), (1, 1));
        assert_eq!(all.notes, ["panicked: of 1"]);
        let all = run(&[&good], || panic!("before"));
        assert_eq!((all.passed, all.failed, all.notes), (0, 1, vec!["panicked: before".into()]));
    }

    #[test]
    fn what_has_no_such_name_is_a_failure_that_is_counted() {
        for names in [&["nonsense"][..], &["tidy", "nonsense"], &["long", "nonsense"]] {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            assert!(!verify(&names), "{names:?}");
        }
    }

    #[test]
    fn what_cannot_be_prepared_is_one_failure_and_no_part_runs() {
        let part =
            Part { name: "part", what: "must not run", beside: ANY, run: || panic!("it ran") };
        let all = run(&[&part], || Err("javac is missing".to_owned()));
        assert_eq!((all.passed, all.failed), (0, 1));
        assert_eq!(all.notes, ["javac is missing"]);
    }
}
