//! When a relay is tried anew, or left for another one: a value, told what is seen and when.
//!
//! The engine below pauses up to 16 s between two tries, keeps to the relay that it chose last, and
//! may stay in one try for long. So while there is no connection this looks by itself which relays
//! answer, and begins anew with one that does.

use crate::link::{Home, HomeState, RelayUrl};
use std::time::{Duration, Instant};

/// A relay that answers is given so long to be connected to by the engine's own try.
const OWN_TRY: Duration = Duration::from_millis(500);
/// The same, while connections that went by it may go on when it is soon.
const OWN_TRY_SOON: Duration = Duration::from_millis(1_500);
/// After this time nothing that went by a relay goes on.
const DEAD: Duration = Duration::from_secs(8);
/// First and longest pause between two times that one relay is begun anew with.
const ANEW: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Pause between two looks while there is no connection: at first, and after `SOON`.
const LOOK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// So long looks are short.
const SOON: Duration = Duration::from_secs(10);
/// Pause between two looks whether relays that were left are back.
const BACK: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// What goes by this relay leads nowhere for the moment.
    GiveUp(RelayUrl),
    /// The engine is to choose among the others; what went by this one is over.
    Leave(RelayUrl),
    /// Begin anew with it; what went by it before is over.
    Renew(RelayUrl),
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// The relay that the engine chose; none: it chose none.
    pub(super) home: Option<&'a Home>,
    /// Relays that answer.
    pub(super) answers: &'a [RelayUrl],
    /// True where there is reason to doubt that the connection is one.
    pub(super) doubted: bool,
}

/// What is known of each relay.
#[derive(Debug)]
pub(super) struct Watchdog {
    relays: Vec<Relay>,
    /// Since when there is no connection to a relay.
    without: Option<Instant>,
    /// What goes by this one was given up.
    given_up: Option<RelayUrl>,
    was_connected: bool,
}

#[derive(Debug)]
struct Relay {
    url: RelayUrl,
    /// The engine knows it no more.
    is_left: bool,
    /// Since when it answers.
    answers: Option<Instant>,
    /// It is not begun anew with before.
    anew_at: Instant,
    pause: Duration,
}

impl Relay {
    /// True when the time has come to begin anew with it.
    fn takes_its_turn(&mut self, now: Instant) -> bool {
        let is_due = now >= self.anew_at;
        if is_due {
            self.anew_at = now + self.pause;
            self.pause = (self.pause * 2).min(ANEW.1);
            self.answers = None;
            self.is_left = false;
        }
        is_due
    }
}

impl Watchdog {
    pub(super) fn new(relays: &[RelayUrl], now: Instant) -> Self {
        let relay = |url: &RelayUrl| Relay {
            url: url.clone(),
            is_left: false,
            answers: None,
            anew_at: now,
            pause: ANEW.0,
        };
        let relays = relays.iter().map(relay).collect();
        Self { relays, without: Some(now), given_up: None, was_connected: false }
    }

    /// How long until the next look; none: not before the engine says something else.
    pub(super) fn pause(&self, home: Option<&Home>, now: Instant) -> Option<Duration> {
        if is_connected(home) {
            return self.relays.iter().any(|relay| relay.is_left).then_some(BACK);
        }
        let is_soon =
            self.without.is_none_or(|since| now.saturating_duration_since(since) < SOON);
        Some(if is_soon { LOOK.0 } else { LOOK.1 })
    }

    /// Says what is to be done.
    pub(super) fn look(&mut self, look: Look<'_>, now: Instant) -> Vec<Act> {
        for relay in &mut self.relays {
            let answers = look.answers.contains(&relay.url);
            relay.answers = answers.then(|| relay.answers.unwrap_or(now));
        }
        let is_silent = |home: &&Home| look.doubted && !look.answers.contains(&home.relay);
        if is_connected(look.home) && look.home.filter(is_silent).is_none() {
            return self.connected(look.home, now);
        }
        self.without.get_or_insert(now);
        let mut acts = Vec::new();
        if let Some(home) = look.home {
            self.lost(home, &look, now, &mut acts);
        }
        if acts.iter().any(|act| matches!(act, Act::Leave(_))) {
            // The engine chooses among the others at once.
            return acts;
        }
        let own_try = self.own_try(look.home, now);
        for relay in &mut self.relays {
            // One that was left it does not try.
            let own_try = if relay.is_left { OWN_TRY } else { own_try };
            let for_long = |since: Instant| now.saturating_duration_since(since) >= own_try;
            let is_chosen = look.home.is_none_or(|home| home.relay == relay.url);
            let is_one = (is_chosen || relay.is_left) && relay.answers.is_some_and(for_long);
            if is_one && relay.takes_its_turn(now) {
                acts.push(Act::Renew(relay.url.clone()));
                break;
            }
        }
        acts
    }

    /// How long the engine is left to connect by itself to a relay that answers.
    fn own_try(&self, home: Option<&Home>, now: Instant) -> Duration {
        let lost_lately = self.without.is_some_and(|since| {
            self.was_connected && now.saturating_duration_since(since) < DEAD
        });
        let tries = home.is_some_and(|home| {
            matches!(home.state, HomeState::Lost | HomeState::Connecting)
        });
        if lost_lately && tries { OWN_TRY_SOON } else { OWN_TRY }
    }

    /// There is a connection: relays that were left come back.
    fn connected(&mut self, home: Option<&Home>, now: Instant) -> Vec<Act> {
        (self.without, self.given_up, self.was_connected) = (None, None, true);
        let mut acts = Vec::new();
        for relay in &mut self.relays {
            if home.is_some_and(|home| home.relay == relay.url) {
                (relay.pause, relay.anew_at, relay.is_left) = (ANEW.0, now, false);
            } else if relay.is_left && relay.answers.is_some() && relay.takes_its_turn(now) {
                acts.push(Act::Renew(relay.url.clone()));
            }
        }
        acts
    }

    /// The relay that the engine chose is not connected to.
    fn lost(&mut self, home: &Home, look: &Look<'_>, now: Instant, acts: &mut Vec<Act>) {
        let answers = look.answers.contains(&home.relay);
        let is_first_try = home.state == HomeState::Connecting && answers;
        if is_first_try {
            return;
        }
        if self.given_up.as_ref() != Some(&home.relay) {
            self.given_up = Some(home.relay.clone());
            acts.push(Act::GiveUp(home.relay.clone()));
        }
        let others = self.relays.iter().any(|relay| {
            relay.url != home.relay && !relay.is_left && relay.answers.is_some()
        });
        let own = self.relays.iter_mut().find(|relay| relay.url == home.relay && !relay.is_left);
        let Some(own) = own.filter(|_| others && !answers) else { return };
        own.is_left = true;
        own.anew_at = own.anew_at.max(now + BACK);
        acts.push(Act::Leave(own.url.clone()));
    }
}

fn is_connected(home: Option<&Home>) -> bool {
    home.is_some_and(|home| home.state == HomeState::Connected)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            .filter(|ms| {
                scene.at(*ms, refused.as_ref(), &["a"]).contains(&Act::Renew(relay("a")))
            })
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
    fn none_was_chosen_since_none_was_there_at_the_start() {
        let mut scene = Scene::of(&["a", "b"]);
        assert!(scene.at(0, None, &[]).is_empty() && scene.at(5_000, None, &[]).is_empty());
        assert!(scene.at(6_000, None, &["b"]).is_empty());
        assert_eq!(scene.at(6_500, None, &["b"]), [Act::Renew(relay("b"))]);
    }
}
