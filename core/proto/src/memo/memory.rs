//! Keys that are running or have ended, bounded in number, bytes and time.

use crate::error::{Error, Kind, Result, Retry};
use crate::identity::NodeKey;
use crate::limits;
use crate::policy::CallerKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One sending of a request: the caller's node, the request's id, its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// Node that sent it.
    pub node: NodeKey,
    /// Id that its origin drew.
    pub id: [u8; 16],
    /// Attempt, from 0 or 1 up.
    pub attempt: u32,
}

/// One idempotency key of one caller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// Who chose it.
    pub caller: CallerKey,
    /// What it chose.
    pub key: String,
}

/// What a request meets.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin<E> {
    /// Nothing: it runs, and its end is to be told.
    New,
    /// The same is running: join it.
    Running,
    /// The same has ended so.
    Ended(E),
    /// The same has ended; how is kept no more.
    Untold,
}

/// A memory of keys; `E` is how one ended.
#[derive(Debug)]
struct Memory<K, E> {
    bounds: Bounds,
    entries: BTreeMap<K, Entry<E>>,
    // The ended entries of `entries`, by the time they are forgotten.
    ends: BTreeSet<(u64, K)>,
    // Those of `ends` whose outcome is kept.
    told: BTreeSet<(u64, K)>,
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    // In the table of bounds.
    name: &'static str,
    entries: usize,
    bytes: usize,
    life: Duration,
}

#[derive(Debug)]
struct Entry<E> {
    digest: [u8; 32],
    end: Option<End<E>>,
}

#[derive(Debug)]
struct End<E> {
    // None: there was no room for it.
    outcome: Option<E>,
    bytes: usize,
}

impl<K: Ord + Clone, E: Clone> Memory<K, E> {
    const fn new(bounds: Bounds) -> Self {
        let ends = BTreeSet::new();
        let told = BTreeSet::new();
        Self { bounds, entries: BTreeMap::new(), ends, told, bytes: 0 }
    }

    fn begin(&mut self, key: &K, digest: [u8; 32], now_ms: u64) -> Result<Begin<E>> {
        self.forget(now_ms);
        if let Some(entry) = self.entries.get(key) {
            if entry.digest != digest {
                let message = "the same key was used for another request";
                return Err(Error::refusal(Kind::Conflict, "other_body", message));
            }
            let Some(end) = &entry.end else { return Ok(Begin::Running) };
            return Ok(end.outcome.clone().map_or(Begin::Untold, Begin::Ended));
        }
        while self.entries.len() >= self.bounds.entries {
            if !self.drop_first() {
                let message = "too many requests are running here to remember another";
                return Err(Error::refusal(Kind::Busy, "memory", message)
                    .with_limit(self.bounds.name, self.bounds.entries as u64)
                    .with_retry(Retry::AfterMs(100)));
            }
        }
        self.entries.insert(key.clone(), Entry { digest, end: None });
        Ok(Begin::New)
    }

    fn end(&mut self, key: &K, outcome: E, bytes: usize, now_ms: u64) {
        self.forget(now_ms);
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.end.is_some() {
            return;
        }
        let life = u64::try_from(self.bounds.life.as_millis()).unwrap_or(u64::MAX);
        let until_ms = now_ms.saturating_add(life);
        entry.end = Some(End { outcome: Some(outcome), bytes });
        self.ends.insert((until_ms, key.clone()));
        self.told.insert((until_ms, key.clone()));
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > self.bounds.bytes && self.untell_first() {}
    }

    /// Drops the outcome that would be forgotten first. That it ended stays known: what cannot be
    /// told again is not made again either.
    fn untell_first(&mut self) -> bool {
        let Some((_, key)) = self.told.pop_first() else { return false };
        if let Some(end) = self.entries.get_mut(&key).and_then(|entry| entry.end.as_mut()) {
            end.outcome = None;
            self.bytes -= std::mem::take(&mut end.bytes);
        }
        true
    }

    /// Forgets a key without an outcome, so that it can be used again.
    fn abandon(&mut self, key: &K) {
        if self.entries.get(key).is_some_and(|entry| entry.end.is_none()) {
            self.entries.remove(key);
        }
    }

    fn forget(&mut self, now_ms: u64) {
        while self.ends.first().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> bool {
        let Some(first) = self.ends.pop_first() else { return false };
        self.told.remove(&first);
        let end = self.entries.remove(&first.1).and_then(|entry| entry.end);
        self.bytes -= end.map_or(0, |end| end.bytes);
        true
    }

    fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(until_ms, _)| *until_ms)
    }
}

/// Requests of other nodes: a second sending joins the first, or gets its end, for 60 s.
#[derive(Debug)]
pub struct Duplicates<E> {
    memory: Memory<CallKey, E>,
}

impl<E: Clone> Default for Duplicates<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Clone> Duplicates<E> {
    /// Remembers nothing; at most `DUPLICATE_ENTRIES`, `DUPLICATE_BYTES` of outcomes.
    pub const fn new() -> Self {
        Self::bounded(Bounds {
            name: "DUPLICATE_ENTRIES",
            entries: limits::DUPLICATE_ENTRIES,
            bytes: limits::DUPLICATE_BYTES,
            life: limits::DUPLICATE_LIFE,
        })
    }

    const fn bounded(bounds: Bounds) -> Self {
        Self { memory: Memory::new(bounds) }
    }

    /// A request came.
    ///
    /// # Errors
    /// `conflict`, code `other_body`: the same key with another digest; `stale_attempt`: a later
    /// attempt of the same request was seen; `busy`: all that can be remembered is running.
    pub fn begin(&mut self, key: CallKey, digest: [u8; 32], now_ms: u64) -> Result<Begin<E>> {
        let known = self.memory.entries.contains_key(&key);
        let last = CallKey { attempt: u32::MAX, ..key };
        let later = self.memory.entries.range(key..=last).any(|(other, _)| *other != key);
        if later && !known {
            let message = "a later attempt of the same request has come";
            return Err(Error::refusal(Kind::StaleAttempt, "", message).with_field("attempt"));
        }
        self.memory.begin(&key, digest, now_ms)
    }

    /// It ended; `bytes` is what keeping `outcome` costs. Only the first end counts.
    pub fn end(&mut self, key: &CallKey, outcome: E, bytes: usize, now_ms: u64) {
        self.memory.end(key, outcome, bytes, now_ms);
    }

    /// It never ran, so that a second sending runs.
    pub fn abandon(&mut self, key: &CallKey) {
        self.memory.abandon(key);
    }

    /// When something is to be forgotten next.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.memory.next_end()
    }

    /// Forgets what is over.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.memory.forget(now_ms);
    }
}

/// Outcomes by the callers' idempotency keys: the same for 10 min after the end.
#[derive(Debug)]
pub struct Idempotency<E> {
    memory: Memory<IdempotencyKey, E>,
}

impl<E: Clone> Default for Idempotency<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Clone> Idempotency<E> {
    /// Remembers nothing; at most `IDEMPOTENCY_ENTRIES`, `IDEMPOTENCY_BYTES` of outcomes.
    pub const fn new() -> Self {
        Self {
            memory: Memory::new(Bounds {
                name: "IDEMPOTENCY_ENTRIES",
                entries: limits::IDEMPOTENCY_ENTRIES,
                bytes: limits::IDEMPOTENCY_BYTES,
                life: limits::IDEMPOTENCY_LIFE,
            }),
        }
    }

    /// A request with a key came.
    ///
    /// # Errors
    /// `conflict`, code `other_body`; `busy`; `too_large` for a key above
    /// `IDEMPOTENCY_KEY_BYTES`.
    pub fn begin(
        &mut self,
        key: &IdempotencyKey,
        digest: [u8; 32],
        now_ms: u64,
    ) -> Result<Begin<E>> {
        let most = limits::IDEMPOTENCY_KEY_BYTES;
        if key.key.len() > most {
            let message = format!("expected a key of at most {most} bytes");
            return Err(Error::refusal(Kind::TooLarge, "", message)
                .with_field("idempotencyKey")
                .with_limit("IDEMPOTENCY_KEY_BYTES", most as u64));
        }
        let begun = self.memory.begin(key, digest, now_ms);
        begun.map_err(|error| error.with_field("idempotencyKey"))
    }

    /// It ended; `bytes` is what keeping `outcome` costs. Only the first end counts.
    pub fn end(&mut self, key: &IdempotencyKey, outcome: E, bytes: usize, now_ms: u64) {
        self.memory.end(key, outcome, bytes, now_ms);
    }

    /// It never ran (refused before the handler), so that the key may be used again.
    pub fn abandon(&mut self, key: &IdempotencyKey) {
        self.memory.abandon(key);
    }

    /// When something is to be forgotten next.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.memory.next_end()
    }

    /// Forgets what is over.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.memory.forget(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8, attempt: u32) -> CallKey {
        CallKey { node: NodeKey::from_bytes([1; 32]), id: [id; 16], attempt }
    }

    const BODY: [u8; 32] = [0; 32];

    fn small() -> Duplicates<&'static str> {
        let life = Duration::from_secs(60);
        Duplicates::bounded(Bounds { name: "THREE", entries: 3, bytes: 100, life })
    }

    #[test]
    fn a_second_sending_joins_then_gets_the_end_then_is_new() {
        let mut all = small();
        assert_eq!(all.begin(key(1, 1), BODY, 0), Ok(Begin::New));
        assert_eq!(all.begin(key(1, 1), BODY, 1), Ok(Begin::Running));
        all.end(&key(1, 1), "first", 5, 10);
        all.end(&key(1, 1), "second", 5, 11);
        assert_eq!(all.begin(key(1, 1), BODY, 60_009), Ok(Begin::Ended("first")));
        assert_eq!(all.poll_timeout(), Some(60_010));
        assert_eq!(all.begin(key(1, 1), BODY, 60_010), Ok(Begin::New));
    }

    #[test]
    fn another_body_is_a_conflict_and_another_attempt_runs() {
        let mut all = small();
        all.begin(key(1, 1), BODY, 0).unwrap();
        assert_eq!(all.begin(key(1, 1), [1; 32], 0).unwrap_err().kind, Kind::Conflict);
        assert_eq!(all.begin(key(1, 2), [1; 32], 0), Ok(Begin::New));
        assert_eq!(all.begin(key(1, 1), BODY, 0), Ok(Begin::Running));
        assert_eq!(all.begin(key(1, 0), BODY, 0).unwrap_err().kind, Kind::StaleAttempt);
        let other = CallKey { node: NodeKey::from_bytes([2; 32]), ..key(1, 0) };
        assert_eq!(all.begin(other, BODY, 0), Ok(Begin::New));
    }

    #[test]
    fn ended_ones_make_room_and_running_ones_do_not() {
        let mut all = small();
        for id in 1..=3 {
            all.begin(key(id, 1), BODY, 0).unwrap();
        }
        assert_eq!(all.begin(key(4, 1), BODY, 0).unwrap_err().kind, Kind::Busy);
        all.end(&key(2, 1), "two", 1, 1);
        assert_eq!(all.begin(key(4, 1), BODY, 2), Ok(Begin::New));
        all.abandon(&key(4, 1));
        assert_eq!(all.begin(key(2, 1), BODY, 2), Ok(Begin::New));
    }

    #[test]
    fn outcomes_are_bounded_in_bytes() {
        let mut all = small();
        for id in 1..=3 {
            all.begin(key(id, 1), BODY, 0).unwrap();
            all.end(&key(id, 1), "x", 60, u64::from(id));
            assert!(all.memory.bytes <= 100);
        }
        assert_eq!(all.begin(key(3, 1), BODY, 4), Ok(Begin::Ended("x")));
        assert_eq!(all.begin(key(1, 1), BODY, 4), Ok(Begin::Untold), "it does not run again");
        assert_eq!(all.begin(key(1, 1), BODY, 60_001), Ok(Begin::New));
    }

    #[test]
    fn idempotency_is_by_caller_and_for_ten_minutes() {
        let caller = |n| crate::policy::Caller::local(NodeKey::from_bytes([n; 32]), None).key();
        let key = |n| IdempotencyKey { caller: caller(n), key: "k".to_owned() };
        let mut all = Idempotency::new();
        assert_eq!(all.begin(&key(1), BODY, 0), Ok(Begin::New));
        all.end(&key(1), 42, 8, 0);
        assert_eq!(all.begin(&key(1), BODY, 599_999), Ok(Begin::Ended(42)));
        assert_eq!(all.begin(&key(2), BODY, 0), Ok(Begin::New));
        assert_eq!(all.begin(&key(1), [1; 32], 0).unwrap_err().kind, Kind::Conflict);
        assert_eq!(all.begin(&key(1), BODY, 600_000), Ok(Begin::New));
        let long = IdempotencyKey { caller: caller(1), key: "k".repeat(257) };
        assert_eq!(all.begin(&long, BODY, 0).unwrap_err().kind, Kind::TooLarge);
    }

    fn ms(life: Duration) -> u64 {
        u64::try_from(life.as_millis()).unwrap()
    }

    #[test]
    fn sendings_are_remembered_within_the_bounds_of_the_table() {
        let key = |n: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            CallKey { node: NodeKey::from_bytes([1; 32]), id, attempt: 1 }
        };
        let mut all = Duplicates::new();
        for n in 0..limits::DUPLICATE_ENTRIES {
            assert_eq!(all.begin(key(n), BODY, 0), Ok(Begin::New));
        }
        let busy = all.begin(key(limits::DUPLICATE_ENTRIES), BODY, 0).unwrap_err();
        assert_eq!(
            (busy.kind, busy.limit.unwrap().name.as_str()),
            (Kind::Busy, "DUPLICATE_ENTRIES")
        );
        // Outcomes that fill the memory to the last byte stay; one byte more takes the first one.
        all.end(&key(0), "first", limits::DUPLICATE_BYTES - 1, 0);
        all.end(&key(1), "second", 1, 1);
        assert_eq!(all.begin(key(0), BODY, 1), Ok(Begin::Ended("first")));
        all.end(&key(2), "third", 1, 2);
        assert_eq!(all.begin(key(0), BODY, 2), Ok(Begin::Untold));
        let life = ms(limits::DUPLICATE_LIFE);
        assert_eq!(all.begin(key(1), BODY, life), Ok(Begin::Ended("second")));
        assert_eq!(all.begin(key(1), BODY, life + 1), Ok(Begin::New));
    }

    #[test]
    fn keys_are_remembered_within_the_bounds_of_the_table() {
        let caller = crate::policy::Caller::local(NodeKey::from_bytes([1; 32]), None).key();
        let key = |n: usize| IdempotencyKey { caller, key: n.to_string() };
        let mut all = Idempotency::new();
        for n in 0..limits::IDEMPOTENCY_ENTRIES {
            assert_eq!(all.begin(&key(n), BODY, 0), Ok(Begin::New));
        }
        let busy = all.begin(&key(limits::IDEMPOTENCY_ENTRIES), BODY, 0).unwrap_err();
        assert_eq!(busy.limit.unwrap().name, "IDEMPOTENCY_ENTRIES");
        all.end(&key(0), 0, limits::IDEMPOTENCY_BYTES, 0);
        assert_eq!(all.begin(&key(0), BODY, 0), Ok(Begin::Ended(0)));
        all.end(&key(1), 1, 1, 1);
        let life = ms(limits::IDEMPOTENCY_LIFE);
        assert_eq!(all.begin(&key(0), BODY, 1), Ok(Begin::Untold), "the first is told no more");
        assert_eq!(all.begin(&key(1), BODY, life), Ok(Begin::Ended(1)));
        assert_eq!(all.begin(&key(1), BODY, life + 1), Ok(Begin::New));
    }
}
