//! What this node has seen of others: the local half of ranking.

use crate::error::{Error, Result};
use crate::identity::{AgentId, NodeKey};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// How well an agent seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Health {
    /// Nothing speaks against it.
    #[default]
    Up,
    /// It failed once or twice in a row, or something hints that it is down.
    Suspect,
    /// It failed several times in a row.
    Down,
}

impl Health {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Up, Self::Suspect, Self::Down];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }

    /// As an agent states it in its record: nothing while all is well.
    pub const fn stated(self) -> &'static str {
        match self {
            Self::Up => "",
            Self::Suspect | Self::Down => self.name(),
        }
    }

    /// Reads what an agent states of itself. A word of a newer version says that it is not as it
    /// should be.
    pub(crate) fn read(stated: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.stated() == stated).unwrap_or(Self::Suspect)
    }
}

impl FromStr for Health {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| Error::invalid("health", "expected up, suspect or down"))
    }
}

/// How far an agent is trusted; set by the operator, never by the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Not at all.
    None,
    /// Its node is of the own mesh.
    Member,
    /// Its name was pinned to its key.
    Pinned,
}

/// Round trips, loads, outcomes and failures; each kind bounded by `SIGNAL_ENTRIES`.
#[derive(Debug, Default)]
pub struct Signals {
    round_trips: BTreeMap<NodeKey, u64>,
    loads: BTreeMap<AgentId, u32>,
    outcomes: BTreeMap<(AgentId, String), Outcomes>,
    failures: BTreeMap<AgentId, Failures>,
    pinned: BTreeSet<AgentId>,
}

#[derive(Debug, Clone, Copy)]
struct Outcomes {
    good: f64,
    all: f64,
    at_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    in_row: u32,
    at_ms: u64,
}

impl Signals {
    /// Nothing was seen.
    pub const fn new() -> Self {
        Self {
            round_trips: BTreeMap::new(),
            loads: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            failures: BTreeMap::new(),
            pinned: BTreeSet::new(),
        }
    }

    /// A round trip to a node was measured, in microseconds; smoothed as TCP does (RFC 6298).
    pub fn round_trip(&mut self, node: NodeKey, rtt_us: u64) {
        let old = self.round_trips.get(&node).copied().unwrap_or(rtt_us);
        let smooth = old.saturating_mul(7).saturating_add(rtt_us) / 8;
        insert(&mut self.round_trips, node, smooth);
    }

    /// An agent said how many calls it has, running and waiting.
    pub fn load(&mut self, agent: AgentId, calls: u32) {
        insert(&mut self.loads, agent, calls);
    }

    /// A call of a skill ended well, or was rejected or failed.
    pub fn outcome(&mut self, agent: AgentId, skill: &str, is_good: bool, now_ms: u64) {
        let key = (agent, skill.to_owned());
        let old = self.outcomes.get(&key).map(|old| old.at(now_ms));
        let mut outcomes = old.unwrap_or(Outcomes { good: 0.0, all: 0.0, at_ms: now_ms });
        outcomes.all += 1.0;
        outcomes.good += if is_good { 1.0 } else { 0.0 };
        insert(&mut self.outcomes, key, outcomes);
        if is_good {
            self.failures.remove(&agent);
        }
    }

    /// An agent could not be reached, or something hints that it is down.
    pub fn failure(&mut self, agent: AgentId, now_ms: u64) {
        let in_row = self.failures.get(&agent).map_or(0, |failures| failures.in_row);
        let failures = Failures { in_row: in_row.saturating_add(1), at_ms: now_ms };
        insert(&mut self.failures, agent, failures);
    }

    /// The operator pinned a name to this agent.
    pub fn pin(&mut self, agent: AgentId) {
        if self.pinned.len() < limits::SIGNAL_ENTRIES {
            self.pinned.insert(agent);
        }
    }

    /// The operator took a pin back.
    pub fn unpin(&mut self, agent: &AgentId) {
        self.pinned.remove(agent);
    }

    /// Smoothed round trip to a node, in microseconds.
    pub fn latency_us(&self, node: &NodeKey) -> Option<u64> {
        self.round_trips.get(node).copied()
    }

    /// Calls that an agent has, as it last said.
    pub fn calls(&self, agent: &AgentId) -> Option<u32> {
        self.loads.get(agent).copied()
    }

    /// Decayed share of good outcomes of a skill, or of all (empty), 0 to 1; an agent that nobody
    /// asked has 1, as if one call had gone well.
    pub fn success(&self, agent: &AgentId, skill: &str, now_ms: u64) -> f64 {
        let (mut good, mut all) = (1.0, 1.0);
        for ((_, name), outcomes) in self.outcomes_of(agent) {
            if skill.is_empty() || name == skill {
                let now = outcomes.at(now_ms);
                good += now.good;
                all += now.all;
            }
        }
        good / all
    }

    fn outcomes_of<'a>(
        &'a self,
        agent: &'a AgentId,
    ) -> impl Iterator<Item = (&'a (AgentId, String), &'a Outcomes)> {
        let first = (*agent, String::new());
        self.outcomes.range(first..).take_while(move |((id, _), _)| id == agent)
    }

    /// How well an agent seems to be; a failure counts for `SUSPECT`.
    pub fn health(&self, agent: &AgentId, now_ms: u64) -> Health {
        let lasting = |failures: &&Failures| {
            u128::from(now_ms.saturating_sub(failures.at_ms)) < limits::SUSPECT.as_millis()
        };
        match self.failures.get(agent).filter(lasting) {
            None => Health::Up,
            Some(failures) if failures.in_row >= limits::DOWN_AFTER => Health::Down,
            Some(_) => Health::Suspect,
        }
    }

    /// True for an agent whose name was pinned to its key.
    pub fn is_pinned(&self, agent: &AgentId) -> bool {
        self.pinned.contains(agent)
    }

    /// Forgets an agent that is gone, but not that it was pinned.
    pub fn forget(&mut self, agent: &AgentId) {
        self.loads.remove(agent);
        self.failures.remove(agent);
        let keys: Vec<_> = self.outcomes_of(agent).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.outcomes.remove(&key);
        }
    }

    /// Forgets a node that is gone.
    pub fn forget_node(&mut self, node: &NodeKey) {
        self.round_trips.remove(node);
    }
}

impl Outcomes {
    fn at(self, now_ms: u64) -> Self {
        let elapsed = now_ms.saturating_sub(self.at_ms) as f64;
        let kept = 0.5_f64.powf(elapsed / (limits::SUCCESS_HALF_LIFE.as_millis() as f64));
        let (good, all) = (self.good * kept, self.all * kept);
        Self { good, all, at_ms: self.at_ms.max(now_ms) }
    }
}

/// A table that is full keeps what it has: what is gone is forgotten elsewhere.
fn insert<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, value: V) {
    if table.len() < limits::SIGNAL_ENTRIES || table.contains_key(&key) {
        table.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const AGENT: AgentId = AgentId::from_bytes([1; 32]);

    #[test]
    fn success_decays_by_half_in_ten_minutes() {
        let mut signals = Signals::new();
        assert_eq!(signals.success(&AGENT, "a", 0), 1.0);
        signals.outcome(AGENT, "a", false, 0);
        assert_eq!(signals.success(&AGENT, "a", 0), 0.5);
        let later = signals.success(&AGENT, "a", 600_000);
        assert!((later - 1.0 / 1.5).abs() < 1e-9);
        assert_eq!(signals.success(&AGENT, "b", 0), 1.0);
        assert_eq!(signals.success(&AGENT, "", 0), 0.5);
        signals.forget(&AGENT);
        assert_eq!(signals.success(&AGENT, "a", 0), 1.0);
    }

    #[test]
    fn health_falls_with_failures_and_heals_by_time_or_success() {
        let mut signals = Signals::new();
        for (n, health) in [(1, Health::Suspect), (2, Health::Suspect), (3, Health::Down)] {
            signals.failure(AGENT, n);
            assert_eq!(signals.health(&AGENT, n), health);
        }
        assert_eq!(signals.health(&AGENT, 30_003), Health::Up);
        signals.outcome(AGENT, "", true, 4);
        assert_eq!(signals.health(&AGENT, 4), Health::Up);
    }

    #[test]
    fn what_an_agent_states_of_its_health_is_read_again() {
        for health in Health::ALL {
            assert_eq!(Health::read(health.stated()), health);
            assert_eq!(health.name().parse::<Health>().unwrap(), health);
        }
        assert_eq!(Health::read("convalescent"), Health::Suspect, "a word of a newer version");
        for unknown in ["", "UP", "well"] {
            let error = unknown.parse::<Health>().unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidArgument, Some("health"))
            );
        }
    }

    #[test]
    fn round_trips_are_smoothed_and_bounded() {
        let mut signals = Signals::new();
        let node = NodeKey::from_bytes([1; 32]);
        signals.round_trip(node, 800);
        signals.round_trip(node, 1_600);
        assert_eq!(signals.latency_us(&node), Some(900));
        for n in 0..limits::SIGNAL_ENTRIES + 5 {
            let mut key = [2; 32];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            signals.load(AgentId::from_bytes(key), 1);
        }
        assert_eq!(signals.loads.len(), limits::SIGNAL_ENTRIES);
    }
}
