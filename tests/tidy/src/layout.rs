//! What stands at the top of the checkout.

use std::collections::BTreeSet;

/// Files and folders at the top; hidden ones are free.
pub const TOP: [&str; 15] = [
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
    "tests",
];

/// Names at the top that have no place in the house, and places that are empty.
#[must_use]
pub fn top(paths: &[String]) -> Vec<String> {
    let found: BTreeSet<_> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    let stray = found.iter().filter(|name| !name.starts_with('.') && !TOP.contains(name));
    let missing = TOP.iter().filter(|name| !found.contains(**name));
    let stray = stray.map(|name| format!("{name}: not a place of the house"));
    stray.chain(missing.map(|name| format!("{name}: missing"))).collect()
}

/// Most lines of a program that says hello, blank ones not counted.
pub const HELLO_LINES: usize = 10;

/// Programs that say hello in more lines than the README promises.
#[must_use]
pub fn long_hellos(examples: &[(&str, &str)]) -> Vec<String> {
    let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
    let over = |(_, text): &&(&str, &str)| lines(text) > HELLO_LINES;
    let say = |(path, text): &(&str, &str)| {
        format!("{path}: {} lines, the README promises {HELLO_LINES}", lines(text))
    };
    examples.iter().filter(over).map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_what_is_stray_at_the_top_and_what_is_missing() {
        let mut paths: Vec<_> = TOP.iter().map(|name| (*name).to_owned()).collect();
        paths.push(".ci/run".to_owned());
        assert!(top(&paths).is_empty());
        paths.push("scratch/a.txt".to_owned());
        paths.retain(|path| path != "node");
        let found = top(&paths);
        assert_eq!(found, ["scratch: not a place of the house", "node: missing"]);
    }

    #[test]
    fn catches_a_hello_of_eleven_lines() {
        let ten = "x\n\n".repeat(HELLO_LINES);
        let eleven = format!("{ten}x\n");
        assert_eq!(long_hellos(&[("a.c", &ten), ("b.c", &eleven)]).len(), 1);
    }
}
