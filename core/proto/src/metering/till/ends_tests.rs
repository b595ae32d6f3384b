//! Ends of keys, before and after a crash.

use super::*;
use crate::error::Kind;
use crate::identity::SecretKey;
use crate::killswitch::{Amount, BudgetId};
use crate::limits::{CLOCK_SKEW, PROVIDER_KEY_LIFE, TILL_LINK_SHARE, TILL_LINKS, TILL_TRIPS};
use crate::metering::Micros;
use crate::metering::chain::SpendKey;

const NOW_MS: u64 = 1_000;
const ENDS_MS: u64 = 100_000;
const BUDGET: BudgetId = BudgetId::from_bytes([7; 32]);

fn micros(value: u64) -> Micros {
    Micros::new(value).unwrap()
}

fn root() -> SpendKey {
    SpendKey::root(&SecretKey::from_seed([1; 32]))
}

fn till() -> Till {
    let mut till = Till::default();
    let key = root().chain().root;
    till.add(Root { key, label: String::new(), ceiling: micros(1_000).into() }).unwrap();
    till
}

fn of_budget(seed: u8) -> SpendKey {
    root().issue_for(BUDGET, [seed; 32], micros(100), (NOW_MS, ENDS_MS)).unwrap()
}

/// The till as the next process finds it.
fn again(rows: &[Write]) -> Till {
    let mut kept = std::collections::BTreeMap::new();
    for write in rows {
        match write {
            Write::Put(row) => drop(kept.insert(row.key().encode(), row.encode())),
            Write::Delete(key) => drop(kept.remove(&key.encode())),
        }
    }
    Till::load(kept.values().map(|row| Row::decode(row).unwrap()).collect()).unwrap()
}

fn is_killed(till: &mut Till, key: &SpendKey) -> bool {
    match till.reserve(key.chain(), micros(1), NOW_MS) {
        Ok((id, _)) => {
            till.commit(id, micros(0)).unwrap();
            false
        }
        Err(error) => {
            assert_eq!((error.kind, error.code.as_str()), (Kind::Killed, ""));
            true
        }
    }
}

#[test]
fn a_stop_ends_every_key_of_its_budget_for_good_and_no_other() {
    let mut till = till();
    let mut rows = till.rows(root().chain().root, &[]);
    let key = of_budget(2);
    let below = key.issue([3; 32], micros(50), (NOW_MS, ENDS_MS)).unwrap();
    let other = root().issue([4; 32], micros(100), (NOW_MS, ENDS_MS)).unwrap();
    assert!(!is_killed(&mut till, &key) && !is_killed(&mut till, &below));
    let (open, writes) = till.reserve(below.chain(), micros(5), NOW_MS).unwrap();
    rows.extend(writes);
    let (elsewhere, writes) = till.reserve(other.chain(), micros(5), NOW_MS).unwrap();
    rows.extend(writes);
    let (cut, writes) = till.trip(BUDGET, root().chain(), NOW_MS).unwrap();
    rows.extend(writes);
    assert_eq!(cut, [open]);
    assert!(till.trip(BUDGET, root().chain(), NOW_MS).unwrap().1.is_empty(), "said twice");
    for till in [&mut till, &mut again(&rows)] {
        // One that was never shown before is of the same budget.
        for key in [&key, &below, &of_budget(9)] {
            assert!(is_killed(till, key));
        }
        assert!(!is_killed(till, &other) && !is_killed(till, &root()));
        till.commit(open, micros(5)).unwrap();
        till.commit(elsewhere, micros(5)).unwrap();
    }
}

#[test]
fn a_key_that_is_ended_pays_nothing_more_and_says_what_it_cost() {
    let mut till = till();
    let mut rows = till.rows(root().chain().root, &[]);
    let (key, twin) = (of_budget(2), of_budget(5));
    let below = key.issue([3; 32], micros(50), (NOW_MS, ENDS_MS)).unwrap();
    let (first, writes) = till.reserve(key.chain(), micros(20), NOW_MS).unwrap();
    rows.extend(writes);
    rows.extend(till.commit(first, micros(7)).unwrap().1);
    let (open, writes) = till.reserve(below.chain(), micros(30), NOW_MS).unwrap();
    rows.extend(writes);
    let (paid, cut, writes) = till.end(key.chain(), NOW_MS).unwrap();
    rows.extend(writes);
    let wanted = (micros(7).into(), micros(30).into(), vec![open]);
    assert_eq!((paid.spent, paid.reserved, cut), wanted);
    for till in [&mut till, &mut again(&rows)] {
        assert!(is_killed(till, &key) && is_killed(till, &below) && !is_killed(till, &twin));
        till.commit(open, micros(30)).unwrap();
        let (paid, cut, _) = till.end(key.chain(), NOW_MS).unwrap();
        assert_eq!((paid.spent, paid.reserved, cut), (micros(37).into(), Amount::ZERO, vec![]));
        assert!(till.accounts().iter().filter(|one| one.ended).count() == 1);
    }
}

#[test]
fn a_key_that_was_never_used_is_ended_as_well() {
    let (mut till, key) = (till(), of_budget(2));
    assert_eq!(till.end(key.chain(), NOW_MS).unwrap().0.spent, Amount::ZERO);
    assert!(is_killed(&mut till, &key));
    // One whose time is over needs no account to pay nothing.
    let accounts = till.accounts().len();
    assert_eq!(till.end(of_budget(8).chain(), ENDS_MS).unwrap().0.spent, Amount::ZERO);
    assert_eq!(till.accounts().len(), accounts);
    let late = root().issue([8; 32], micros(5), (ENDS_MS * 9, ENDS_MS * 10)).unwrap();
    assert_eq!(till.end(late.chain(), ENDS_MS * 10).unwrap().0.spent, Amount::ZERO);
    till.root(root().chain().root).unwrap().forgotten_ms = ENDS_MS * 10;
    assert_eq!(till.end(late.chain(), NOW_MS).unwrap_err().code, "expired");
    let error = till.end(root().chain(), NOW_MS).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "bad_chain"));
    let stranger = SpendKey::root(&SecretKey::from_seed([9; 32]));
    assert_eq!(till.end(stranger.chain(), NOW_MS).unwrap_err().code, "unknown_root");
}

#[test]
fn stops_are_forgotten_once_no_key_of_their_budget_lives() {
    let (mut till, teller) = (till(), root());
    let teller = teller.chain();
    let budget = |index: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
        BudgetId::from_bytes(bytes)
    };
    for index in 0..TILL_TRIPS {
        till.trip(budget(index), teller, NOW_MS).unwrap();
    }
    let error = till.trip(BUDGET, teller, NOW_MS).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "TILL_TRIPS");
    let other = SpendKey::root(&SecretKey::from_seed([9; 32]));
    till.trip(BUDGET, other.chain(), NOW_MS).unwrap();
    assert!(is_killed(&mut till, &of_budget(2)), "others have their own share");
    let life_ms = u64::try_from((PROVIDER_KEY_LIFE + CLOCK_SKEW).as_millis()).unwrap();
    let late = budget(TILL_TRIPS);
    assert!(till.trip(late, teller, NOW_MS + life_ms - 1).is_err());
    let (_, writes) = till.trip(late, teller, NOW_MS + life_ms).unwrap();
    assert_eq!(writes.len(), TILL_TRIPS + 1);
}

#[test]
fn a_key_of_a_budget_tells_of_that_one_alone_and_an_ended_one_of_none() {
    let (mut till, other) = (till(), BudgetId::from_bytes([8; 32]));
    let (key, twin) = (of_budget(2), of_budget(5));
    let times = (NOW_MS, ENDS_MS);
    let below = key.issue([3; 32], micros(50), times).unwrap();
    // Whoever has a key can make one of any budget below it.
    let made = key.issue_for(other, [4; 32], micros(50), times).unwrap();
    for (teller, budget) in [(&key, other), (&below, other), (&made, other), (&made, BUDGET)] {
        let error = till.trip(budget, teller.chain(), NOW_MS).unwrap_err();
        assert_eq!(error.kind, Kind::Denied);
    }
    assert!(!is_killed(&mut till, &twin), "nobody stopped it yet");
    till.end(key.chain(), NOW_MS).unwrap();
    for teller in [&key, &below] {
        let error = till.trip(BUDGET, teller.chain(), NOW_MS).unwrap_err();
        assert_eq!(error.kind, Kind::Killed);
    }
    assert!(!is_killed(&mut till, &twin));
    till.trip(BUDGET, twin.chain(), NOW_MS).unwrap();
    assert!(is_killed(&mut till, &twin));
    till.trip(other, root().chain(), NOW_MS).unwrap();
}

fn seed(index: usize) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(index as u64).to_be_bytes());
    seed
}

/// Another key, by its number, below one.
fn child(parent: &SpendKey, index: usize) -> SpendKey {
    parent.issue(seed(index), micros(1), (NOW_MS, ENDS_MS)).unwrap()
}

/// Ends keys below one until there is no room; how many.
fn flood(till: &mut Till, parent: &SpendKey) -> (usize, Vec<Write>) {
    let mut rows = Vec::new();
    for index in 0..TILL_LINKS + 2 {
        match till.end(child(parent, index).chain(), NOW_MS) {
            Ok((_, _, writes)) => rows.extend(writes),
            Err(error) => {
                assert_eq!((error.kind, error.code.as_str()), (Kind::Busy, "links"));
                return (index, rows);
            }
        }
    }
    panic!("there is no end");
}

#[test]
fn whoever_ends_keys_without_number_keeps_no_neighbour_out() {
    let mut till = till();
    let node = root().issue([6; 32], micros(100), (NOW_MS, ENDS_MS)).unwrap();
    let mut rows = till.rows(root().chain().root, &[]);
    let call = |till: &mut Till, seed: u8| {
        let key = node.issue_for(BUDGET, [seed; 32], micros(1), (NOW_MS, ENDS_MS)).unwrap();
        let (id, writes) = till.reserve(key.chain(), micros(1), NOW_MS)?;
        Ok::<_, crate::Error>((key, [writes, till.commit(id, micros(1)).unwrap().1].concat()))
    };
    let (hog, writes) = call(&mut till, 1).unwrap();
    rows.extend(writes);
    let (ended, writes) = flood(&mut till, &hog);
    rows.extend(writes);
    let left = TILL_LINKS - 2 - ended;
    assert!(ended > 0 && ended <= left / TILL_LINK_SHARE + 1, "{ended}, {left} left");
    for till in [&mut till, &mut again(&rows)] {
        // One below a key below it is one below it.
        let deep = child(&child(&hog, 0), 1);
        let error = till.end(deep.chain(), NOW_MS).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "TILL_LINK_SHARE");
        let (other, _) = call(till, 2).unwrap();
        assert!(flood(till, &other).0 > ended / 2, "each has a share of what is left");
    }
    // The key that a node was given fills the room but for a part, in which its neighbour pays.
    assert!(flood(&mut till, &node).0 > TILL_LINKS / 2);
    assert!(call(&mut till, 3).is_err());
    let neighbour = child(&root(), 1);
    for index in 0..TILL_LINKS / TILL_LINK_SHARE / 2 {
        let key = child(&neighbour, index);
        let (id, _) = till.reserve(key.chain(), micros(0), NOW_MS).unwrap();
        till.commit(id, micros(0)).unwrap();
        till.end(key.chain(), NOW_MS).unwrap();
    }
    // What lives no more makes room, and counts for nobody.
    let times = (ENDS_MS, 2 * ENDS_MS);
    let late = root().issue([3; 32], micros(9), times).unwrap();
    for index in 0..TILL_LINKS / 2 {
        let key = late.issue(seed(index), micros(1), times).unwrap();
        till.end(key.chain(), ENDS_MS).unwrap();
    }
    assert_eq!(till.accounts().len(), 2 + TILL_LINKS / 2);
    let below = |key: &SpendKey| till.links.get(&key.chain().links[0].id).map(|link| link.below);
    assert_eq!((below(&late), below(&node)), (Some(TILL_LINKS / 2), None));
}
