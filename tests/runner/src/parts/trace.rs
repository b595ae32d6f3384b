//! One call through all four languages is one trace: in the files that the processes write, and as
//! the command gathers it once the caller has ended.

use crate::bounded;
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(15);
/// The bound of one command.
const BOUND: Duration = Duration::from_secs(60);
/// The agents that the call passes, outermost first, and the languages that they speak.
const WAY: [(&str, &str); 5] = [
    ("python.nested", "python"),
    ("node.nested", "nodejs"),
    ("kotlin.nested", "kotlin"),
    ("c.nested", "c"),
    ("python.depth", "python"),
];

/// Starts the four subjects in one home, lets the command call through them all, and looks at what
/// is left of it.
///
/// # Errors
/// A program could not be started.
pub(crate) fn run() -> Result<Outcome> {
    let home = house::target().join("trace");
    // Left over from a run that was interrupted.
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    let mut subjects = Vec::new();
    for language in Language::ALL {
        subjects.push(subject(language, &home)?);
    }
    let mut outcome = Outcome::default();
    let ready: Vec<_> = subjects.iter().filter_map(|s| s.expect("ready", READY).err()).collect();
    if let Some(message) = ready.first() {
        outcome += Outcome::failure(message.clone());
    } else {
        outcome += called(&home, subjects)?;
    }
    if outcome.failed == 0 {
        let _ = std::fs::remove_dir_all(&home);
    }
    Ok(outcome)
}

fn called(home: &Path, subjects: Vec<Process>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let reply = match asked(home, &["call", "python.nested", &content().to_string()]) {
        Ok(reply) => reply,
        Err(message) => return Ok(Outcome::failure(message)),
    };
    let trace = reply["traceId"].as_str().unwrap_or_default().to_owned();
    let tree = asked(home, &["trace", &trace]).unwrap_or_else(Value::String);
    let wrong = tree_faults(&tree);
    outcome += Outcome::one(wrong.is_empty(), || format!("hubless trace: {wrong:?}: {tree}"));
    for subject in subjects {
        let name = subject.name().to_owned();
        let ended = subject.finish(END);
        outcome += Outcome::one(ended.is_ok(), || format!("{name}: {ended:?}"));
    }
    let spans = written(home, &trace)?;
    let wrong = file_faults(&spans);
    outcome += Outcome::one(wrong.is_empty(), || format!("trace files: {wrong:?}: {spans:?}"));
    // Without one of the files the same look must find a fault.
    for language in ["python", "nodejs", "kotlin", "c", "rust"] {
        let rest: Vec<_> = spans.iter().filter(|span| span.language != language).cloned().collect();
        let found = rest.len() < spans.len() && !file_faults(&rest).is_empty();
        outcome += Outcome::one(found, || format!("nothing is missed without {language}"));
    }
    Ok(outcome)
}

/// What the outermost agent is asked: to ask the next one, and so on.
fn content() -> Value {
    let next = WAY.iter().skip(1).rev();
    next.fold(json!("?"), |value, (to, _)| json!({"to": to, "value": value}))
}

fn file(home: &Path, name: &str) -> PathBuf {
    home.join(format!("{name}.jsonl"))
}

fn subject(language: Language, home: &Path) -> Result<Process> {
    let mut command = language.command(Origin::Checkout, Program::Conformance)?;
    command.args(["serve", "--name", language.name()]);
    command.env("HUBLESS_HOME", home).env("HUBLESS_TRACE", file(home, language.name()));
    let log = house::logs().join(format!("trace-{}.log", language.name()));
    Process::start(language.name(), &mut command, &log)
}

/// What the command prints, in JSON.
fn asked(home: &Path, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(house::built("hubless"));
    command.args(arguments).arg("--json");
    command.env("HUBLESS_HOME", home).env("HUBLESS_TRACE", file(home, "command"));
    let output = bounded::output(&mut command, BOUND);
    let (output, _) = output.map_err(|error| format!("hubless: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(said.trim()).map_err(|_| {
        format!("hubless {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// What is wrong with the tree that the command gathered after its caller ended.
fn tree_faults(tree: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut calls = &tree["calls"];
    for (depth, (name, language)) in WAY.iter().enumerate() {
        let Some([call]) = calls.as_array().map(Vec::as_slice) else {
            wrong.push(format!("expected one call at depth {depth}"));
            return wrong;
        };
        let seen = (&call["name"], &call["language"], &call["kind"]);
        if seen != (&json!(name), &json!(language), &json!("")) {
            wrong.push(format!("expected {name} in {language}, saw {seen:?}"));
        }
        // The command that made the first call has ended.
        if call["made"].is_null() != (depth == 0) || call["handled"].is_null() {
            wrong.push(format!("a side of {name} is missing, or there is one too many"));
        }
        calls = &call["calls"];
    }
    if calls != &json!([]) {
        wrong.push("expected no further call".to_owned());
    }
    if tree["missing"].as_array().map(Vec::len) != Some(1) {
        wrong.push("expected the ended caller to be named".to_owned());
    }
    wrong
}

/// A span as a trace file has it.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    id: String,
    /// Empty: the trace begins here.
    parent: String,
    name: String,
    kind: u64,
    language: String,
}

/// The spans of a trace in the files of all processes.
fn written(home: &Path, trace: &str) -> Result<Vec<Written>> {
    let names = Language::ALL.map(Language::name).into_iter().chain(["command"]);
    let mut spans = Vec::new();
    for path in names.map(|name| file(home, name)) {
        let say = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| say(&error))?;
        for line in text.lines() {
            let all: Value = serde_json::from_str(line).map_err(|error| say(&error))?;
            spans.extend(read(&all, trace));
        }
    }
    Ok(spans)
}

fn read(all: &Value, trace: &str) -> Option<Written> {
    let about = &all["resourceSpans"][0];
    let span = &about["scopeSpans"][0]["spans"][0];
    let attributes = about["resource"]["attributes"].as_array()?;
    let language = attributes.iter().find(|one| one["key"] == "hubless.language")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (span["traceId"] == trace).then(|| Written {
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        name: text(&span["name"]),
        kind: span["kind"].as_u64().unwrap_or_default(),
        language: text(&language["value"]["stringValue"]),
    })
}

/// What is wrong with the spans of the trace.
fn file_faults(spans: &[Written]) -> Vec<String> {
    let mut wrong = Vec::new();
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let roots = spans.iter().filter(|span| span.parent.is_empty()).count();
    if (roots, by_id.len(), spans.len()) != (1, 2 * WAY.len(), 2 * WAY.len()) {
        wrong.push(format!("{roots} roots, {} ids of {} spans", by_id.len(), spans.len()));
    }
    let lost = |span: &&Written| !span.parent.is_empty() && !by_id.contains_key(&*span.parent);
    wrong.extend(spans.iter().filter(lost).map(|span| format!("{} has no parent", span.id)));
    let languages: BTreeSet<_> = spans.iter().map(|span| span.language.as_str()).collect();
    if languages != BTreeSet::from(["c", "kotlin", "nodejs", "python", "rust"]) {
        wrong.push(format!("languages {languages:?}"));
    }
    // From the innermost agent outwards: each was handled below the span that made the call.
    let innermost = WAY.last().map(|(name, _)| format!("invoke_agent {name}"));
    let mut at = spans.iter().find(|span| Some(&span.name) == innermost.as_ref() && span.kind == 2);
    for (name, language) in WAY.iter().rev() {
        let handled = at.filter(|span| span.language == *language);
        let made = handled.and_then(|span| by_id.get(span.parent.as_str()));
        let expected = format!("invoke_agent {name}");
        if !made.is_some_and(|made| made.kind == 3 && made.name == expected) {
            wrong.push(format!("{name} was not handled below its call"));
        }
        at = made.and_then(|made| by_id.get(made.parent.as_str())).copied();
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<Written> {
        let mut spans = Vec::new();
        let mut caller = ("rust", String::new());
        for (at, (name, language)) in WAY.into_iter().enumerate() {
            let span = |id: String, parent: &str, kind, language: &str| Written {
                id,
                parent: parent.to_owned(),
                name: format!("invoke_agent {name}"),
                kind,
                language: language.to_owned(),
            };
            let made = span(format!("m{at}"), &caller.1, 3, caller.0);
            let handled = span(format!("h{at}"), &made.id, 2, language);
            caller = (language, handled.id.clone());
            spans.extend([made, handled]);
        }
        spans
    }

    #[test]
    fn a_whole_chain_is_taken_and_each_damage_is_found() {
        assert_eq!(file_faults(&chain()), Vec::<String>::new());
        for at in 0..chain().len() {
            let mut without = chain();
            without.remove(at);
            assert!(!file_faults(&without).is_empty(), "without span {at}");
            let mut cut = chain();
            cut[at].parent = "elsewhere".to_owned();
            assert!(!file_faults(&cut).is_empty(), "span {at} below an unknown one");
            let mut other = chain();
            other[at].language = "cobol".to_owned();
            assert!(!file_faults(&other).is_empty(), "span {at} in another language");
        }
    }

    #[test]
    fn a_tree_is_looked_at_in_depth() {
        let tree = |broken: Option<usize>| {
            let calls =
                WAY.iter().enumerate().rev().fold(json!([]), |calls, (at, (name, language))| {
                    let made = if at == 0 { Value::Null } else { json!("m") };
                    let kind = if broken == Some(at) { "busy" } else { "" };
                    json!([{"name": name, "language": language, "kind": kind, "made": made,
                    "handled": "h", "calls": calls}])
                });
            json!({"calls": calls, "missing": ["k"]})
        };
        assert_eq!(tree_faults(&tree(None)), Vec::<String>::new());
        assert!((0..WAY.len()).all(|at| tree_faults(&tree(Some(at))).len() == 1));
        assert!(!tree_faults(&json!({"calls": []})).is_empty());
    }

    #[test]
    fn the_content_names_every_agent_but_the_first() {
        let text = content().to_string();
        assert!(WAY.iter().skip(1).all(|(name, _)| text.contains(name)));
        assert_eq!(content()["to"], "node.nested");
    }
}
