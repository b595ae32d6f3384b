//! The language-neutral cases: each language's subject, called from each language's runner.

use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY: Duration = Duration::from_secs(30);
const CASE: Duration = Duration::from_secs(60);
/// How long a runner may take to close its node and end, once it has said what came of its cases.
const END: Duration = Duration::from_secs(30);
/// Begins the id of a case whose expectation is wrong on purpose.
const WRONG: &str = "wrong-";
/// What a runner calls that has the agents of a subject in its own node.
const OWN: &str = "own";
/// The case that goes right but for its way: the agent that it calls is in the runner's own node.
const IN_PROCESS: &str = "wrong-in-process";
/// How long a wrong case waits for what its switch shows.
const WRONG_PATIENCE_MS: u64 = 200;

/// A run of cases: its name in logs, and where the programs are.
pub(crate) struct Run {
    /// Its name.
    pub(crate) part: &'static str,
    /// Where the programs are.
    pub(crate) origin: Origin,
}

const RING: Run = Run { part: "conformance", origin: Origin::Checkout };
const CHAIN: Run = Run { part: "chain", origin: Origin::Checkout };
const MATRIX: Run = Run { part: "matrix", origin: Origin::Checkout };

/// Every case file but the matrix, and the controls, from each language to the next one.
pub(crate) fn ring() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (index, caller) in Language::ALL.into_iter().enumerate() {
        let after = |steps| Language::ALL.into_iter().cycle().nth(index + steps).unwrap_or(caller);
        let (next, third) = (after(1), after(2));
        let mut files = files(|name| name != "matrix.json")?;
        files.push(controlled("controls.json")?);
        outcome += with_subject(&RING, next, |home, _| {
            let mut outcome = Outcome::default();
            for file in &files {
                outcome += call(&RING, (caller, next), file, home, |_, _| {})?;
            }
            outcome += from_outside(next, home)?;
            outcome += by_operator((caller, next), home)?;
            outcome += serving(&RING, third, home, |_| {
                call(&RING, (caller, next), &of_third(third)?, home, |_, _| {})
            })?;
            Ok(outcome)
        })?;
    }
    outcome += through_all()?;
    outcome += super::metered::run()?;
    Ok(outcome)
}

/// The cases of a caller that is no member of the mesh, which no language can be.
fn from_outside(callee: Language, home: &Path) -> Result<Outcome> {
    let stranger = Caller { name: "stranger", command: Command::new(house::built("stranger")) };
    let cases = controlled("external.json")?;
    called(&RING, (stranger, callee.name()), &cases, home, |_, _| {})
}

/// The cases in which the operator of the mesh, which no language can be, stops a budget.
fn by_operator((caller, callee): (Language, Language), home: &Path) -> Result<Outcome> {
    let mut command = Command::new(house::built("operator"));
    command.args(["--to", callee.name()]);
    let cases = house::root().join("tests/conformance/operator.json");
    beside(&RING, ("operator", command), home, |_| {
        call(&RING, (caller, callee), &cases, home, |_, _| {})
    })
}

/// From each language through agents of all four.
fn through_all() -> Result<Outcome> {
    let files = files_of("chain", |_| true)?;
    with_home("chain", |home| {
        serving_all(&CHAIN, &Language::ALL, home, &|| {
            let mut outcome = Outcome::default();
            for caller in Language::ALL {
                for file in &files {
                    // What is called first is in another process, also from Python.
                    let pair = (caller, Language::Python);
                    outcome += call(&CHAIN, pair, file, home, |_, _| {})?;
                }
            }
            Ok(outcome)
        })
    })
}

/// Runs `calls` beside the subjects of all these languages in one home.
fn serving_all(
    run: &Run,
    languages: &[Language],
    home: &Path,
    calls: &dyn Fn() -> Result<Outcome>,
) -> Result<Outcome> {
    match languages.split_first() {
        Some((first, others)) => {
            serving(run, *first, home, |_| serving_all(run, others, home, calls))
        }
        None => calls(),
    }
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
    for caller in languages {
        outcome += with_home(&format!("{}-own", run.part), |home| own(run, *caller, home))?;
    }
    Ok(outcome)
}

/// What shows that a call within one process would be seen: a runner whose own node has the agents
/// of a subject, and calls one of them.
fn own(run: &Run, caller: Language, home: &Path) -> Result<Outcome> {
    let command = caller.command(run.origin, Program::Conformance)?;
    let cases = house::root().join("tests/conformance/own.json");
    called(run, (Caller { name: caller.name(), command }, OWN), &cases, home, |_, _| {})
}

fn files(wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    files_of("cases", wanted)
}

fn files_of(folder: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let folder = house::root().join("tests/conformance").join(folder);
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted));
    files.sort();
    if files.is_empty() { Err("no conformance cases".to_owned()) } else { Ok(files) }
}

/// Writes the cases that each runner must pass, and must fail once their expectation is wrong.
fn controlled(name: &str) -> Result<PathBuf> {
    let given = house::root().join("tests/conformance").join(name);
    let written = house::target().join(format!("conformance-{name}"));
    let text = std::fs::read_to_string(given).map_err(|error| error.to_string())?;
    let controls: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = controls.iter().flat_map(expanded).collect();
    std::fs::write(&written, Value::from(cases).to_string()).map_err(|error| error.to_string())?;
    Ok(written)
}

/// Writes the cases that need a third node, with the name of its language.
fn of_third(third: Language) -> Result<PathBuf> {
    let given = house::root().join("tests/conformance/third.json");
    let written = house::target().join("conformance-third.json");
    let text = std::fs::read_to_string(given).map_err(|error| error.to_string())?;
    let text = text.replace("$THIRD", third.name());
    std::fs::write(&written, text).map_err(|error| error.to_string())?;
    Ok(written)
}

/// A control as it is, and once more for each expectation that does not hold of it.
fn expanded(control: &Value) -> Vec<Value> {
    let id = control["id"].as_str().unwrap_or_default();
    let with = |name: &str, member: &str, value: Value| {
        let mut case = control.clone();
        case["id"] = Value::from(format!("{WRONG}{id}-{name}"));
        case[member] = value;
        // What does not hold comes no later.
        case["patienceMs"] = WRONG_PATIENCE_MS.into();
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
    let name = format!("{}-{}", run.part, language.name());
    with_home(&name, |home| serving(run, language, home, |id| calls(home, id)))
}

/// Runs something with an empty home of its own.
pub(super) fn with_home(
    name: &str,
    work: impl FnOnce(&Path) -> Result<Outcome>,
) -> Result<Outcome> {
    let home = house::target().join(name);
    // Left over from a run that was interrupted.
    let _ = std::fs::remove_dir_all(&home);
    let outcome = work(&home);
    let _ = std::fs::remove_dir_all(&home);
    outcome
}

/// Starts a language's subject in a home, runs `calls` with the id of its process, and ends it.
fn serving(
    run: &Run,
    language: Language,
    home: &Path,
    calls: impl FnOnce(u32) -> Result<Outcome>,
) -> Result<Outcome> {
    let mut command = language.command(run.origin, Program::Conformance)?;
    command.args(["serve", "--name", language.name()]);
    beside(run, (language.name(), command), home, calls)
}

/// Starts a program in a home, runs `calls` with the id of its process once it says that it is
/// ready, and ends it.
pub(super) fn beside(
    run: &Run,
    (name, mut command): (&str, Command),
    home: &Path,
    calls: impl FnOnce(u32) -> Result<Outcome>,
) -> Result<Outcome> {
    command.env("HUBLESS_HOME", home);
    let log = house::logs().join(format!("{}-subject-{name}.log", run.part));
    let subject = match Process::start(name, &mut command, &log) {
        Ok(subject) => subject,
        Err(message) => return Ok(Outcome::failure(message)),
    };
    let mut outcome = match subject.expect("ready", READY) {
        Ok(_) => calls(subject.id())?,
        Err(message) => Outcome::failure(format!("{message} ({})", log.display())),
    };
    if let Err(message) = subject.finish(Duration::from_secs(15)) {
        outcome += Outcome::failure(message);
    }
    Ok(outcome)
}

/// Runs one file of cases from one language to another and counts what its runner reports; `after`
/// is called with each report and the id of the runner's process.
pub(super) fn call(
    run: &Run,
    (caller, callee): (Language, Language),
    file: &Path,
    home: &Path,
    after: impl FnMut(&Value, u32),
) -> Result<Outcome> {
    let command = caller.command(run.origin, Program::Conformance)?;
    called(run, (Caller { name: caller.name(), command }, callee.name()), file, home, after)
}

/// A runner, and how it is started.
pub(super) struct Caller {
    /// Its name in logs.
    pub(super) name: &'static str,
    /// What starts it; the arguments are added.
    pub(super) command: Command,
}

/// Runs one file of cases by any runner.
pub(super) fn called(
    run: &Run,
    (caller, callee): (Caller, &str),
    file: &Path,
    home: &Path,
    mut after: impl FnMut(&Value, u32),
) -> Result<Outcome> {
    let part = run.part;
    let Caller { name: caller, mut command } = caller;
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let pair = format!("{caller} to {callee}");
    eprintln!("  {part}: {pair}");
    command.args(["call", "--to", callee, "--cases"]).arg(file).env("HUBLESS_HOME", home);
    let log = house::logs().join(format!("{part}-{caller}-{callee}.log"));
    let mut runner = Process::start(&pair, &mut command, &log)?;
    let mut outcome = Outcome::default();
    let (mut seen, mut all_held) = (BTreeSet::new(), true);
    let patience = CASE + longest(&cases);
    while let Some(line) = runner.event(patience) {
        let Some(case) = line.get("case").and_then(Value::as_str) else {
            if line.get("passed").is_some() {
                break;
            }
            continue;
        };
        seen.insert(case.to_owned());
        all_held &= line.get("ok").and_then(Value::as_bool) == Some(true);
        after(&line, runner.id());
        if waits_after(&cases, case) {
            runner.say("go")?;
        }
        let wrong = fault(&line);
        outcome += Outcome::one(wrong.is_none(), || {
            format!("{pair}: {case}: {} {line}", wrong.unwrap_or_default())
        });
    }
    for case in not_run(&cases, &seen) {
        outcome += Outcome::failure(format!("{pair}: {case} did not run ({})", log.display()));
    }
    // Its node is closed after the last case: one that hangs or crashes there has failed.
    if let Err(message) = runner.finish_with(i32::from(!all_held), END) {
        outcome += Outcome::failure(format!("{message} ({})", log.display()));
    }
    Ok(outcome)
}

/// True where the case that follows is not to begin before this one is looked at.
fn waits_after(cases: &[Value], id: &str) -> bool {
    let mut next = cases.iter().skip_while(|case| case["id"] != id).skip(1);
    next.next().is_some_and(|case| case["waits"] == true)
}

/// The patience of the case that has most of it.
fn longest(cases: &[Value]) -> Duration {
    let all = cases.iter().filter_map(|case| case["patienceMs"].as_u64());
    Duration::from_millis(all.max().unwrap_or_default())
}

/// The cases of a file that no report was seen of; one without an id can have none.
fn not_run<'a>(cases: &'a [Value], seen: &BTreeSet<String>) -> Vec<&'a str> {
    let ids = cases.iter().map(|case| case["id"].as_str().unwrap_or("a case without an id"));
    ids.filter(|id| !seen.contains(*id)).collect()
}

/// What is wrong with a case's report: its own verdict, or the way that the call took.
fn fault(line: &Value) -> Option<&'static str> {
    let id = line.get("case").and_then(Value::as_str).unwrap_or_default();
    if id.starts_with(WRONG) {
        if line.get("ok").and_then(Value::as_bool) != Some(false) {
            return Some("took a wrong expectation for met");
        }
        return if id == IN_PROCESS { fault_of_own(line) } else { None };
    }
    if line.get("ok").and_then(Value::as_bool) != Some(true) {
        return Some("wrong answer");
    }
    let said = |what: &str| line.get(what).and_then(Value::as_str).unwrap_or_default();
    let away = said("path") == "direct" && !said("peer").is_empty();
    if !away {
        return Some("did not say that it ran in another process, and in which");
    }
    let known = ["answer", "stats"].contains(&said("wayOf"));
    (!known).then_some("did not say of which call its way is")
}

/// What is wrong with the report of the call within one process: that it was failed must come from
/// its way alone.
fn fault_of_own(line: &Value) -> Option<&'static str> {
    let got = line["got"].get(0).unwrap_or_else(|| &line["got"]);
    if (&got["value"], &line["runs"]) != (&Value::from("here"), &Value::from(1)) {
        return Some("was answered otherwise than expected");
    }
    let own = (line["path"].as_str(), line["wayOf"].as_str());
    (own != (Some("in_process"), Some("answer"))).then_some("did not say that it ran in process")
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
    fn a_case_with_patience_is_waited_for() {
        assert_eq!(longest(&[json!({"id": "a"})]), Duration::ZERO);
        let cases = [json!({"patienceMs": 1_500}), json!({"id": "a"}), json!({"patienceMs": 200})];
        assert_eq!(longest(&cases), Duration::from_millis(1_500));
    }

    #[test]
    fn a_case_that_was_left_out_is_told() {
        let cases = [json!({"id": "a"}), json!({"id": "b"}), json!({"expect": {"value": 1}})];
        let seen =
            |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
        assert_eq!(not_run(&cases[..2], &seen(&["a", "b"])), Vec::<&str>::new());
        assert_eq!(not_run(&cases[..2], &seen(&["a"])), ["b"]);
        assert_eq!(not_run(&cases, &seen(&["a", "b"])), ["a case without an id"]);
    }

    #[test]
    fn a_wrong_expectation_must_fail_and_a_right_one_must_hold() {
        let way = json!({"path": "direct", "peer": "b", "wayOf": "answer"});
        let line = |case: &str, ok: bool| {
            let mut line = way.clone();
            (line["case"], line["ok"]) = (case.into(), ok.into());
            line
        };
        assert_eq!(fault(&line("a", true)), None);
        for (member, wrong) in [
            ("path", json!("in_process")),
            ("path", Value::Null),
            ("peer", json!("")),
            ("peer", Value::Null),
            ("wayOf", Value::Null),
        ] {
            let mut near = line("a", true);
            near[member] = wrong;
            assert!(fault(&near).is_some(), "{near}");
        }
        assert_eq!(fault(&line("a", false)), Some("wrong answer"));
        assert_eq!(fault(&line("wrong-a-0", false)), None);
        assert_eq!(fault(&line("wrong-a-0", true)), Some("took a wrong expectation for met"));
    }

    #[test]
    fn a_call_within_one_process_must_fail_for_its_way_alone() {
        let own = json!({
            "case": IN_PROCESS, "ok": false, "path": "in_process", "wayOf": "answer", "runs": 1,
            "got": [{"value": "here"}],
        });
        let with = |member: &str, value: Value| {
            let mut line = own.clone();
            line[member] = value;
            fault(&line)
        };
        assert_eq!(fault(&own), None);
        assert_eq!(with("got", json!({"value": "here"})), None);
        for (member, wrong) in [
            ("ok", json!(true)),
            ("path", json!("direct")),
            ("wayOf", json!("stats")),
            ("runs", json!(0)),
            ("got", json!([{"error": {"kind": "not_found"}}])),
        ] {
            assert!(with(member, wrong.clone()).is_some(), "{member} {wrong}");
        }
    }
}
