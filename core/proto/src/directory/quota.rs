//! How much one node may announce, so that it cannot crowd out the others.

use super::Source;
use crate::error::{Error, Kind, Result, Retry};
use crate::identity::AgentId;
use crate::limits;
use std::collections::BTreeSet;

/// What one node has announced.
#[derive(Debug, Default)]
pub(super) struct NodeRow {
    pub(super) agents: BTreeSet<AgentId>,
    rate: Rate,
}

/// New records of one node by the second.
#[derive(Debug, Default)]
pub(super) struct Rate {
    // In the second that began then.
    new: u32,
    second_ms: u64,
}

impl NodeRow {
    /// Counts one more agent, or refuses it.
    pub(super) fn admit(&mut self, source: Source, now_ms: u64) -> Result<()> {
        let (name, most) = match source {
            Source::Own => ("HOSTED_AGENTS", limits::HOSTED_AGENTS),
            Source::Folder | Source::Member | Source::Spread => {
                ("MEMBER_RECORDS", limits::MEMBER_RECORDS)
            }
            Source::External => ("EXTERNAL_RECORDS", limits::EXTERNAL_RECORDS),
        };
        if self.agents.len() >= most {
            let message = "the node announces more agents than one node may";
            return Err(Error::new(Kind::TooLarge, message).with_limit(name, most as u64));
        }
        match source {
            // What lies in the own user's folder was written by the own user.
            Source::Own | Source::Folder => Ok(()),
            // Counted where they were taken: what is refused here is not brought again.
            Source::Spread => Ok(()),
            Source::Member | Source::External => self.rate.count(now_ms),
        }
    }
}

impl Rate {
    /// Counts one more, or refuses it.
    pub(super) fn count(&mut self, now_ms: u64) -> Result<()> {
        if now_ms.saturating_sub(self.second_ms) >= 1_000 {
            self.second_ms = now_ms;
            self.new = 0;
        }
        if self.new >= limits::MEMBER_RECORDS_PER_S {
            let left_ms = 1_000_u64.saturating_sub(now_ms.saturating_sub(self.second_ms));
            let message = "the node announces new agents faster than one node may";
            return Err(Error::new(Kind::Busy, message)
                .with_limit("MEMBER_RECORDS_PER_S", u64::from(limits::MEMBER_RECORDS_PER_S))
                .with_retry(Retry::AfterMs(left_ms.max(1))));
        }
        self.new += 1;
        Ok(())
    }
}
