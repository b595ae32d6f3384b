//! The rules of signed records (SPEC 03; SPEC 10, R1 to R7).

use super::support::{HOUR, One, UNIX, agent, changed, forged, key, node, version, word};
use crate::directory::replica::{Input, Output, Removal, RowKey};
use crate::limits::{self, ms};

const NODE: fn() -> RowKey = || RowKey::Node(node(2));
const AGENT: fn() -> RowKey = || RowKey::Agent(agent(1), node(2));
const LEFT: fn() -> RowKey = || RowKey::Left(agent(1), node(2));

/// A replica that knows where node 2 is.
fn known() -> One {
    let mut one = One::new();
    assert_eq!(one.verdict(&word(NODE(), UNIX), 0), "new");
    one
}

#[test]
fn a_higher_number_stands_and_a_lower_one_is_ignored() {
    let mut one = known();
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 5), 0), "new");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 4), 0), "older");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 5), 0), "known");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 6), 0), "newer");
    assert_eq!(one.seq(AGENT()), Some(UNIX + 6));
    assert_eq!(one.proved, 3, "each that would stand, once");
}

#[test]
fn of_two_with_one_number_the_lower_digest_stands_and_both_are_evidence() {
    for [first, second] in [[2, 1], [1, 2]] {
        let mut one = known();
        let (first, second) = (version(AGENT(), UNIX, first), version(AGENT(), UNIX, second));
        one.verdict(&first, 0);
        assert_eq!(one.all.evidence(&AGENT()), None);
        assert_eq!(one.verdict(&forged(&second), 0), "unproven");
        assert_eq!(one.all.evidence(&AGENT()), None, "nobody is accused by a forgery");
        let lower = second.claim.digest < first.claim.digest;
        assert_eq!(one.verdict(&second, 0), if lower { "lower" } else { "equivocation" });
        assert_eq!(one.all.row(&AGENT()).unwrap().claim.digest[0], 1);
        assert!(one.all.evidence(&AGENT()).is_some());
    }
}

#[test]
fn times_are_checked_on_both_sides() {
    let mut one = known();
    let ahead =
        |ahead_ms: u64| changed(&word(AGENT(), UNIX), |claim| claim.issued_at_ms = UNIX + ahead_ms);
    assert_eq!(one.verdict(&ahead(ms(limits::CLOCK_SKEW) + 1), 0), "not_yet_valid");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + ms(limits::CLOCK_SKEW) + 1), 0), "not_yet_valid");
    let numbered = changed(&word(AGENT(), UNIX), |claim| claim.seq = u64::MAX);
    assert_eq!(one.verdict(&numbered, 0), "seq_ahead", "nobody is locked out by it");
    assert_eq!(one.verdict(&word(AGENT(), UNIX), HOUR), "expired");
    let mut one = known();
    let short = changed(&word(AGENT(), UNIX), |claim| claim.expires_at_ms = UNIX + 10);
    assert_eq!(one.verdict(&short, 10), "expired");
    assert_eq!(one.verdict(&ahead(ms(limits::CLOCK_SKEW)), 0), "new");
}

#[test]
fn a_record_ends_by_the_own_clock_and_after_a_day_at_most() {
    let mut one = known();
    let key = RowKey::Ended(key(5));
    let long = changed(&word(key, UNIX), |claim| claim.expires_at_ms = UNIX + 48 * HOUR);
    one.verdict(&long, 0);
    let day = ms(limits::RECORD_LIFE_MAX);
    one.input(Input::Tick, day - 1);
    assert!(one.seq(key).is_some());
    let outputs = one.input(Input::Tick, day);
    let ended =
        |output: &Output<_>| matches!(output, Output::Removed { why: Removal::Expired, .. });
    assert!(outputs.iter().any(ended) && one.seq(key).is_none());
    // With the record of a node ends what it hosts: nobody could reach it.
    let mut one = known();
    let long = changed(&word(AGENT(), UNIX), |claim| claim.expires_at_ms = UNIX + 2 * HOUR);
    one.verdict(&long, 0);
    one.input(Input::Tick, HOUR - 1);
    assert!(one.seq(AGENT()).is_some());
    one.input(Input::Tick, HOUR);
    assert!(one.seq(AGENT()).is_none() && one.all.is_empty());
}

#[test]
fn a_node_that_is_renewed_in_the_moment_in_which_it_ends_stays() {
    let mut one = known();
    one.verdict(&word(AGENT(), UNIX), 0);
    assert_eq!(one.verdict(&word(NODE(), UNIX + HOUR), HOUR), "new");
    assert_eq!((one.seq(NODE()), one.seq(AGENT())), (Some(UNIX + HOUR), None));
    assert_eq!(one.verdict(&word(AGENT(), UNIX + HOUR), HOUR), "new");
}

#[test]
fn what_was_taken_back_stays_dead_and_a_later_record_lives() {
    let mut one = known();
    one.verdict(&word(AGENT(), UNIX + 5), 0);
    assert_eq!(one.verdict(&word(LEFT(), UNIX + 5), 0), "new");
    assert_eq!(one.seq(AGENT()), None);
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 5), 0), "dead");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 6), 0), "new", "it is registered again");
    // The tombstone is over, and what it said is remembered.
    one.input(Input::Tick, HOUR + 100);
    assert_eq!((one.seq(LEFT()), one.seq(AGENT())), (None, None));
    one.verdict(&word(NODE(), UNIX + HOUR + 100), HOUR + 100);
    let late = changed(&word(AGENT(), UNIX + 5), |claim| claim.expires_at_ms = UNIX + 3 * HOUR);
    assert_eq!(one.verdict(&late, HOUR + 100), "dead");
    // The tombstone comes first.
    let mut one = known();
    one.verdict(&word(LEFT(), UNIX + 5), 0);
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 5), 0), "dead");
}

#[test]
fn a_node_that_ends_takes_its_agents_along_and_an_agent_its_places() {
    let mut one = known();
    one.verdict(&word(AGENT(), UNIX + 5), 0);
    one.verdict(&word(RowKey::Node(node(3)), UNIX), 0);
    let elsewhere = RowKey::Agent(agent(1), node(3));
    one.verdict(&word(elsewhere, UNIX + 5), 0);
    one.verdict(&word(RowKey::Ended(key(2)), UNIX + 5), 0);
    assert_eq!((one.seq(NODE()), one.seq(AGENT())), (None, None));
    assert_eq!(one.seq(elsewhere), Some(UNIX + 5), "another node hosts it");
    assert_eq!(one.verdict(&word(NODE(), UNIX + 5), 0), "dead");
    assert_eq!(one.verdict(&word(NODE(), UNIX + 6), 0), "new", "it was started again");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 5), 0), "dead");
    one.verdict(&word(RowKey::Ended(*agent(1).as_bytes()), UNIX + 9), 0);
    assert_eq!(one.seq(elsewhere), None);
    assert_eq!(one.verdict(&word(elsewhere, UNIX + 9), 0), "dead");
    assert_eq!(one.verdict(&word(AGENT(), UNIX + 10), 0), "new");
}

#[test]
fn a_transient_agent_of_a_node_that_was_started_again_lives_and_one_from_before_does_not() {
    let brief = |n, issued| {
        let word = word(RowKey::Agent(agent(n), node(2)), 0);
        changed(&word, |claim| claim.issued_at_ms = issued)
    };
    let seq = |one: &One, n| one.seq(RowKey::Agent(agent(n), node(2)));
    let ended = word(RowKey::Ended(key(2)), UNIX + 5);
    let mut one = known();
    one.verdict(&brief(1, UNIX + 4), 0);
    one.verdict(&ended, 0);
    assert_eq!(seq(&one, 1), None, "it was of the process that ended");
    assert_eq!(one.verdict(&word(NODE(), UNIX + 6), 0), "new");
    assert_eq!(one.verdict(&brief(2, UNIX + 4), 0), "dead");
    assert_eq!(one.verdict(&brief(3, UNIX + 7), 0), "new");
    // The last word of the earlier process comes after what the next one says.
    let mut one = known();
    one.verdict(&word(NODE(), UNIX + 6), 0);
    assert_eq!(one.verdict(&brief(3, UNIX + 7), 0), "new");
    one.verdict(&ended, 0);
    assert_eq!((one.seq(NODE()), seq(&one, 3)), (Some(UNIX + 6), Some(0)));
}

#[test]
fn an_agent_of_a_node_that_is_no_member_is_refused_and_asked_for_again() {
    let mut one = One::new();
    assert_eq!(one.verdict(&word(AGENT(), UNIX), 0), "not_member");
    assert_eq!(one.verdict(&forged(&word(NODE(), UNIX)), 0), "unproven");
    assert_eq!(one.verdict(&word(AGENT(), UNIX), 0), "not_member");
    assert_eq!(one.verdict(&word(NODE(), UNIX), 0), "new");
    assert_eq!(one.verdict(&word(AGENT(), UNIX), 0), "new");
}

#[test]
fn what_does_not_hold_is_looked_at_once_and_does_not_stand_in_the_way() {
    let mut one = known();
    let proved = one.proved;
    let forgery = forged(&word(AGENT(), UNIX));
    assert_eq!(one.verdict(&forgery, 0), "unproven");
    assert_eq!(one.verdict(&forgery, 0), "unproven");
    assert_eq!(one.proved, proved + 1);
    assert_eq!(one.verdict(&word(AGENT(), UNIX), 0), "new", "the same with its own signature");
}
