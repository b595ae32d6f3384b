//! What watchers are told.

use super::support::{NOW, Show, directory, id, node, query, show};
use crate::directory::{Directory, Source, WatchEvent, WatchId};
use crate::error::Kind;
use crate::limits;
use crate::query::{Health, Query};
use crate::wire::v1;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

fn told(event: Option<WatchEvent>) -> String {
    match event {
        None => "nothing".to_owned(),
        Some(WatchEvent::Snapshot(all)) => format!("snapshot {}", all.len()),
        Some(WatchEvent::Arrived(found)) => format!("arrived {}", found.descriptor.name),
        Some(WatchEvent::Changed(found)) => format!("changed {}", found.descriptor.version),
        Some(WatchEvent::Departed { name, .. }) => format!("departed {name}"),
        Some(WatchEvent::Lagged(missed)) => format!("lagged {missed}"),
    }
}

#[test]
fn watchers_are_told_what_comes_changes_and_goes() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::Member, NOW);
    let watch = all.watch(query(json!({"filter": {"field": "name", "op": "exists"}}))).unwrap();
    let tagged = all.watch(query(json!({"tags": ["x"]}))).unwrap();
    assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 1");
    assert_eq!(told(all.poll_watch(tagged, NOW)), "snapshot 0");
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    show(2, 1).to(&mut all, Source::Folder, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "arrived agent-2");
    // A renewal says nothing; a change does, and may be an arrival for another watcher.
    Show { seq: NOW + 1, ..show(2, 1) }.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    let mut changed = Show { seq: NOW + 2, ..show(2, 1) };
    changed.descriptor.version = "2".to_owned();
    changed.descriptor.tags = vec!["x".to_owned()];
    changed.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "changed 2");
    assert_eq!(told(all.poll_watch(tagged, NOW)), "arrived agent-2");
    Show { seq: NOW + 3, ..show(2, 1) }.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(tagged, NOW)), "departed agent-2");
    all.gone(&node(1), NOW);
    let mut gone = vec![told(all.poll_watch(watch, NOW)), told(all.poll_watch(watch, NOW))];
    gone.push(told(all.poll_watch(watch, NOW)));
    assert_eq!(gone[0], "changed ");
    assert!(gone[1].starts_with("departed") && gone[2].starts_with("departed"));
    all.unwatch(watch);
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
}

#[test]
fn what_an_agent_says_of_its_health_is_told_and_orders_what_is_found() {
    let mut all = directory();
    for seed in [1, 2] {
        show(seed, 1).to(&mut all, Source::Member, NOW);
    }
    let any = || query(json!({"filter": {"field": "name", "op": "exists"}}));
    let watch = all.watch(any()).unwrap();
    assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 2");
    let mut seq = NOW;
    for (ill, well) in [(1, 2), (2, 1)] {
        for health in [Health::Suspect, Health::Down] {
            seq += 1;
            Show { seq, health, ..show(ill, 1) }.to(&mut all, Source::Member, NOW);
            assert_eq!(told(all.poll_watch(watch, NOW)), "changed ", "{health:?}");
            let found: Vec<_> = all.find(&any(), NOW).into_iter().map(|one| one.id).collect();
            assert_eq!(found, [id(well), id(ill)], "{health:?}");
            // A renewal that says the same tells nobody.
            seq += 1;
            Show { seq, health, ..show(ill, 1) }.to(&mut all, Source::Member, NOW);
            assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
        }
        seq += 1;
        Show { seq, ..show(ill, 1) }.to(&mut all, Source::Member, NOW);
        assert_eq!(told(all.poll_watch(watch, NOW)), "changed ");
    }
    // Of two nodes that host it, the one where it is not down is asked.
    Show { seq: seq + 1, ..show(1, 2) }.to(&mut all, Source::Member, NOW);
    let first = all.hosts(&id(1), NOW)[0];
    let down = Show { seq: seq + 2, health: Health::Down, ..show(1, 1) };
    Show { node: first, ..down }.to(&mut all, Source::Member, NOW);
    assert_ne!(all.hosts(&id(1), NOW)[0], first);
    assert_eq!(all.hosts(&id(1), NOW).len(), 2);
}

#[test]
fn a_slow_watcher_is_told_that_it_lags_and_gets_a_snapshot() {
    let mut all = directory();
    let watch = all.watch(Query::default()).unwrap();
    all.poll_watch(watch, NOW);
    for n in 0..limits::WATCH_BACKLOG as u64 / 2 + 2 {
        show(1, 1).to(&mut all, Source::Member, NOW + n);
        all.hide(&node(1), &[(id(1), u64::MAX)], NOW + n);
    }
    show(2, 1).to(&mut all, Source::Member, NOW);
    let lagged = limits::WATCH_BACKLOG + 5;
    assert_eq!(told(all.poll_watch(watch, NOW)), format!("lagged {lagged}"));
    assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 1");
    all.gone(&node(1), NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "departed agent-2");
    for _ in 1..limits::WATCHERS {
        all.watch(Query::default()).unwrap();
    }
    assert_eq!(all.watch(Query::default()).unwrap_err().kind, Kind::Busy);
}

/// A directory of four agents more than a snapshot has room for, with the numbers of all.
fn crowd() -> (Directory, RangeInclusive<u64>) {
    let (mut all, many) = (directory(), 1..=limits::FIND_LIMIT as u64 + 4);
    for seed in many.clone() {
        show(seed, 1).to(&mut all, Source::Folder, NOW);
    }
    (all, many)
}

/// Takes the snapshot of a watcher; gives the four that had no room in it.
fn left_out(all: &mut Directory, watch: WatchId, many: RangeInclusive<u64>) -> [u64; 4] {
    let Some(WatchEvent::Snapshot(told_of)) = all.poll_watch(watch, NOW) else { panic!() };
    let known: BTreeSet<_> = told_of.iter().map(|found| found.id).collect();
    let mut rest = many.filter(|seed| !known.contains(&id(*seed)));
    let left = [(); 4].map(|()| rest.next().unwrap());
    assert_eq!((known.len(), rest.next()), (limits::FIND_LIMIT, None));
    left
}

/// What a watcher is told next, sorted, and that nothing comes after it.
fn arrivals<const N: usize>(all: &mut Directory, watch: WatchId) -> [String; N] {
    let mut arrived = [(); N].map(|()| told(all.poll_watch(watch, NOW)));
    arrived.sort();
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    arrived
}

fn arrived<const N: usize>(mut seeds: [u64; N]) -> [String; N] {
    seeds.sort_by_key(u64::to_string);
    seeds.map(|seed| format!("arrived agent-{seed}"))
}

#[test]
fn what_has_no_room_in_a_snapshot_arrives_after_it() {
    let (mut all, many) = crowd();
    let any = query(json!({"filter": {"field": "name", "op": "exists"}}));
    let watch = all.watch(any).unwrap();
    let [leaves, changes, one, other] = left_out(&mut all, watch, many);
    // One of the rest goes, and one says something new, before they were told of.
    all.hide(&node(1), &[(id(leaves), u64::MAX)], NOW);
    let mut changed = Show { seq: NOW + 1, ..show(changes, 1) };
    changed.descriptor.version = "2".to_owned();
    changed.to(&mut all, Source::Folder, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), format!("arrived agent-{changes}"));
    assert_eq!(arrivals(&mut all, watch), arrived([one, other]));
}

#[test]
fn what_meets_a_text_and_has_no_room_in_a_snapshot_arrives_after_it() {
    let (mut all, many) = crowd();
    // One that the text does not mean is not among the rest either.
    let mut stranger = show(many.end() + 1, 1);
    stranger.descriptor.name = "stranger".to_owned();
    stranger.to(&mut all, Source::Folder, NOW);
    let watch = all.watch(query(json!({"text": "any agent"}))).unwrap();
    let [leaves, changes, one, other] = left_out(&mut all, watch, many);
    // One of the rest goes, and one is called otherwise, before they were told of.
    all.hide(&node(1), &[(id(leaves), u64::MAX)], NOW);
    let mut changed = Show { seq: NOW + 1, ..show(changes, 1) };
    changed.descriptor.name = format!("robot-{changes}");
    changed.to(&mut all, Source::Folder, NOW);
    assert_eq!(arrivals(&mut all, watch), arrived([one, other]));
    // Called as before, it arrives.
    Show { seq: NOW + 2, ..show(changes, 1) }.to(&mut all, Source::Folder, NOW);
    assert_eq!(arrivals(&mut all, watch), arrived([changes]));
}

#[test]
fn who_asks_what_is_accepted_is_told_when_the_document_comes() {
    let mut all = directory();
    let input = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let document = v1::SkillDocument { input_schema_json: input.to_string(), ..Default::default() };
    let digest = [7; 32];
    for seed in [1, 2] {
        let mut sum = show(seed, 1);
        sum.descriptor.skills = vec![v1::Skill {
            id: "sum".to_owned(),
            document_digest: bytes::Bytes::copy_from_slice(&digest),
            ..v1::Skill::default()
        }];
        sum.to(&mut all, Source::Member, NOW);
    }
    let asks = |kind: &str| {
        query(json!({"accepts": {"type": "object", "properties": {"a": {"type": kind}},
            "additionalProperties": false}}))
    };
    let (fits, another) = (all.watch(asks("integer")), all.watch(asks("string")));
    let (fits, another) = (fits.unwrap(), another.unwrap());
    let tagged = all.watch(query(json!({"tags": ["x"]}))).unwrap();
    for watch in [fits, another, tagged] {
        assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 0");
    }
    let before = all.changes();
    all.add_document(digest, &document, NOW);
    assert!(all.changes() > before, "who waits looks again");
    let mut arrived = [(); 2].map(|()| told(all.poll_watch(fits, NOW)));
    arrived.sort();
    assert_eq!(arrived, ["arrived agent-1", "arrived agent-2"]);
    all.add_document(digest, &document, NOW);
    for watch in [fits, another, tagged] {
        assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    }
}
