//! The watchdog over scenes of what the engine and the relays say.

use super::watchdog::{Act, BACK, Look, Watchdog};
use crate::link::{Home, HomeState, RelayUrl};
use std::time::{Duration, Instant};

fn relay(name: &str) -> RelayUrl {
    format!("https://{name}.example").parse().unwrap()
}

fn home(name: &str, state: HomeState) -> Option<Home> {
    Some(Home { relay: relay(name), state })
}

/// A watchdog over relays, and the time since it began.
struct Scene {
    dog: Watchdog,
    began: Instant,
}

impl Scene {
    fn of(names: &[&str]) -> Self {
        let began = Instant::now();
        let relays: Vec<_> = names.iter().map(|name| relay(name)).collect();
        Self { dog: Watchdog::new(&relays, began), began }
    }

    fn at(&mut self, ms: u64, home: Option<&Home>, answers: &[&str]) -> Vec<Act> {
        self.doubted(ms, home, answers, false)
    }

    fn doubted(
        &mut self,
        ms: u64,
        home: Option<&Home>,
        answers: &[&str],
        doubted: bool,
    ) -> Vec<Act> {
        let answers: Vec<_> = answers.iter().map(|name| relay(name)).collect();
        let look = Look { home, answers: &answers, doubted };
        self.dog.look(look, self.began + Duration::from_millis(ms))
    }
}

use HomeState::{Connected, Connecting, Lost, Refused};

#[test]
fn a_relay_that_is_back_is_begun_anew_with_within_a_second() {
    let mut scene = Scene::of(&["a"]);
    assert!(scene.at(300, home("a", Connected).as_ref(), &[]).is_empty());
    let lost = home("a", Lost);
    assert_eq!(scene.at(1_000, lost.as_ref(), &[]), [Act::GiveUp(relay("a"))]);
    for ms in (2_000..30_000).step_by(1_000) {
        assert!(scene.at(ms, lost.as_ref(), &[]).is_empty(), "nobody answers");
    }
    assert!(scene.at(30_000, lost.as_ref(), &["a"]).is_empty(), "the engine may try by itself");
    assert_eq!(scene.at(30_600, lost.as_ref(), &["a"]), [Act::Renew(relay("a"))]);
    let fresh = home("a", Connecting);
    assert!(scene.at(30_900, fresh.as_ref(), &["a"]).is_empty());
    assert!(scene.at(31_000, home("a", Connected).as_ref(), &["a"]).is_empty());
    assert_eq!(scene.dog.pause(home("a", Connected).as_ref(), scene.began), None);
}

#[test]
fn a_relay_that_is_away_for_moments_is_left_to_the_engine_for_longer() {
    let mut scene = Scene::of(&["a"]);
    scene.at(300, home("a", Connected).as_ref(), &[]);
    let lost = home("a", Lost);
    scene.at(1_000, lost.as_ref(), &[]);
    for ms in [2_000, 2_500, 3_000, 3_400] {
        assert!(scene.at(ms, lost.as_ref(), &["a"]).is_empty(), "{ms}");
    }
    assert_eq!(scene.at(3_500, lost.as_ref(), &["a"]), [Act::Renew(relay("a"))]);
}

#[test]
fn a_relay_that_refuses_is_begun_anew_with_ever_more_seldom() {
    let mut scene = Scene::of(&["a"]);
    let refused = home("a", Refused("auth/expired".into()));
    let anew: Vec<u64> = (0..120_000)
        .step_by(250)
        .filter(|ms| scene.at(*ms, refused.as_ref(), &["a"]).contains(&Act::Renew(relay("a"))))
        .collect();
    assert_eq!(anew[0], 500, "{anew:?}");
    let pauses: Vec<u64> = anew.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.is_sorted() && pauses[0] >= 2_000 && anew.len() < 9, "{anew:?}");
}

#[test]
fn another_relay_takes_the_place_at_once_and_the_first_comes_back() {
    let mut scene = Scene::of(&["a", "b"]);
    assert!(scene.at(300, home("a", Connected).as_ref(), &[]).is_empty());
    let gone = scene.at(1_000, home("a", Lost).as_ref(), &["b"]);
    assert_eq!(gone, [Act::GiveUp(relay("a")), Act::Leave(relay("a"))]);
    assert!(scene.at(1_250, home("a", Lost).as_ref(), &["b"]).is_empty(), "once");
    let other = home("b", Connected);
    assert!(scene.at(1_300, other.as_ref(), &["b"]).is_empty());
    assert_eq!(scene.dog.pause(other.as_ref(), scene.began), Some(BACK));
    assert!(scene.at(7_000, other.as_ref(), &["b"]).is_empty(), "it is still away");
    assert_eq!(scene.at(12_000, other.as_ref(), &["a", "b"]), [Act::Renew(relay("a"))]);
    assert_eq!(scene.dog.pause(other.as_ref(), scene.began), None);
}

#[test]
fn what_was_left_is_begun_anew_with_when_the_other_is_gone_too() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.at(1_000, home("a", Lost).as_ref(), &["b"]);
    scene.at(2_000, home("b", Connected).as_ref(), &["b"]);
    assert_eq!(scene.at(9_000, home("b", Lost).as_ref(), &["a"]), [Act::GiveUp(relay("b"))]);
    assert_eq!(scene.at(9_600, home("b", Lost).as_ref(), &["a"]), [Act::Renew(relay("a"))]);
    assert_eq!(scene.at(9_900, home("b", Lost).as_ref(), &["a"]), [Act::Leave(relay("b"))]);
}

#[test]
fn a_connection_over_which_nothing_comes_is_believed_while_its_relay_answers() {
    let mut scene = Scene::of(&["a"]);
    let connected = home("a", Connected);
    assert!(scene.doubted(300, connected.as_ref(), &["a"], true).is_empty());
    let silent = scene.doubted(600, connected.as_ref(), &[], true);
    assert_eq!(silent, [Act::GiveUp(relay("a"))]);
    assert!(scene.at(900, connected.as_ref(), &[]).is_empty(), "without a doubt nobody asks");
}

#[test]
fn one_that_answers_and_refuses_is_left_for_another_and_seldom_tried_again() {
    let mut scene = Scene::of(&["a", "b"]);
    let refused = home("a", Refused("busy/relay_full".into()));
    assert_eq!(scene.at(500, refused.as_ref(), &["a", "b"]), [Act::GiveUp(relay("a"))]);
    let anew = scene.at(1_000, refused.as_ref(), &["a", "b"]);
    assert_eq!(anew, [Act::Renew(relay("a"))], "once with a token of now");
    assert!(scene.at(1_100, home("a", Connecting).as_ref(), &["a", "b"]).is_empty());
    let left = scene.at(1_500, refused.as_ref(), &["a", "b"]);
    assert_eq!(left, [Act::Leave(relay("a"))]);
    let other = home("b", Connected);
    for ms in (2_000..600_000).step_by(5_000) {
        assert!(scene.at(ms, other.as_ref(), &["a", "b"]).is_empty(), "{ms}");
    }
    let back = scene.at(602_000, other.as_ref(), &["a", "b"]);
    assert_eq!(back, [Act::Renew(relay("a"))]);
}

#[test]
fn one_that_was_left_since_it_refuses_is_tried_when_the_other_is_gone() {
    let mut scene = Scene::of(&["a", "b"]);
    let refused = home("a", Refused("busy/relay_full".into()));
    scene.at(500, refused.as_ref(), &["a", "b"]);
    scene.at(1_000, refused.as_ref(), &["a", "b"]);
    assert_eq!(scene.at(1_500, refused.as_ref(), &["a", "b"]), [Act::Leave(relay("a"))]);
    scene.at(2_000, home("b", Connected).as_ref(), &["a", "b"]);
    let lost = home("b", Lost);
    let acts = scene.at(60_000, lost.as_ref(), &["a"]);
    assert_eq!(acts, [Act::GiveUp(relay("b")), Act::Renew(relay("a"))]);
}

#[test]
fn one_that_answers_and_leads_nowhere_is_left_for_another() {
    let mut scene = Scene::of(&["a", "b"]);
    let (lost, both) = (home("a", Lost), ["a", "b"]);
    let acts: Vec<Act> = (500..20_000)
        .step_by(250)
        .flat_map(|ms| scene.at(ms, lost.as_ref(), &both))
        .take_while(|act| !matches!(act, Act::Leave(_)))
        .collect();
    let anew = Act::Renew(relay("a"));
    assert_eq!(acts, [Act::GiveUp(relay("a")), anew.clone(), anew]);
}

#[test]
fn the_engine_is_left_time_to_choose_and_to_connect_over_a_long_way() {
    // The second one does not answer, for which the engine waits three seconds.
    let mut scene = Scene::of(&["a", "b"]);
    for ms in (0..3_000).step_by(250) {
        assert!(scene.at(ms, None, &["a"]).is_empty(), "{ms}");
    }
    let connecting = home("a", Connecting);
    for ms in (3_000..6_000).step_by(250) {
        assert!(scene.at(ms, connecting.as_ref(), &["a"]).is_empty(), "{ms}");
    }
    assert_eq!(scene.at(6_000, connecting.as_ref(), &["a"]), [Act::Renew(relay("a"))]);
    // What it begins then is a try of its own.
    assert!(scene.at(6_100, home("a", Lost).as_ref(), &[]).contains(&Act::GiveUp(relay("a"))));
    for ms in (6_200..9_200).step_by(250) {
        assert!(scene.at(ms, connecting.as_ref(), &["a"]).is_empty(), "{ms}");
    }
}

#[test]
fn a_try_that_began_while_the_relay_was_away_is_not_waited_for() {
    let mut scene = Scene::of(&["a"]);
    scene.at(300, home("a", Connected).as_ref(), &[]);
    let stuck = home("a", Connecting);
    scene.at(20_000, stuck.as_ref(), &[]);
    assert!(scene.at(30_000, stuck.as_ref(), &["a"]).is_empty());
    assert_eq!(scene.at(30_500, stuck.as_ref(), &["a"]), [Act::Renew(relay("a"))]);
}

#[test]
fn none_was_chosen_since_none_was_there_at_the_start() {
    let mut scene = Scene::of(&["a", "b"]);
    assert!(scene.at(0, None, &[]).is_empty() && scene.at(5_000, None, &[]).is_empty());
    assert!(scene.at(6_000, None, &["b"]).is_empty());
    assert_eq!(scene.at(6_500, None, &["b"]), [Act::Renew(relay("b"))]);
}
