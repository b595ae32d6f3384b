//! What the engine is told of relays, without an engine.

use super::relay_url::RelayUrl;
use super::relays::{Relaying, Relays};
use crate::chance::now_ms;
use crate::mesh::Listen;
use hubless_proto::limits;
use std::sync::Arc;

fn url(name: &str) -> RelayUrl {
    format!("https://{name}.example").parse().unwrap()
}

fn relays(named: &[&str]) -> Relays {
    let urls = named.iter().map(|name| url(name)).collect();
    let pass = Arc::new(|| Ok(vec![1, 2, 3]));
    let relaying = Relaying { urls, roots: None, pass, may_reach: |_| true };
    Relays::new(&relaying, &Listen::All)
}

#[test]
fn a_relay_of_others_is_spelled_anew_when_it_was_in_vain_for_long() {
    let relays = relays(&["own"]);
    let theirs = url("theirs");
    let first = relays.ways(std::slice::from_ref(&theirs)).0.pop();
    let spelled = relays.spelling(&theirs).unwrap();
    relays.failed(&theirs, now_ms());
    assert_eq!(relays.spelling(&theirs), Some(spelled.clone()), "it may still come to something");
    assert_eq!(relays.ways(std::slice::from_ref(&theirs)).0.pop(), first);
    relays.failed(&theirs, now_ms() + 60_000);
    assert_ne!(relays.spelling(&theirs), Some(spelled));
    // One of its own is the watchdog's.
    let own = relays.spelling(&url("own"));
    relays.failed(&url("own"), now_ms() + 60_000);
    assert_eq!(relays.spelling(&url("own")), own);
}

#[test]
fn relays_of_others_are_told_for_as_long_as_they_are_lent() {
    let relays = relays(&["own"]);
    let (ways, lent) = relays.ways(&[url("theirs"), url("own")]);
    assert_eq!((ways.len(), relays.known()), (2, 2));
    drop(lent);
    assert_eq!(relays.known(), 1, "the engine cannot choose it");
}

#[test]
fn so_many_relays_of_others_are_remembered_and_the_oldest_makes_room() {
    let relays = relays(&["own"]);
    let own = relays.spelling(&url("own"));
    let many: Vec<_> = (0..100).map(|number| url(&format!("r{number}"))).collect();
    for one in &many {
        relays.ways(std::slice::from_ref(one));
    }
    let remembered = many.iter().filter(|one| relays.spelling(one).is_some()).count();
    assert_eq!(remembered, 64);
    assert!(relays.spelling(&many[99]).is_some());
    assert_eq!(relays.spelling(&url("own")), own);
}

#[test]
fn a_relay_that_was_left_is_no_way_until_it_is_begun_anew_with() {
    let relays = relays(&["a", "b"]);
    assert_eq!(relays.ways(&[]).0.len(), limits::NODE_RELAYS / 2);
    let left = relays.spelling(&url("a")).unwrap();
    relays.forget_for_tests(&left);
    assert_eq!(relays.ways(&[]).0.len(), 1);
    let (anew, told) = relays.spell_anew(&url("a"));
    assert_ne!(anew, left);
    assert!(told.auth_token.is_some() && told.quic.is_none());
}

#[test]
fn addresses_are_asked_for_by_udp_while_there_is_a_connection() {
    let relays = relays(&["a", "b"]);
    assert!(relays.discover().is_some(), "both are asked from now on");
    assert!(relays.discover().is_none(), "once");
    relays.hush();
    assert!(relays.discover().is_some(), "again, when one is connected to");
}
