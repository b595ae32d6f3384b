//! Every bound is used, and reached by a test; no queue is without one.
//!
//! A test counts when it names the bound; where one reaches it without its name, `limits.json`
//! says which. What no test reaches yet stands there as well, until one does.

use crate::faults::shown;
use crate::tree::{Source, code};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the bounds are.
pub const HOME: &str = "core/proto/src/limits.rs";

/// Names of the bounds in the text of their file.
#[must_use]
pub fn names(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let (name, rest) = line.strip_prefix("    ")?.split_once(": ")?;
        let capital =
            name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        (capital && rest.contains(" = ")).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// Bounds that no code uses, that no test reaches, and entries of the list that are not needed.
#[must_use]
pub fn unreached(names: &[String], sources: &[Source], list: &Value) -> Vec<String> {
    let (mut used, mut tested) = (BTreeSet::new(), BTreeSet::new());
    for source in sources.iter().filter(|source| source.path != HOME) {
        let (code, tests) = halves(source);
        used.extend(words(code));
        tested.extend(words(tests));
    }
    let open: Vec<_> = list["unreached"].as_array().into_iter().flatten().collect();
    let open: BTreeSet<_> = open.into_iter().filter_map(Value::as_str).collect();
    let mut places = Vec::new();
    for name in names {
        let elsewhere = list["reached"][name].as_str();
        let reached = tested.contains(name.as_str())
            || elsewhere.is_some_and(|test| shown(test, sources).is_none());
        match (reached, open.contains(name.as_str())) {
            (true, true) => places.push(format!("limits.json: {name} is reached, take it out")),
            (false, false) => places.push(format!("{name}: no test reaches it")),
            (true, false) | (false, true) => {}
        }
        if !used.contains(name.as_str()) {
            places.push(format!("{name}: no code uses it"));
        }
    }
    let listed = list["reached"].as_object().into_iter().flat_map(|all| all.keys());
    let listed = listed.map(String::as_str).chain(open);
    let unknown = listed.filter(|name| !names.iter().any(|known| known == name));
    places.extend(unknown.map(|name| format!("limits.json: there is no bound {name}")));
    places
}

/// Makers of queues without a bound, and of numbers that no test can choose.
pub const UNBOUNDED: [&str; 4] =
    ["unbounded_channel", "mpsc::channel()", "rand::rng", "thread_rng"];

/// Lines that make a queue which can grow for ever, or draw what must be given; tests may.
#[must_use]
pub fn unbounded(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !is_test(source)) {
        for (number, line) in code(&source.text).filter(|(_, line)| !is_comment(line)) {
            let found = UNBOUNDED.iter().filter(|name| line.contains(**name));
            places.extend(found.map(|name| {
                format!("{}:{number}: {name}: bound the queue, or take the number", source.path)
            }));
        }
    }
    places
}

fn is_test(source: &Source) -> bool {
    ["tests/", "/test/", "tests.rs"].iter().any(|part| source.path.contains(part))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// A file's code, and its tests.
fn halves(source: &Source) -> (&str, &str) {
    if is_test(source) {
        return ("", &source.text);
    }
    match source.text.find("#[cfg(test)]\nmod tests {") {
        Some(at) => source.text.split_at(at),
        None => (&source.text, ""),
    }
}

/// Words in capitals, without those of comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !is_comment(line));
    let split = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    code.flat_map(move |line| line.split(split))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(code: &str, tests: &str, list: &Value) -> Vec<String> {
        let names = names("    /// Doc.\n    PARTS: usize = 3;\n");
        assert_eq!(names, ["PARTS"]);
        let sources =
            [Source::new("core/a/src/x.rs", code), Source::new("core/a/tests/y.rs", tests)];
        unreached(&names, &sources, list)
    }

    #[test]
    fn catches_a_bound_that_is_not_used_or_not_reached() {
        let none = json!({});
        assert!(judged("limits::PARTS", "limits::PARTS", &none).is_empty());
        assert_eq!(judged("limits::PARTS", "// PARTS", &none).len(), 1);
        assert_eq!(judged("limits::PART", "limits::PARTS", &none).len(), 1);
        let inside = "limits::PARTS\n#[cfg(test)]\nmod tests { limits::PARTS }";
        assert!(judged(inside, "", &none).is_empty());
    }

    #[test]
    fn catches_a_queue_without_a_bound() {
        let of = |path: &str, text: &str| unbounded(&[Source::new(path, text)]).len();
        for text in [
            "let (a, b) = tokio::sync::mpsc::unbounded_channel();",
            "let (a, b) = mpsc::channel();",
            "#[cfg(test)]\nuse a::b;\nlet number: u8 = rand::rng().random();",
        ] {
            assert_eq!(of("core/node/src/a.rs", text), 1, "{text}");
            assert_eq!(of("core/node/tests/a.rs", text), 0, "{text}");
            assert_eq!(of("core/node/src/a_tests.rs", text), 0, "{text}");
        }
        for text in [
            "let (a, b) = mpsc::channel(limits::QUEUE);",
            "let (a, b) = oneshot::channel();",
            "// never unbounded_channel",
            "#[cfg(test)]\nmod tests {\n    use mpsc::unbounded_channel;\n}",
        ] {
            assert_eq!(of("core/node/src/a.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn a_list_says_what_is_reached_without_its_name() {
        let listed = json!({"reached": {"PARTS": "core/a/tests/y.rs::three"}});
        assert!(judged("PARTS", "#[test]\nfn three() {}", &listed).is_empty());
        assert_eq!(judged("PARTS", "#[test]\nfn four() {}", &listed).len(), 1);
    }

    #[test]
    fn the_list_of_what_is_not_reached_only_shrinks() {
        let open = json!({"unreached": ["PARTS"]});
        assert!(judged("PARTS", "", &open).is_empty());
        assert_eq!(judged("PARTS", "PARTS", &open).len(), 1);
        let unknown = json!({"unreached": ["WHOLES"], "reached": {"HALVES": "x::y"}});
        assert_eq!(judged("PARTS", "PARTS", &unknown).len(), 2);
    }
}
