//! Rules of records, look-ups, answers, watchers.

use super::*;
use crate::error::Kind;
use crate::identity::{Address, AgentId, MeshId, Name, NodeKey, SecretKey, Target};
use crate::limits;
use crate::query::{Query, SignalName};
use crate::wire::record::{self, Term};
use crate::wire::v1;
use proptest::prelude::*;
use serde_json::json;

/// Unix time of the tests: late enough for numbers that are times.
const NOW: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

fn mesh() -> MeshId {
    MeshId::from_bytes([9; 32])
}

fn node(n: u8) -> NodeKey {
    NodeKey::from_bytes([n; 32])
}

fn directory() -> Directory {
    Directory::new(mesh(), node(0))
}

/// An agent as it is shown.
#[derive(Clone)]
struct Show {
    seed: u64,
    node: NodeKey,
    descriptor: v1::Descriptor,
    seq: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    priority: u32,
}

fn key(seed: u64) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SecretKey::from_seed(bytes)
}

fn id(seed: u64) -> AgentId {
    key(seed).agent_id()
}

fn show(seed: u64, at: u8) -> Show {
    let descriptor = v1::Descriptor { name: format!("agent-{seed}"), ..v1::Descriptor::default() };
    Show {
        seed,
        node: node(at),
        descriptor,
        seq: NOW,
        issued_at_ms: NOW,
        expires_at_ms: NOW + HOUR,
        priority: 0,
    }
}

impl Show {
    fn sign(&self) -> v1::AgentAnnouncement {
        let term = Term {
            seq: self.seq,
            issued_at_ms: self.issued_at_ms,
            expires_at_ms: self.expires_at_ms,
        };
        let key = key(self.seed);
        let descriptor = record::sign(&key, term, &self.descriptor).unwrap();
        let digest = record::digest(&descriptor.signed);
        let hosting = v1::Hosting {
            node_key: self.node.to_wire(),
            descriptor_digest: bytes::Bytes::copy_from_slice(&digest),
            priority: self.priority,
        };
        let hosting = record::sign(&key, term, &hosting).unwrap();
        v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
    }

    fn to(&self, directory: &mut Directory, source: Source, now_ms: u64) -> String {
        let announced = directory.announce(source, self.node, &[self.sign()], now_ms);
        match announced.refused.into_iter().next() {
            None => "ok".to_owned(),
            Some(refused) => format!("{}/{}", refused.error.kind, refused.error.code),
        }
    }
}

fn ids(found: &[Found]) -> Vec<AgentId> {
    found.iter().map(|found| found.id).collect()
}

fn query(value: serde_json::Value) -> Query {
    Query::read(value).unwrap()
}

fn find(directory: &mut Directory, value: serde_json::Value) -> Vec<AgentId> {
    ids(&directory.find(&query(value), NOW))
}

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
fn one_address_of_two_keys_is_ambiguous() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::Member, NOW);
    show(2, 1).to(&mut all, Source::Member, NOW);
    let address = Address::new(&mesh(), &id(1));
    assert_eq!(all.resolve(&Target::Address(address), NOW).unwrap().id, id(1));
    // 48 bits cannot be made to collide here in time, so the index is told of a collision.
    all.index.collide(address, id(2));
    let error = all.resolve(&Target::Address(address), NOW).unwrap_err();
    assert_eq!((error.kind, error.candidates.len()), (Kind::Ambiguous, 2));
}

#[test]
fn one_name_of_two_keys_is_ambiguous_and_a_replica_is_not() {
    let mut all = directory();
    let named = |seed, at| {
        let mut show = show(seed, at);
        show.descriptor.name = "same".to_owned();
        show
    };
    let target: Target = "same".parse().unwrap();
    assert_eq!(all.resolve(&target, NOW).unwrap_err().kind, Kind::NotFound);
    named(1, 1).to(&mut all, Source::Member, NOW);
    named(1, 2).to(&mut all, Source::Member, NOW);
    assert_eq!(all.resolve(&target, NOW).unwrap().id, id(1));
    assert_eq!(all.hosts(&id(1), NOW), [node(1), node(2)]);
    named(2, 3).to(&mut all, Source::Member, NOW);
    let error = all.resolve(&target, NOW).unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    assert!(error.candidates.contains(&id(1).to_string()));
    let elsewhere = format!("same@{}", MeshId::from_bytes([5; 32]));
    assert_eq!(all.resolve(&elsewhere.parse().unwrap(), NOW).unwrap_err().kind, Kind::NotFound);
    all.gone(&node(3), NOW);
    let own = format!("same@{}", mesh());
    assert_eq!(all.resolve(&own.parse().unwrap(), NOW).unwrap().id, id(1));
}

#[test]
fn a_node_has_one_agent_of_a_name_and_the_later_one_stands() {
    let mut all = directory();
    let named = |seed, at, seq| {
        let mut show = Show { seq, ..show(seed, at) };
        show.descriptor.name = "same".to_owned();
        show
    };
    let target: Target = "same".parse().unwrap();
    named(1, 1, NOW).to(&mut all, Source::Member, NOW);
    // Registered again with a fresh key, and told of before the end of the first is.
    assert_eq!(named(2, 1, NOW + 1).to(&mut all, Source::Folder, NOW), "ok");
    assert_eq!(all.resolve(&target, NOW).unwrap_or_else(|error| panic!("{error}")).id, id(2));
    assert_eq!((all.len(), all.agents_of(&node(1))), (1, 1));
    assert_eq!(named(1, 1, NOW).to(&mut all, Source::Member, NOW), "conflict/superseded");
    // Another node's agent of the name is another agent.
    assert_eq!(named(3, 2, NOW).to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(all.resolve(&target, NOW).unwrap_err().kind, Kind::Ambiguous);
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
    all.hide(&node(1), &[id(1)], NOW);
    assert_eq!(first.to(&mut all, Source::Member, NOW), "conflict/superseded");
    // The last one may be shown again: the agent only left this node.
    assert_eq!(second.to(&mut all, Source::Member, NOW), "ok");
}

#[test]
fn a_transient_agent_leaves_no_row() {
    let mut all = directory();
    let mut brief = Show { seq: 0, ..show(1, 1) };
    brief.descriptor.transient = true;
    assert_eq!(brief.to(&mut all, Source::Member, NOW), "ok");
    all.gone(&node(1), NOW);
    assert_eq!(all.poll_timeout(), None);
}

#[test]
fn one_node_cannot_crowd_out_the_others() {
    let mut all = directory();
    let sign = |seeds: std::ops::Range<u64>| -> Vec<v1::AgentAnnouncement> {
        seeds.map(|seed| show(seed, 1).sign()).collect()
    };
    let first = all.announce(Source::External, node(1), &sign(0..103), NOW);
    assert_eq!((first.taken, first.refused.len()), (100, 3));
    let limit = first.refused[0].error.limit.as_ref().unwrap();
    assert_eq!((limit.name.as_str(), limit.value), ("EXTERNAL_RECORDS", 100));
    assert_eq!(show(500, 2).to(&mut all, Source::Member, NOW), "ok");

    let mut all = directory();
    let many = sign(0..1_003);
    let first = all.announce(Source::Member, node(1), &many, NOW);
    assert_eq!((first.taken, first.refused.len()), (1_000, 3));
    assert_eq!(first.refused[0].error.kind, Kind::Busy);
    assert_eq!(show(5_000, 2).to(&mut all, Source::Member, NOW), "ok");
    // What is known already costs nothing, and the next second has room again.
    let again = all.announce(Source::Member, node(1), &many, NOW + 1_000);
    assert_eq!((again.taken, again.refused.len()), (1_003, 0));
}

#[test]
fn a_member_has_a_bounded_number_of_live_records() {
    let mut all = directory();
    let row = all.nodes.entry(node(1)).or_default();
    row.agents = (0..limits::MEMBER_RECORDS as u64)
        .map(|n| {
            let mut key = [3; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            AgentId::from_bytes(key)
        })
        .collect();
    assert_eq!(show(1, 1).to(&mut all, Source::Member, NOW), "too_large/");
    assert_eq!(show(1, 1).to(&mut all, Source::Folder, NOW), "too_large/");
    assert_eq!(show(1, 2).to(&mut all, Source::Member, NOW), "ok");
}

#[test]
fn a_directory_holds_a_bounded_number_of_nodes() {
    let mut all = directory();
    for n in 0..limits::DIRECTORY_NODES as u64 {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        all.nodes.entry(NodeKey::from_bytes(key)).or_default();
    }
    assert_eq!(show(1, 1).to(&mut all, Source::Member, NOW), "too_large/");
    assert!(all.is_empty() && all.ends.is_empty());
}

#[test]
fn an_answer_that_is_ambiguous_names_a_bounded_number() {
    let mut all = directory();
    for seed in 0..limits::CANDIDATES as u64 + 3 {
        let mut show = show(seed, u8::try_from(seed).unwrap());
        show.descriptor.name = "same".to_owned();
        show.to(&mut all, Source::Member, NOW);
    }
    let error = all.resolve(&"same".parse().unwrap(), NOW).unwrap_err();
    assert_eq!(error.candidates.len(), limits::CANDIDATES);
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
    all.hide(&node(1), &[id(1), id(9)], NOW);
    assert_eq!(all.len(), 2);
    all.gone(&node(1), NOW);
    assert!(all.is_empty() && all.ends.is_empty() && all.nodes.is_empty());
}

#[test]
fn answers_are_ranked_and_explained() {
    let mut all = directory();
    let described = |seed: u64, at: u8, text: &str| {
        let mut show = show(seed, at);
        show.descriptor.description = text.to_owned();
        show
    };
    described(1, 1, "renders charts as SVG").to(&mut all, Source::Member, NOW);
    described(2, 2, "renders charts as SVG").to(&mut all, Source::Member, NOW);
    described(3, 3, "translates prose").to(&mut all, Source::Member, NOW);
    all.signals_mut().round_trip(node(1), 90_000);
    all.signals_mut().round_trip(node(2), 100);
    let found = all.find(&query(json!("chart renderer")), NOW);
    assert_eq!(ids(&found), [id(2), id(1)]);
    let names: Vec<SignalName> = found[0].signals.iter().map(|signal| signal.name).collect();
    assert_eq!(names[0], SignalName::Text);
    let sum: f64 = found[0].signals.iter().map(|signal| signal.value * signal.weight).sum();
    assert!((found[0].score - (0.1 + 0.9 * sum)).abs() < 1e-9);
    assert_eq!(found[0].latency_us, Some(100));
    // Load, failures and outcomes turn the order round.
    all.signals_mut().load(id(2), 500);
    all.signals_mut().failure(id(2), NOW);
    assert_eq!(find(&mut all, json!("chart renderer")), [id(1), id(2)]);
    assert_eq!(find(&mut all, json!({"text": "chart", "limit": 1})), [id(1)]);
    assert_eq!(find(&mut all, json!({"exclude": [id(1).to_string()]})).len(), 2);
    assert_eq!(find(&mut all, json!("unheard of")), []);
}

#[test]
fn an_own_agent_is_the_nearest_and_a_pinned_one_the_most_trusted() {
    let mut all = directory();
    for (seed, at) in [(1, 1), (2, 0), (3, 3)] {
        show(seed, at).to(&mut all, if at == 0 { Source::Own } else { Source::Member }, NOW);
    }
    let first = all.find(&Query::default(), NOW).remove(0);
    assert_eq!((first.id, first.latency_us), (id(2), Some(0)));
    all.signals_mut().pin(id(3));
    all.signals_mut().round_trip(node(3), 0);
    assert_eq!(find(&mut all, json!({}))[0], id(3));
}

#[test]
fn hosts_stand_by_place_priority_and_round_trip() {
    let mut all = directory();
    for (at, priority) in [(1, 5), (2, 0), (3, 0), (0, 9)] {
        Show { priority, ..show(1, at) }.to(&mut all, Source::Member, NOW);
    }
    all.signals_mut().round_trip(node(3), 10);
    assert_eq!(all.hosts(&id(1), NOW), [node(0), node(3), node(2), node(1)]);
    assert_eq!(all.by_id(&id(1), NOW).unwrap().node, node(0));
    all.gone(&node(0), NOW);
    assert_eq!(all.by_id(&id(1), NOW).unwrap().node, node(3));
    assert!(all.is_hosted(&id(1), &node(2), NOW) && !all.is_hosted(&id(1), &node(0), NOW));
}

#[test]
fn external_agents_are_outside_the_mesh() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::External, NOW);
    show(2, 2).to(&mut all, Source::Member, NOW);
    assert_eq!(find(&mut all, json!({"mesh": mesh().to_string()})), [id(2)]);
    let found = all.find(&Query::default(), NOW);
    let member = |seed| found.iter().find(|found| found.id == id(seed)).unwrap().is_member;
    assert!(member(2) && !member(1));
}

#[test]
fn a_query_for_what_is_accepted_waits_for_the_document() {
    let mut all = directory();
    let document = v1::SkillDocument {
        id: "sum".to_owned(),
        input_schema_json: json!({"type": "object", "properties": {"a": {"type": "number"}}})
            .to_string(),
        ..v1::SkillDocument::default()
    };
    let mut sum = show(1, 1);
    let digest = [7; 32];
    sum.descriptor.skills = vec![v1::Skill {
        id: "sum".to_owned(),
        document_digest: bytes::Bytes::copy_from_slice(&digest),
        ..v1::Skill::default()
    }];
    sum.to(&mut all, Source::Member, NOW);
    let asks = query(json!({"accepts": {"type": "object",
        "properties": {"a": {"type": "integer"}}, "additionalProperties": false}}));
    assert!(all.find(&asks, NOW).is_empty());
    assert_eq!(all.missing_documents(&asks, NOW), [(node(1), digest)]);
    all.add_document(digest, &document);
    assert_eq!(ids(&all.find(&asks, NOW)), [id(1)]);
    assert!(all.missing_documents(&asks, NOW).is_empty());
}

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
fn a_slow_watcher_is_told_that_it_lags_and_gets_a_snapshot() {
    let mut all = directory();
    let watch = all.watch(Query::default()).unwrap();
    all.poll_watch(watch, NOW);
    for n in 0..limits::WATCH_BACKLOG as u64 / 2 + 2 {
        show(1, 1).to(&mut all, Source::Member, NOW + n);
        all.hide(&node(1), &[id(1)], NOW + n);
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

#[test]
fn ten_thousand_agents_are_looked_up_by_their_words_only() {
    let mut all = directory();
    let agents: Vec<v1::AgentAnnouncement> = (0..10_000)
        .map(|n| {
            let mut show = show(n, 1);
            show.descriptor.tags = vec![format!("tag{}", n % 1_000)];
            show.sign()
        })
        .collect();
    let announced = all.replace(Source::Folder, node(1), &agents, NOW);
    assert_eq!(announced.taken, 10_000);
    assert_eq!(find(&mut all, json!({"tags": ["tag77"]})).len(), 10);
    assert_eq!(find(&mut all, json!({"text": "tag77", "limit": 100})).len(), 10);
    let name: Name = "agent-4711".parse().unwrap();
    assert_eq!(all.by_name(&name), [id(4_711)]);
    // Only what was answered was opened.
    let opened = all.entries.values().flat_map(|entry| entry.hosts.values());
    assert_eq!(opened.filter(|host| host.pending.is_none()).count(), 10);
    all.gone(&node(1), NOW);
    assert!(all.is_empty() && all.ends.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Show { seed: u64, at: u8, seq: u64, folder: bool },
    Hide { seed: u64, at: u8 },
    Gone { at: u8 },
    Later { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..4, 1u8..4, 0u64..4, any::<bool>())
            .prop_map(|(seed, at, seq, folder)| Step::Show { seed, at, seq, folder }),
        1 => (0u64..4, 1u8..4).prop_map(|(seed, at)| Step::Hide { seed, at }),
        1 => (1u8..4).prop_map(|at| Step::Gone { at }),
        1 => (0u64..2 * HOUR).prop_map(|ms| Step::Later { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every index agrees with the entries, numbers never fall while an agent is known, nothing is
    /// served beyond its end, and a watcher that follows the events sees what a query answers.
    #[test]
    fn indexes_and_watchers_agree_with_the_entries(steps in prop::collection::vec(step(), 0..40)) {
        let mut all = directory();
        let watch = all.watch(Query { limit: 1_000, ..Query::default() }).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut now = NOW;
        for step in steps {
            let before: Vec<_> =
                all.entries.iter().map(|(id, entry)| (*id, entry.stamp.seq)).collect();
            match step {
                Step::Show { seed, at, seq, folder } => {
                    let source = if folder { Source::Folder } else { Source::Member };
                    Show { seq: NOW + seq, ..show(seed, at) }.to(&mut all, source, now);
                }
                Step::Hide { seed, at } => all.hide(&node(at), &[id(seed)], now),
                Step::Gone { at } => all.gone(&node(at), now),
                Step::Later { ms } => {
                    now += ms;
                    all.handle_timeout(now);
                }
            }
            for (id, seq) in before {
                prop_assert!(all.entries.get(&id).is_none_or(|entry| entry.stamp.seq >= seq));
            }
            let hosts: usize = all.entries.values().map(|entry| entry.hosts.len()).sum();
            prop_assert_eq!(all.ends.len(), hosts);
            let rows: usize = all.nodes.values().map(|row| row.agents.len()).sum();
            prop_assert_eq!(rows, hosts);
            for entry in all.entries.values() {
                prop_assert!(!entry.hosts.is_empty());
                prop_assert!(all.by_name(&entry.name).contains(&entry.id));
            }
            while let Some(event) = all.poll_watch(watch, now) {
                match event {
                    WatchEvent::Snapshot(all) => seen = all.iter().map(|found| found.id).collect(),
                    WatchEvent::Arrived(found) => prop_assert!(seen.insert(found.id)),
                    WatchEvent::Changed(found) => prop_assert!(seen.contains(&found.id)),
                    WatchEvent::Departed { id, .. } => prop_assert!(seen.remove(&id)),
                    WatchEvent::Lagged(_) => (),
                }
            }
            let answer = all.find(&Query { limit: 1_000, ..Query::default() }, now);
            let is_live = |found: &Found| all.hosts(&found.id, now).contains(&found.node);
            prop_assert!(answer.iter().all(is_live));
            let answer: std::collections::BTreeSet<_> =
                answer.iter().map(|found| found.id).collect();
            prop_assert_eq!(&answer, &seen);
        }
    }
}
