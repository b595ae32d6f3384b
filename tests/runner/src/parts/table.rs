//! The table of parts, and how they are run and counted.

use super::{
    conformance, fresh, install, killswitch, languages, large, lint, long, memory, network, rust,
};
use crate::count::Outcome;
use crate::house::Result;
use crate::{demo, prepare};
use std::time::Instant;

struct Part {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Outcome>,
}

const PARTS: [Part; 21] = [
    Part { name: "lint", what: "fmt, clippy, mypy, tsc, ktlint", run: lint::run },
    Part { name: "tidy", what: "rules of style and architecture", run: rust::tidy },
    Part { name: "unit", what: "Rust unit and property tests", run: rust::unit },
    Part { name: "killswitch", what: "models of budgets, faults found", run: killswitch::run },
    Part { name: "generated", what: "generated files are current", run: rust::generated },
    Part { name: "conformance", what: "cases from each language", run: conformance::ring },
    Part { name: "matrix", what: "16 pairs over QUIC", run: conformance::matrix },
    Part { name: "python", what: "Python's suite and programs", run: languages::python },
    Part { name: "node", what: "Node.js's suite and programs", run: languages::node },
    Part { name: "kotlin", what: "Kotlin's suite and programs", run: languages::kotlin },
    Part { name: "c", what: "C's suite and programs", run: languages::c },
    Part { name: "memory", what: "C's suite under sanitizers, valgrind", run: memory::run },
    Part { name: "large", what: "64 MiB and 10,000 calls in all pairs", run: large::run },
    Part { name: "mesh", what: "many processes on one machine", run: rust::mesh },
    Part { name: "network", what: "namespaces (needs root)", run: network::run },
    Part { name: "demo", what: "run, figures, fail-over", run: demo::test },
    Part { name: "fuzz", what: "fuzz functions over their corpora", run: rust::fuzz },
    Part { name: "doc", what: "doc tests and doc build", run: rust::doc },
    Part { name: "deny", what: "licences, bans, sources", run: lint::deny },
    Part { name: "install", what: "packages, installed and used", run: install::quick },
    Part { name: "fresh", what: "clone, empty home, ten lines", run: fresh::run },
];

/// Runs the named parts, or all; prints the seconds of each, and the sum.
///
/// # Errors
/// A part has no such name, or nothing could be built.
pub(crate) fn verify(names: &[String]) -> Result<bool> {
    match names.first().map(String::as_str) {
        Some("list") => {
            for part in &PARTS {
                println!("{:<12} {}", part.name, part.what);
            }
            return Ok(true);
        }
        Some("long") => return close(long::run(names.get(1..).unwrap_or_default())?),
        _ => {}
    }
    if let Some(unknown) = names.iter().find(|name| !PARTS.iter().any(|p| p.name == **name)) {
        return Err(format!("no part {unknown:?}: `cargo verify list` prints them"));
    }
    prepare::everything()?;
    let mut all = Outcome::default();
    let wanted = |part: &&Part| names.is_empty() || names.iter().any(|name| name == part.name);
    for part in PARTS.iter().filter(wanted) {
        all += timed(part);
    }
    close(all)
}

fn timed(part: &Part) -> Outcome {
    eprintln!("{}: {}", part.name, part.what);
    let started = Instant::now();
    let outcome = match (part.run)() {
        Ok(outcome) if outcome.passed + outcome.failed + outcome.skipped == 0 => {
            Outcome::failure("no test was run".to_owned())
        }
        Ok(outcome) => outcome,
        Err(message) => Outcome::failure(message),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("{:<12} {seconds:>6.1} s  {outcome}", part.name);
    for note in &outcome.notes {
        println!("             {}", note.replace('\n', "\n             "));
    }
    outcome
}

/// Prints the closing line; a run that executed nothing has failed.
fn close(all: Outcome) -> Result<bool> {
    println!("{all}");
    Ok(all.failed == 0 && all.passed > 0)
}
