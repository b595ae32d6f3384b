//! What must be present in every language: error kinds, conformance actions.

use crate::tree::Source;
use std::collections::BTreeSet;

/// Kinds, by stable name, that a language's file of errors does not declare: as a text, or as a
/// constant of C.
#[must_use]
pub fn missing_kinds(kinds: &[&str], language: &str, errors: &Source) -> Vec<String> {
    let absent = |kind: &&&str| {
        let constant = format!("HUBLESS_{} = ", kind.to_uppercase());
        let forms = [format!("\"{kind}\""), format!("'{kind}'"), constant];
        !forms.iter().any(|form| errors.text.contains(form.as_str()))
    };
    kinds.iter().filter(absent).map(|kind| format!("{language}: no error kind {kind}")).collect()
}

/// Actions and expectations of the cases that a runner never reads.
#[must_use]
pub fn missing_words(words: &[String], language: &str, runner: &[Source]) -> Vec<String> {
    let absent = |word: &&String| !runner.iter().any(|source| source.text.contains(word.as_str()));
    words.iter().filter(absent).map(|word| format!("{language}: runner ignores {word}")).collect()
}

/// A case and the steps that it is made of.
pub fn with_steps(case: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    let steps = case.get("steps").and_then(serde_json::Value::as_array);
    std::iter::once(case).chain(steps.into_iter().flatten())
}

/// Words that a case may expect something by: members of each expectation, and of its error.
#[must_use]
pub fn expected_words(expect: &serde_json::Value) -> BTreeSet<String> {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String as Text};
    match expect {
        Array(all) => all.iter().flat_map(expected_words).collect(),
        Object(members) => {
            let error = members.get("error").and_then(serde_json::Value::as_object);
            let inside = error.into_iter().flat_map(|error| error.keys());
            members.keys().cloned().chain(inside.map(|word| format!("error.{word}"))).collect()
        }
        Null | Bool(_) | Number(_) | Text(_) => BTreeSet::new(),
    }
}

/// What cases expect by, and what a control of some case gets wrong on purpose.
#[derive(Debug, Default)]
pub struct Expectations {
    used: BTreeSet<String>,
    controlled: BTreeSet<String>,
}

impl Expectations {
    /// Reads the cases of a file; anything else in it says nothing.
    pub fn read(&mut self, file: &serde_json::Value) {
        for case in file.as_array().into_iter().flatten() {
            self.used.extend(with_steps(case).flat_map(|one| expected_words(&one["expect"])));
            let wrong = case["wrong"].as_array().into_iter().flatten();
            self.controlled.extend(wrong.flat_map(expected_words));
        }
    }

    /// How many words the cases expect by.
    #[must_use]
    pub fn count(&self) -> usize {
        self.used.len()
    }

    /// Words that no control gets wrong: a runner could ignore them unseen.
    #[must_use]
    pub fn uncontrolled(&self) -> Vec<String> {
        let open = self.used.difference(&self.controlled);
        open.map(|word| format!("no control for {word}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_kind_that_a_language_lacks() {
        let text = "// json, of whatever content\nA = \"busy\", 'killed', HUBLESS_NOT_FOUND = 8";
        let errors = Source::new("errors", text);
        let kinds = ["busy", "killed", "not_found", "json", "content"];
        let missing = missing_kinds(&kinds, "x", &errors);
        assert_eq!(missing, ["x: no error kind json", "x: no error kind content"]);
    }

    #[test]
    fn reads_the_words_of_an_expectation_and_of_its_error() {
        let expect = serde_json::json!([{"value": 1}, {"error": {"kind": "busy"}}]);
        let words: Vec<_> = expected_words(&expect).into_iter().collect();
        assert_eq!(words, ["error", "error.kind", "value"]);
    }

    #[test]
    fn reads_the_steps_of_a_case() {
        let case = serde_json::json!({"steps": [{"expect": {"value": 1}}]});
        let expected = |one: &serde_json::Value| expected_words(&one["expect"]);
        let words: Vec<_> = with_steps(&case).flat_map(expected).collect();
        assert_eq!(words, ["value"]);
    }

    #[test]
    fn catches_an_expectation_that_no_control_gets_wrong() {
        let mut all = Expectations::default();
        all.read(&serde_json::json!([
            {"steps": [{"expect": {"value": 1}}], "wrong": [{"value": 2}]},
            {"expect": {"text": "x", "error": {"kind": "busy"}}},
        ]));
        assert_eq!(all.count(), 4);
        let open = ["no control for error", "no control for error.kind", "no control for text"];
        assert_eq!(all.uncontrolled(), open);
        all.read(&serde_json::json!([{"wrong": [{"text": "y", "error": {"kind": "auth"}}]}]));
        assert!(all.uncontrolled().is_empty());
    }

    #[test]
    fn catches_an_action_that_a_runner_lacks() {
        let runner = Source::new("runner.py", "if 'repeat' in action: ...");
        let words = ["repeat".to_owned(), "parallel".to_owned()];
        assert_eq!(missing_words(&words, "x", &[runner]).len(), 1);
    }
}
