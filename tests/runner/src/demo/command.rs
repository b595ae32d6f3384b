//! `cargo demo` as a person types it who has settings of Hubless of their own.

use super::report::{self, Agent, Expected};
use crate::count::Outcome;
use crate::house::{Result, text};
use crate::language::Language;
use crate::step::Step;
use std::path::Path;

/// Settings that a user may have, and that no process of the demo may follow: with each of them it
/// would find nobody, or not start.
const SETTINGS: [(&str, &str); 5] = [
    ("HUBLESS_HOME", "/dev/null"),
    ("HUBLESS_MESH", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("HUBLESS_LISTEN", "nowhere"),
    ("HUBLESS_REFUND", "provider"),
    ("HUBLESS_TRACE", "/dev/null/trace.jsonl"),
];

/// Runs it, and looks at what it printed and wrote.
///
/// # Errors
/// It could not be started.
pub(super) fn test(out: &Path, expected: &Expected) -> Result<Outcome> {
    let step = Step::new("demo: cargo demo", "cargo").args(["demo", "--out", &text(out)]);
    let done = SETTINGS.iter().fold(step, |step, (name, value)| step.env(name, value)).run()?;
    let mut outcome = Outcome::one(done.ok, || format!("cargo demo failed\n{}", done.tail(40)));
    let faults = faults(&done.output);
    outcome += Outcome::one(faults.is_empty(), || {
        format!("cargo demo printed: {}\n{}", faults.join("; "), done.tail(60))
    });
    let agents = agents(&done.output);
    for folder in [out.to_owned(), out.join("fail-over")] {
        outcome += report::page(&folder.join("report.html"), expected, &agents);
    }
    Ok(outcome)
}

/// What the timeline lacks that the command prints.
fn faults(output: &str) -> Vec<String> {
    let mut wanted: Vec<(Language, &str)> = vec![
        (Language::Python, "found table-digester for digest_table at "),
        (Language::Python, "chart-renderer answered render_chart in "),
        (Language::Python, "has the report after "),
        (Language::Node, "killed with -9 "),
        (Language::Python, "lost "),
    ];
    let ready = Language::ALL.map(|language| (language, "ready: "));
    wanted.splice(0..0, ready);
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    let says = |(language, start): &(Language, &str)| {
        let start = format!("[{}] {start}", language.name());
        lines.iter().any(|line| line.starts_with(&start))
    };
    let mut faults: Vec<_> = wanted
        .iter()
        .filter(|wanted| !says(wanted))
        .map(|(language, start)| format!("no [{}] {start}", language.name()))
        .collect();
    if !lines.iter().any(|line| line.starts_with("with the kill: complete ")) {
        faults.push("not how long after the kill".to_owned());
    }
    faults
}

/// The agents whose processes were ready: `[c] ready: table-digester at 1:A.B.C (node …`.
fn agents(output: &str) -> Vec<Agent> {
    let agent = |line: &str| {
        let (language, said) = line.trim().strip_prefix('[')?.split_once("] ready: ")?;
        let (name, rest) = said.split_once(" at ")?;
        Some(Agent::new(language, name, rest.split_once(" (")?.0))
    };
    output.lines().filter_map(agent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "  build …
[python] ready: weather-report at 1:A.B.C (node 00000000…, process 1)
[node] ready: chart-renderer at 1:A.B.D (node 00000000…, process 2)
[kotlin] ready: figure-checker at 1:A.B.E (node 00000000…, process 3)
[c] ready: table-digester at 1:A.B.F (node 00000000…, process 4)
[python] found table-digester for digest_table at 1:A.B.F in 1 ms (score 1, direct)
[python] chart-renderer answered render_chart in 1 ms (direct, 1 bytes out, 1 in)
[node] killed with -9 (process 2)
[python] lost chart-renderer during render_chart (transport)
[python] has the report after 1 ms
   with the kill: complete 1 ms after it";

    #[test]
    fn a_whole_timeline_has_no_fault_and_each_line_is_missed() {
        assert_eq!(faults(WHOLE), Vec::<String>::new());
        for line in WHOLE.lines().skip(1) {
            assert_eq!(faults(&WHOLE.replace(line, "")).len(), 1, "without {line}");
        }
    }

    #[test]
    fn reads_who_was_ready() {
        let first = Agent::new("python", "weather-report", "1:A.B.C");
        let all = agents(WHOLE);
        assert_eq!((all.len(), all.first()), (4, Some(&first)));
    }
}
