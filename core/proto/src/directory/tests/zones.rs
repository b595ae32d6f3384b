//! What an agent says of where it is, against what the token of its node states.

use super::support::{NOW, Show, directory, find, id, node, show};
use crate::directory::Source;
use serde_json::json;

/// An agent at node 1 that says it is there.
fn at(seed: u64, zone: &str) -> Show {
    let mut shown = show(seed, 1);
    shown.descriptor.zones.push(zone.to_owned());
    shown
}

#[test]
fn an_agent_is_in_no_zone_that_the_token_of_its_node_does_not_state() {
    for source in [Source::Folder, Source::Member, Source::Spread, Source::External] {
        let mut all = directory();
        assert_eq!(show(1, 1).to(&mut all, source, NOW), "ok");
        assert_eq!(at(2, "eu").to(&mut all, source, NOW), "denied/zone");
        assert!(find(&mut all, json!({"zone": "eu"})).is_empty());
        all.zoned(node(1), vec!["eu".to_owned()]);
        assert_eq!(at(2, "eu").to(&mut all, source, NOW), "ok");
        assert_eq!(at(3, "us").to(&mut all, source, NOW), "denied/zone");
        assert_eq!(find(&mut all, json!({"zone": "eu"})), [id(2)]);
    }
    let mut all = directory();
    assert_eq!(at(2, "eu").to(&mut all, Source::Own, NOW), "ok", "the own node knows its token");
}

#[test]
fn what_the_token_of_a_node_states_is_forgotten_with_the_node() {
    let mut all = directory();
    all.zoned(node(1), vec!["eu".to_owned()]);
    assert_eq!(at(2, "eu").to(&mut all, Source::Member, NOW), "ok");
    all.gone(&node(1), NOW);
    assert_eq!(at(3, "eu").to(&mut all, Source::Member, NOW), "denied/zone");
    all.zoned(node(1), vec!["eu".to_owned()]);
    all.zoned(node(1), Vec::new());
    assert_eq!(at(4, "eu").to(&mut all, Source::Member, NOW), "denied/zone");
}
