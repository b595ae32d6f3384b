//! How often one caller may ask: a token bucket for each.

use super::CallerKey;
use crate::error::{Error, Kind, Result, Retry};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};

/// Requests a second, and how many at once before that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second; above 0.
    pub per_s: f64,
    /// Requests that a rested caller may make at once; at least 1.
    pub burst: u32,
}

/// The buckets of one agent; at most `RATE_CALLERS`, the longest idle goes first.
#[derive(Debug)]
pub struct Rates {
    rate: Rate,
    callers_max: usize,
    buckets: BTreeMap<CallerKey, Bucket>,
    // Same entries as `buckets`, by time of use.
    used: BTreeSet<(u64, CallerKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: u64,
}

impl Rates {
    /// No caller has asked yet.
    pub const fn new(rate: Rate) -> Self {
        Self::bounded(rate, limits::RATE_CALLERS)
    }

    const fn bounded(rate: Rate, callers_max: usize) -> Self {
        Self { rate, callers_max, buckets: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// Counts one request of `caller`.
    ///
    /// # Errors
    /// `busy` with the time after which there is room again.
    pub fn take(&mut self, caller: CallerKey, now_ms: u64) -> Result<()> {
        let burst = f64::from(self.rate.burst);
        let mut bucket = self.remove(&caller).unwrap_or(Bucket { tokens: burst, at_ms: now_ms });
        let elapsed_ms = now_ms.saturating_sub(bucket.at_ms) as f64;
        bucket.tokens = (bucket.tokens + elapsed_ms * self.rate.per_s / 1_000.0).min(burst);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        let missing = 1.0 - bucket.tokens;
        if missing <= 0.0 {
            bucket.tokens -= 1.0;
        }
        self.insert(caller, bucket);
        if missing <= 0.0 {
            return Ok(());
        }
        let after_ms = (missing / self.rate.per_s * 1_000.0).ceil().clamp(1.0, 86_400_000.0);
        Err(Error::refusal(Kind::Busy, "rate", "the caller asks more often than allowed")
            .with_retry(Retry::AfterMs(after_ms as u64)))
    }

    fn remove(&mut self, caller: &CallerKey) -> Option<Bucket> {
        let bucket = self.buckets.remove(caller)?;
        self.used.remove(&(bucket.at_ms, *caller));
        Some(bucket)
    }

    fn insert(&mut self, caller: CallerKey, bucket: Bucket) {
        while self.buckets.len() >= self.callers_max {
            let Some((_, idle)) = self.used.pop_first() else { break };
            self.buckets.remove(&idle);
        }
        self.used.insert((bucket.at_ms, caller));
        self.buckets.insert(caller, bucket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use crate::policy::Caller;

    fn caller(n: u8) -> CallerKey {
        Caller::local(NodeKey::from_bytes([n; 32]), None).key()
    }

    #[test]
    fn a_burst_then_the_rate_and_each_caller_for_itself() {
        let mut rates = Rates::new(Rate { per_s: 2.0, burst: 3 });
        for _ in 0..3 {
            assert_eq!(rates.take(caller(1), 1_000), Ok(()));
        }
        let busy = rates.take(caller(1), 1_000).unwrap_err();
        assert_eq!((busy.kind, busy.retry), (Kind::Busy, Retry::AfterMs(500)));
        assert_eq!(rates.take(caller(2), 1_000), Ok(()));
        assert!(rates.take(caller(1), 1_499).is_err());
        assert_eq!(rates.take(caller(1), 1_500), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut rates = Rates::new(Rate { per_s: 1.0, burst: 1 });
        assert_eq!(rates.take(caller(1), 10_000), Ok(()));
        assert!(rates.take(caller(1), 5_000).is_err());
        assert!(rates.take(caller(1), 10_999).is_err());
        assert_eq!(rates.take(caller(1), 11_000), Ok(()));
    }

    #[test]
    fn remembers_a_bounded_number_of_callers() {
        let mut rates = Rates::bounded(Rate { per_s: 1.0, burst: 1 }, 4);
        for n in 0..100 {
            assert_eq!(rates.take(caller(n), u64::from(n)), Ok(()));
            assert!(rates.buckets.len() <= 4 && rates.used.len() == rates.buckets.len());
        }
        assert!(rates.take(caller(99), 100).is_err());
    }

    #[test]
    fn an_agent_remembers_as_many_callers_as_the_table_says() {
        let mut rates = Rates::new(Rate { per_s: 1.0, burst: 1 });
        let caller = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            Caller::local(NodeKey::from_bytes(key), None).key()
        };
        for n in 0..limits::RATE_CALLERS {
            assert_eq!(rates.take(caller(n), 0), Ok(()));
        }
        assert!(rates.take(caller(0), 0).is_err(), "the first one is still remembered");
        assert_eq!(rates.take(caller(limits::RATE_CALLERS), 1), Ok(()));
        assert_eq!(rates.buckets.len(), limits::RATE_CALLERS);
    }
}
