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
/// The engine's look at all relays, of which one may let it wait, is over within this time.
const CHOOSING: Duration = Duration::from_millis(3_500);
/// A try of the engine's that began when the relay was there is left this time: three round trips
/// to the far side of the earth, and more.
const FRESH_TRY: Duration = Duration::from_secs(3);
/// After this time nothing that went by a relay goes on.
const DEAD: Duration = Duration::from_secs(8);
/// First and longest pause between two times that one relay is begun anew with.
const ANEW: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Pause between two looks while there is no connection: at first, and after `SOON`.
const LOOK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// So long looks are short.
const SOON: Duration = Duration::from_secs(10);
/// Pause between two looks whether relays that were left are back.
pub(super) const BACK: Duration = Duration::from_secs(5);
/// One that answers and is of no use is not asked again before, as long as another one is.
const SHUNNED: Duration = Duration::from_secs(600);
/// A relay that answers is of no use when it refuses after so many times that it was begun anew
/// with, each with a token of that moment; or leads nowhere, as behind a proxy without WebSockets.
const IN_VAIN: (u32, u32) = (1, 2);

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
    /// What the engine is at, and since when.
    at: (Option<Home>, Instant),
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
    /// When it was begun anew with, and how often without a connection since.
    begun: Option<Instant>,
    in_vain: u32,
    /// It was left though it answers: it is not asked before, while there is a connection.
    shunned_until: Option<Instant>,
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
            self.begun = Some(now);
            self.in_vain += 1;
        }
        is_due
    }

    /// True for one that answers and yet is of no use to a node that is `at` this state with it.
    const fn is_useless(&self, at: &HomeState) -> bool {
        match at {
            HomeState::Refused(_) => self.in_vain >= IN_VAIN.0,
            HomeState::Lost => self.in_vain >= IN_VAIN.1,
            HomeState::Connected | HomeState::Connecting => false,
        }
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
            begun: None,
            in_vain: 0,
            shunned_until: None,
        };
        let relays = relays.iter().map(relay).collect();
        let at = (None, now);
        Self { relays, without: Some(now), given_up: None, was_connected: false, at }
    }

    /// How long until the next look; none: not before the engine says something else.
    pub(super) fn pause(&self, home: Option<&Home>, now: Instant) -> Option<Duration> {
        if is_connected(home) {
            return self.relays.iter().any(|relay| relay.is_left).then_some(BACK);
        }
        let is_soon = self.without.is_none_or(|since| now.saturating_duration_since(since) < SOON);
        Some(if is_soon { LOOK.0 } else { LOOK.1 })
    }

    /// Says what is to be done.
    pub(super) fn look(&mut self, look: Look<'_>, now: Instant) -> Vec<Act> {
        for relay in &mut self.relays {
            let answers = look.answers.contains(&relay.url);
            relay.answers = answers.then(|| relay.answers.unwrap_or(now));
        }
        if self.at.0.as_ref() != look.home {
            self.at = (look.home.cloned(), now);
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
            let is_tried = !relay.is_left && is_tried(&self.at, relay, now);
            if is_one && !is_tried && relay.takes_its_turn(now) {
                if self.at.0.is_none() {
                    // It looks at all of them once more.
                    self.at.1 = now;
                }
                acts.push(Act::Renew(relay.url.clone()));
                break;
            }
        }
        acts
    }

    /// How long the engine is left to connect by itself to a relay that answers.
    fn own_try(&self, home: Option<&Home>, now: Instant) -> Duration {
        let lost_lately = self
            .without
            .is_some_and(|since| self.was_connected && now.saturating_duration_since(since) < DEAD);
        let tries =
            home.is_some_and(|home| matches!(home.state, HomeState::Lost | HomeState::Connecting));
        if lost_lately && tries { OWN_TRY_SOON } else { OWN_TRY }
    }

    /// There is a connection: relays that were left come back.
    fn connected(&mut self, home: Option<&Home>, now: Instant) -> Vec<Act> {
        (self.without, self.given_up, self.was_connected) = (None, None, true);
        let mut acts = Vec::new();
        for relay in &mut self.relays {
            if home.is_some_and(|home| home.relay == relay.url) {
                (relay.pause, relay.anew_at, relay.is_left) = (ANEW.0, now, false);
                (relay.in_vain, relay.shunned_until) = (0, None);
                continue;
            }
            let is_shunned = relay.shunned_until.is_some_and(|until| now < until);
            let is_back = relay.is_left && relay.answers.is_some() && !is_shunned;
            if is_back && relay.takes_its_turn(now) {
                if relay.shunned_until.is_none() {
                    // It was away, which says nothing of its use.
                    relay.in_vain = 0;
                }
                acts.push(Act::Renew(relay.url.clone()));
            }
        }
        acts
    }

    /// The relay that the engine chose is not connected to.
    fn lost(&mut self, home: &Home, look: &Look<'_>, now: Instant, acts: &mut Vec<Act>) {
        let known = self.relays.iter().find(|relay| relay.url == home.relay);
        let is_useless = known.is_some_and(|relay| relay.is_useless(&home.state));
        let answers = look.answers.contains(&home.relay) && !is_useless;
        let is_first_try = home.state == HomeState::Connecting && answers;
        if is_first_try {
            return;
        }
        if self.given_up.as_ref() != Some(&home.relay) {
            self.given_up = Some(home.relay.clone());
            acts.push(Act::GiveUp(home.relay.clone()));
        }
        let others = self
            .relays
            .iter()
            .any(|relay| relay.url != home.relay && !relay.is_left && relay.answers.is_some());
        let own = self.relays.iter_mut().find(|relay| relay.url == home.relay && !relay.is_left);
        let Some(own) = own.filter(|_| others && !answers) else { return };
        own.is_left = true;
        own.anew_at = own.anew_at.max(now + BACK);
        own.shunned_until = is_useless.then(|| now + SHUNNED);
        acts.push(Act::Leave(own.url.clone()));
    }
}

/// True while the engine's own try with this relay may still come to something: it chooses among
/// all, or began to connect when the relay was there.
fn is_tried((home, since): &(Option<Home>, Instant), relay: &Relay, now: Instant) -> bool {
    let took = now.saturating_duration_since(*since);
    match home {
        None => took < CHOOSING,
        Some(Home { relay: tried, state: HomeState::Connecting }) if *tried == relay.url => {
            let was_there = |known: Option<Instant>| known.is_some_and(|known| known <= *since);
            took < FRESH_TRY && (was_there(relay.answers) || was_there(relay.begun))
        }
        Some(_) => false,
    }
}

fn is_connected(home: Option<&Home>) -> bool {
    home.is_some_and(|home| home.state == HomeState::Connected)
}
