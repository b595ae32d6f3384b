//! How many budgets a node has, and how many were stopped.

use super::{Amount, StopTimes, Treasury, TripReason};
use crate::engine::lock;
use hubless_proto::killswitch::GrantId;
use std::collections::BTreeMap;

/// The budgets of a node in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budgets {
    /// Those that were opened here, are not over and may be spent from.
    pub armed: usize,
    /// Those that were opened here, are not over and were stopped.
    pub stopped: usize,
    /// Stops that this node heard of since its start, of other nodes' budgets as well, by reason.
    pub trips: BTreeMap<TripReason, u64>,
    /// Spendings that took more than was set aside for them, as far as this node heard of them
    /// since its start.
    pub overruns: u64,
    /// What those that were opened here had used when they were over, since the start of this node.
    pub used: Amount,
    /// How long stops of those that were opened here took to reach everything below them.
    pub stop_times: StopTimes,
}

impl Treasury {
    /// How many there are.
    pub(crate) fn counts(&self) -> Budgets {
        let state = lock(&self.state);
        let is_stopped = |account: &&GrantId| state.ledger.stop(account).is_some();
        let stopped = state.roots.keys().filter(is_stopped).count();
        let armed = state.roots.len() - stopped;
        let (trips, overruns, used) = (state.trips.clone(), state.overruns, state.used);
        let stop_times = state.stopping.times();
        Budgets { armed, stopped, trips, overruns, used, stop_times }
    }
}
