//! The order of those that match.

use super::{Health, Trust};
use serde_json::Value;

/// One reason for a place in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// What was looked at.
    pub name: SignalName,
    /// What it said, 0 to 1.
    pub value: f64,
    /// How much it counts; the weights of one answer sum to 1.
    pub weight: f64,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalName {
    /// How well the words fit.
    Text,
    /// How short the path is.
    Latency,
    /// How little the agent has to do.
    Load,
    /// How often it answered well.
    Success,
    /// How well it seems to be.
    Health,
    /// How cheap it says it is.
    Cost,
    /// How far it is trusted.
    Trust,
}

impl SignalName {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Latency => "latency",
            Self::Load => "load",
            Self::Success => "success",
            Self::Health => "health",
            Self::Cost => "cost",
            Self::Trust => "trust",
        }
    }

    /// How much it counts beside the others.
    const fn weight(self) -> f64 {
        match self {
            Self::Text => 0.40,
            Self::Success | Self::Health => 0.15,
            Self::Latency | Self::Load => 0.10,
            Self::Cost | Self::Trust => 0.05,
        }
    }
}

/// What is known of one that matches; none counts as neither good nor bad.
///
/// ```
/// use hubless_proto::identity::AgentId;
/// use hubless_proto::query::{Health, Rank, Signal, SignalName, Signals, Trust};
///
/// let (agent, mut seen) = (AgentId::from_bytes([1; 32]), Signals::new());
/// seen.outcome(agent, "draw", true, 1_000);
/// let rank = Rank {
///     text: Some(1.0),
///     latency_us: None,
///     calls: seen.calls(&agent),
///     success: seen.success(&agent, "draw", 1_000),
///     health: Health::Up,
///     cost: None,
///     trust: Trust::Member,
/// };
/// let reasons: Vec<Signal> = rank.explain();
/// assert_eq!(reasons[0].name, SignalName::Text);
/// assert!(rank.score() > Rank { health: Health::Down, ..rank }.score());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rank {
    /// Its text score as a share of the best; none: no text was asked.
    pub text: Option<f64>,
    /// Round trip in microseconds.
    pub latency_us: Option<u64>,
    /// Calls that it has.
    pub calls: Option<u32>,
    /// Share of good outcomes.
    pub success: f64,
    /// How well it seems to be.
    pub health: Health,
    /// What it says a call costs, in units of its own.
    pub cost: Option<f64>,
    /// How far it is trusted.
    pub trust: Trust,
}

impl Rank {
    /// Each signal with its weight, the heaviest first.
    pub fn explain(&self) -> Vec<Signal> {
        let neutral = 0.5;
        let parts = [
            (SignalName::Text, self.text),
            (SignalName::Success, Some(self.success)),
            (
                SignalName::Health,
                Some(match self.health {
                    Health::Up => 1.0,
                    Health::Suspect => 0.5,
                    Health::Down => 0.0,
                }),
            ),
            (
                SignalName::Latency,
                Some(self.latency_us.map_or(neutral, |us| 1.0 / (1.0 + us as f64 / 10_000.0))),
            ),
            (
                SignalName::Load,
                Some(self.calls.map_or(neutral, |calls| 1.0 / (1.0 + f64::from(calls) / 8.0))),
            ),
            (SignalName::Cost, Some(self.cost.map_or(neutral, |cost| 1.0 / (1.0 + cost)))),
            (
                SignalName::Trust,
                Some(match self.trust {
                    Trust::None => 0.0,
                    Trust::Member => 0.5,
                    Trust::Pinned => 1.0,
                }),
            ),
        ];
        let asked = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let asked: Vec<(SignalName, f64)> = asked.collect();
        let all: f64 = asked.iter().map(|(name, _)| name.weight()).sum();
        let signal = |(name, value): (SignalName, f64)| Signal {
            name,
            value: value.clamp(0.0, 1.0),
            weight: name.weight() / all,
        };
        asked.into_iter().map(signal).collect()
    }

    /// Sum of the signals by their weights, 0 to 1. What is down is worth less than all that is
    /// not.
    pub fn score(&self) -> f64 {
        let sum: f64 = self.explain().iter().map(|signal| signal.value * signal.weight).sum();
        match self.health {
            Health::Up | Health::Suspect => 0.1 + 0.9 * sum,
            Health::Down => 0.1 * sum,
        }
    }
}

/// The number of a cost hint: itself, or its member `perCall`.
pub(crate) fn cost(hint_json: &str) -> Option<f64> {
    if hint_json.is_empty() {
        return None;
    }
    let hint: Value = serde_json::from_str(hint_json).ok()?;
    let number = hint.as_f64().or_else(|| hint.get("perCall")?.as_f64())?;
    Some(number).filter(|cost| *cost >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rank() -> Rank {
        Rank {
            text: Some(1.0),
            latency_us: Some(100),
            calls: Some(0),
            success: 1.0,
            health: Health::Up,
            cost: None,
            trust: Trust::Member,
        }
    }

    #[test]
    fn weights_sum_to_one_with_and_without_text() {
        for rank in [rank(), Rank { text: None, ..rank() }] {
            let sum: f64 = rank.explain().iter().map(|signal| signal.weight).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            assert_eq!(rank.explain().len(), if rank.text.is_some() { 7 } else { 6 });
        }
    }

    #[test]
    fn better_signals_rank_higher() {
        let best = rank().score();
        for worse in [
            Rank { text: Some(0.5), ..rank() },
            Rank { latency_us: Some(80_000), ..rank() },
            Rank { calls: Some(50), ..rank() },
            Rank { success: 0.2, ..rank() },
            Rank { health: Health::Suspect, ..rank() },
            Rank { cost: Some(10.0), ..rank() },
            Rank { trust: Trust::None, ..rank() },
        ] {
            assert!(worse.score() < best, "{worse:?}");
        }
        assert_eq!(cost("0.5"), Some(0.5));
        assert_eq!(cost(r#"{"perCall": 2}"#), Some(2.0));
        assert_eq!(cost(r#"{"perToken": 2}"#), None);
        assert_eq!(cost("-1"), None);
    }

    proptest! {
        /// What is down stands behind everything that is not.
        #[test]
        fn down_is_last(text in 0.0..1.0, success in 0.0..1.0, calls in 0u32..100) {
            let down = Rank { health: Health::Down, ..rank() };
            let poor = Rank {
                text: Some(text), success, calls: Some(calls), latency_us: Some(10_000_000),
                cost: Some(1e9), trust: Trust::None, health: Health::Suspect,
            };
            prop_assert!(poor.score() > down.score() && poor.score() <= 1.0);
        }
    }
}
