//! Two replicas that compare, and who compares with whom.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests look for one of many messages")]

use super::support::{One, UNIX, Word, agent, at, brief, key, node, push, sent, word};
use crate::directory::replica::{Input, Loss, Message, Nearness, Replica, RowKey, Span};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::BTreeMap;

fn named(n: u64) -> One {
    One { all: Replica::new(node(n), n, at(0)), proved: 0 }
}

/// Connects two replicas and carries what they say until they fall silent; gives the number of
/// messages by name.
fn meet(one: &mut One, other: &mut One, steady_ms: u64) -> BTreeMap<&'static str, usize> {
    let (first, second) = (one.all.own, other.all.own);
    let mut way: Vec<(NodeKey, Message<Word>)> =
        sent(one.input(Input::Linked(second, Nearness::Far), steady_ms));
    way.extend(sent(other.input(Input::Linked(first, Nearness::Far), steady_ms)));
    let mut counts = BTreeMap::new();
    while !way.is_empty() {
        for (to, message) in std::mem::take(&mut way) {
            *counts.entry(message.name()).or_default() += 1;
            let (receiver, from) =
                if to == first { (&mut *one, second) } else { (&mut *other, first) };
            way.extend(sent(receiver.input(Input::Heard(from, message), steady_ms)));
        }
    }
    counts
}

fn filled(n: u64, rows: std::ops::Range<u64>) -> One {
    let mut one = named(n);
    let words: Vec<Word> = rows.map(|n| word(RowKey::Ended(key(n)), UNIX)).collect();
    one.pushed(&words, 0);
    one
}

#[test]
fn two_that_hold_the_same_say_two_words() {
    let counts = meet(&mut filled(1, 0..500), &mut filled(2, 0..500), 0);
    assert_eq!(counts, BTreeMap::from([("compare", 1), ("buckets", 1)]));
}

#[test]
fn two_halves_become_one_whole_and_only_what_differs_is_sent() {
    let (mut one, mut other) = (filled(1, 0..1_500), filled(2, 1_400..3_000));
    meet(&mut one, &mut other, 0);
    assert_eq!((one.all.len(), other.all.len()), (3_000, 3_000));
    assert_eq!(one.all.sum(), other.all.sum());
    assert_eq!(one.all.counts().known + other.all.counts().known, 0);
    let (mut one, mut other) = (filled(1, 0..1_000), filled(2, 0..1_000));
    other.pushed(&[word(RowKey::Ended(key(7)), UNIX + 1)], 0);
    let counts = meet(&mut one, &mut other, 0);
    assert_eq!(one.seq(RowKey::Ended(key(7))), Some(UNIX + 1));
    assert_eq!((counts["rows"], counts["answer"]), (1, 1));
}

#[test]
fn who_knows_nothing_is_given_all_of_it_piece_by_piece() {
    let mut other = filled(2, 0..4_000);
    let mut one = named(1);
    let counts = meet(&mut one, &mut other, 0);
    assert_eq!(one.all.len(), 4_000);
    let each = limits::GOSSIP_FRAME_BYTES * limits::REPAIR_FRAMES / 1_000;
    assert!(counts["rows"] >= 4_000 / each, "{counts:?}");
}

#[test]
fn a_listing_and_its_answer_are_bounded() {
    let mut one = filled(1, 0..5_000);
    let everything = || vec![Span { from: 0, to: u128::MAX }];
    let ask = Message::Rows { spans: everything(), rows: Vec::new() };
    let answer = sent(one.heard(2, ask, 0));
    let records = answer.iter().filter(|(_, m)| matches!(m, Message::Answer(_))).count();
    assert_eq!(records, limits::REPAIR_FRAMES);
    let rest = answer.iter().find_map(|(_, message)| match message {
        Message::Wants { rest, .. } => Some(rest.len()),
        _ => None,
    });
    assert_eq!(rest, Some(1));
    // The own listing, of a bucket after the other.
    let mut one = filled(1, 0..5_000);
    let begins = sent(one.input(Input::Linked(node(2), Nearness::Far), 0));
    assert!(matches!(begins[..], [(_, Message::Compare(_))]));
    let listed = sent(one.heard(2, Message::Buckets(vec![0; 256]), 0));
    let Some((_, Message::Rows { rows, spans })) = listed.into_iter().next() else {
        panic!("it lists what it has")
    };
    assert_eq!(rows.len(), limits::REPAIR_ROWS);
    assert!(spans.last().unwrap().to < u128::MAX);
}

#[test]
fn what_was_too_fast_is_compared_again_a_second_later() {
    let (mut one, mut other) = (named(1), named(2));
    other.pushed(&[word(RowKey::Node(node(9)), UNIX)], 0);
    let most = u64::from(limits::MEMBER_RECORDS_PER_S) + 100;
    let words = (0..most).map(|n| word(RowKey::Agent(agent(n), node(9)), UNIX)).collect();
    other.input(Input::Folder(words), 0);
    meet(&mut one, &mut other, 0);
    assert_eq!(one.all.len(), 1_001);
    one.input(Input::Unlinked(node(2), Loss::Closed), 0);
    let again = sent(one.input(Input::Tick, 1_000));
    assert!(matches!(again[..], [(to, Message::Compare(_))] if to == node(2)), "{again:?}");
}

#[test]
fn three_members_a_minute_are_compared_with_whether_connected_or_not() {
    let mut one = named(1);
    for n in 2..40 {
        one.pushed(&[word(RowKey::Node(node(n)), UNIX)], 0);
    }
    let round = ms(limits::REPAIR_ROUND);
    let (mut partners, mut now) = (Vec::new(), 0);
    while now < 60 * round {
        now = one.all.poll_timeout().unwrap().max(now + 1);
        let begun = sent(one.input(Input::Tick, now));
        partners.extend(begun.into_iter().map(|(to, _)| to));
    }
    assert!((54..=70).contains(&partners.len()), "{}", partners.len());
    partners.sort();
    partners.dedup();
    assert!(partners.len() > 15, "by chance");
}

#[test]
fn a_silent_member_holds_nobody_up_and_an_endless_one_neither() {
    let mut one = filled(1, 0..10);
    one.input(Input::Linked(node(2), Nearness::Far), 0);
    one.input(Input::Linked(node(3), Nearness::Far), 0);
    let patience = ms(limits::REPAIR_PATIENCE);
    assert!(sent(one.input(Input::Tick, patience - 1)).iter().all(|(to, _)| *to != node(3)));
    let next = sent(one.input(Input::Tick, patience));
    assert!(next.iter().any(|(to, m)| *to == node(3) && matches!(m, Message::Compare(_))));
    // Member 3 always has more to say.
    one.heard(3, Message::Buckets(vec![1; 256]), patience);
    let endless = || Message::Wants { names: vec![], rest: vec![Span { from: 0, to: u128::MAX }] };
    one.input(Input::Linked(node(4), Nearness::Far), patience);
    let mut now = patience;
    let mut turned = false;
    while now < patience + ms(limits::REPAIR_LIFE) + 2_000 {
        now += 1_000;
        let said = sent(one.heard(3, endless(), now));
        turned |= said.iter().any(|(to, m)| *to == node(4) && matches!(m, Message::Compare(_)));
    }
    assert!(turned);
}

#[test]
fn a_row_that_is_held_in_a_later_form_is_given_and_not_wanted() {
    let mut one = named(1);
    let key = RowKey::Ended(key(5));
    one.heard(2, push(&[word(key, UNIX + 5)], 0), 0);
    for (seq, given, wanted) in [(4, 1, 0), (5, 0, 0), (6, 0, 1)] {
        let rows = vec![brief(&word(key, UNIX + seq))];
        let spans = vec![Span { from: 0, to: u128::MAX }];
        let said = sent(one.heard(2, Message::Rows { spans, rows }, 0));
        let answers = said.iter().filter(|(_, m)| matches!(m, Message::Answer(_))).count();
        let wants = said.iter().find_map(|(_, message)| match message {
            Message::Wants { names, .. } => Some(names.len()),
            _ => None,
        });
        assert_eq!((answers, wants), (given, Some(wanted)), "{seq}");
    }
}

#[test]
fn a_member_that_is_lost_is_waited_for_no_longer() {
    for (loss, next) in [(Loss::Closed, 0), (Loss::Broken, 1), (Loss::Unreached, 1)] {
        let mut one = filled(1, 0..10);
        one.input(Input::Linked(node(2), Nearness::Far), 0);
        one.input(Input::Linked(node(3), Nearness::Far), 0);
        let said = sent(one.input(Input::Unlinked(node(2), loss), 1));
        let begun = |(to, m): &&(NodeKey, Message<Word>)| {
            *to == node(3) && matches!(m, Message::Compare(_))
        };
        assert_eq!(said.iter().filter(begun).count(), next, "{loss:?}");
    }
}
