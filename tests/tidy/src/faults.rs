//! The table of faults and bad inputs (SPEC 10), and the tests that show what becomes of each.

use crate::tree::Source;
use serde_json::Value;

/// Cases that the table must hold.
pub const CASES: [&str; 37] = [
    "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12", "L1", "L2", "L3",
    "L4", "L5", "L6", "R1", "R2", "R3", "R7", "R10", "R11", "R12", "Y4", "Y5", "H-1", "H-2", "H-3",
    "H-4", "K1", "K2", "K3", "K4", "K5", "K6",
];

/// Cases without a test, and tests that are named but do not exist.
#[must_use]
pub fn missing(table: &Value, sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for case in CASES {
        let tests = table[case]["tests"].as_array().map_or(&[][..], Vec::as_slice);
        if tests.is_empty() {
            places.push(format!("faults.json: {case} has no test"));
        }
        for test in tests {
            let fault = shown(test.as_str().unwrap_or_default(), sources);
            places.extend(fault.map(|fault| format!("faults.json: {case}: {fault}")));
        }
        if table[case]["says"].as_str().is_none_or(str::is_empty) {
            places.push(format!("faults.json: {case} does not say what it is"));
        }
    }
    places
}

/// What is wrong with a test named `path::name`; nothing when it is there. A path without an ending
/// stands for all files below it: tests move between the files of one topic.
#[must_use]
pub fn shown(test: &str, sources: &[Source]) -> Option<String> {
    let Some((path, name)) = test.split_once("::") else {
        return Some(format!("{test:?} is no path::test"));
    };
    let file = path.rsplit('/').next().is_some_and(|file| file.contains('.'));
    let meant = |source: &&Source| {
        if file { source.path == path } else { source.path.starts_with(path) }
    };
    let mut meant = sources.iter().filter(meant).peekable();
    if meant.peek().is_none() {
        return Some(format!("there is no file {path}"));
    }
    let found = meant.any(|source| forms(source, name).iter().any(|form| runs(source, form)));
    (!found).then(|| format!("{path} has no test {name}"))
}

/// Whether what begins so is run: a function of Rust is a test by its attributes.
fn runs(source: &Source, form: &str) -> bool {
    source.text.match_indices(form).any(|(at, _)| {
        let before = source.text.get(..at).unwrap_or_default();
        source.ending() != "rs" || is_test(before)
    })
}

fn is_test(before: &str) -> bool {
    let above = before.rsplit('\n').skip(1).map(str::trim_start);
    let attributes: Vec<&str> =
        above.take_while(|line| line.starts_with("#[") || line.starts_with("//")).collect();
    let has = |form: &str| attributes.iter().any(|line| line.starts_with(form));
    (has("#[test]") || has("#[tokio::test")) && !has("#[ignore")
}

/// How a test of this name begins in the language of a file.
fn forms(source: &Source, name: &str) -> Vec<String> {
    match source.ending() {
        "rs" => vec![format!("fn {name}(")],
        "py" => vec![format!("def {name}(")],
        "kt" => vec![format!("fun `{name}`("), format!("fun {name}(")],
        "java" | "c" => vec![format!("void {name}(")],
        "mjs" => vec![format!("test('{name}'"), format!("it('{name}'")],
        "json" => vec![format!("\"name\": \"{name}\"")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn catches_a_case_without_a_test() {
        let rows = CASES
            .iter()
            .map(|case| ((*case).to_owned(), json!({"says": "so", "tests": ["a.rs::holds"]})));
        let mut table = Value::Object(rows.collect());
        let sources = [Source::new("a.rs", "#[test]\nfn holds() {}")];
        assert!(missing(&table, &sources).is_empty());
        table["W3"] = json!({"says": "so", "tests": []});
        table["L6"] = json!({"tests": ["a.rs::holds"]});
        assert_eq!(missing(&table, &sources).len(), 2);
        assert_eq!(missing(&json!({}), &sources).len(), 2 * CASES.len());
    }

    #[test]
    fn catches_a_test_that_is_gone_in_each_language() {
        let sources = [
            Source::new("a.rs", "    #[tokio::test(flavor = \"x\")]\n    async fn one() {}"),
            Source::new("a.py", "async def one() -> None:"),
            Source::new("a.kt", "    fun `one is`() = test {"),
            Source::new("a.mjs", "test('one is', async () => {"),
            Source::new("a.c", "static void one(void) {"),
            Source::new("a.json", "{\"name\": \"one\"}"),
        ];
        for good in
            ["a.rs::one", "a.py::one", "a.kt::one is", "a.mjs::one is", "a.c::one", "a.json::one"]
        {
            assert_eq!(shown(good, &sources), None);
            assert!(shown(&format!("{good}x"), &sources).is_some(), "{good}");
        }
        let moved = [Source::new("tests/in/deep.rs", "#[test]\n// why\nfn one() {}")];
        assert_eq!(shown("tests/in::one", &moved), None);
        assert!(shown("tests/in::two", &moved).is_some());
        assert!(shown("b.rs::one", &sources).is_some() && shown("one", &sources).is_some());
    }

    #[test]
    fn catches_what_is_no_test_or_does_not_run() {
        for text in [
            "fn one() {}",
            "#[test]\n\nfn one() {}",
            "#[test]\n#[ignore]\nfn one() {}",
            "#[test]\nfn two() {}\nfn one() {}",
        ] {
            assert!(shown("a.rs::one", &[Source::new("a.rs", text)]).is_some(), "{text}");
        }
        let both = [Source::new("a.rs", "fn one() {}\n#[test]\nfn one() {}")];
        assert_eq!(shown("a.rs::one", &both), None);
        let others = [
            ("a.py::test_one", "def helps_test_one():"),
            ("a.mjs::one", "test.skip('one', () => {"),
            ("a.c::one", "int one(void) {"),
        ];
        for (test, text) in others {
            let source = Source::new(test.split("::").next().unwrap(), text);
            assert!(shown(test, &[source]).is_some(), "{test}");
        }
    }
}
