//! Sums of usage, and what they are by.

use hubless_proto::error::{Error, Result};
use hubless_proto::killswitch::{Amount, Component};
use hubless_proto::wire::v1;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What usage is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Who asked, such as `mesh:<node key>` or `http:token:alice`.
    Principal,
    /// Name of the agent that answered.
    Agent,
    /// Skill that was asked for; empty: none was named.
    Skill,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Principal, Self::Agent, Self::Skill];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Agent => "agent",
            Self::Skill => "skill",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for By {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|by| by.name() == text)
            .ok_or_else(|| Error::invalid("by", "expected principal, agent or skill"))
    }
}

/// What some calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// Calls whose handler ran.
    pub calls: u64,
    /// Those of them that ended with an error.
    pub failed: u64,
    /// Those of them that reported nothing and are charged with all that they were granted.
    pub in_full: u64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// Cost, in 1e-6 of the currency unit.
    pub cost_micros: u64,
}

/// The sum of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UsageRow {
    /// Principal, agent or skill; `(others)`: those for which there was no room.
    pub key: String,
    /// What its calls used.
    #[serde(flatten)]
    pub used: Used,
}

impl Used {
    /// One call.
    pub(crate) fn once(usage: &v1::Usage, well: bool) -> Self {
        Self {
            calls: 1,
            failed: u64::from(!well),
            in_full: 0,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_micros: usage.cost_micros,
        }
    }

    /// It reported nothing, and all that it was granted is charged.
    pub(crate) fn in_full(self, granted: &Amount) -> Self {
        Self {
            in_full: 1,
            input_tokens: granted.of(Component::InputTokens),
            output_tokens: granted.of(Component::OutputTokens),
            cost_micros: granted.of(Component::CostMicros),
            ..self
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, more: &Self) -> Self {
        Self {
            calls: self.calls.saturating_add(more.calls),
            failed: self.failed.saturating_add(more.failed),
            in_full: self.in_full.saturating_add(more.in_full),
            input_tokens: self.input_tokens.saturating_add(more.input_tokens),
            output_tokens: self.output_tokens.saturating_add(more.output_tokens),
            cost_micros: self.cost_micros.saturating_add(more.cost_micros),
        }
    }

    const fn weight(&self) -> (u64, u64, u64) {
        (self.cost_micros, self.input_tokens.saturating_add(self.output_tokens), self.calls)
    }
}

/// Most expensive first.
pub(super) fn sorted(sums: BTreeMap<String, Used>) -> Vec<UsageRow> {
    let mut rows: Vec<_> = sums.into_iter().map(|(key, used)| UsageRow { key, used }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.used.weight()));
    rows
}
