//! The rules, applied to the checkout.

use hubless_tidy::{arrows, files, floors, languages, samples, tree};
use std::collections::BTreeSet;

const CODE: [&str; 9] = ["rs", "py", "pyi", "ts", "mjs", "kt", "c", "h", "proto"];

const TOP: [&str; 14] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "bindings",
    "core",
    "include",
    "kotlin",
    "node",
    "python",
];

#[track_caller]
fn none(places: Vec<String>) {
    assert!(places.is_empty(), "\n{}", places.join("\n"));
}

#[test]
fn top_level_is_exactly_what_the_architecture_says() {
    let settings = ["tests"];
    let allowed: BTreeSet<_> = TOP.iter().chain(&settings).copied().collect();
    let paths = tree::paths();
    let top: BTreeSet<_> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    let stray: Vec<_> = top.iter().filter(|name| !name.starts_with('.')).copied().collect();
    let stray: Vec<_> = stray.into_iter().filter(|name| !allowed.contains(name)).collect();
    assert!(stray.is_empty(), "not a place of the house: {stray:?}");
    let missing: Vec<_> = allowed.iter().filter(|name| !top.contains(**name)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn files_hold_one_idea() {
    none(files::too_long(&tree::sources(&CODE)));
}

#[test]
fn lines_fit_the_screen() {
    none(files::too_wide(&tree::sources(&CODE)));
}

#[test]
fn contents_files_hold_no_logic() {
    none(files::fat_contents(&tree::sources(&["rs"])));
}

#[test]
fn nothing_is_left_open_without_an_issue() {
    none(files::leftovers(&tree::sources(&CODE)));
}

#[test]
fn crates_depend_downwards() {
    none(arrows::crates(&tree::sources(&["toml"])));
}

#[test]
fn modules_of_the_protocol_depend_downwards() {
    none(arrows::modules(&protocol()));
}

#[test]
fn the_protocol_is_pure() {
    none(arrows::impure(&protocol()));
}

#[test]
fn dependencies_are_above_their_floors() {
    let lock = std::fs::read_to_string(tree::root().join("Cargo.lock")).unwrap();
    none(floors::below(&lock));
}

#[test]
fn samples_of_the_readme_are_files_that_run() {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).unwrap();
    assert!(samples::samples(&readme).len() >= 8, "the README shows each language's programs");
    none(samples::stale(&readme, |path| std::fs::read_to_string(tree::root().join(path)).ok()));
}

#[test]
fn every_error_kind_is_in_every_language() {
    let table = tree::root().join("tests/conformance/vectors/errors.json");
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    let kinds = table["kinds"].as_array().unwrap();
    let names: Vec<_> = kinds.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert!(names.len() >= 28, "found only {} kinds", names.len());
    let sources = tree::sources(&["py", "ts", "kt", "h"]);
    let homes = [
        ("python", "python/hubless/"),
        ("node", "node/src/"),
        ("kotlin", "kotlin/src/main/"),
        ("c", "include/hubless.h"),
    ];
    for (language, home) in homes {
        let own: Vec<_> = sources.iter().filter(|s| s.path.starts_with(home)).cloned().collect();
        none(languages::missing_kinds(&names, language, &own));
    }
}

#[test]
fn every_runner_reads_every_action_and_expectation() {
    let mut words = BTreeSet::new();
    for case in tree::sources(&["json"]).iter().filter(|s| s.path.contains("conformance/cases/")) {
        let cases: serde_json::Value = serde_json::from_str(&case.text).unwrap();
        for case in cases.as_array().unwrap() {
            let keys = |value: &serde_json::Value| -> Vec<String> {
                value.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect()
            };
            for one in languages::with_steps(case) {
                words.extend(one.get("action").map(keys).unwrap_or_default());
                words.extend(one.get("expect").map(keys).unwrap_or_default());
            }
        }
    }
    assert!(words.len() >= 10, "read only {words:?}");
    let words: Vec<_> = words.into_iter().collect();
    let sources = tree::sources(&["py", "mjs", "ts", "kt", "c"]);
    for language in ["python", "node", "kotlin", "c"] {
        let home = format!("tests/conformance/runners/{language}/");
        let own: Vec<_> = sources.iter().filter(|s| s.path.starts_with(&home)).cloned().collect();
        none(languages::missing_words(&words, language, &own));
    }
}

/// A word that no control gets wrong could be ignored by a runner unseen.
#[test]
fn every_expectation_of_a_case_has_a_control_that_gets_it_wrong() {
    let (mut used, mut controlled) = (BTreeSet::new(), BTreeSet::new());
    for file in tree::sources(&["json"]).iter().filter(|s| s.path.contains("tests/conformance/")) {
        let read = serde_json::from_str(&file.text);
        let Ok(serde_json::Value::Array(cases)) = read else { continue };
        for case in cases {
            for one in languages::with_steps(&case) {
                used.extend(languages::expected_words(&one["expect"]));
            }
            for wrong in case["wrong"].as_array().into_iter().flatten() {
                controlled.extend(languages::expected_words(wrong));
            }
        }
    }
    assert!(used.len() >= 15, "read only {used:?}");
    none(used.difference(&controlled).map(|word| format!("no control for {word}")).collect());
}

fn protocol() -> Vec<tree::Source> {
    let mut sources = tree::sources(&["rs"]);
    sources.retain(|source| source.path.starts_with("core/proto/src/"));
    assert!(!sources.is_empty(), "the protocol crate has sources");
    sources
}
