//! The language-neutral cases: each language's subject, called from each language's runner.

use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY: Duration = Duration::from_secs(30);
const CASE: Duration = Duration::from_secs(60);
/// Begins the id of a case whose expectation is wrong on purpose.
const WRONG: &str = "wrong-";

/// A run of cases: its name in logs, and where the programs are.
pub(crate) struct Run {
    /// Its name.
    pub(crate) part: &'static str,
    /// Where the programs are.
    pub(crate) origin: Origin,
}

const RING: Run = Run { part: "conformance", origin: Origin::Checkout };
const MATRIX: Run = Run { part: "matrix", origin: Origin::Checkout };

/// Every case file but the matrix, and the controls, from each language to the next one.
pub(crate) fn ring() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (index, caller) in Language::ALL.into_iter().enumerate() {
        let next = Language::ALL.into_iter().cycle().nth(index + 1).unwrap_or(caller);
        let mut files = files(|name| name != "matrix.json")?;
        files.push(controls()?);
        outcome += with_subject(&RING, next, |home, _| {
            let mut outcome = Outcome::default();
            for file in &files {
                outcome += call(&RING, (caller, next), file, home, |_, _| {})?;
            }
            Ok(outcome)
        })?;
    }
    Ok(outcome)
}

/// All 16 pairs.
pub(crate) fn matrix() -> Result<Outcome> {
    matrix_from(&MATRIX, &Language::ALL)
}

/// All pairs of some languages, from where their programs are.
///
/// # Errors
/// A program could not be started.
pub(crate) fn matrix_from(run: &Run, languages: &[Language]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for callee in languages.iter().copied() {
        let file = files(|name| name == "matrix.json")?;
        outcome += with_subject(run, callee, |home, _| {
            let mut outcome = Outcome::default();
            for (caller, file) in languages.iter().flat_map(|l| file.iter().map(move |f| (l, f))) {
                outcome += call(run, (*caller, callee), file, home, |_, _| {})?;
            }
            Ok(outcome)
        })?;
    }
    Ok(outcome)
}

fn files(wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let folder = house::root().join("tests/conformance/cases");
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted));
    files.sort();
    if files.is_empty() { Err("no conformance cases".to_owned()) } else { Ok(files) }
}

/// Writes the cases that each runner must pass, and must fail once their expectation is wrong.
fn controls() -> Result<PathBuf> {
    let given = house::root().join("tests/conformance/controls.json");
    let written = house::target().join("conformance-controls.json");
    let text = std::fs::read_to_string(given).map_err(|error| error.to_string())?;
    let controls: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = controls.iter().flat_map(expanded).collect();
    std::fs::write(&written, Value::from(cases).to_string()).map_err(|error| error.to_string())?;
    Ok(written)
}

/// A control as it is, and once more for each expectation that does not hold of it.
fn expanded(control: &Value) -> Vec<Value> {
    let id = control["id"].as_str().unwrap_or_default();
    let with = |name: &str, member: &str, value: Value| {
        let mut case = control.clone();
        case["id"] = Value::from(format!("{WRONG}{id}-{name}"));
        case[member] = value;
        case
    };
    let wrong = control["wrong"].as_array().into_iter().flatten().enumerate();
    let mut cases = vec![control.clone()];
    cases.extend(wrong.map(|(n, expect)| with(&n.to_string(), "expect", expect.clone())));
    cases.extend(control["runs"].as_u64().map(|runs| with("runs", "runs", (runs + 1).into())));
    cases
}

/// Starts a language's subject in a home of its own, runs `calls` with that home and the id of its
/// process, and ends it.
pub(super) fn with_subject(
    run: &Run,
    language: Language,
    calls: impl FnOnce(&Path, u32) -> Result<Outcome>,
) -> Result<Outcome> {
    let Run { part, origin } = *run;
    let home = house::target().join(format!("{part}-{}", language.name()));
    // Left over from a run that was interrupted.
    let _ = std::fs::remove_dir_all(&home);
    let mut command = language.command(origin, Program::Conformance)?;
    command.args(["serve", "--name", language.name()]).env("HUBLESS_HOME", &home);
    let log = house::logs().join(format!("{part}-subject-{}.log", language.name()));
    let subject = match Process::start(language.name(), &mut command, &log) {
        Ok(subject) => subject,
        Err(message) => return Ok(Outcome::failure(message)),
    };
    let mut outcome = match subject.expect("ready", READY) {
        Ok(_) => calls(&home, subject.id())?,
        Err(message) => Outcome::failure(format!("{message} ({})", log.display())),
    };
    if let Err(message) = subject.finish(Duration::from_secs(15)) {
        outcome += Outcome::failure(message);
    }
    let _ = std::fs::remove_dir_all(&home);
    Ok(outcome)
}

/// Runs one file of cases from one language to another and counts what its runner reports; `after`
/// is called with each report and the id of the runner's process.
pub(super) fn call(
    run: &Run,
    (caller, callee): (Language, Language),
    file: &Path,
    home: &Path,
    mut after: impl FnMut(&Value, u32),
) -> Result<Outcome> {
    let Run { part, origin } = *run;
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let pair = format!("{} to {}", caller.name(), callee.name());
    eprintln!("  {part}: {pair}");
    let mut command: Command = caller.command(origin, Program::Conformance)?;
    command.args(["call", "--to", callee.name(), "--cases"]).arg(file).env("HUBLESS_HOME", home);
    let log = house::logs().join(format!("{part}-{}-{}.log", caller.name(), callee.name()));
    let runner = Process::start(&pair, &mut command, &log)?;
    let mut outcome = Outcome::default();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(line) = runner.event(CASE) {
        let Some(case) = line.get("case").and_then(Value::as_str) else {
            if line.get("passed").is_some() {
                break;
            }
            continue;
        };
        seen.insert(case.to_owned());
        after(&line, runner.id());
        let wrong = fault(&line);
        outcome += Outcome::one(wrong.is_none(), || {
            format!("{pair}: {case}: {} {line}", wrong.unwrap_or_default())
        });
    }
    for case in cases.iter().filter_map(|case| case.get("id").and_then(Value::as_str)) {
        if !seen.contains(case) {
            outcome += Outcome::failure(format!("{pair}: {case} did not run ({})", log.display()));
        }
    }
    Ok(outcome)
}

/// What is wrong with a case's report: its own verdict, or the way that the call took.
fn fault(line: &Value) -> Option<&'static str> {
    let id = line.get("case").and_then(Value::as_str).unwrap_or_default();
    if id.starts_with(WRONG) {
        let failed = line.get("ok").and_then(Value::as_bool) == Some(false);
        return (!failed).then_some("took a wrong expectation for met");
    }
    if line.get("ok").and_then(Value::as_bool) != Some(true) {
        return Some("wrong answer");
    }
    let path = line.get("path").and_then(Value::as_str);
    (path == Some("in_process")).then_some("ran in process")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_control_stands_for_each_of_its_wrong_expectations() {
        let wrong = json!([{"value": 2}, {"text": "1"}]);
        let control = json!({"id": "a", "expect": {"value": 1}, "runs": 1, "wrong": wrong});
        let cases = expanded(&control);
        let ids: Vec<_> = cases.iter().filter_map(|case| case["id"].as_str()).collect();
        assert_eq!(ids, ["a", "wrong-a-0", "wrong-a-1", "wrong-a-runs"]);
        assert_eq!(cases[2]["expect"], json!({"text": "1"}));
        assert_eq!((&cases[3]["runs"], &cases[3]["expect"]), (&json!(2), &json!({"value": 1})));
    }

    #[test]
    fn a_wrong_expectation_must_fail_and_a_right_one_must_hold() {
        let line = |case: &str, ok| json!({"case": case, "ok": ok, "path": "direct"});
        assert_eq!(fault(&line("a", true)), None);
        assert_eq!(fault(&line("a", false)), Some("wrong answer"));
        assert_eq!(fault(&line("wrong-a-0", false)), None);
        assert_eq!(fault(&line("wrong-a-0", true)), Some("took a wrong expectation for met"));
    }
}
