//! How many budgets a node has, and how many were stopped.

use super::{Treasury, TripReason};
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
}

impl Treasury {
    /// How many there are.
    pub(crate) fn counts(&self) -> Budgets {
        let state = lock(&self.state);
        let is_stopped = |account: &&GrantId| state.ledger.stop(account).is_some();
        let stopped = state.roots.keys().filter(is_stopped).count();
        let armed = state.roots.len() - stopped;
        let (trips, overruns) = (state.trips.clone(), state.overruns);
        Budgets { armed, stopped, trips, overruns }
    }
}
