//! What must be present in every language: error kinds, conformance actions.

use crate::tree::Source;

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
    fn catches_an_action_that_a_runner_lacks() {
        let runner = Source::new("runner.py", "if 'repeat' in action: ...");
        let words = ["repeat".to_owned(), "parallel".to_owned()];
        assert_eq!(missing_words(&words, "x", &[runner]).len(), 1);
    }
}
