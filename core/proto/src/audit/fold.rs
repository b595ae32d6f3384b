//! Events that others cause as often as they like become few rows.

use super::entry::Entry;
use super::kind::{Event, Outcome};
use crate::limits::{AUDIT_FOLD_SPAN, AUDIT_FOLDED};
use std::collections::BTreeMap;

/// Folds equal events of one second into one row with a count.
///
/// The first of a second is told at once; those that are equal to it are counted, and told when the
/// second is over. Beyond `AUDIT_FOLDED` different events a second, others are only counted by
/// their kind: nobody who is refused decides how much is written. The sum of all counts is the
/// number of events.
///
/// ```
/// use hubless_proto::audit::{Entry, Event, Fold};
///
/// let mut fold = Fold::default();
/// let refused = || Entry::of(Event::CallRefused).by("http:anonymous");
/// assert_eq!(fold.take(refused(), 1_000), [refused()]);
/// assert!(fold.take(refused(), 1_400).is_empty() && fold.take(refused(), 1_900).is_empty());
/// assert_eq!(fold.poll_timeout(), Some(2_000));
/// assert_eq!(fold.handle_timeout(2_000), [refused().times(2)]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fold {
    began_ms: u64,
    /// What was told of this second, and how often it came again.
    seen: BTreeMap<Entry, u64>,
    /// What was not told, by its kind.
    others: BTreeMap<(Event, Outcome), u64>,
}

impl Fold {
    /// Takes an event that happened once; gives the rows to write.
    pub fn take(&mut self, entry: Entry, now_ms: u64) -> Vec<Entry> {
        let mut rows = self.handle_timeout(now_ms);
        if self.seen.is_empty() {
            self.began_ms = now_ms;
        }
        if let Some(count) = self.seen.get_mut(&entry) {
            *count += 1;
        } else if self.seen.len() < AUDIT_FOLDED {
            rows.push(entry.clone());
            self.seen.insert(entry, 0);
        } else {
            *self.others.entry((entry.kind, entry.outcome)).or_default() += 1;
        }
        rows
    }

    /// When there will be something to tell, in Unix milliseconds.
    pub fn poll_timeout(&self) -> Option<u64> {
        let counted = !self.others.is_empty() || self.seen.values().any(|count| *count > 0);
        counted.then(|| self.began_ms.saturating_add(span_ms()))
    }

    /// Gives the rows of a second that is over. A clock that was set back ends it as well.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Vec<Entry> {
        let end_ms = self.began_ms.saturating_add(span_ms());
        if (self.began_ms..end_ms).contains(&now_ms) { Vec::new() } else { self.flush() }
    }

    /// Gives everything that was counted, as at the end of its node.
    pub fn flush(&mut self) -> Vec<Entry> {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let seen = seen.filter(|(_, count)| *count > 0).map(|(entry, count)| entry.times(count));
        let others = std::mem::take(&mut self.others).into_iter();
        let others = others.map(|((kind, outcome), count)| {
            Entry { outcome, ..Entry::of(kind) }.because("others").times(count)
        });
        seen.chain(others).collect()
    }
}

fn span_ms() -> u64 {
    u64::try_from(AUDIT_FOLD_SPAN.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(by: usize) -> Entry {
        Entry::of(Event::CallRefused).by(&format!("http:token:{by}"))
    }

    fn sum(rows: &[Entry]) -> u64 {
        rows.iter().map(|row| row.count).sum()
    }

    #[test]
    fn a_flood_of_one_event_is_two_rows_a_second() {
        let mut fold = Fold::default();
        let mut rows = Vec::new();
        for ms in 0..10_000 {
            rows.extend(fold.take(refused(1), 1_000 + ms));
        }
        rows.extend(fold.flush());
        assert_eq!((rows.len(), sum(&rows)), (20, 10_000));
        assert!(fold.flush().is_empty() && fold.poll_timeout().is_none());
    }

    #[test]
    fn so_many_different_events_of_a_second_are_told_and_the_others_counted() {
        let span = span_ms();
        let mut fold = Fold::default();
        let all = AUDIT_FOLDED + 100;
        let mut rows: Vec<Entry> = (0..all).flat_map(|by| fold.take(refused(by), 7)).collect();
        assert_eq!(rows.len(), AUDIT_FOLDED);
        fold.take(Entry::of(Event::PeerRefused), 8);
        assert_eq!(fold.poll_timeout(), Some(7 + span));
        rows.extend(fold.handle_timeout(7 + span));
        assert_eq!((rows.len(), sum(&rows)), (AUDIT_FOLDED + 2, all as u64 + 1));
        let last = rows.last().unwrap();
        assert!(rows.iter().any(|row| row.reason == "others" && row.count == 100));
        assert_eq!(last.reason, "others");
        // The next second tells them again.
        assert_eq!(fold.take(refused(all), 8 + span).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut fold = Fold::default();
        fold.take(refused(1), 50_000);
        fold.take(refused(1), 50_001);
        let rows = fold.take(refused(1), 10);
        assert_eq!((rows.len(), sum(&rows)), (2, 2));
    }
}
