//! Counts of tests, read from what each test runner prints.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed and were skipped, with the reasons.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that could not run here.
    pub(crate) skipped: u64,
    /// Why some failed or were skipped.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// One test, passed or failed with its reason.
    pub(crate) fn one(ok: bool, note: impl FnOnce() -> String) -> Self {
        if ok { Self { passed: 1, ..Self::default() } } else { Self::failure(note()) }
    }

    /// One failed test.
    pub(crate) fn failure(note: String) -> Self {
        Self { failed: 1, notes: vec![note], ..Self::default() }
    }

    /// One skipped test.
    pub(crate) fn skip(note: &str) -> Self {
        Self { skipped: 1, notes: vec![format!("skipped: {note}")], ..Self::default() }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend(other.notes);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Counts of every `test result:` line of cargo test.
pub(crate) fn cargo(output: &str) -> Outcome {
    let mut all = Outcome::default();
    for line in output.lines().filter(|line| line.contains("test result:")) {
        all.passed += before(line, " passed");
        all.failed += before(line, " failed");
        all.skipped += before(line, " ignored");
    }
    for why in output.lines().filter_map(reason) {
        // To cargo a test that says why it cannot run has passed.
        all.passed = all.passed.saturating_sub(1);
        all.skipped += 1;
        all.notes.push(format!("skipped: {why}"));
    }
    all
}

/// The reason that a Rust test gave for not running, on a line of its own or behind its name.
fn reason(line: &str) -> Option<&str> {
    let (before, why) = line.split_once("skipped: ")?;
    let before = before.trim();
    (before.is_empty() || (before.starts_with("test ") && before.ends_with("..."))).then_some(why)
}

/// Counts of pytest's closing line.
pub(crate) fn pytest(output: &str) -> Outcome {
    let closing = output.lines().rev().find(|line| {
        line.contains(" in ") && [" passed", " failed", " error"].iter().any(|w| line.contains(w))
    });
    closing.map_or_else(Outcome::default, |line| Outcome {
        passed: before(line, " passed"),
        failed: before(line, " failed") + before(line, " error"),
        skipped: before(line, " skipped"),
        notes: Vec::new(),
    })
}

/// Counts of node's test runner, in its spec or TAP form.
pub(crate) fn node(output: &str) -> Outcome {
    let last = |word: &str| {
        let found = output.lines().rev().find_map(|line| {
            let line = line.trim_start_matches(['#', 'ℹ', ' ']);
            line.strip_prefix(word)?.trim().parse().ok()
        });
        found.unwrap_or(0)
    };
    Outcome {
        passed: last("pass "),
        failed: last("fail ") + last("cancelled "),
        skipped: last("skipped "),
        notes: Vec::new(),
    }
}

/// Counts of Maven Surefire's closing line.
pub(crate) fn surefire(output: &str) -> Outcome {
    let closing = output
        .lines()
        .rev()
        .find(|line| line.contains("Tests run:") && !line.contains("Time elapsed"));
    closing.map_or_else(Outcome::default, |line| {
        let after = |word: &str| {
            let rest = line.split(word).nth(1).unwrap_or_default();
            let digits: String =
                rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap_or(0)
        };
        let failed = after("Failures:") + after("Errors:");
        let skipped = after("Skipped:");
        let passed = after("Tests run:").saturating_sub(failed + skipped);
        Outcome { passed, failed, skipped, notes: Vec::new() }
    })
}

/// Counts of a plain closing line `N passed, N failed`.
pub(crate) fn plain(output: &str) -> Outcome {
    let closing =
        output.lines().rev().find(|line| line.contains(" passed, ") && line.contains(" failed"));
    closing.map_or_else(Outcome::default, |line| Outcome {
        passed: before(line, " passed"),
        failed: before(line, " failed"),
        skipped: before(line, " skipped"),
        notes: output.lines().filter_map(|line| line.strip_prefix("skip ")).map(skipped).collect(),
    })
}

fn skipped(what: &str) -> String {
    format!("skipped: {what}")
}

/// The number that stands right before a word.
fn before(line: &str, word: &str) -> u64 {
    let Some(head) = line.split(word).next().filter(|head| head.len() < line.len()) else {
        return 0;
    };
    let digits = head.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(passed: u64, failed: u64, skipped: u64) -> Outcome {
        Outcome { passed, failed, skipped, notes: Vec::new() }
    }

    #[test]
    fn reads_the_closing_lines_of_each_runner() {
        let rust = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 2 passed; 3 failed; 0 ignored";
        assert_eq!(cargo(rust), counted(14, 3, 1));
        assert_eq!(pytest("== 1 failed, 20 passed, 2 skipped in 3.1s =="), counted(20, 1, 2));
        assert_eq!(node("# tests 9\n# pass 8\n# fail 1\n# skipped 0"), counted(8, 1, 0));
        assert_eq!(node("ℹ pass 8\nℹ fail 0\nℹ cancelled 1"), counted(8, 1, 0));
        let maven = "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 1 s\n\
                     [ERROR] Tests run: 9, Failures: 1, Errors: 1, Skipped: 2";
        assert_eq!(surefire(maven), counted(5, 2, 2));
        assert_eq!(plain("c: 7 passed, 1 failed"), counted(7, 1, 0));
        let skips = plain("ok   a\nskip b: cmake is missing\n1 passed, 0 failed, 1 skipped");
        assert_eq!((skips.skipped, skips.notes), (1, vec!["skipped: b: cmake is missing".into()]));
    }

    #[test]
    fn a_rust_test_that_says_why_it_cannot_run_is_skipped() {
        let output = "test users::another_user ... skipped: needs root\nok\n\
                      test first::two ... 3 calls were not skipped: none\nok\n\
                      test result: ok. 2 passed; 0 failed; 0 ignored";
        let outcome = cargo(output);
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (1, 0, 1));
        assert_eq!(outcome.notes, ["skipped: needs root"]);
    }

    #[test]
    fn counts_nothing_where_nothing_closed() {
        for parse in [cargo, pytest, node, surefire, plain] {
            assert_eq!(parse("it crashed"), Outcome::default());
        }
    }
}
