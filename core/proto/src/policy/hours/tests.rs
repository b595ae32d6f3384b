//! What was begun and spent is counted here, by the time of those who wait for it.

use super::*;
use crate::error::{Kind, Retry};
use crate::killswitch::{Allowance, Amount, Component, GrantId};
use crate::limits::{self, AMOUNT_MAX, ms};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const TOKENS: Component = Component::OutputTokens;
const HOUR_MS: u64 = 3_600_000;

fn id(number: u64) -> GrantId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    GrantId::from_bytes(id)
}

fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(TOKENS, count).unwrap()
}

fn most(count: u64) -> Allowance {
    Allowance::UNLIMITED.with(TOKENS, Some(count))
}

/// Wants so many tokens of so many an hour.
fn wanted(number: u64, call: u64, hour: u64) -> Wanted<'static> {
    Wanted { who: "one", id: id(number), call: most(call), hour: most(hour) }
}

fn retry(hours: &mut Hours, wanted: &Wanted<'_>, now_ms: u64) -> Retry {
    let error = hours.begin(wanted, now_ms).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::BudgetExhausted, "hour"));
    assert_eq!(error.field.as_deref(), Some("outputTokens"));
    assert_eq!(error.limit.unwrap().name, "outputTokens");
    error.retry
}

#[test]
fn equal_to_the_limit_is_allowed_and_one_more_is_not() {
    let mut hours = Hours::new();
    for number in 0..2 {
        assert_eq!(hours.begin(&wanted(number, 50, 100), 0).unwrap().most, most(50));
    }
    assert_eq!(retry(&mut hours, &wanted(2, 1, 100), 0), Retry::Later);
    assert!(hours.begin(&wanted(2, 0, 100), 0).is_ok(), "what spends nothing fits");
    assert_eq!(retry(&mut hours, &wanted(3, 101, 100), 0), Retry::Never);
    let other = Wanted { who: "two", ..wanted(3, 100, 100) };
    assert!(hours.begin(&other, 0).is_ok(), "others have hours of their own");
    let again = hours.begin(&wanted(0, 1, 1_000), 0).unwrap_err();
    assert_eq!((again.kind, again.code.as_str()), (Kind::Conflict, "budget_exists"));
}

#[test]
fn what_was_used_takes_the_place_of_what_was_set_aside_and_counts_for_an_hour() {
    let mut hours = Hours::new();
    hours.begin(&wanted(0, 100, 100), 0).unwrap();
    hours.end(id(0), &tokens(30), 5_000);
    assert_eq!(hours.charge("one", 5_000), tokens(30));
    hours.begin(&wanted(1, 70, 100), 5_000).unwrap();
    hours.end(id(1), &tokens(70), 10 * 60_000);
    assert!(hours.end(id(1), &tokens(70), 10 * 60_000).is_empty(), "it is over once");
    let Retry::AfterMs(after_ms) = retry(&mut hours, &wanted(2, 30, 100), 10 * 60_000) else {
        panic!("expected a time")
    };
    let again_ms = 10 * 60_000 + after_ms;
    assert!((HOUR_MS + 5_001..=HOUR_MS + 5_000 + ms(limits::HOUR_SLOT)).contains(&again_ms));
    assert_eq!(retry(&mut hours, &wanted(2, 30, 100), again_ms - 1), Retry::AfterMs(1));
    hours.begin(&wanted(2, 30, 100), again_ms).unwrap();
    let Retry::AfterMs(later_ms) = retry(&mut hours, &wanted(3, 70, 100), again_ms) else {
        panic!("expected the end of what was spent later")
    };
    assert!(again_ms + later_ms > 70 * 60_000);
}

#[test]
fn a_request_without_a_limit_of_its_own_gets_what_is_left() {
    let (mut hours, hour) = (Hours::new(), most(100).with(Component::Calls, Some(2)));
    let free = |number| Wanted { who: "one", id: id(number), call: Allowance::UNLIMITED, hour };
    assert_eq!(hours.begin(&free(0), 0).unwrap().most, hour);
    assert_eq!(retry(&mut hours, &free(1), 0), Retry::Later);
    hours.end(id(0), &tokens(60).with(Component::Calls, 1).unwrap(), 0);
    let left = most(40).with(Component::Calls, Some(1));
    assert_eq!(hours.begin(&free(1), 0).unwrap().most, left);
    hours.end(id(1), &tokens(0).with(Component::Calls, 1).unwrap(), 0);
    let error = hours.begin(&free(2), 0).unwrap_err();
    assert_eq!((error.field.as_deref(), error.limit.unwrap().value), (Some("calls"), 2));
    let none = Wanted { hour: Allowance::NOTHING, who: "two", ..free(3) };
    assert_eq!(hours.begin(&none, 0).unwrap_err().retry, Retry::Never, "zero refuses everything");
}

#[test]
fn amounts_at_their_bound_do_not_overflow() {
    let mut hours = Hours::new();
    let hour = most(AMOUNT_MAX);
    for number in 0..3 {
        let call = Allowance::exactly(&Amount::MAX).with(TOKENS, Some(1));
        hours.begin(&Wanted { who: "one", id: id(number), call, hour }, u64::MAX).unwrap();
    }
    (0..3).for_each(|number| drop(hours.end(id(number), &Amount::MAX, u64::MAX)));
    assert_eq!(hours.charge("one", u64::MAX), Amount::MAX);
    assert!(hours.begin(&Wanted { hour, ..wanted(9, 1, 0) }, u64::MAX).is_err());
    // A provider that took more than was set aside is counted with what it took.
    let mut hours = Hours::new();
    hours.begin(&wanted(0, 10, 100), 0).unwrap();
    hours.end(id(0), &tokens(150), 0);
    assert!(matches!(retry(&mut hours, &wanted(1, 1, 100), 0), Retry::AfterMs(_)));
}

#[test]
fn a_later_process_counts_what_was_set_aside_in_full_and_what_was_spent_as_long_as_before() {
    let row = |part, amount| HourRow { who: "one".to_owned(), part, amount };
    let spent = |over_ms, count| row(HourPart::Spent { over_ms }, tokens(count));
    let rows = [
        row(HourPart::Open(id(1)), tokens(20)),
        spent(10 * HOUR_MS, 5),
        spent(10 * HOUR_MS + 60_000, 30),
        // From a clock that was far ahead.
        spent(90 * HOUR_MS, 40),
    ];
    let (hours, writes) = Hours::recover(rows.clone(), 10 * HOUR_MS);
    assert_eq!(hours.charge("one", 10 * HOUR_MS), tokens(90));
    assert_eq!(hours.charge("one", 10 * HOUR_MS + 60_000), tokens(60));
    assert_eq!(hours.charge("one", 11 * HOUR_MS + 60_000), Amount::ZERO);
    // What it writes is what is there.
    let mut kept = Rows::new();
    apply(&mut kept, rows.into_iter().map(HourWrite::Put).collect());
    apply(&mut kept, writes);
    let (again, writes) = Hours::recover(kept.into_values(), 10 * HOUR_MS);
    assert_eq!((again, writes), (hours, Vec::new()));
}

#[test]
fn what_was_spent_before_a_clock_is_put_forward_counts_as_long_for_a_later_process() {
    let later_ms = 5 * HOUR_MS + 7;
    for told in [true, false] {
        let (mut hours, mut kept) = (Hours::new(), Rows::new());
        apply(&mut kept, vec![hours.begin(&wanted(0, 100, 100), 0).unwrap().write]);
        apply(&mut kept, hours.end(id(0), &tokens(100), 0));
        if told {
            apply(&mut kept, hours.put_forward(later_ms));
            assert_eq!(hours.charge("one", later_ms), tokens(100));
        }
        let (again, _) = Hours::recover(kept.into_values(), later_ms);
        assert_eq!(again.charge("one", later_ms), tokens(if told { 100 } else { 0 }));
        if told {
            let over_ms = later_ms + HOUR_MS + 2 * ms(limits::HOUR_SLOT);
            assert_eq!(again.charge("one", over_ms), Amount::ZERO, "it counts no longer than that");
        }
    }
}

/// What is on the disk.
type Rows = BTreeMap<(String, HourPart), HourRow>;

fn apply(rows: &mut Rows, writes: Vec<HourWrite>) {
    for write in writes {
        match write {
            HourWrite::Put(row) => drop(rows.insert((row.who.clone(), row.part), row)),
            HourWrite::Delete(who, part) => assert!(rows.remove(&(who, part)).is_some()),
        }
    }
}

#[test]
fn principals_and_open_requests_have_a_bound_and_what_is_over_makes_room() {
    let mut hours = Hours::new();
    let names: Vec<_> = (0..=limits::HOUR_PRINCIPALS).map(|who| format!("p{who}")).collect();
    for (number, who) in names.iter().enumerate() {
        let begun = hours.begin(&Wanted { who, ..wanted(number as u64, 1, 9) }, 0);
        if number == limits::HOUR_PRINCIPALS {
            let error = begun.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Busy, "hour"));
            assert_eq!(error.limit.unwrap().name, "HOUR_PRINCIPALS");
        } else {
            begun.unwrap();
        }
    }
    assert_eq!(hours.len(), limits::HOUR_PRINCIPALS);
    hours.end(id(0), &tokens(1), 0);
    let late_ms = HOUR_MS + ms(limits::HOUR_SLOT);
    assert_eq!(hours.forget(late_ms).len(), 1);
    assert!(hours.forget(late_ms + 1).is_empty(), "HOUR_SLOT is not over");
    let last = Wanted { who: &names[limits::HOUR_PRINCIPALS], ..wanted(0, 1, 9) };
    hours.begin(&last, late_ms).unwrap();

    let mut hours = Hours::new();
    for number in 0..limits::HOUR_OPEN as u64 {
        hours.begin(&wanted(number, 0, 9), 0).unwrap();
    }
    let error = hours.begin(&wanted(u64::MAX, 0, 9), 0).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "HOUR_OPEN");
    hours.end(id(0), &Amount::ZERO, 0);
    hours.begin(&wanted(u64::MAX, 0, 9), 0).unwrap();
}

#[test]
fn what_one_principal_spent_is_kept_in_as_many_sums_as_an_hour_has_slots() {
    let (mut hours, slot_ms) = (Hours::new(), ms(limits::HOUR_SLOT));
    let mut rows = Rows::new();
    for number in 0..10_000 {
        let now_ms = number * slot_ms / 10;
        apply(&mut rows, hours.forget(now_ms));
        apply(&mut rows, vec![hours.begin(&wanted(number, 1, 10_000), now_ms).unwrap().write]);
        apply(&mut rows, hours.end(id(number), &tokens(1), now_ms));
        // One that is filled, one that ends, and one that is looked for once in a slot.
        assert!(rows.len() as u64 <= HOUR_MS / slot_ms + 3, "{}", rows.len());
    }
    assert!(hours.charge("one", 1_000 * slot_ms).of(TOKENS) >= 600);
}

#[test]
fn the_limit_of_an_hour_is_said() {
    for (value, field) in [
        (json!({}), "hour.unlimited"),
        (json!({"calls": -1}), "hour.calls"),
        (json!({"calls": 1, "wallTimeMs": 5}), "hour.wallTimeMs"),
        (json!({"calls": 1, "soft": {"calls": 1}}), "hour.soft"),
        (json!({"calls": 1, "strict": true}), "hour.strict"),
        (json!({"tokens": 1}), "hour.tokens"),
        (json!([]), "hour"),
    ] {
        let error = read_hour("hour", &value).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{value}");
    }
    assert_eq!(read_hour("", &json!({"unlimited": true})), Ok(Allowance::UNLIMITED));
    assert_eq!(read_hour("", &json!({"outputTokens": 7})), Ok(most(7)));
}

#[derive(Debug, Clone)]
enum Step {
    /// Of a principal, with its most; none: whatever is left.
    Begin(u8, Option<u64>),
    /// Of those that are open, with how much of its most it used, in hundredths.
    End(usize, u64),
    Wait(u64),
    /// The clock is set back.
    Back(u64),
    /// The process is killed and begins anew, with a clock that may be set back.
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let time = prop_oneof![0..120_000_u64, 0..2 * HOUR_MS];
    prop_oneof![
        4 => (0..2_u8, proptest::option::weighted(0.8, 0..60_u64))
            .prop_map(|(who, most)| Step::Begin(who, most)),
        3 => (any::<usize>(), 0..=100_u64).prop_map(|(at, used)| Step::End(at, used)),
        3 => time.prop_map(Step::Wait),
        1 => (0..3 * HOUR_MS).prop_map(Step::Back),
        1 => (0..3 * HOUR_MS).prop_map(Step::Restart),
    ]
}

/// One request, by the time of those who wait.
struct Seen {
    who: u8,
    id: GrantId,
    most: u64,
    began_ms: u64,
    /// When it was over, and what it used; none: it is open.
    ended: Option<(u64, u64)>,
}

const LIMIT: u64 = 100;

/// What was spent, or may be, of requests that ran at some moment of the hour that ends now.
fn within_the_hour(all: &[Seen], who: u8, now_ms: u64) -> u64 {
    let runs = |one: &&Seen| {
        let ended_ms = one.ended.map_or(u64::MAX, |(at_ms, _)| at_ms);
        one.who == who && one.began_ms <= now_ms && ended_ms.saturating_add(HOUR_MS) >= now_ms
    };
    all.iter().filter(runs).map(|one| one.ended.map_or(one.most, |(_, used)| used)).sum()
}

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A later process begins with nothing.
    ForgetsAtRestart,
    /// What is set aside does not count while it is open.
    FreesAtOnce,
    /// What was used does not count.
    ForgetsSpent,
    /// The hour is over after half of it.
    FastClock,
}

/// Lives through the steps: the requests that began, and how many did not; or the sum of an hour
/// that is above the limit.
fn live(steps: Vec<Step>, fault: Fault) -> Result<(Vec<Seen>, usize), u64> {
    let (mut hours, mut rows) = (Hours::new(), Rows::new());
    let (mut true_ms, mut behind_ms): (u64, u64) = (100 * HOUR_MS, 0);
    let (mut all, mut refused): (Vec<Seen>, usize) = (Vec::new(), 0);
    for (number, step) in steps.into_iter().enumerate() {
        let pace = if fault == Fault::FastClock { 2 } else { 1 };
        let now_ms = (true_ms - behind_ms.min(99 * HOUR_MS)) * pace;
        match step {
            Step::Begin(who, call) => {
                let name = ["a", "b"][usize::from(who)];
                let (id, hour) = (id(number as u64), most(LIMIT));
                let call = Allowance::UNLIMITED.with(TOKENS, call);
                match hours.begin(&Wanted { who: name, id, call, hour }, now_ms) {
                    Err(_) => refused += 1,
                    Ok(begun) => {
                        let most = begun.most.of(TOKENS).unwrap();
                        apply(&mut rows, vec![begun.write]);
                        if fault == Fault::FreesAtOnce {
                            apply(&mut rows, hours.end(id, &Amount::ZERO, now_ms));
                        }
                        all.push(Seen { who, id, most, began_ms: true_ms, ended: None });
                        let sum = within_the_hour(&all, who, true_ms);
                        if sum > LIMIT {
                            return Err(sum);
                        }
                    }
                }
            }
            Step::End(at, hundredths) => {
                let open: Vec<_> = all.iter_mut().filter(|one| one.ended.is_none()).collect();
                let count = open.len().max(1);
                let Some(one) = open.into_iter().nth(at % count) else { continue };
                let used = one.most * hundredths / 100;
                one.ended = Some((true_ms, used));
                let counted = if fault == Fault::ForgetsSpent { 0 } else { used };
                apply(&mut rows, hours.end(one.id, &tokens(counted), now_ms));
            }
            Step::Wait(time_ms) => true_ms += time_ms,
            Step::Back(time_ms) => behind_ms += time_ms,
            Step::Restart(time_ms) => {
                behind_ms += time_ms;
                if fault == Fault::ForgetsAtRestart {
                    rows.clear();
                }
                let now_ms = true_ms - behind_ms.min(99 * HOUR_MS);
                let (recovered, writes) = Hours::recover(rows.values().cloned(), now_ms);
                (hours, _) = (recovered, apply(&mut rows, writes));
                for one in all.iter_mut().filter(|one| one.ended.is_none()) {
                    one.ended = Some((true_ms, one.most));
                }
            }
        }
    }
    Ok((all, refused))
}

proptest! {
    #[test]
    fn in_no_hour_more_than_the_limit_is_begun_or_spent(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let lived = live(steps, Fault::None).map(|(all, _)| all.len());
        prop_assert!(lived.is_ok(), "{lived:?}");
    }
}

/// A request of the first principal for half of the limit, and its end.
fn half() -> [Step; 2] {
    [Step::Begin(0, Some(50)), Step::End(0, 100)]
}

/// The control: what the limit allows is let in, and no more until the hour is over.
#[test]
fn a_history_reaches_the_limit_and_goes_on_after_the_hour() {
    let [full, end] = half();
    let steps = vec![
        full.clone(),
        full.clone(),
        full.clone(),
        end,
        Step::Wait(HOUR_MS / 2),
        full.clone(),
        Step::Begin(1, Some(50)),
        Step::Wait(HOUR_MS),
        full,
    ];
    let (all, refused) = live(steps, Fault::None).map_err(|sum| sum.to_string()).unwrap();
    assert_eq!((all.len(), refused), (4, 2));
}

/// The control of the counting: each fault is seen in a history that is within the limit without.
#[test]
fn each_planted_fault_is_counted_as_more_than_the_limit() {
    let [full, end] = half();
    let spent = [full.clone(), full.clone(), end.clone(), end];
    let then = |step, last| [&spent[..], &[step, last]].concat();
    for (fault, steps) in [
        (Fault::ForgetsAtRestart, then(Step::Restart(0), full.clone())),
        (Fault::FreesAtOnce, vec![full.clone(), full.clone(), full.clone()]),
        (Fault::ForgetsSpent, then(Step::Wait(1), full.clone())),
        (Fault::FastClock, then(Step::Wait(HOUR_MS / 2 + 120_000), full)),
    ] {
        assert!(live(steps.clone(), Fault::None).is_ok(), "{fault:?}");
        assert_eq!(live(steps, fault).map(|_| ()), Err(150), "{fault:?}");
    }
}
