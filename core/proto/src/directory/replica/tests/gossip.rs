//! What is passed on, to whom, and what is suspected.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests look for one of many messages")]

use super::support::{One, UNIX, Word, agent, brief, node, push, sent, word};
use crate::directory::replica::{Brief, Input, Loss, Message, Nearness, Output, RowKey, Suspect};
use crate::limits::{self, ms};

const NOW: u64 = 200_000;

fn flushed(one: &mut One) -> Vec<(crate::identity::NodeKey, Message<Word>)> {
    sent(one.input(Input::Tick, NOW + ms(limits::GOSSIP_BATCH)))
}

#[test]
fn what_is_new_goes_to_a_few_and_not_back_to_who_brought_it() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    let new = word(RowKey::Agent(agent(1), node(2)), UNIX);
    let first = one.heard(3, push(std::slice::from_ref(&new), 4), NOW);
    assert!(sent(first).is_empty(), "it waits for others");
    let told = flushed(&mut one);
    let pushed: Vec<_> = told.iter().filter(|(_, m)| matches!(m, Message::Push(_))).collect();
    assert!((limits::GOSSIP_FAN_OUT - 1..=limits::GOSSIP_FAN_OUT).contains(&pushed.len()));
    assert!(pushed.iter().all(|(to, _)| *to != node(3)));
    assert!(matches!(&pushed[0].1, Message::Push(carried) if carried[0].hops == 5));
    one.heard(4, push(&[new], 0), NOW + 1_000);
    assert!(one.all.waiting()[0] == 0, "known: it is passed on once");
}

#[test]
fn what_is_new_is_offered_to_some_more_and_what_is_renewed_is_not() {
    let mut one = One::new();
    for n in 2..40 {
        one.input(Input::Linked(node(n), Nearness::Far), 0);
        one.pushed(&[word(RowKey::Node(node(n)), UNIX)], 0);
    }
    one.until_quiet(0);
    one.input(Input::Tick, NOW);
    let key = RowKey::Agent(agent(1), node(1));
    for (seq, pushed, offered) in [
        (UNIX, limits::GOSSIP_FAN_OUT, limits::GOSSIP_OFFERS),
        (UNIX + 1, 0, limits::GOSSIP_FAN_OUT),
    ] {
        one.input(Input::Publish(vec![word(RowKey::Node(node(1)), UNIX), word(key, seq)]), NOW);
        let told = flushed(&mut one);
        let is_of = |row: &Brief| row.name == brief(&word(key, seq)).name;
        let pushes = told.iter().filter(|(_, m)| matches!(m, Message::Push(_))).count();
        let offers = told.iter().filter(|(_, m)| match m {
            Message::Offer(rows) => rows.iter().any(is_of),
            _ => false,
        });
        assert_eq!((pushes, offers.count()), (pushed, offered));
    }
}

#[test]
fn what_came_a_long_way_goes_no_further() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    let new = |n| word(RowKey::Agent(agent(n), node(2)), UNIX);
    one.heard(3, push(&[new(1)], limits::GOSSIP_HOPS - 1), NOW);
    assert_eq!(one.all.waiting()[0], 0);
    one.heard(3, push(&[new(2)], limits::GOSSIP_HOPS - 2), NOW);
    assert_eq!(one.all.waiting()[0], 1);
}

#[test]
fn what_is_renewed_is_offered_and_given_to_who_asks() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    let key = RowKey::Agent(agent(1), node(2));
    one.heard(3, push(&[word(key, UNIX)], 0), NOW - 1_000);
    one.input(Input::Tick, NOW - 500);
    one.heard(3, push(&[word(key, UNIX + 9)], 0), NOW);
    let told = flushed(&mut one);
    let mut offers = told.iter().filter_map(|(to, message)| match message {
        Message::Offer(rows) => Some((*to, rows[0])),
        _ => None,
    });
    let (to, offered) = offers.next().expect("it is offered");
    assert_eq!(offered, brief(&word(key, UNIX + 9)));
    let answer = sent(one.input(Input::Heard(to, Message::Ask(vec![offered.name])), NOW + 60));
    let given = |m: &Message<Word>| matches!(m, Message::Answer(records) if records.len() == 1);
    assert!(answer.iter().any(|(_, message)| given(message)));
    // What is offered here is asked for once, if it is newer.
    let newest = brief(&word(key, UNIX + 10));
    let mut asks = |from, row: Brief, now| {
        let said = sent(one.heard(from, Message::Offer(vec![row]), now));
        said.iter().any(|(_, m)| matches!(m, Message::Ask(names) if *names == [row.name]))
    };
    assert!(asks(4, newest, NOW + 70) && !asks(5, newest, NOW + 71));
    assert!(asks(5, newest, NOW + 3_000), "it did not come");
    assert!(!asks(4, brief(&word(key, UNIX + 9)), NOW + 5_000), "it is known");
}

#[test]
fn who_reads_the_folder_of_this_machine_is_not_told_of_what_lies_there() {
    for (nearness, told) in [(Nearness::Near, false), (Nearness::Far, true)] {
        let mut one = One::new();
        one.input(Input::Linked(node(2), nearness), 0);
        one.until_quiet(0);
        one.input(Input::Tick, NOW);
        one.input(Input::Publish(vec![word(RowKey::Node(node(1)), UNIX)]), NOW);
        let pushed = flushed(&mut one).iter().any(|(_, m)| matches!(m, Message::Push(_)));
        assert_eq!(pushed, told, "{nearness:?}");
    }
}

#[test]
fn what_was_taken_back_is_told_to_all_since_it_lies_in_no_folder() {
    for nearness in [Nearness::Near, Nearness::Far] {
        for key in [RowKey::Left(agent(1), node(1)), RowKey::Ended(*node(1).as_bytes())] {
            let mut one = One::new();
            one.input(Input::Linked(node(2), nearness), 0);
            one.until_quiet(0);
            one.input(Input::Tick, NOW);
            one.input(Input::Publish(vec![word(key, UNIX)]), NOW);
            let pushed = flushed(&mut one).iter().any(|(_, m)| matches!(m, Message::Push(_)));
            assert!(pushed, "{nearness:?} {key:?}");
        }
    }
}

#[test]
fn an_agent_that_comes_before_its_node_is_asked_for_with_its_node() {
    let mut one = One::linked();
    let stranger = word(RowKey::Agent(agent(1), node(77)), UNIX);
    let asked = sent(one.heard(3, push(&[stranger], 0), NOW));
    let asked = asked.into_iter().find_map(|(to, message)| match message {
        Message::Ask(names) => Some((to, names.len())),
        _ => None,
    });
    assert_eq!(asked, Some((node(3), 2)));
}

#[test]
fn a_link_that_breaks_is_a_hint_which_a_later_record_clears() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    assert!(!one.all.is_suspected(&node(2)));
    one.input(Input::Unlinked(node(2), Loss::Broken), NOW);
    assert!(one.all.is_suspected(&node(2)) && one.seq(RowKey::Node(node(2))).is_some());
    let told = flushed(&mut one);
    let suspects = [Suspect { node: node(2), seq: UNIX }];
    let hints = told.iter().filter(|(_, m)| matches!(m, Message::Suspects(s) if *s == suspects));
    assert_eq!(hints.count(), limits::GOSSIP_FAN_OUT);
    let cleared = one.heard(3, push(&[word(RowKey::Node(node(2)), UNIX + 1)], 0), NOW + 100);
    assert!(cleared.iter().any(|output| matches!(output, Output::Returned(of) if *of == node(2))));
    // A hint about an earlier record says nothing any more.
    one.heard(3, Message::Suspects(suspects.to_vec()), NOW + 100);
    assert!(!one.all.is_suspected(&node(2)));
}

#[test]
fn a_node_that_never_was_reached_is_suspected_here_alone_and_a_closed_link_is_no_hint() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    one.input(Input::Unlinked(node(2), Loss::Closed), NOW);
    assert!(!one.all.is_suspected(&node(2)));
    one.input(Input::Unlinked(node(2), Loss::Unreached), NOW);
    assert!(one.all.is_suspected(&node(2)) && one.all.waiting()[4] == 0);
    one.input(Input::Linked(node(2), Nearness::Far), NOW);
    assert!(!one.all.is_suspected(&node(2)));
    // Who is connected knows better.
    one.heard(3, Message::Suspects(vec![Suspect { node: node(2), seq: UNIX }]), NOW);
    assert!(!one.all.is_suspected(&node(2)));
}

#[test]
fn who_is_connected_to_a_node_that_others_suspect_lets_it_know_once() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    let hint = Message::Suspects(vec![Suspect { node: node(2), seq: UNIX }]);
    let told = [(node(2), hint.clone())];
    assert_eq!(sent(one.heard(3, hint.clone(), NOW)), told);
    assert_eq!(sent(one.heard(4, hint.clone(), NOW)), []);
    // Under a later record it is suspected anew.
    one.pushed(&[word(RowKey::Node(node(2)), UNIX + 1)], NOW);
    assert_eq!(sent(one.heard(4, hint, NOW)), [], "it has said since that it lives");
    let later = Message::Suspects(vec![Suspect { node: node(2), seq: UNIX + 1 }]);
    assert_eq!(sent(one.heard(4, later.clone(), NOW)), [(node(2), later)]);
}

#[test]
fn a_new_link_hears_who_is_suspected() {
    for (nearness, hears) in [(Nearness::Far, true), (Nearness::Near, false)] {
        let mut one = One::linked();
        one.input(Input::Tick, NOW);
        one.input(Input::Unlinked(node(2), Loss::Broken), NOW);
        one.until_quiet(NOW);
        let told = sent(one.input(Input::Linked(node(99), nearness), NOW + 200_000));
        let hint = Message::Suspects(vec![Suspect { node: node(2), seq: UNIX }]);
        assert_eq!(told.contains(&(node(99), hint)), hears, "{nearness:?}");
    }
}

#[test]
fn a_node_that_cannot_be_dialled_from_here_is_no_lost_one_and_not_compared_with() {
    let mut one = One::new();
    for n in [2, 3] {
        one.pushed(&[word(RowKey::Node(node(n)), UNIX)], 0);
    }
    let compares = |one: &mut One, from_ms: u64| {
        let rounds = (0..100).map(|round| from_ms + round * ms(limits::REPAIR_ROUND) * 2);
        let all = rounds.flat_map(|at| sent(one.input(Input::Tick, at)));
        let all = all.filter(|(_, message)| matches!(message, Message::Compare(_)));
        all.map(|(to, _)| to).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(compares(&mut one, 100).len(), 2);
    // Those of an hour ago are over.
    for n in [2, 3] {
        let later = word(RowKey::Node(node(n)), UNIX + 5_000_000);
        one.pushed(std::slice::from_ref(&later), 5_000_000);
    }
    let told = one.input(Input::Unlinked(node(2), Loss::NoWay), 5_000_000);
    assert!(!told.iter().any(|output| matches!(output, Output::Suspected(_))));
    assert!(!one.all.is_suspected(&node(2)));
    assert_eq!(compares(&mut one, 5_000_100).into_iter().collect::<Vec<_>>(), [node(3)]);
}

#[test]
fn a_node_that_others_suspect_says_that_it_lives_but_not_all_the_time() {
    let mut one = One::linked();
    let hint = || Message::Suspects(vec![Suspect { node: node(1), seq: UNIX }]);
    let refutes = |outputs: Vec<Output<_>>| {
        outputs.iter().filter(|output| matches!(output, Output::Refute)).count()
    };
    assert_eq!(refutes(one.heard(3, hint(), NOW)), 1);
    assert_eq!(refutes(one.heard(4, hint(), NOW + ms(limits::REFUTE) - 1)), 0);
    assert_eq!(refutes(one.heard(4, hint(), NOW + ms(limits::REFUTE))), 1);
}

#[test]
fn what_others_suspect_a_moment_later_is_refuted_as_soon_as_it_may_be() {
    let mut one = One::linked();
    one.input(Input::Publish(vec![word(RowKey::Node(node(1)), UNIX)]), NOW);
    let hint = |seq| Message::Suspects(vec![Suspect { node: node(1), seq }]);
    let refutes = |outputs: Vec<Output<_>>| {
        outputs.iter().filter(|output| matches!(output, Output::Refute)).count()
    };
    let again = NOW + ms(limits::REFUTE);
    assert_eq!(refutes(one.heard(3, hint(UNIX), NOW)), 1);
    one.input(Input::Publish(vec![word(RowKey::Node(node(1)), UNIX + 5)]), NOW);
    assert_eq!(refutes(one.heard(4, hint(UNIX), NOW + 100)), 0);
    assert_eq!(refutes(one.input(Input::Tick, again)), 0, "it was late: that is refuted");
    assert_eq!(refutes(one.heard(4, hint(UNIX + 5), again)), 1);
    assert_eq!(refutes(one.heard(3, hint(UNIX + 5), again + 1)), 0);
    let due = again + ms(limits::REFUTE);
    assert!(one.all.poll_timeout().unwrap() <= due, "it wants to be woken for it");
    assert_eq!(refutes(one.input(Input::Tick, due)), 1);
}

#[test]
fn a_suspicion_of_a_number_that_no_record_has_says_nothing() {
    let mut one = One::linked();
    one.input(Input::Tick, NOW);
    one.input(Input::Unlinked(node(2), Loss::Closed), NOW);
    let ahead = UNIX + NOW + ms(limits::CLOCK_SKEW) + 1;
    let hint = |n, seq| Message::Suspects(vec![Suspect { node: node(n), seq }]);
    for (seq, counts) in [(u64::MAX, false), (ahead, false), (UNIX, true)] {
        one.heard(3, hint(2, seq), NOW);
        assert_eq!(one.all.is_suspected(&node(2)), counts, "{seq}");
        let said = one.heard(3, hint(1, seq), NOW);
        let refutes = said.iter().any(|output| matches!(output, Output::Refute));
        assert_eq!(refutes, counts, "{seq}");
    }
}
