//! How much of one node, and of all, is kept.

use super::support::{HOUR, NOW, directory, id, node, show};
use crate::directory::Source;
use crate::directory::entry::{Entry, Stamp};
use crate::error::Kind;
use crate::identity::{AgentId, NodeKey};
use crate::limits;
use crate::wire::{record, v1};
use prost::Message;

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
    assert_eq!(show(1, 1).to(&mut all, Source::Spread, NOW), "too_large/");
    assert_eq!(show(1, 2).to(&mut all, Source::Member, NOW), "ok");
}

/// An agent as its file shows it, with signatures that nobody looks at.
fn filed(seed: u64) -> v1::AgentAnnouncement {
    let mut key = [3; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    let record = |kind: &str, body: Vec<u8>| {
        let record = v1::Record {
            kind: kind.to_owned(),
            version: record::VERSION,
            key: key.to_vec().into(),
            seq: NOW,
            issued_at_ms: NOW,
            expires_at_ms: NOW + HOUR,
            body: body.into(),
        };
        let signature = vec![0; 64].into();
        v1::SignedRecord { signed: record.encode_to_vec().into(), signature }
    };
    let body = v1::Descriptor { name: format!("agent-{seed}"), ..v1::Descriptor::default() };
    let descriptor = record("descriptor", body.encode_to_vec());
    let hosting = v1::Hosting {
        node_key: node(1).to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..v1::Hosting::default()
    };
    let hosting = record("hosting", hosting.encode_to_vec());
    v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
}

#[test]
fn as_many_agents_as_a_node_hosts_are_known_from_its_file() {
    let mut all = directory();
    let most = limits::HOSTED_AGENTS as u64;
    let mut shown: Vec<_> = (0..most).map(filed).collect();
    let announced = all.replace(Source::Folder, node(1), &shown, NOW);
    assert_eq!((announced.taken, announced.refused.len()), (limits::HOSTED_AGENTS, 0));
    // One that comes in the place of another has its room.
    shown[0] = filed(most);
    let announced = all.replace(Source::Folder, node(1), &shown, NOW);
    assert_eq!((announced.taken, announced.refused.len()), (limits::HOSTED_AGENTS, 0));
    // One above the bound is refused alone.
    shown.push(filed(most + 1));
    let announced = all.replace(Source::Folder, node(1), &shown, NOW);
    assert_eq!((announced.taken, announced.refused.len()), (limits::HOSTED_AGENTS, 1));
    assert_eq!(announced.refused[0].error.limit.as_ref().unwrap().name, "MEMBER_RECORDS");
    assert_eq!(all.agents_of(&node(1)), limits::HOSTED_AGENTS);
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
fn a_directory_holds_a_bounded_number_of_agents() {
    let mut all = directory();
    assert_eq!(show(1, 1).to(&mut all, Source::Member, NOW), "ok");
    let first = &all.entries[&id(1)];
    let (name, descriptor) = (first.name.clone(), first.descriptor.clone());
    for n in 1..limits::DIRECTORY_AGENTS as u64 {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        let entry = Entry {
            id: AgentId::from_bytes(key),
            name: name.clone(),
            descriptor: descriptor.clone(),
            stamp: Stamp { seq: 1, digest: [0; 32] },
            issued_at_ms: NOW,
            evidence: None,
            hosts: std::collections::BTreeMap::new(),
        };
        all.entries.insert(entry.id, entry);
    }
    assert_eq!(all.len(), limits::DIRECTORY_AGENTS);
    assert_eq!(show(2, 1).to(&mut all, Source::Member, NOW), "too_large/");
    assert_eq!(show(2, 1).to(&mut all, Source::Folder, NOW), "too_large/");
    // One that is known stays, and may be shown by another node.
    let renewed = super::support::Show { seq: NOW + 1, ..show(1, 1) };
    assert_eq!(renewed.to(&mut all, Source::Member, NOW), "ok");
    assert_eq!(show(1, 2).to(&mut all, Source::Member, NOW), "ok");
}
