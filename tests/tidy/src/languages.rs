//! What must be present in every language: error kinds, conformance actions.

use crate::tree::Source;
use std::collections::BTreeSet;

/// Kinds, by stable name, that a language's error file does not mention.
#[must_use]
pub fn missing_kinds(kinds: &[&str], language: &str, sources: &[Source]) -> Vec<String> {
    let absent = |kind: &&&str| {
        let spellings = [(**kind).to_owned(), kind.to_uppercase(), pascal(kind)];
        !sources.iter().any(|source| spellings.iter().any(|word| source.text.contains(word)))
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

fn pascal(kind: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    kind.split('_').map(|word| -> String { capital(word) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_kind_that_a_language_lacks() {
        let errors = Source::new("errors.py", "class HandlerFailed(Error): kind = \"busy\"");
        assert_eq!(missing_kinds(&["handler_failed", "busy", "expired"], "x", &[errors]).len(), 1);
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
    fn catches_an_action_that_a_runner_lacks() {
        let runner = Source::new("runner.py", "if 'repeat' in action: ...");
        let words = ["repeat".to_owned(), "parallel".to_owned()];
        assert_eq!(missing_words(&words, "x", &[runner]).len(), 1);
    }
}
