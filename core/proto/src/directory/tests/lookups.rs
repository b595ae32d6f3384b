//! Who a name, an address or an id means.

use super::support::{NOW, Show, directory, id, mesh, node, show};
use crate::directory::Source;
use crate::error::Kind;
use crate::identity::{Address, MeshId, Target};
use crate::limits;

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
