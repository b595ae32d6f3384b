//! Trees of links, calls in any order, crashes at any moment; what is paid is counted outside.

use super::*;
use crate::error::Kind;
use crate::identity::SecretKey;
use crate::limits::{TILL_LINKS, TILL_RESERVATIONS, TILL_ROOTS};
use crate::metering::Micros;
use crate::metering::chain::{LinkId, SpendKey};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW_MS: u64 = 1_000;
const ENDS_MS: u64 = 100_000;

fn micros(value: u64) -> Micros {
    Micros::new(value).unwrap()
}

fn root_key() -> SpendKey {
    SpendKey::root(&SecretKey::from_seed([1; 32]))
}

fn root(ceiling: u64) -> Root {
    Root { key: root_key().chain().root, label: "r".to_owned(), ceiling: micros(ceiling) }
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
    till.accounts()[0].spent.value()
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

#[derive(Debug, Clone)]
enum Step {
    /// By which key, how much.
    Reserve(usize, u64),
    /// Which of the open ones, which part of its most in percent.
    Commit(usize, u64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => (0..13_usize, 0..40_u64).prop_map(|(key, max)| Step::Reserve(key, max)),
        3 => (0..8_usize, 0..=100_u64).prop_map(|(open, part)| Step::Commit(open, part)),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(one, 1..60)
}

/// The root's own key, three below it, three below each of two of those, three below one of them;
/// each wider than what is above it can pay together.
fn keys() -> Vec<SpendKey> {
    let mut keys = vec![root_key()];
    for (parent, limit) in [(0, 60), (1, 60), (2, 50), (4, 40)] {
        for child in 0..3 {
            let key = below(&keys[parent], (parent * 10 + child) as u64, limit, ENDS_MS);
            keys.push(key);
        }
    }
    keys
}

/// What was really paid, by link; none: by the root.
#[derive(Default)]
struct Ledger(BTreeMap<Option<LinkId>, u64>);

impl Ledger {
    fn pay(&mut self, key: &SpendKey, used: u64) {
        *self.0.entry(None).or_default() += used;
        for link in &key.chain().links {
            *self.0.entry(Some(link.id)).or_default() += used;
        }
    }

    fn of(&self, link: Option<LinkId>) -> u64 {
        self.0.get(&link).copied().unwrap_or_default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_is_paid_beyond_any_limit_and_nothing_is_stranded(steps in steps()) {
        let ceiling = 100;
        let (mut till, mut kept, mut paid) = (Till::default(), Kept::default(), Ledger::default());
        kept.write(till.add(root(ceiling)).unwrap());
        let keys = keys();
        let mut open: Vec<(ReservationId, usize, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(key, max) => {
                    let reserved = till.reserve(keys[key].chain(), micros(max), NOW_MS);
                    if let Ok((id, writes)) = reserved {
                        kept.write(writes);
                        open.push((id, key, max));
                    }
                }
                Step::Commit(which, part) if which < open.len() => {
                    let (id, key, max) = open.swap_remove(which);
                    let used = max * part / 100;
                    paid.pay(&keys[key], used);
                    kept.write(till.commit(id, micros(used)).unwrap().1);
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
            prop_assert!(paid.of(None) <= ceiling);
            for link in keys.iter().flat_map(|key| &key.chain().links) {
                prop_assert!(paid.of(Some(link.id)) <= link.limit.value());
            }
            prop_assert_eq!(kept.load().accounts(), till.accounts());
        }
        for (id, key, max) in open {
            paid.pay(&keys[key], max);
            kept.write(till.commit(id, micros(max)).unwrap().1);
        }
        for account in kept.load().accounts() {
            prop_assert_eq!(account.reserved, Micros::ZERO, "nothing is stranded");
            prop_assert_eq!(account.spent.value(), paid.of(account.link));
        }
        // What is left can be had, to the last millionth.
        let left = ceiling - paid.of(None);
        prop_assert!(till.reserve(keys[0].chain(), micros(left), NOW_MS).is_ok());
        prop_assert!(till.reserve(keys[0].chain(), micros(1), NOW_MS).is_err());
    }
}
