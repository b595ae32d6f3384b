//! How long the stop of a budget takes to reach everything below it.

use hubless_proto::killswitch::{GrantId, Ledger};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Upper ends of the ranges of times, in milliseconds: from a stop inside one process to grants
/// that are written off after `GRANT_DRAIN`.
const ENDS_MS: [u64; 12] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 60_000];

/// How long stops took that reached everything, of budgets that began at this node, since its
/// start: from the stop until none of the budget's grants was open any more. Of a grant that
/// another node holds that is its last word, which comes after the last handler below it has
/// ended; what is not settled in time is written off.
///
/// ```
/// use hubless::budget::{Allowance, Component, KillSwitch, StopTimes, Terms, TripReason};
/// use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let stops = handler(|call: hubless::Call, _| async move { Err(call.cancelled().await) });
/// node.register(AgentOptions { name: "wait".into(), ..AgentOptions::default() }, stops).await?;
/// let switch = KillSwitch::new(Terms::of(Allowance::UNLIMITED.with(Component::Calls, Some(9))));
/// let asked = RequestOptions {
///     kill_switch: Some(switch.clone()),
///     ..RequestOptions::new("wait", Content::default())
/// };
/// let (waits, _) = tokio::join!(node.request(asked), async {
///     while node.counts().running == 0 {
///         tokio::task::yield_now().await;
///     }
///     switch.trip(TripReason::Operator);
/// });
/// assert!(waits.is_err());
/// let StopTimes { count, within, .. } = node.counts().budgets.stop_times;
/// assert_eq!((count, within.iter().map(|(_, count)| count).sum::<u64>()), (1, 1));
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopTimes {
    /// How many there were.
    pub count: u64,
    /// The sum of their times.
    pub sum: Duration,
    /// Upper ends of ranges of times, and how many were within each; the last range has no end.
    pub within: Vec<(Duration, u64)>,
}

impl Default for StopTimes {
    fn default() -> Self {
        let ends = ENDS_MS.map(Duration::from_millis).into_iter().chain([Duration::MAX]);
        Self { count: 0, sum: Duration::ZERO, within: ends.map(|end| (end, 0)).collect() }
    }
}

impl StopTimes {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
        if let Some((_, count)) = self.within.iter_mut().find(|(end, _)| took <= *end) {
            *count += 1;
        }
    }
}

/// Budgets of this node that are stopped while something of them is open.
#[derive(Default)]
pub(super) struct Stopping {
    since: BTreeMap<GrantId, Instant>,
    times: StopTimes,
}

impl Stopping {
    pub(super) fn times(&self) -> StopTimes {
        self.times.clone()
    }

    /// The budget of this account is stopped.
    pub(super) fn begin(&mut self, account: GrantId) {
        self.since.entry(account).or_insert_with(Instant::now);
    }

    /// Counts those of which nothing is open any more.
    pub(super) fn look_at(&mut self, ledger: &Ledger) {
        let times = &mut self.times;
        self.since.retain(|account, began| {
            let is_open = ledger.view(account).is_some_and(|view| view.open > 0);
            if !is_open {
                times.add(began.elapsed());
            }
            is_open
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_range_that_it_does_not_exceed() {
        let mut times = StopTimes::default();
        for (took_ms, range) in [(0, 0), (1, 0), (2, 1), (60_000, 11), (60_001, 12)] {
            let before = times.within[range].1;
            times.add(Duration::from_millis(took_ms));
            assert_eq!(times.within[range].1, before + 1, "{took_ms}");
        }
        assert_eq!((times.count, times.sum), (5, Duration::from_millis(120_004)));
    }
}
