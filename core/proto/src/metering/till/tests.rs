//! Trees of links, calls in any order, crashes at any moment; what is paid is counted outside.

use super::*;
use crate::error::Kind;
use crate::identity::SecretKey;
use crate::killswitch::{Allowance, Amount, Component};
use crate::limits::{TILL_LINKS, TILL_RESERVATIONS, TILL_ROOTS};
use crate::metering::Micros;
use crate::metering::chain::{LinkId, SpendKey};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(super) const NOW_MS: u64 = 1_000;
const ENDS_MS: u64 = 100_000;

pub(super) fn micros(value: u64) -> Micros {
    Micros::new(value).unwrap()
}

pub(super) fn root_key() -> SpendKey {
    SpendKey::root(&SecretKey::from_seed([1; 32]))
}

fn root(ceiling: u64) -> Root {
    Root { key: root_key().chain().root, label: "r".to_owned(), ceiling: micros(ceiling).into() }
}

fn below(parent: &SpendKey, index: u64, limit: u64, ends_ms: u64) -> SpendKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&index.to_be_bytes());
    parent.issue(seed, micros(limit), (NOW_MS, ends_ms)).unwrap()
}

/// What a store holds.
#[derive(Default)]
struct Kept(BTreeMap<Vec<u8>, Vec<u8>>);

impl Kept {
    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(row) => self.0.insert(row.key().encode(), row.encode()),
                Write::Delete(key) => self.0.remove(&key.encode()),
            };
        }
    }

    fn load(&self) -> Till {
        Till::load(self.0.values().map(|row| Row::decode(row).unwrap()).collect()).unwrap()
    }
}

fn spent(till: &Till) -> u64 {
    till.accounts()[0].spent.of(Component::CostMicros)
}

#[test]
fn room_for_one_is_taken_once() {
    let mut till = Till::default();
    till.add(root(10)).unwrap();
    let key = below(&root_key(), 1, 10, ENDS_MS);
    let won = (0..64).filter(|_| till.reserve(key.chain(), micros(10), NOW_MS).is_ok()).count();
    assert_eq!(won, 1);
}

#[test]
fn a_key_that_over_issues_is_paid_what_it_has() {
    let mut till = Till::default();
    till.add(root(1_000)).unwrap();
    let parent = below(&root_key(), 0, 100, ENDS_MS);
    let mut paid = 0;
    for index in 1..=10 {
        let child = below(&parent, index, 100, ENDS_MS);
        while let Ok((id, _)) = till.reserve(child.chain(), micros(30), NOW_MS) {
            till.commit(id, micros(30)).unwrap();
            paid += 30;
        }
    }
    assert_eq!(paid, 90);
    let other = below(&root_key(), 99, 100, ENDS_MS);
    assert!(till.reserve(other.chain(), micros(100), NOW_MS).is_ok(), "others have theirs");
}

#[test]
fn more_than_was_set_aside_is_charged_and_stops_the_key() {
    let (mut till, mut kept) = (Till::default(), Kept::default());
    kept.write(till.add(root(1_000)).unwrap());
    let (one, two) = (below(&root_key(), 1, 100, ENDS_MS), below(&root_key(), 2, 100, ENDS_MS));
    let child = below(&one, 3, 100, ENDS_MS);
    let (id, writes) = till.reserve(one.chain(), micros(10), NOW_MS).unwrap();
    kept.write(writes);
    let (outcome, writes) = till.commit(id, micros(500)).unwrap();
    kept.write(writes);
    assert_eq!(outcome, Committed::Overrun);
    assert_eq!(spent(&till), 500);
    for till in [&mut till, &mut kept.load()] {
        for stopped in [&one, &child] {
            let error = till.reserve(stopped.chain(), micros(1), NOW_MS).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Killed, "stopped"));
        }
        assert!(till.reserve(two.chain(), micros(1), NOW_MS).is_ok());
    }
    assert_eq!(till.commit(id, micros(1)).unwrap_err().kind, Kind::NotFound);
}

#[test]
fn a_stopped_root_pays_nobody() {
    let mut till = Till::default();
    till.add(root(1_000)).unwrap();
    let (id, _) = till.reserve(root_key().chain(), micros(1), NOW_MS).unwrap();
    assert_eq!(till.commit(id, micros(2)).unwrap().0, Committed::Overrun);
    let child = below(&root_key(), 1, 100, ENDS_MS);
    assert_eq!(till.reserve(child.chain(), micros(1), NOW_MS).unwrap_err().code, "stopped");
}

#[test]
fn roots_come_and_go() {
    let (mut till, mut kept) = (Till::default(), Kept::default());
    kept.write(till.add(root(10)).unwrap());
    assert_eq!(till.add(root(20)).unwrap_err().code, "root_exists");
    let child = below(&root_key(), 1, 10, ENDS_MS);
    let (id, writes) = till.reserve(child.chain(), micros(5), NOW_MS).unwrap();
    kept.write(writes);
    let key = root_key().chain().root;
    assert_eq!(till.remove(&key).unwrap_err().code, "open_calls");
    kept.write(till.commit(id, micros(5)).unwrap().1);
    kept.write(till.remove(&key).unwrap());
    assert!(kept.0.is_empty() && !till.knows(&key));
    let error = till.reserve(child.chain(), micros(1), NOW_MS).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "unknown_root"));
    assert_eq!(till.remove(&key).unwrap_err().kind, Kind::NotFound);
    for index in 0..TILL_ROOTS {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&(index as u64).to_be_bytes());
        let key = SpendKey::root(&SecretKey::from_seed(seed)).chain().root;
        till.add(Root { key, ..root(1) }).unwrap();
    }
    assert_eq!(till.add(root(1)).unwrap_err().limit.unwrap().name, "TILL_ROOTS");
    let long = Root { label: "x".repeat(65), ..root(1) };
    assert_eq!(till.add(long).unwrap_err().field.as_deref(), Some("label"));
}

#[test]
fn calls_at_once_have_a_bound() {
    let mut till = Till::default();
    till.add(root(1_000_000)).unwrap();
    for _ in 0..TILL_RESERVATIONS {
        till.reserve(root_key().chain(), micros(1), NOW_MS).unwrap();
    }
    let error = till.reserve(root_key().chain(), micros(1), NOW_MS).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "TILL_RESERVATIONS");
}

#[test]
fn keys_that_ended_make_room_and_do_not_come_back_with_an_old_clock() {
    let (mut till, mut kept) = (Till::default(), Kept::default());
    kept.write(till.add(root(1_000_000)).unwrap());
    let ended = |index| below(&root_key(), index, 5, NOW_MS + 10);
    let mut pay = |till: &mut Till, key: &SpendKey, now_ms| {
        let (id, writes) = till.reserve(key.chain(), micros(5), now_ms)?;
        kept.write(writes);
        kept.write(till.commit(id, micros(5)).unwrap().1);
        Ok::<_, crate::Error>(())
    };
    for index in 0..TILL_LINKS as u64 {
        pay(&mut till, &ended(index), NOW_MS).unwrap();
    }
    let fresh = below(&root_key(), 1 << 32, 5, ENDS_MS);
    let error = pay(&mut till, &fresh, NOW_MS).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "TILL_LINKS");
    assert_eq!(till.accounts().len(), TILL_LINKS + 1, "nothing was forgotten in vain");
    pay(&mut till, &fresh, NOW_MS + 10).unwrap();
    assert_eq!(till.accounts().len(), 2);
    // Each has its limit once, whatever the clock says.
    for till in [&mut till, &mut kept.load()] {
        let error = till.reserve(ended(0).chain(), micros(5), NOW_MS).unwrap_err();
        assert_eq!(error.code, "expired");
        assert_eq!(spent(till), 5 * (TILL_LINKS as u64 + 1));
    }
}

#[test]
fn a_call_that_was_not_paid_leaves_nothing() {
    let (mut till, mut kept) = (Till::default(), Kept::default());
    kept.write(till.add(root(10)).unwrap());
    let child = below(&below(&root_key(), 1, 10, ENDS_MS), 2, 10, ENDS_MS);
    let (one, writes) = till.reserve(child.chain(), micros(0), NOW_MS).unwrap();
    kept.write(writes);
    let (two, writes) = till.reserve(child.chain(), micros(10), NOW_MS).unwrap();
    kept.write(writes);
    kept.write(till.commit(two, micros(0)).unwrap().1);
    assert_eq!(till.accounts().len(), 3, "a call of nothing is open");
    kept.write(till.commit(one, micros(0)).unwrap().1);
    assert_eq!((till.accounts().len(), kept.0.len()), (1, 1));
}

#[test]
fn rows_that_do_not_belong_together_are_refused() {
    let (mut till, mut kept) = (Till::default(), Kept::default());
    kept.write(till.add(root(10)).unwrap());
    let child = below(&below(&root_key(), 1, 10, ENDS_MS), 2, 10, ENDS_MS);
    kept.write(till.reserve(child.chain(), micros(1), NOW_MS).unwrap().1);
    let rows: Vec<_> = kept.0.values().map(|row| Row::decode(row).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    assert!(Till::load(rows.clone()).is_ok());
    for missing in 0..rows.len() {
        let mut some = rows.clone();
        let gone = some.remove(missing);
        let loaded = Till::load(some);
        assert_eq!(loaded.is_ok(), matches!(gone, Row::Open { .. }), "without {gone:?}");
    }
    for text in ["", "{}", "{\"row\":\"Root\"}", "[1]"] {
        assert_eq!(Row::decode(text.as_bytes()).unwrap_err().code, "broken_store");
    }
}

/// What is counted here.
const COUNTED: [Component; 3] =
    [Component::InputTokens, Component::OutputTokens, Component::CostMicros];

/// So much input, output and cost.
pub(super) fn amount(all: [u64; 3]) -> Amount {
    let each = COUNTED.into_iter().zip(all);
    each.fold(Amount::ZERO, |sum, (component, much)| sum.with(component, much).unwrap())
}

/// Limits of input, output and cost.
fn limits(all: [Option<u64>; 3]) -> Allowance {
    let each = COUNTED.into_iter().zip(all);
    each.fold(Allowance::UNLIMITED, |limits, (component, most)| limits.with(component, most))
}

/// A key of these limits.
fn within(parent: &SpendKey, index: u64, all: [Option<u64>; 3]) -> SpendKey {
    let mut seed = [8; 32];
    seed[..8].copy_from_slice(&index.to_be_bytes());
    parent.issue(seed, limits(all), (NOW_MS, ENDS_MS)).unwrap()
}

#[test]
fn each_component_is_limited_by_itself_and_named_where_it_is_not_there() {
    let mut till = Till::default();
    let ceiling = limits([Some(100), None, Some(100)]);
    till.add(Root { ceiling, ..root(0) }).unwrap();
    let key = within(&root_key(), 1, [Some(10), Some(10), None]);
    for (wanted, lacking) in [
        ([10, 10, 100], None),
        ([11, 0, 0], Some("inputTokens")),
        ([0, 11, 0], Some("outputTokens")),
        // What the key does not limit, its root does.
        ([0, 0, 101], Some("costMicros")),
        ([11, 11, 100], Some("inputTokens")),
    ] {
        match (till.reserve(key.chain(), amount(wanted), NOW_MS), lacking) {
            (Ok((id, _)), None) => drop(till.commit(id, Amount::ZERO).unwrap()),
            (Err(error), Some(name)) => {
                assert_eq!(error.code, "budget_exhausted");
                assert!(error.message.contains(name), "{error}");
            }
            (reserved, _) => panic!("{wanted:?}: {reserved:?}"),
        }
    }
    // What nobody limits is counted all the same, and is no more than can be.
    let most = crate::limits::AMOUNT_MAX;
    let (id, _) = till.reserve(root_key().chain(), amount([0, most, 0]), NOW_MS).unwrap();
    till.commit(id, amount([0, most, 0])).unwrap();
    assert_eq!(till.accounts()[0].spent, amount([0, most, 0]));
    let more = till.reserve(root_key().chain(), amount([0, 1, 0]), NOW_MS).unwrap_err();
    assert_eq!(more.code, "budget_exhausted");
}

#[test]
fn more_of_any_component_than_was_set_aside_stops_the_key() {
    for (index, used) in [[6, 0, 0], [0, 6, 0], [0, 0, 6]].into_iter().enumerate() {
        let mut till = Till::default();
        till.add(root(1_000)).unwrap();
        let key = within(&root_key(), index as u64, [Some(50), Some(50), Some(50)]);
        let mut pay = |used| {
            let (id, _) = till.reserve(key.chain(), amount([5; 3]), NOW_MS)?;
            Ok::<_, crate::Error>(till.commit(id, amount(used)).unwrap().0)
        };
        // The control: as much as was set aside is no more than that.
        assert_eq!(pay([5; 3]).unwrap(), Committed::Within);
        assert_eq!(pay(used).unwrap(), Committed::Overrun);
        assert_eq!(pay([0; 3]).unwrap_err().code, "stopped", "{used:?}");
        let all = amount([5; 3]).plus(&amount(used)).unwrap();
        assert_eq!(till.accounts()[0].spent, all, "it is charged all the same");
    }
}

#[test]
fn calls_are_not_counted() {
    let mut till = Till::default();
    let ceiling = Allowance::UNLIMITED.with(Component::Calls, Some(0));
    till.add(Root { ceiling, ..root(0) }).unwrap();
    let key = root_key().issue([5; 32], ceiling, (NOW_MS, ENDS_MS)).unwrap();
    assert_eq!(key.chain().links[0].limit, Allowance::UNLIMITED);
    let call = amount([1; 3]).with(Component::Calls, 1).unwrap();
    let (id, _) = till.reserve(key.chain(), call, NOW_MS).unwrap();
    assert_eq!(till.commit(id, call).unwrap().0, Committed::Within);
    assert_eq!(till.accounts()[0].spent, amount([1; 3]));
}

#[derive(Debug, Clone)]
enum Step {
    /// By which key, how much of each component.
    Reserve(usize, [u64; 3]),
    /// Which of the open ones, which part of its most in percent, of each component.
    Commit(usize, [u64; 3]),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let each = proptest::array::uniform3;
    let one = prop_oneof![
        4 => (0..16_usize, each(0..30_u64)).prop_map(|(key, max)| Step::Reserve(key, max)),
        3 => (0..8_usize, each(0..101_u64)).prop_map(|(open, part)| Step::Commit(open, part)),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(one, 1..60)
}

/// The most that is paid below the root.
const CEILING: [u64; 3] = [100, 90, 110];

/// The root's own key, three below it, three below each of two of those, and so on; each wider
/// than what is above it can pay together, in one component or another, or not limited in it.
fn keys() -> Vec<SpendKey> {
    let mut keys = vec![root_key()];
    for (parent, all) in [
        (0, [Some(60), Some(200), Some(200)]),
        (0, [None, Some(50), None]),
        (1, [Some(60), Some(40), Some(60)]),
        (4, [Some(50), Some(40), Some(20)]),
        (7, [Some(20), Some(40), Some(20)]),
    ] {
        for child in 0..3 {
            let key = within(&keys[parent], (parent * 10 + keys.len() + child) as u64, all);
            keys.push(key);
        }
    }
    keys
}

/// What was really paid, by link; none: by the root.
#[derive(Default)]
struct Ledger(BTreeMap<Option<LinkId>, [u64; 3]>);

impl Ledger {
    fn pay(&mut self, key: &SpendKey, used: [u64; 3]) {
        let links = key.chain().links.iter().map(|link| Some(link.id));
        for link in links.chain([None]) {
            let paid = self.0.entry(link).or_default();
            *paid = std::array::from_fn(|index| paid[index] + used[index]);
        }
    }

    fn of(&self, link: Option<LinkId>) -> [u64; 3] {
        self.0.get(&link).copied().unwrap_or_default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_is_paid_beyond_any_limit_and_nothing_is_stranded(steps in steps()) {
        let (mut till, mut kept, mut paid) = (Till::default(), Kept::default(), Ledger::default());
        let ceiling = limits(CEILING.map(Some));
        kept.write(till.add(Root { ceiling, ..root(0) }).unwrap());
        let keys = keys();
        let mut open: Vec<(ReservationId, usize, [u64; 3])> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(key, max) => {
                    let reserved = till.reserve(keys[key].chain(), amount(max), NOW_MS);
                    if let Ok((id, writes)) = reserved {
                        kept.write(writes);
                        open.push((id, key, max));
                    }
                }
                Step::Commit(which, part) if which < open.len() => {
                    let (id, key, max) = open.swap_remove(which);
                    let used = std::array::from_fn(|index| max[index] * part[index] / 100);
                    paid.pay(&keys[key], used);
                    kept.write(till.commit(id, amount(used)).unwrap().1);
                }
                Step::Commit(..) => {}
                Step::Crash => {
                    // The provider may have taken all that was set aside.
                    for (_, key, max) in open.drain(..) {
                        paid.pay(&keys[key], max);
                    }
                    till = kept.load();
                    kept.write(till.recover().unwrap());
                }
            }
            for (paid, most) in paid.of(None).into_iter().zip(CEILING) {
                prop_assert!(paid <= most, "{paid} of {most}");
            }
            for link in keys.iter().flat_map(|key| &key.chain().links) {
                let paid = paid.of(Some(link.id));
                prop_assert!(link.limit.allows(&amount(paid)), "{paid:?} of {:?}", link.limit);
            }
            prop_assert_eq!(kept.load().accounts(), till.accounts());
        }
        for (id, key, max) in open {
            paid.pay(&keys[key], max);
            kept.write(till.commit(id, amount(max)).unwrap().1);
        }
        for account in kept.load().accounts() {
            prop_assert_eq!(account.reserved, Amount::ZERO, "nothing is stranded");
            prop_assert_eq!(account.spent, amount(paid.of(account.link)));
        }
        // What is left can be had, to the last token and millionth.
        let paid = paid.of(None);
        let left = std::array::from_fn(|index| CEILING[index] - paid[index]);
        prop_assert!(till.reserve(keys[0].chain(), amount(left), NOW_MS).is_ok());
        for more in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] {
            prop_assert!(till.reserve(keys[0].chain(), amount(more), NOW_MS).is_err());
        }
    }
}
