//! Events that others cause as often as they like become few rows.

use super::entry::Entry;
use super::kind::{Event, Outcome};
use crate::limits::{
    AUDIT_FLOOD_SPAN, AUDIT_FOLD_SPAN, AUDIT_FOLDED, AUDIT_FOLDED_ROWS, AUDIT_FOLDED_SPAN, ms,
};
use std::collections::BTreeMap;

/// Folds equal events of one second into one row with a count.
///
/// The first of a second is told at once; those that are equal to it are counted, and told when the
/// second is over. Beyond `AUDIT_FOLDED` different events of a kind a second, others are only
/// counted: nobody who is refused decides how much is written. A kind of which `AUDIT_FOLDED_ROWS`
/// rows were written within an hour is folded over `AUDIT_FLOOD_SPAN` for the rest of it: nobody
/// who is refused pushes out what is older in the log. The sum of all counts is the number of
/// events.
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
pub struct Fold(BTreeMap<Event, Lane>);

/// The events of one kind: a flood of one hides none of another.
#[derive(Debug, Clone, Default)]
struct Lane {
    /// When the span began over which events are folded.
    began_ms: u64,
    /// What was told of this span, and how often it came again.
    seen: BTreeMap<Entry, u64>,
    /// What was not told.
    others: BTreeMap<Outcome, u64>,
    /// When the hour began in which rows are counted.
    hour_ms: u64,
    /// Rows of this hour.
    rows: usize,
}

impl Fold {
    /// Takes an event that happened once; gives the rows to write.
    pub fn take(&mut self, entry: Entry, now_ms: u64) -> Vec<Entry> {
        let mut rows = self.handle_timeout(now_ms);
        rows.extend(self.0.entry(entry.kind).or_default().take(entry, now_ms));
        rows
    }

    /// When there will be something to tell, in Unix milliseconds.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.0.values().filter_map(Lane::poll_timeout).min()
    }

    /// Gives the rows of spans that are over. A clock that was set back ends them as well.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Vec<Entry> {
        self.0.iter_mut().flat_map(|(kind, lane)| lane.handle_timeout(*kind, now_ms)).collect()
    }

    /// Gives everything that was counted, as at the end of its node.
    pub fn flush(&mut self) -> Vec<Entry> {
        self.0.iter_mut().flat_map(|(kind, lane)| lane.flush(*kind)).collect()
    }
}

impl Lane {
    fn take(&mut self, entry: Entry, now_ms: u64) -> Option<Entry> {
        if !(self.hour_ms..self.hour_ms.saturating_add(ms(AUDIT_FOLDED_SPAN))).contains(&now_ms) {
            (self.hour_ms, self.rows) = (now_ms, 0);
        }
        if self.seen.is_empty() {
            self.began_ms = now_ms;
        }
        if let Some(count) = self.seen.get_mut(&entry) {
            *count += 1;
            None
        } else if self.seen.len() < AUDIT_FOLDED {
            self.rows += 1;
            self.seen.insert(entry.clone(), 0);
            Some(entry)
        } else {
            *self.others.entry(entry.outcome).or_default() += 1;
            None
        }
    }

    fn end_ms(&self) -> u64 {
        let flooded = self.rows >= AUDIT_FOLDED_ROWS;
        let span = if flooded { AUDIT_FLOOD_SPAN } else { AUDIT_FOLD_SPAN };
        self.began_ms.saturating_add(ms(span))
    }

    fn poll_timeout(&self) -> Option<u64> {
        let counted = !self.others.is_empty() || self.seen.values().any(|count| *count > 0);
        counted.then(|| self.end_ms())
    }

    fn handle_timeout(&mut self, kind: Event, now_ms: u64) -> Vec<Entry> {
        let over = !(self.began_ms..self.end_ms()).contains(&now_ms);
        if over { self.flush(kind) } else { Vec::new() }
    }

    fn flush(&mut self, kind: Event) -> Vec<Entry> {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let seen = seen.filter(|(_, count)| *count > 0).map(|(entry, count)| entry.times(count));
        let others = std::mem::take(&mut self.others).into_iter();
        let others = others.map(|(outcome, count)| {
            Entry { outcome, ..Entry::of(kind) }.because("others").times(count)
        });
        let rows: Vec<_> = seen.chain(others).collect();
        self.rows += rows.len();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::AUDIT_ROWS;

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
        let span = ms(AUDIT_FOLD_SPAN);
        let mut fold = Fold::default();
        let all = AUDIT_FOLDED + 100;
        let mut rows: Vec<Entry> = (0..all).flat_map(|by| fold.take(refused(by), 7)).collect();
        assert_eq!(rows.len(), AUDIT_FOLDED);
        assert_eq!(fold.poll_timeout(), Some(7 + span));
        // One of another kind is told all the same.
        let other = Entry::of(Event::PeerRefused);
        assert_eq!(fold.take(other.clone(), 8), [other]);
        rows.extend(fold.handle_timeout(7 + span));
        assert_eq!((rows.len(), sum(&rows)), (AUDIT_FOLDED + 1, all as u64));
        let last = rows.last().unwrap();
        assert_eq!((last.reason.as_str(), last.count), ("others", 100));
        // The next second tells them again.
        assert_eq!(fold.take(refused(all), 8 + span).len(), 1);
    }

    /// The rows of so many hours in which different events come without end, one of another kind at
    /// the end of each.
    fn flooded(fold: &mut Fold, hours: u64) -> Vec<Entry> {
        let hour = ms(AUDIT_FOLDED_SPAN);
        let mut rows = Vec::new();
        for at in 0..hours * hour / 50 {
            let now_ms = at * 50;
            rows.extend(fold.take(refused(usize::try_from(at).unwrap()), now_ms));
            if now_ms % hour == hour - 50 {
                rows.extend(fold.take(Entry::of(Event::PeerRefused), now_ms));
            }
        }
        rows.extend(fold.flush());
        rows
    }

    #[test]
    fn a_flood_of_hours_has_few_rows_and_hides_no_other_kind() {
        let hours = 5;
        let rows = flooded(&mut Fold::default(), hours);
        let events = hours * ms(AUDIT_FOLDED_SPAN) / 50;
        assert_eq!(sum(&rows), events + hours);
        assert_eq!(rows.iter().filter(|row| row.kind == Event::PeerRefused).count() as u64, hours);
        let spans = AUDIT_FOLDED_SPAN.as_secs() / AUDIT_FLOOD_SPAN.as_secs();
        let an_hour = AUDIT_FOLDED_ROWS as u64 + (spans + 1) * (2 * AUDIT_FOLDED as u64 + 1) + 1;
        let all = rows.len() as u64;
        assert!(all > hours * AUDIT_FOLDED_ROWS as u64 && all <= hours * an_hour, "{all}");
        assert!(AUDIT_ROWS / an_hour > 7 * 24, "what is older than a week goes");
    }

    #[test]
    fn after_a_flood_the_next_hour_is_told_by_the_second_again() {
        let mut fold = Fold::default();
        flooded(&mut fold, 1);
        let later = ms(AUDIT_FOLDED_SPAN) + ms(AUDIT_FLOOD_SPAN);
        fold.take(refused(1), later);
        fold.take(refused(1), later);
        assert_eq!(fold.poll_timeout(), Some(later + ms(AUDIT_FOLD_SPAN)));
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
