//! What a process has left after many nodes, and after many calls.

use super::cast::{self, RUN};
use super::length::Length;
use crate::count::Outcome;
use crate::house::Result;
use crate::language::Language;
use crate::parts::conformance::{called, with_home};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longer than any thread of ours waits for more work, in ms.
const REST_MS: u64 = 15_000;
/// Cycles, and calls, before the first look: what a language opens once, also to look at itself, is
/// open then.
const FIRST_CYCLES: u64 = 5;
const FIRST_CALLS: u64 = 100;
/// Cycles before those that are counted.
const WARM_UP: u64 = 20;
/// Calls at once.
const AT_ONCE: u64 = 16;
/// Nine tenths of the calls come after the first look; so much more memory they may take, in KiB.
const TENTH: u64 = 10;
const MORE_KIB: u64 = 4 * 1_024;
/// What must be there as before.
const EQUAL: [&str; 3] = ["handles", "threads", "descriptors"];
const MEMORY: &str = "memoryKiB";

/// What a process said to have, by the case that asked.
type Said = BTreeMap<String, Value>;

/// Nodes that are started, used and closed in one process, in each language.
pub(super) fn cycles(length: &Length) -> Result<Outcome> {
    let cycle = |id: &str, count: u64, rest_ms: u64| {
        json!({
            "id": id, "agent": "echo", "action": {"cycle": {"count": count, "restMs": rest_ms}},
            "patienceMs": rest_ms + count * 1_000, "expect": {"valueHas": {"cycles": count}},
        })
    };
    let cases = json!([
        cycle("first", FIRST_CYCLES, 0),
        cycle("few", WARM_UP, REST_MS),
        cycle("many", length.cycles, REST_MS)
    ]);
    each("cycles", &cases, |language, said| as_before(language, said, ("few", "many")))
}

/// Calls and streams, some of them given up half way, from each language to the next one; both look
/// at themselves after a tenth and at the end.
pub(super) fn calls(length: &Length) -> Result<Outcome> {
    let often = |id: &str, count: u64, rest_ms: u64| {
        let given = json!({"to": "$TO", "count": count, "atOnce": AT_ONCE, "restMs": rest_ms});
        json!({
            "id": id, "agent": "wide0", "action": {"callOften": given},
            "patienceMs": rest_ms + count * 10, "expect": {"valueHas": {"right": count}},
        })
    };
    let callee = |id: &str, rest_ms: u64| {
        json!({
            "id": id, "agent": "usage", "request": {"content": {"value": {"restMs": rest_ms}}},
            "patienceMs": rest_ms, "expect": {"valueHas": {}},
        })
    };
    let early = (length.calls / TENTH).max(1);
    let cases = json!([
        often("first", FIRST_CALLS, 0),
        callee("callee-first", 0),
        often("early", early, REST_MS),
        callee("callee-early", REST_MS),
        often("late", length.calls.saturating_sub(early), REST_MS),
        callee("callee-late", REST_MS),
    ]);
    each("calls", &cases, |language, said| {
        let mut outcome = Outcome::default();
        for looks in [("early", "late"), ("callee-early", "callee-late")] {
            outcome += as_before(language, said, looks);
            outcome += as_small(language, said, looks);
        }
        outcome
    })
}

/// Runs the cases from each language to the next one, and judges what was said.
fn each(name: &str, cases: &Value, judge: impl Fn(Language, &Said) -> Outcome) -> Result<Outcome> {
    let file = cast::cases(name, cases)?;
    let mut outcome = Outcome::default();
    for caller in Language::ALL {
        outcome += with_home(&format!("endurance-{name}"), |home| {
            let callee = cast::next(caller);
            let subjects = cast::subjects(&[callee], home)?;
            let mut said = Said::new();
            let after = |report: &Value, _| {
                let case = report["case"].as_str().unwrap_or_default();
                said.insert(case.to_owned(), report.clone());
            };
            let pair = (cast::caller(caller)?, callee.name());
            let mut outcome = called(&RUN, pair, &file, home, after)?;
            outcome += judge(caller, &said);
            cast::finish(subjects)?;
            Ok(outcome)
        })?;
    }
    Ok(outcome)
}

fn numbers(said: &Said, (before, after): (&str, &str), member: &str) -> (Option<u64>, Option<u64>) {
    let number = |look: &str| said.get(look).and_then(|report| cast::number(report, member));
    (number(before), number(after))
}

/// No more handles, threads and descriptors than before.
fn as_before(caller: Language, said: &Said, looks: (&str, &str)) -> Outcome {
    let mut outcome = Outcome::default();
    for member in EQUAL {
        let (before, after) = numbers(said, looks, member);
        let name = caller.name();
        eprintln!("  large: from {name}: {looks:?}: {member} {before:?}, then {after:?}");
        // Fewer are as good: what had begun before the first look may end later.
        let same = before.is_some_and(|before| after.is_some_and(|after| after <= before));
        outcome += Outcome::one(same, || {
            format!("from {name}: {looks:?}: {member} were {before:?}, then {after:?}")
        });
    }
    outcome
}

/// No more memory than before, but for what any process may take.
fn as_small(caller: Language, said: &Said, looks: (&str, &str)) -> Outcome {
    let (before, after) = numbers(said, looks, MEMORY);
    let name = caller.name();
    eprintln!("  large: from {name}: {looks:?}: {before:?} KiB, then {after:?} KiB");
    let small = before.is_some_and(|before| after.is_some_and(|now| now <= before + MORE_KIB));
    Outcome::one(small, || {
        format!("from {name}: {looks:?}: {before:?} KiB, then {after:?}, {MORE_KIB} more at most")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(first: u64, second: u64) -> Said {
        let report = |count: u64| {
            let all = json!({"handles": count, "threads": 4, "descriptors": 9,
                             "memoryKiB": count * 1_024});
            json!({"got": [{"value": all}]})
        };
        [("a".to_owned(), report(first)), ("b".to_owned(), report(second))].into()
    }

    #[test]
    fn what_is_left_over_is_a_failure_and_so_is_what_was_not_said() {
        let failed = |said: &Said| {
            let looks = ("a", "b");
            let (one, other) =
                (as_before(Language::C, said, looks), as_small(Language::C, said, looks));
            (one.failed, other.failed)
        };
        assert_eq!(failed(&said(7, 7)), (0, 0));
        assert_eq!(failed(&said(7, 6)), (0, 0));
        assert_eq!(failed(&said(7, 8)), (1, 0));
        assert_eq!(failed(&said(7, 12)), (1, 1));
        assert_eq!(failed(&Said::new()), (3, 1));
    }
}
