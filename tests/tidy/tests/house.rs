//! The rules, applied to the checkout.

use hubless_tidy::{
    arrows, codes, dead, faults, files, floors, functions, generated, glue, languages, layout,
    limits, names, purity, samples, tree,
};
use std::collections::BTreeSet;

const CODE: [&str; 14] =
    ["rs", "py", "pyi", "ts", "mts", "cts", "mjs", "cjs", "js", "kt", "java", "c", "h", "proto"];

/// What the README shows of files, in its order.
const README: [&str; 12] = [
    "python/examples/hello_agent.py",
    "python/examples/hello_caller.py",
    "node/examples/hello_agent.mjs",
    "node/examples/hello_caller.mjs",
    "kotlin/examples/HelloAgent.kt",
    "kotlin/examples/HelloCaller.kt",
    "include/examples/hello_agent.c",
    "include/examples/hello_caller.c",
    "tests/demo/python/maker.py#failover",
    "python/tests/test_readme.py#switch",
    "core/cli/examples/shout.py",
    "python/tests/test_readme.py#weather",
];

#[track_caller]
fn none(places: Vec<String>) {
    assert!(places.is_empty(), "\n{}", places.join("\n"));
}

#[test]
fn top_level_is_exactly_what_the_architecture_says() {
    none(layout::top(&tree::paths()));
}

#[test]
fn programs_that_say_hello_have_ten_lines_at_most() {
    let mut hellos = tree::sources(&["py", "mjs", "kt", "c"]);
    hellos.retain(|source| source.path.contains("/examples/"));
    hellos.retain(|source| source.path.to_lowercase().contains("/hello"));
    assert_eq!(hellos.len(), 8, "an agent and a caller in each language");
    let shown: Vec<_> = hellos.iter().map(|s| (s.path.as_str(), s.text.as_str())).collect();
    none(layout::long_hellos(&shown));
}

#[test]
fn functions_outside_rust_are_short() {
    let mut all = 0;
    let languages = [&["py"][..], &["ts", "mts", "cts"], &["mjs", "cjs", "js"], &["kt"], &["c"]];
    for endings in languages {
        let sources = tree::sources(endings);
        let count = functions::count(&sources);
        assert!(count >= 100, "read only {count} functions of {endings:?}");
        all += count;
        none(functions::too_large(&sources));
    }
    assert!(all >= 1_000, "read only {all} functions");
}

#[test]
fn names_say_what_they_name() {
    let mut sources = tree::sources(&CODE);
    // It holds the bad names that the rule is shown.
    sources.retain(|source| source.path != "tests/tidy/src/names.rs");
    none(names::empty_words(&sources));
}

#[test]
fn no_file_is_dead() {
    none(dead::rust(&tree::sources(&["rs"]), &tree::sources(&["toml"])));
    let endings = ["py", "ts", "mts", "mjs", "cjs", "cts", "js", "kt", "java", "c"];
    let naming = [&endings[..], &["rs", "toml", "json", "xml", "md", "h"]].concat();
    let mut naming = tree::sources(&naming);
    naming.retain(|source| !source.path.starts_with("tests/tidy/"));
    naming.extend(tree::named("include/Makefile"));
    none(dead::others(&tree::sources(&endings), &naming));
}

#[test]
fn the_protocol_stands_on_pure_crates_only() {
    none(purity::impure(&tree::metadata()));
}

#[test]
fn the_glue_of_each_language_keeps_to_its_rules() {
    let mut sources = tree::sources(&["rs"]);
    let homes = ["python", "node", "kotlin", "c"].map(|home| format!("bindings/{home}/src/"));
    sources.retain(|source| homes.iter().any(|home| source.path.starts_with(home)));
    for home in &homes {
        assert!(sources.iter().any(|source| source.path.starts_with(home)), "{home} was not read");
    }
    none(glue::forbidden(&sources));
    none(glue::unguarded(&sources));
    none(glue::runtimes(&tree::metadata()));
    none(glue::aborting(&tree::named("Cargo.toml").expect("the workspace's manifest").text));
}

#[test]
fn every_limit_is_used_and_reached() {
    let home = tree::named(limits::HOME).unwrap();
    let names = limits::names(&home.text);
    assert!(names.len() >= 100, "found only {} limits", names.len());
    let mut sources = tree::sources(&["rs", "py", "mjs", "kt", "c", "json"]);
    sources.retain(|source| !source.path.starts_with("tests/tidy/"));
    none(limits::unreached(&names, &sources, &table("tests/tidy/limits.json")));
}

#[test]
fn no_queue_is_without_a_bound() {
    let mut sources = tree::sources(&["rs"]);
    sources.retain(|source| ["core/", "bindings/"].iter().any(|at| source.path.starts_with(at)));
    assert!(sources.len() >= 300, "read only {} files", sources.len());
    none(limits::unbounded(&sources));
}

#[test]
fn every_limit_is_told_in_every_language() {
    let sources = tree::sources(&["py", "mjs", "kt", "c"]);
    let tests = [
        "python/tests/test_vectors.py::test_every_bound_is_told",
        "node/test/vectors.test.mjs::every bound is told",
        "kotlin/src/test/kotlin/dev/hubless/VectorsTest.kt::every bound is told",
        "include/tests/vectors.c::every_bound_is_told",
    ];
    none(tests.iter().filter_map(|test| faults::shown(test, &sources)).collect());
}

#[test]
fn every_fault_of_the_table_is_shown_by_tests_that_exist() {
    let sources = tree::sources(&["rs", "py", "mjs", "kt", "java", "c", "json"]);
    none(faults::missing(&table("tests/tidy/faults.json"), &sources));
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
    let manifests = tree::sources(&["toml"]);
    none(arrows::crates(&manifests));
    none(arrows::untabled(&manifests));
}

#[test]
fn dependencies_have_one_version_and_a_reason() {
    let workspace = tree::named("Cargo.toml").expect("the workspace's manifest");
    let manifests = tree::sources(&["toml"]);
    none(arrows::unreasoned(&workspace, &manifests));
    none(arrows::unshared(&manifests));
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
fn private_rules_are_never_written_out() {
    let sources = protocol();
    let private = sources.iter().filter(|source| source.path.starts_with(arrows::PRIVATE)).count();
    assert!(private >= 10, "found only {private} files of rules");
    none(arrows::encoders(&sources));
}

#[test]
fn dependencies_are_above_their_floors() {
    let lock = std::fs::read_to_string(tree::root().join("Cargo.lock")).unwrap();
    none(floors::below(&lock));
}

#[test]
fn the_lock_file_of_the_fuzzer_follows_that_of_the_workspace() {
    let read = |path: &str| tree::named(path).expect("a lock file of the checkout").text;
    let free = floors::at_home(&tree::sources(&["toml"]));
    let (lock, fuzzer) = (read("Cargo.lock"), read("tests/fuzz/cargo-fuzz/Cargo.lock"));
    none(floors::stale(&lock, &fuzzer, &free));
}

#[test]
fn generated_files_are_current() {
    let committed = tree::named(generated::HEADER).expect("a header of the checkout").text;
    let made = generated::header().expect("the generator runs");
    none(generated::stale(generated::HEADER, &committed, &made));
}

#[test]
fn samples_of_the_readme_are_files_that_run() {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).unwrap();
    let shown: Vec<_> = samples::samples(&readme).into_iter().map(|(path, _)| path).collect();
    assert_eq!(shown, README);
    none(samples::stale(&readme, |path| std::fs::read_to_string(tree::root().join(path)).ok()));
}

#[test]
fn samples_of_the_guides_are_files_that_run() {
    let mut guides = tree::sources(&["md"]);
    guides.retain(|source| source.path.ends_with("/docs/guide.md"));
    assert_eq!(guides.len(), 4, "a guide in each language's folder");
    for guide in guides {
        assert!(samples::samples(&guide.text).len() >= 10, "{} shows programs", guide.path);
        none(samples::stale(&guide.text, |path| tree::named(path).map(|source| source.text)));
    }
}

#[test]
fn every_error_kind_is_in_every_language() {
    let table = tree::root().join("tests/conformance/vectors/errors.json");
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    let kinds = table["kinds"].as_array().unwrap();
    let names: Vec<_> = kinds.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert!(names.len() >= 28, "found only {} kinds", names.len());
    let homes = [
        ("python", "python/hubless/errors.py"),
        ("node", "node/src/errors.ts"),
        ("kotlin", "kotlin/src/main/kotlin/dev/hubless/Errors.kt"),
        ("c", "include/hubless.h"),
    ];
    for (language, home) in homes {
        let errors = tree::named(home).unwrap_or_else(|| panic!("{home} is not there"));
        none(languages::missing_kinds(&names, language, &errors));
    }
}

#[test]
fn every_code_of_an_error_is_in_the_list() {
    let tests = ["tests/", "/test/", "tests.rs"];
    let mut sources = tree::sources(&["rs"]);
    sources.retain(|source| ["core/", "bindings/"].iter().any(|at| source.path.starts_with(at)));
    sources.retain(|source| !tests.iter().any(|part| source.path.contains(part)));
    let found = codes::unlisted(&sources, &serde_json::json!({"codes": []}));
    assert!(found.len() >= 250, "found only {} codes", found.len());
    none(codes::unlisted(&sources, &table("tests/conformance/vectors/codes.json")));
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
    let mut all = languages::Expectations::default();
    for file in tree::sources(&["json"]).iter().filter(|s| s.path.contains("tests/conformance/")) {
        all.read(&serde_json::from_str(&file.text).unwrap());
    }
    assert!(all.count() >= 15, "read only {all:?}");
    none(all.uncontrolled());
}

fn protocol() -> Vec<tree::Source> {
    let mut sources = tree::sources(&["rs"]);
    sources.retain(|source| source.path.starts_with("core/proto/src/"));
    assert!(!sources.is_empty(), "the protocol crate has sources");
    sources
}

fn table(path: &str) -> serde_json::Value {
    let source = tree::named(path).expect("the table is in the checkout");
    serde_json::from_str(&source.text).expect("the table is JSON")
}
