//! What a run came to: the provider's book against what the budgets say.

use super::book::{Book, Used};
use serde_json::Value;
use std::collections::BTreeMap;

/// A budget as the root told of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// When it began, in Unix milliseconds.
    pub(super) began_ms: f64,
    /// What its switch allows.
    pub(super) limits: Used,
    /// Why it was stopped; empty: it was not, or its root died.
    pub(super) reason: String,
    /// What became of the chains, by the word.
    pub(super) said: BTreeMap<String, u64>,
    /// What its switch said at the end; none: its root died.
    pub(super) end: Option<Value>,
}

/// Budgets by their label.
pub(super) type Budgets = BTreeMap<String, Told>;

/// Takes what the root said of its budgets.
pub(super) fn told<'a>(events: impl IntoIterator<Item = &'a Value>) -> Budgets {
    let mut budgets = Budgets::new();
    for event in events {
        let Some(label) = event["label"].as_str() else { continue };
        let budget = budgets.entry(label.to_owned()).or_default();
        match event["event"].as_str() {
            Some("began") => {
                budget.began_ms = event["began_ms"].as_f64().unwrap_or_default();
                budget.limits = amounts(&event["limits"], NAMES);
            }
            Some("used") => {}
            Some("budget") => budget.end = Some(event.clone()),
            _ => continue,
        }
        if let Some(reason) = event["reason"].as_str() {
            reason.clone_into(&mut budget.reason);
        }
        for (word, count) in event["said"].as_object().into_iter().flatten() {
            budget.said.insert(word.clone(), count.as_u64().unwrap_or_default());
        }
    }
    budgets
}

/// Names of the amounts, as the root tells them and as the command prints them.
const NAMES: [&str; 3] = ["input_tokens", "output_tokens", "calls"];
const CAMEL: [&str; 3] = ["inputTokens", "outputTokens", "calls"];

fn amounts(of: &Value, names: [&str; 3]) -> Used {
    let [input, output, calls] = names.map(|name| of[name].as_u64().unwrap_or_default());
    Used { input, output, calls }
}

impl Used {
    /// The names of what is more than this here.
    fn above(&self, most: &Self) -> Vec<&'static str> {
        let pairs = [
            (self.input, most.input, "input"),
            (self.output, most.output, "output"),
            (self.calls, most.calls, "calls"),
        ];
        pairs.into_iter().filter(|(used, most, _)| used > most).map(|(_, _, name)| name).collect()
    }

    fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            output: self.output + other.output,
            calls: self.calls + other.calls,
        }
    }
}

/// Overspend: what the provider counted above what a switch allows.
pub(super) fn overspent(book: &Book, budgets: &Budgets) -> Vec<String> {
    let over = book.budgets.iter().filter_map(|(label, used)| {
        let limits = budgets.get(label).map(|told| told.limits).unwrap_or_default();
        let above = used.above(&limits);
        (!above.is_empty()).then(|| format!("{label}: {above:?} of {used:?} above {limits:?}"))
    });
    over.collect()
}

/// I2 at the root: what the provider had counted before that a budget is not charged with. The
/// command names a budget by an id, and the root by a label: no two began at the same time.
pub(super) fn uncharged(book: &Book, budgets: &Budgets, shown: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (label, used) in &book.budgets {
        let own = shown.iter().find(|one| label_of(one, budgets) == Some(label.as_str()));
        let Some(own) = own else {
            wrong.push(format!("{label}: {used:?} was used, and no budget is known"));
            continue;
        };
        let charged = charge(own).filter(|charged| !used.above(charged).is_empty());
        wrong.extend(charged.map(|charged| format!("{label}: {used:?} used, {charged:?} charged")));
    }
    wrong
}

/// The label of a budget that the command shows: that of the last one that began before it.
fn label_of<'a>(shown: &Value, budgets: &'a Budgets) -> Option<&'a str> {
    let opened_ms = shown["openedMs"].as_f64()?;
    // The row of the log has whole milliseconds.
    let before = budgets.iter().filter(|(_, told)| told.began_ms.floor() <= opened_ms);
    let last = before.max_by(|(_, one), (_, other)| one.began_ms.total_cmp(&other.began_ms));
    last.map(|(label, _)| label.as_str())
}

/// What a budget is charged with: as long as it is open, all that is set aside as well. None: it
/// is over, and the log does not say with what ([`unsummed`]).
fn charge(shown: &Value) -> Option<Used> {
    let accounts = shown["accounts"].as_array().into_iter().flatten();
    let root = accounts.filter(|account| account["agent"].is_null());
    let open =
        root.map(|account| amounts(&account["used"], CAMEL).plus(amounts(&account["held"], CAMEL)));
    let over = || shown["spent"].is_object().then(|| amounts(&shown["spent"], CAMEL));
    open.reduce(Used::plus).or_else(over)
}

/// Budgets that are over, of which the log does not say with what.
pub(super) fn unsummed(shown: &[Value]) -> Vec<String> {
    let unsaid = |one: &&Value| one["state"] == "over" && !one["spent"].is_object();
    shown.iter().filter(unsaid).map(Value::to_string).collect()
}

/// Stranded budget, as the stores say: what is not over, or still has a grant.
pub(super) fn stranded(shown: &[Value]) -> Vec<String> {
    let left = |one: &&Value| one["state"] != "over" || one["accounts"] != Value::Array(vec![]);
    shown.iter().filter(left).map(Value::to_string).collect()
}

/// Stranded budget, as the switches say: grants that are open, or what is neither spent nor free.
pub(super) fn set_aside(budgets: &Budgets) -> Vec<String> {
    let ends = budgets.iter().filter_map(|(label, told)| Some((label, told, told.end.as_ref()?)));
    let left = ends.filter_map(|(label, told, end)| {
        let known = amounts(&end["spent"], NAMES).plus(amounts(&end["remaining"], NAMES));
        let whole = known == told.limits && end["open"] == 0;
        (!whole).then(|| format!("{label}: {end}"))
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIMITS: Used = Used { input: 100, output: 10, calls: 4 };

    fn budgets() -> Budgets {
        let limits = json!({"input_tokens": 100, "output_tokens": 10, "calls": 4});
        let said = [
            json!({"event": "ready"}),
            json!({"event": "began", "label": "1-0", "began_ms": 1_000.7, "limits": limits}),
            json!({"event": "used", "label": "1-0", "reason": "calls_exceeded",
                "said": {"answered": 3}}),
            json!({"event": "began", "label": "1-1", "began_ms": 2_000.2, "limits": limits}),
            json!({"event": "budget", "label": "1-0", "open": 0,
                "spent": {"input_tokens": 60, "output_tokens": 9, "calls": 4},
                "remaining": {"input_tokens": 40, "output_tokens": 1, "calls": 0}}),
        ];
        told(&said)
    }

    fn book(used: Used) -> Book {
        Book { budgets: [("1-0".to_owned(), used)].into(), ..Book::default() }
    }

    #[test]
    fn what_the_root_says_of_a_budget_is_put_together() {
        let budgets = budgets();
        let one = &budgets["1-0"];
        assert_eq!((one.limits, one.said["answered"]), (LIMITS, 3));
        assert_eq!((one.reason.as_str(), one.end.is_some()), ("calls_exceeded", true));
        assert_eq!((budgets["1-1"].reason.as_str(), budgets.len()), ("", 2));
    }

    #[test]
    fn one_above_a_limit_is_overspend_and_so_is_what_no_budget_is_known_of() {
        assert_eq!(overspent(&book(LIMITS), &budgets()), Vec::<String>::new());
        for over in [
            Used { input: 101, ..LIMITS },
            Used { output: 11, ..LIMITS },
            Used { calls: 5, ..LIMITS },
        ] {
            assert_eq!(overspent(&book(over), &budgets()).len(), 1, "{over:?}");
        }
        assert_eq!(overspent(&book(LIMITS), &Budgets::new()).len(), 1);
    }

    #[test]
    fn one_more_than_the_charge_is_seen_of_an_open_budget_and_of_one_that_is_over() {
        let used = |output| Used { input: 60, output, calls: 4 };
        let spent = json!({"inputTokens": 60, "outputTokens": 9, "calls": 4});
        let none = json!({"inputTokens": 0, "outputTokens": 0, "calls": 0});
        let over = json!({"openedMs": 1_000, "spent": spent, "accounts": []});
        let account = json!({"agent": null, "used": none, "held": spent});
        let below = json!({"agent": "z", "used": spent, "held": spent});
        let open = json!({"openedMs": 1_999, "spent": null, "accounts": [account, below]});
        for shown in [over, open] {
            let shown = [shown, json!({"openedMs": 2_000, "spent": spent, "accounts": []})];
            assert!(uncharged(&book(used(9)), &budgets(), &shown).is_empty(), "{shown:?}");
            assert_eq!(uncharged(&book(used(10)), &budgets(), &shown).len(), 1, "{shown:?}");
            assert_eq!(uncharged(&book(used(9)), &budgets(), &shown[1..]).len(), 1);
        }
    }

    #[test]
    fn what_is_open_or_set_aside_is_stranded() {
        let over = json!({"state": "over", "spent": {}, "accounts": []});
        let held = json!({"state": "over", "spent": {}, "accounts": [{}]});
        let open = json!({"state": "tripped", "spent": {}, "accounts": []});
        let unsaid = json!({"state": "over", "spent": null, "accounts": []});
        let all = [over, held, open, unsaid];
        assert_eq!((stranded(&all).len(), unsummed(&all).len()), (2, 1));
        assert_eq!(set_aside(&budgets()), Vec::<String>::new());
        for (name, value) in [
            ("open", json!(1)),
            ("spent", json!({"input_tokens": 60, "output_tokens": 8, "calls": 4})),
        ] {
            let mut less = budgets();
            less.get_mut("1-0").unwrap().end.as_mut().unwrap()[name] = value;
            assert_eq!(set_aside(&less).len(), 1, "{name}");
        }
    }
}
