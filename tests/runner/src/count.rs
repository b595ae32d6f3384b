//! Counts of tests, read from what each test runner prints.

use crate::house::Result;
use std::fmt;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

    /// What a part came to: an error counts as one failure.
    pub(crate) fn of(done: Result<Self>) -> Self {
        done.unwrap_or_else(Self::failure)
    }

    /// One failed test.
    pub(crate) fn failure(note: String) -> Self {
        Self { failed: 1, notes: vec![note], ..Self::default() }
    }

    /// What a part comes to; where it cannot run, one skipped test with the reason.
    ///
    /// # Errors
    /// As `run`.
    pub(crate) fn unless(
        fault: Option<String>,
        run: impl FnOnce() -> Result<Self>,
    ) -> Result<Self> {
        fault.map_or_else(run, |fault| Ok(Self::skip(&fault)))
    }

    /// One skipped test.
    pub(crate) fn skip(note: &str) -> Self {
        Self { skipped: 1, notes: vec![format!("skipped: {note}")], ..Self::default() }
    }
}

/// Runs something; a panic is an error, so that what else runs is counted as well.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What was broken off is not looked at again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("panicked: {}", text.as_deref().unwrap_or("without a message")))
    })
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

/// What the failed tests of cargo test printed, each test binary's part at its own place.
pub(crate) fn cargo_failures(output: &str) -> String {
    let mut told = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        if line == "failures:" {
            inside = true;
        } else if line.starts_with("test result:") {
            if inside {
                told.push(line);
            }
            inside = false;
        }
        if inside || line.starts_with("error: test failed") {
            told.push(line);
        }
    }
    told.join("\n")
}

/// The reason that a Rust test gave for not running, on a line of its own or behind its name.
fn reason(line: &str) -> Option<&str> {
    let (before, why) = line.split_once("skipped: ")?;
    let before = before.trim();
    (before.is_empty() || (before.starts_with("test ") && before.ends_with("..."))).then_some(why)
}

/// Counts of pytest's closing line, with the reasons that `-rs` shows.
pub(crate) fn pytest(output: &str) -> Outcome {
    let closing = output.lines().rev().find(|line| {
        line.contains(" in ") && [" passed", " failed", " error"].iter().any(|w| line.contains(w))
    });
    closing.map_or_else(Outcome::default, |line| Outcome {
        passed: before(line, " passed"),
        failed: before(line, " failed") + before(line, " error"),
        skipped: before(line, " skipped"),
        notes: output.lines().filter_map(pytest_reason).map(skipped).collect(),
    })
}

/// `SKIPPED [1] tests/test_a.py:7: why`: the place, why, and how many where there are more.
fn pytest_reason(line: &str) -> Option<String> {
    let (count, why) = line.strip_prefix("SKIPPED [")?.split_once("] ")?;
    Some(if count == "1" { why.to_owned() } else { format!("{why} ({count} tests)") })
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
        notes: output.lines().filter_map(node_reason).map(skipped).collect(),
    }
}

/// A skipped test of node with its reason: `ok 1 - name # SKIP why`, or `﹣ name (1.2ms) # why`.
fn node_reason(line: &str) -> Option<String> {
    let line = line.trim();
    let (name, why) = if let Some(told) = line.strip_prefix('﹣') {
        let (test, why) = told.split_once("ms) # ")?;
        (test.rsplit_once(" (")?.0, why)
    } else {
        let (test, why) = line.strip_prefix("ok ")?.rsplit_once(" # SKIP")?;
        (test.split_once(" - ")?.1, why)
    };
    let why = why.trim();
    let said = if why.is_empty() || why == "SKIP" { "no reason was given" } else { why };
    Some(format!("{}: {said}", name.trim()))
}

/// Counts of Maven Surefire's closing line; the reasons stand in its reports only, which
/// [`surefire_reasons`] reads.
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

/// The skipped tests of a report that Surefire wrote, with their reasons.
pub(crate) fn surefire_reasons(report: &str) -> Vec<String> {
    let attribute = |of: &str, name: &str| {
        let value = of.split_once(&format!("{name}=\""))?.1.split_once('"')?.0;
        Some(unescaped(value))
    };
    let reason = |case: &str| {
        let (head, body) = case.split_once('>')?;
        let (_, skip) =
            body.split_once("</testcase>").map_or(body, |(own, _)| own).split_once("<skipped")?;
        let why = attribute(skip.split_once('>')?.0, "message");
        let why = why.unwrap_or_else(|| "no reason was given".to_owned());
        let (class, name) = (attribute(head, " classname")?, attribute(head, " name")?);
        Some(skipped(format!("{class}.{name}: {why}")))
    };
    report.split("<testcase").skip(1).filter_map(reason).collect()
}

/// A value of XML as text.
fn unescaped(value: &str) -> String {
    let names = [("&quot;", "\""), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    names.iter().fold(value.to_owned(), |text, (name, mark)| text.replace(name, mark))
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

fn skipped(what: impl fmt::Display) -> String {
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
    fn pytest_says_why_it_skipped() {
        let output = "ss.  [100%]\n=== short test summary info ===\n\
                      SKIPPED [1] tests/test_loops.py:36: could not import 'uvloop'\n\
                      SKIPPED [2] tests/test_types.py:66: pydantic is not installed\n\
                      1 passed, 3 skipped in 0.08s";
        let told = Outcome {
            notes: vec![
                "skipped: tests/test_loops.py:36: could not import 'uvloop'".to_owned(),
                "skipped: tests/test_types.py:66: pydantic is not installed (2 tests)".to_owned(),
            ],
            ..counted(1, 0, 3)
        };
        assert_eq!(pytest(output), told);
    }

    #[test]
    fn node_says_why_it_skipped_in_both_forms() {
        let tap = "ok 1 - a # SKIP needs --expose-gc\nok 2 - b # SKIP\nok 3 - c \\# odd\n\
                   # Subtest: x\n    ok 1 - d - e # SKIP why (not) # here\n# pass 1\n# skipped 3";
        let spec = "﹣ a (2.38ms) # needs --expose-gc\n﹣ b (0.27ms) # SKIP\n✔ c # odd (0.26ms)\n\
                    ▶ x\n  ﹣ d - e (0.37ms) # why (not) # here\nℹ pass 1\nℹ skipped 3";
        for output in [tap, spec] {
            let told = Outcome {
                notes: vec![
                    "skipped: a: needs --expose-gc".to_owned(),
                    "skipped: b: no reason was given".to_owned(),
                    "skipped: d - e: why (not) # here".to_owned(),
                ],
                ..counted(1, 0, 3)
            };
            assert_eq!(node(output), told);
        }
    }

    #[test]
    fn a_report_of_surefire_says_why_it_skipped() {
        let report = r#"<testsuite name="dev.X" tests="4" skipped="2">
            <testcase name="runs" classname="dev.X" time="0.1"/>
            <testcase name="waits" classname="dev.X" time="0">
              <skipped message="needs &quot;a &lt; b&quot;"/></testcase>
            <testcase name="says" classname="dev.X" time="0">
              <system-out>&lt;skipped</system-out></testcase>
            <testcase name="rests" classname="dev.X" time="0"><skipped/></testcase>
            </testsuite>"#;
        assert_eq!(
            surefire_reasons(report),
            ["skipped: dev.X.waits: needs \"a < b\"", "skipped: dev.X.rests: no reason was given"]
        );
    }

    #[test]
    fn a_part_that_cannot_run_is_skipped_with_the_reason() {
        let skipped = Outcome::unless(Some("git is missing".to_owned()), || panic!("it ran"));
        assert_eq!(skipped, Ok(Outcome::skip("git is missing")));
        assert_eq!(Outcome::unless(None, || Ok(counted(1, 0, 0))), Ok(counted(1, 0, 0)));
    }

    #[test]
    fn an_error_is_a_failure() {
        assert_eq!(Outcome::of(Ok(counted(2, 0, 1))), counted(2, 0, 1));
        let failed = Outcome::of(Err("cc is missing".to_owned()));
        assert_eq!((failed.failed, failed.notes), (1, vec!["cc is missing".to_owned()]));
    }

    #[test]
    fn what_failed_is_found_between_what_passed() {
        let output = "test a ... FAILED\nfailures:\n---- a stdout ----\nassertion failed\n\
                      failures:\n    a\ntest result: FAILED. 0 passed; 1 failed\n\
                      running 1 test\ntest b ... ok\ntest result: ok. 1 passed; 0 failed\n\
                      error: test failed, to rerun pass `-p x`";
        assert_eq!(
            cargo_failures(output),
            "failures:\n---- a stdout ----\nassertion failed\nfailures:\n    a\n\
             test result: FAILED. 0 passed; 1 failed\nerror: test failed, to rerun pass `-p x`"
        );
        assert_eq!(cargo_failures("test b ... ok\ntest result: ok. 1 passed; 0 failed"), "");
    }

    #[test]
    fn counts_nothing_where_nothing_closed() {
        for parse in [cargo, pytest, node, surefire, plain] {
            assert_eq!(parse("it crashed"), Outcome::default());
        }
    }
}
