//! What is stored of signed records: time, numbers, keys, and what stays gone.

use super::support::{HOUR, NOW, Show, directory, find, id, key, node, show};
use crate::directory::{Directory, Source, WatchEvent};
use crate::identity::Target;
use crate::query::Query;
use crate::wire::record::{self, Term};
use crate::wire::v1;
use serde_json::json;
use std::time::Duration;

#[test]
fn an_expired_record_is_neither_stored_nor_served() {
    let mut all = directory();
    let old = Show { expires_at_ms: NOW, issued_at_ms: NOW - HOUR, ..show(1, 1) };
    assert_eq!(old.to(&mut all, Source::Member, NOW), "expired/expired");
    assert!(all.is_empty());
    assert_eq!(show(2, 1).to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(all.poll_timeout(), Some(NOW + HOUR));
    // Not served at its end, even before the timer ran; gone after it.
    assert!(all.find(&Query::default(), NOW + HOUR).is_empty());
    assert_eq!(all.len(), 1);
    all.handle_timeout(NOW + HOUR);
    assert!(all.is_empty() && all.agents_of(&node(1)) == 0);
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let ahead = |minutes: u64| {
        let at = NOW + minutes * 60_000;
        Show { issued_at_ms: at, expires_at_ms: at + HOUR, ..show(1, 1) }
    };
    assert_eq!(ahead(10).to(&mut directory(), Source::Member, NOW), "expired/not_yet_valid");
    assert_eq!(ahead(4).to(&mut directory(), Source::Member, NOW), "ok");
    assert_eq!(ahead(10).to(&mut directory(), Source::Folder, NOW), "expired/not_yet_valid");
    let number = Show { seq: u64::MAX, ..show(1, 1) };
    assert_eq!(number.to(&mut directory(), Source::Member, NOW), "conflict/seq_ahead");
}

#[test]
fn life_is_bounded_whatever_is_signed() {
    let mut all = directory();
    let long = Show { expires_at_ms: NOW + 1_000 * HOUR, ..show(1, 1) };
    assert_eq!(long.to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(all.poll_timeout(), Some(NOW + 24 * HOUR));
}

#[test]
fn the_higher_number_stands() {
    let mut all = directory();
    let version = |seq: u64, version: &str| {
        let mut show = Show { seq, ..show(1, 1) };
        show.descriptor.version = version.to_owned();
        show
    };
    assert_eq!(version(NOW + 2, "2").to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(version(NOW + 1, "1").to(&mut all, Source::Member, NOW), "conflict/superseded");
    assert_eq!(version(NOW + 2, "2").to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(all.descriptor(&id(1)).unwrap().version, "2");
    assert_eq!(version(NOW + 3, "3").to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(all.descriptor(&id(1)).unwrap().version, "3");
    assert_eq!(all.len(), 1);
}

#[test]
fn two_records_of_one_number_are_kept_as_evidence() {
    let version = |version: &str| {
        let mut show = show(1, 1);
        show.descriptor.version = version.to_owned();
        show
    };
    // In either order the same one stands, and the second is told why.
    let mut standing = Vec::new();
    for (first, second) in [("a", "b"), ("b", "a")] {
        let mut all = directory();
        assert_eq!(version(first).to(&mut all, Source::Member, NOW), "ok");
        assert_eq!(version(second).to(&mut all, Source::Member, NOW), "conflict/equivocation");
        standing.push(all.descriptor(&id(1)).unwrap().version.clone());
        let evidence = all.evidence(&id(1));
        assert!(evidence.is_some_and(|[a, b]| a != b), "{evidence:?}");
    }
    assert_eq!(standing[0], standing[1]);
}

#[test]
fn a_record_under_another_key_is_refused() {
    let mut all = directory();
    let (one, other) = (show(1, 1).sign(), show(2, 1).sign());
    let mixed = v1::AgentAnnouncement { descriptor: other.descriptor, ..one };
    for source in [Source::Member, Source::Folder] {
        let announced = all.announce(source, node(1), std::slice::from_ref(&mixed), NOW);
        assert_eq!(announced.refused[0].error.code, "wrong_key");
    }
    // A Hosting shown by a node that it does not name.
    let foreign = show(1, 1).sign();
    let announced = all.announce(Source::Member, node(2), &[foreign], NOW);
    assert_eq!(announced.refused[0].error.code, "wrong_node");
    assert!(all.is_empty());
}

#[test]
fn a_forged_signature_never_gets_out() {
    let mut forged = show(1, 1).sign();
    let hosting = forged.hosting.as_mut().unwrap();
    let mut bytes = hosting.signature.to_vec();
    bytes[5] ^= 1;
    hosting.signature = bytes.into();
    let mut all = directory();
    let announced = all.announce(Source::Member, node(1), std::slice::from_ref(&forged), NOW);
    assert_eq!(announced.refused[0].error.code, "bad_signature");
    // From the folder it is only read at first, and falls when it is first used.
    for used in 0..4 {
        let watch = all.watch(Query::default()).unwrap();
        assert!(
            matches!(all.poll_watch(watch, NOW), Some(WatchEvent::Snapshot(all)) if all.is_empty())
        );
        if used != 3 {
            all.unwatch(watch);
        }
        let announced = all.announce(Source::Folder, node(1), std::slice::from_ref(&forged), NOW);
        assert_eq!((announced.taken, all.len()), (1, usize::from(used != 3)));
        match used {
            0 => assert!(all.find(&Query::default(), NOW).is_empty()),
            1 => assert!(all.resolve(&Target::Id(id(1)), NOW).is_err()),
            2 => assert!(!all.is_hosted(&id(1), &node(1), NOW)),
            _ => assert!(all.poll_watch(watch, NOW).is_none()),
        }
        assert!(all.is_empty());
    }
}

#[test]
fn what_was_opened_once_is_not_opened_again() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::Folder, NOW);
    let pending = |all: &Directory| all.entries[&id(1)].hosts[&node(1)].pending.is_some();
    assert!(pending(&all));
    assert_eq!(all.find(&Query::default(), NOW).len(), 1);
    assert!(!pending(&all));
    show(1, 1).to(&mut all, Source::Folder, NOW);
    assert!(!pending(&all));
    Show { seq: NOW + 1, ..show(1, 1) }.to(&mut all, Source::Folder, NOW);
    assert!(pending(&all));
}

#[test]
fn the_dead_stay_dead() {
    let mut all = directory();
    let later = Show { seq: NOW + 5, ..show(1, 1) };
    later.to(&mut all, Source::Member, NOW);
    let tombstone = |seq: u64| {
        let term = Term { seq, issued_at_ms: NOW, expires_at_ms: NOW + HOUR };
        record::sign(&key(1), term, &v1::Tombstone::default()).unwrap()
    };
    assert_eq!(all.bury(&tombstone(NOW + 4), NOW).unwrap_err().code, "superseded");
    assert_eq!(all.bury(&tombstone(NOW + 6), NOW), Ok(id(1)));
    assert!(all.is_empty());
    // Shown again by another peer, and after every record of that time has ended.
    let elsewhere = Show { node: node(2), ..later.clone() };
    assert_eq!(elsewhere.to(&mut all, Source::Member, NOW), "conflict/superseded");
    all.handle_timeout(NOW + 2 * HOUR);
    let fresh = Show { expires_at_ms: NOW + 3 * HOUR, ..later };
    assert_eq!(fresh.to(&mut all, Source::Member, NOW + 2 * HOUR), "conflict/superseded");
    let equal = Show { seq: NOW + 6, ..fresh.clone() };
    assert_eq!(equal.to(&mut all, Source::Member, NOW + 2 * HOUR), "conflict/superseded");
    let back = Show { seq: NOW + 7, ..fresh };
    assert_eq!(back.to(&mut all, Source::Member, NOW + 2 * HOUR), "ok");
    all.handle_timeout(NOW + 27 * HOUR);
    assert_eq!(all.poll_timeout(), Some(NOW + 51 * HOUR));
}

#[test]
fn an_old_record_does_not_bring_back_who_left() {
    let mut all = directory();
    let first = show(1, 1);
    let second = Show { seq: NOW + 1, ..show(1, 1) };
    second.to(&mut all, Source::Member, NOW);
    all.hide(&node(1), &[(id(1), u64::MAX)], NOW);
    assert_eq!(first.to(&mut all, Source::Member, NOW), "conflict/superseded");
    // The last one may be shown again: the agent only left this node.
    assert_eq!(second.to(&mut all, Source::Member, NOW), "ok");
}

#[test]
fn what_takes_an_earlier_hosting_back_leaves_the_later_one() {
    let mut all = directory();
    let second = Show { seq: NOW + 1, ..show(1, 1) };
    show(1, 1).to(&mut all, Source::Member, NOW);
    second.to(&mut all, Source::Member, NOW);
    all.hide(&node(1), &[(id(1), NOW)], NOW);
    assert_eq!(all.len(), 1, "words of another connection, which came late");
    all.hide(&node(1), &[(id(1), NOW + 1)], NOW);
    assert!(all.is_empty());
}

#[test]
fn a_node_takes_its_own_hosting_back_and_nobody_elses() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::Member, NOW);
    Show { node: key(2).node_key(), ..show(1, 1) }.to(&mut all, Source::Member, NOW);
    let left = |seed: u64, seq: u64| {
        let term = Term { seq, issued_at_ms: NOW, expires_at_ms: NOW + HOUR };
        let body = v1::Tombstone { agent: id(1).to_wire(), ..Default::default() };
        record::sign(&key(seed), term, &body).unwrap()
    };
    let hosts = |all: &Directory| all.entries.get(&id(1)).map_or(0, |entry| entry.hosts.len());
    all.bury(&left(9, NOW), NOW).unwrap();
    assert_eq!(hosts(&all), 2, "it hosts no such agent");
    all.bury(&left(2, NOW - 1), NOW).unwrap();
    assert_eq!(hosts(&all), 2, "a later hosting stands");
    assert_eq!(all.bury(&left(2, NOW), NOW), Ok(id(1)));
    assert_eq!(hosts(&all), 1);
}

#[test]
fn a_transient_agent_leaves_no_row() {
    let mut all = directory();
    let brief = brief(1);
    assert_eq!(brief.to(&mut all, Source::Member, NOW), "ok");
    all.gone(&node(1), NOW);
    assert_eq!(all.poll_timeout(), None);
    assert_eq!(brief.to(&mut all, Source::Folder, NOW), "ok");
    all.handle_timeout(NOW + 60_000);
    assert_eq!((all.len(), all.poll_timeout()), (0, None), "its records end by themselves");
    assert_eq!(brief.to(&mut all, Source::Member, NOW), "ok");
    let term = Term { seq: 1, ..Term::starting(NOW, Duration::from_secs(60)) };
    let dead = |seed| record::sign(&key(seed), term, &v1::Tombstone::default()).unwrap();
    all.bury(&dead(1), NOW).unwrap();
    assert_eq!((all.len(), all.poll_timeout()), (0, None));
    all.bury(&dead(2), NOW).unwrap();
    assert!(all.poll_timeout().is_some(), "of any other a row is kept");
}

#[test]
fn a_transient_agent_is_never_renewed() {
    let mut all = directory();
    let brief = brief(1);
    let renewed = |seq, issued_at_ms: u64, life_ms| {
        let expires_at_ms = issued_at_ms + life_ms;
        Show { seq, issued_at_ms, expires_at_ms, ..brief.clone() }
    };
    assert_eq!(brief.to(&mut all, Source::Member, NOW), "ok");
    let later = NOW + 20_000;
    for source in [Source::Own, Source::Folder, Source::Member] {
        let numbered = renewed(NOW, later, 60_000).to(&mut all, source, later);
        assert_eq!(numbered, "content/transient_term");
        let long = renewed(0, later, 60_001).to(&mut all, source, later);
        assert_eq!(long, "content/transient_term");
        let again = renewed(0, later, 60_000).to(&mut all, source, later);
        assert_eq!(again, "conflict/equivocation");
    }
    assert_eq!(renewed(0, NOW, 60_000).to(&mut all, Source::Member, later), "ok", "the same");
}

#[test]
fn an_agent_at_a_node_is_found_there_alone() {
    let mut all = directory();
    assert_eq!(show(1, 1).to(&mut all, Source::Member, NOW), "ok");
    let mut at = |n| {
        let target = Target::At { agent: id(1), node: node(n) };
        all.resolve(&target, NOW).map(|found| found.node).map_err(|error| error.kind)
    };
    assert_eq!((at(1), at(2)), (Ok(node(1)), Err(crate::error::Kind::NotFound)));
}

fn brief(seed: u64) -> Show {
    let mut brief = Show { seq: 0, expires_at_ms: NOW + 60_000, ..show(seed, 1) };
    brief.descriptor.transient = true;
    brief
}

#[test]
fn a_folder_says_everything_and_a_connection_adds() {
    let mut all = directory();
    let sign = |seeds: &[u64]| -> Vec<v1::AgentAnnouncement> {
        seeds.iter().map(|seed| show(*seed, 1).sign()).collect()
    };
    all.replace(Source::Folder, node(1), &sign(&[1, 2, 3]), NOW);
    all.announce(Source::Member, node(1), &sign(&[3, 4]), NOW);
    assert_eq!(all.len(), 4);
    // 3 is still shown on the connection, 4 was never in the folder.
    all.replace(Source::Folder, node(1), &sign(&[1]), NOW);
    let mut left = find(&mut all, json!({}));
    left.sort_unstable();
    let mut expected = vec![id(1), id(3), id(4)];
    expected.sort_unstable();
    assert_eq!(left, expected);
    all.hide(&node(1), &[(id(1), u64::MAX), (id(9), u64::MAX)], NOW);
    assert_eq!(all.len(), 2);
    all.gone(&node(1), NOW);
    assert!(all.is_empty() && all.ends.is_empty() && all.nodes.is_empty());
}

#[test]
fn what_members_pass_on_of_a_node_in_the_folder_ends_with_its_file() {
    let mut all = directory();
    assert_eq!(show(1, 1).to(&mut all, Source::Spread, NOW), "ok");
    assert_eq!(show(2, 2).to(&mut all, Source::Spread, NOW), "ok");
    assert!(all.find(&Query::default(), NOW).iter().all(|found| found.is_member));
    all.replace(Source::Folder, node(1), &[show(1, 1).sign(), show(3, 1).sign()], NOW);
    assert_eq!(all.len(), 3);
    all.replace(Source::Folder, node(1), &[], NOW);
    assert_eq!(find(&mut all, json!({})), [id(2)], "that of another node stays");
}

#[test]
fn signatures_of_what_members_pass_on_are_looked_at_where_it_was_taken() {
    let mut forged = show(1, 1).sign();
    forged.hosting.as_mut().unwrap().signature = vec![0; 64].into();
    for (source, taken) in [(Source::Spread, 1), (Source::Member, 0)] {
        let announced = directory().announce(source, node(1), &[forged.clone()], NOW);
        assert_eq!(announced.taken, taken, "{source:?}");
    }
}
