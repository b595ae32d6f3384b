//! The rows of a replica, in the order of their ids, and the sums by which two replicas compare.
//!
//! A sum is the XOR of the marks of its rows, so that it follows each change at once. Who signs
//! records may find two sets of his own with one sum; then others differ in what they hold of him.

use super::claim::{Span, Statement};
use super::message::{Brief, Sum};
use crate::wire::record::Digest;

/// Buckets of a replica, by the first byte of the id.
pub(super) const BUCKETS: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Row<S> {
    /// First bytes of the id: most comparisons end here.
    name: u128,
    /// When it is over, by the steady clock.
    pub(super) until_ms: u64,
    pub(super) statement: S,
}

#[derive(Debug, Clone)]
struct Bucket<S> {
    rows: Vec<Row<S>>,
    sum: Sum,
    /// Nothing in it is over before.
    next_end_ms: u64,
}

#[derive(Debug)]
pub(super) struct Store<S> {
    buckets: Vec<Bucket<S>>,
    sum: Sum,
    rows: usize,
    /// Nothing at all is over before.
    next_end_ms: u64,
}

impl<S: Statement> Store<S> {
    pub(super) fn new() -> Self {
        let empty = Bucket { rows: Vec::new(), sum: 0, next_end_ms: u64::MAX };
        Self { buckets: vec![empty; BUCKETS], sum: 0, rows: 0, next_end_ms: u64::MAX }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    /// The sum of all rows.
    pub(super) const fn sum(&self) -> Sum {
        self.sum
    }

    /// The sum of each bucket.
    pub(super) fn sums(&self) -> Vec<Sum> {
        self.buckets.iter().map(|bucket| bucket.sum).collect()
    }

    pub(super) fn find(&self, id: &Digest) -> Option<&Row<S>> {
        let bucket = self.buckets.get(bucket_of(id))?;
        bucket.rows.get(bucket.search(id).ok()?)
    }

    /// The row that a message names.
    pub(super) fn named(&self, name: u128) -> Option<&S> {
        let bucket = self.buckets.get(bucket_of_name(name))?;
        let at = bucket.rows.partition_point(|row| row.name < name);
        bucket.rows.get(at).filter(|row| row.name == name).map(|row| &row.statement)
    }

    /// Puts a row in, in the place of the one of its key.
    pub(super) fn put(&mut self, statement: S, until_ms: u64) {
        let claim = statement.claim();
        let (id, name, mark) = (claim.id, claim.name(), claim.mark());
        let Some(bucket) = self.buckets.get_mut(bucket_of(&id)) else { return };
        let row = Row { name, until_ms, statement };
        bucket.next_end_ms = bucket.next_end_ms.min(until_ms);
        self.next_end_ms = self.next_end_ms.min(until_ms);
        let mut change = mark;
        match bucket.search(&id) {
            Ok(at) => {
                if let Some(old) = bucket.rows.get_mut(at) {
                    change ^= old.statement.claim().mark();
                    *old = row;
                }
            }
            Err(at) => {
                bucket.rows.insert(at, row);
                self.rows += 1;
            }
        }
        bucket.sum ^= change;
        self.sum ^= change;
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, id: &Digest) -> Option<Row<S>> {
        let bucket = self.buckets.get_mut(bucket_of(id))?;
        let row = bucket.rows.remove(bucket.search(id).ok()?);
        let mark = row.statement.claim().mark();
        bucket.sum ^= mark;
        self.sum ^= mark;
        self.rows -= 1;
        Some(row)
    }

    /// When something may be over next.
    pub(super) fn next_end(&self) -> Option<u64> {
        Some(self.next_end_ms).filter(|end| *end < u64::MAX)
    }

    /// Takes out what is over.
    pub(super) fn expire(&mut self, steady_ms: u64) -> Vec<Row<S>> {
        let mut over = Vec::new();
        if steady_ms < self.next_end_ms {
            return over;
        }
        for bucket in self.buckets.iter_mut().filter(|one| one.next_end_ms <= steady_ms) {
            let is_over = |row: &mut Row<S>| row.until_ms <= steady_ms;
            let first = over.len();
            over.extend(bucket.rows.extract_if(.., is_over));
            for row in over.iter().skip(first) {
                let mark = row.statement.claim().mark();
                bucket.sum ^= mark;
                self.sum ^= mark;
            }
            let ends = bucket.rows.iter().map(|row| row.until_ms);
            bucket.next_end_ms = ends.min().unwrap_or(u64::MAX);
        }
        self.rows -= over.len();
        let ends = self.buckets.iter().map(|bucket| bucket.next_end_ms);
        self.next_end_ms = ends.min().unwrap_or(u64::MAX);
        over
    }

    /// Every row, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Row<S>> {
        self.buckets.iter().flat_map(|bucket| &bucket.rows)
    }

    /// The rows of a part of the order.
    pub(super) fn within(&self, span: Span) -> impl Iterator<Item = &S> {
        let (first, last) = (bucket_of_name(span.from), bucket_of_name(span.to));
        let buckets = self.buckets.iter().take(last + 1).skip(first);
        let rows = buckets.flat_map(move |bucket| {
            let start = bucket.rows.partition_point(|row| row.name < span.from);
            bucket.rows.iter().skip(start).take_while(move |row| row.name <= span.to)
        });
        rows.map(|row| &row.statement)
    }
}

impl<S: Statement> Bucket<S> {
    fn search(&self, id: &Digest) -> Result<usize, usize> {
        let name = id.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
        self.rows.binary_search_by(|row| {
            row.name.cmp(&name).then_with(|| row.statement.claim().id.cmp(id))
        })
    }
}

/// What a message says of a row.
pub(super) fn brief<S: Statement>(statement: &S) -> Brief {
    let claim = statement.claim();
    Brief { name: claim.name(), seq: claim.seq, mark: short(claim.mark()) }
}

/// The first half of a mark: enough to tell two records of one author and number apart.
pub(super) fn short(mark: u128) -> u64 {
    u64::try_from(mark >> 64).unwrap_or_default()
}

fn bucket_of(id: &Digest) -> usize {
    id.first().copied().map_or(0, usize::from)
}

fn bucket_of_name(name: u128) -> usize {
    usize::try_from(name >> 120).unwrap_or_default()
}
