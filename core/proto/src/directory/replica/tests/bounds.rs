//! How much is kept, and of whom.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests look for one of many messages")]

use super::support::{HOUR, One, UNIX, agent, forged, key, node, push, version, word};
use crate::directory::replica::{Input, Message, Nearness, RowKey, Suspect};
use crate::limits::{self, ms};

fn full(one: &mut One, words: impl Iterator<Item = super::support::Word>, steady_ms: u64) {
    let words: Vec<_> = words.collect();
    one.pushed(&words, steady_ms);
}

#[test]
fn a_member_brings_so_many_new_records_a_second_and_others_are_not_held_up() {
    let mut one = One::new();
    for n in [2, 3] {
        one.verdict(&word(RowKey::Node(node(n)), UNIX), 0);
    }
    let of = |n: u64, host: u64| word(RowKey::Agent(agent(n), node(host)), UNIX);
    let most = u64::from(limits::MEMBER_RECORDS_PER_S);
    full(&mut one, (0..most).map(|n| of(n, 2)), 0);
    assert_eq!(one.all.len() as u64, most + 2);
    assert_eq!(one.verdict(&of(most, 2), 0), "rate");
    assert_eq!(one.verdict(&of(most, 3), 0), "new");
    assert_eq!(one.verdict(&of(most, 2), 1_000), "new");
}

#[test]
fn a_member_has_so_many_live_records() {
    let mut one = One::new();
    one.verdict(&word(RowKey::Node(node(2)), UNIX), 0);
    let most = limits::MEMBER_RECORDS as u64;
    // Those of the own folder are not counted by the second.
    let of = |n: u64| word(RowKey::Agent(agent(n), node(2)), UNIX);
    one.input(Input::Folder((1..most).map(of).collect()), 0);
    assert_eq!(one.all.len() as u64, most);
    assert_eq!(one.verdict(&of(most), 0), "quota");
    assert_eq!(one.verdict(&word(RowKey::Left(agent(1), node(2)), UNIX), 0), "new");
    assert_eq!(one.verdict(&word(RowKey::Node(node(3)), UNIX), 0), "new");
}

#[test]
fn the_ends_of_strangers_are_bounded() {
    let mut one = One::new();
    let most = limits::REPLICA_ENDED as u64;
    full(&mut one, (0..most).map(|n| word(RowKey::Ended(key(n)), UNIX)), 0);
    assert_eq!(one.verdict(&word(RowKey::Ended(key(most)), UNIX), 0), "full");
    // Who is known is not kept from saying that it is no more.
    for n in [2, 3] {
        one.verdict(&word(RowKey::Node(node(most + n)), UNIX), 0);
    }
    assert_eq!(one.verdict(&word(RowKey::Ended(key(most + 2)), UNIX), 0), "new");
    assert_eq!(one.all.strange.len(), limits::REPLICA_ENDED / 2);
    // Those that are over make room.
    assert_eq!(one.verdict(&word(RowKey::Ended(key(most)), UNIX + HOUR), HOUR), "new");
    assert_eq!(one.all.strange.len(), 1);
}

#[test]
fn what_a_node_took_back_takes_no_place_of_what_lives_and_ends_by_its_number() {
    let mut one = One::new();
    let most = limits::MEMBER_RECORDS as u64;
    let shown = |n| word(RowKey::Agent(agent(n), node(2)), UNIX);
    let left = |n: u64| word(RowKey::Left(agent(n), node(2)), UNIX + n);
    one.verdict(&word(RowKey::Node(node(2)), UNIX), 0);
    one.input(Input::Folder((1..=most).map(left).collect()), 0);
    assert_eq!(one.all.len() as u64, most + 1);
    assert_eq!(one.verdict(&shown(most + 1), 0), "new", "it has room for what lives");
    // One more: that which ends first makes room, and what ends before it finds none.
    assert_eq!(one.verdict(&left(0), 0), "quota");
    assert_eq!(one.verdict(&left(most + 1), 0), "new", "in the place of the agent");
    assert_eq!((one.seq(left(1).claim.key), one.all.len() as u64), (None, most + 1));
    assert_eq!(one.seq(shown(most + 1).claim.key), None);
    assert_eq!(one.verdict(&left(most + 2), 0), "new");
    assert_eq!((one.seq(left(2).claim.key), one.all.len() as u64), (None, most + 1));
    assert_eq!(one.verdict(&shown(1), 0), "dead", "what it took back stays so");
}

#[test]
fn forgeries_use_up_the_share_of_who_brings_them_and_of_nobody_else() {
    let mut one = One::linked();
    let now = 200_000;
    let of = |n: u64| word(RowKey::Agent(agent(n), node(2)), UNIX);
    let most = u64::from(limits::MEMBER_RECORDS_PER_S);
    let proved = one.proved;
    let forgeries: Vec<_> = (0..most + 9).map(|n| forged(&of(n))).collect();
    one.heard(3, push(&forgeries, 0), now);
    assert_eq!(one.proved - proved, forgeries.len() - 9, "no more of it is looked at");
    // Nor does what holds use up what others bring of the same node.
    let held: Vec<_> = (0..most).map(|n| of(n + 5_000)).collect();
    one.heard(4, push(&held, 0), now);
    assert_eq!(one.seq(of(5_000 + most - 1).claim.key), Some(UNIX));
    assert_eq!(one.verdict(&of(1), now), "new", "the node itself brings it");
    one.heard(3, push(&[of(2)], 0), now);
    assert_eq!(one.seq(of(2).claim.key), None, "its share is used up");
    one.heard(3, push(&[of(2)], 0), now + 1_000);
    assert_eq!(one.seq(of(2).claim.key), Some(UNIX));
}

#[test]
fn evidence_and_forgeries_are_remembered_up_to_a_number() {
    let mut one = One::new();
    let most = limits::REPLICA_EVIDENCE as u64;
    for n in 0..=most {
        let key = RowKey::Ended(key(n));
        one.pushed(&[version(key, UNIX, 1), version(key, UNIX, 2)], 0);
    }
    let known = (0..=most).filter(|n| one.all.evidence(&RowKey::Ended(key(*n))).is_some());
    assert_eq!(known.count() as u64, most);
    // Not all within one second.
    for n in 0..=limits::REPLICA_FORGED as u64 {
        one.pushed(&[forged(&word(RowKey::Ended(key(n + 1_000_000)), UNIX))], n);
    }
    assert_eq!(one.all.forged.len(), limits::REPLICA_FORGED);
}

#[test]
fn what_waits_to_be_passed_on_is_bounded_and_the_oldest_is_dropped() {
    let mut one = One::linked();
    let now = 200_000;
    one.input(Input::Tick, now);
    let most = limits::GOSSIP_QUEUE as u64;
    full(&mut one, (0..most + 3).map(|n| word(RowKey::Ended(key(n + 100)), UNIX)), now);
    assert_eq!((one.all.waiting()[0], one.all.counts().dropped), (limits::GOSSIP_QUEUE, 3));
}

#[test]
fn a_message_of_records_fits_into_a_frame() {
    let mut one = One::linked();
    let now = 200_000;
    one.input(Input::Tick, now);
    let words: Vec<_> = (0..200).map(|n| word(RowKey::Ended(key(n + 100)), UNIX)).collect();
    one.heard(2, push(&words, 0), now);
    let flushed = one.input(Input::Tick, now + ms(limits::GOSSIP_BATCH));
    let sizes =
        super::support::sent(flushed).into_iter().filter_map(|(_, message)| match message {
            Message::Push(carried) => Some(carried.len() * 1_000),
            _ => None,
        });
    let sizes: Vec<usize> = sizes.collect();
    assert!(sizes.len() > 3 && sizes.iter().all(|size| *size <= limits::GOSSIP_FRAME_BYTES));
}

#[test]
fn members_that_wait_and_offers_that_were_asked_for_are_bounded() {
    let mut one = One::new();
    for n in 2..limits::REPAIR_WAITING as u64 + 10 {
        one.input(Input::Linked(node(n), Nearness::Far), 0);
    }
    assert_eq!(one.all.waiting()[1], limits::REPAIR_WAITING);
    let most = limits::REPLICA_ASKED as u64 + 10;
    for first in (0..most).step_by(1_000) {
        let rows = (first..most.min(first + 1_000))
            .map(|n| super::support::brief(&word(RowKey::Ended(key(n)), UNIX)));
        one.heard(2, Message::Offer(rows.collect()), 0);
    }
    assert_eq!(one.all.waiting()[3], limits::REPLICA_ASKED);
}

#[test]
fn one_message_of_suspicions_counts_up_to_a_number() {
    let mut one = One::new();
    let most = limits::GOSSIP_SUSPECTS as u64;
    for n in 2..most + 4 {
        one.verdict(&word(RowKey::Node(node(n)), UNIX), 0);
    }
    let suspects = (2..most + 4).map(|n| Suspect { node: node(n), seq: UNIX }).collect();
    one.heard(2, Message::Suspects(suspects), 0);
    let suspected = (2..most + 4).filter(|n| one.all.is_suspected(&node(*n)));
    assert_eq!(suspected.count() as u64, most);
}
