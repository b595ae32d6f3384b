//! What a target asks, and whether the runs show it.

use super::figures::{Spread, Table, number};
use super::options::FEWEST;

/// What one figure of a row must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound<'a> {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
    /// At most so many times that of another row.
    MostTimes(f64, &'a str),
    /// At least so many times that of another row.
    LeastTimes(f64, &'a str),
}

/// What was found of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Five runs or more, and no run of ours on the wrong side of any of theirs.
    Met,
    /// The medians are right, but ranges overlap.
    Overlaps,
    /// There are fewer runs than count.
    TooFewRuns,
    /// One of the two was not measured.
    NotMeasured,
    /// The medians are not right.
    NotMet,
}

impl State {
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Overlaps => "not met: ranges overlap",
            Self::TooFewRuns => "not met: fewer than five runs",
            Self::NotMeasured => "not measured",
            Self::NotMet => "NOT MET",
        }
    }
}

/// A target with what became of it.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    row: String,
    target: String,
    pub(super) state: State,
    ours: Option<Spread>,
    theirs: Option<Spread>,
}

impl Verdict {
    /// Judges one figure of a row.
    pub(super) fn of(table: &Table, row: &str, key: &str, bound: Bound<'_>) -> Self {
        let title = table.metrics.iter().find(|metric| metric.key == key);
        let title = title.map_or(key, |metric| metric.title);
        let ours = table.spread(row, key);
        let (wanted, theirs) = match bound {
            Bound::Most(most) => (format!("≤ {}", number(most)), Some(exactly(most))),
            Bound::Least(least) => (format!("≥ {}", number(least)), Some(exactly(least))),
            Bound::MostTimes(times, other) => {
                (format!("≤ {times} × {other}"), table.spread(other, key))
            }
            Bound::LeastTimes(times, other) => {
                (format!("≥ {times} × {other}"), table.spread(other, key))
            }
        };
        let state = judge(ours, theirs, bound);
        Self { row: row.to_owned(), target: format!("{title} {wanted}"), state, ours, theirs }
    }

    /// Its row of a table.
    pub(super) fn row(&self) -> String {
        let shown = |spread: Option<Spread>| spread.map_or_else(String::new, |one| one.shown());
        let Self { row, target, state, ours, theirs } = self;
        let state = state.shown();
        format!("| {row} | {target} | {state} | {} | {} |", shown(*ours), shown(*theirs))
    }
}

/// A limit that has no range, and is no run.
const fn exactly(value: f64) -> Spread {
    Spread { low: value, median: value, high: value, count: usize::MAX }
}

fn judge(ours: Option<Spread>, theirs: Option<Spread>, bound: Bound<'_>) -> State {
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return State::NotMeasured };
    let (apart, right) = match bound {
        Bound::Most(_) => (ours.high <= theirs.low, ours.median <= theirs.median),
        Bound::Least(_) => (ours.low >= theirs.high, ours.median >= theirs.median),
        Bound::MostTimes(times, _) => {
            (ours.high <= theirs.low * times, ours.median <= theirs.median * times)
        }
        Bound::LeastTimes(times, _) => {
            (ours.low >= theirs.high * times, ours.median >= theirs.median * times)
        }
    };
    let few = ours.count.min(theirs.count) < FEWEST;
    match (right, apart, few) {
        (false, _, _) => State::NotMet,
        (true, _, true) => State::TooFewRuns,
        (true, false, false) => State::Overlaps,
        (true, true, false) => State::Met,
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Metric, Samples};
    use super::*;

    fn table(ours: &[f64], theirs: &[f64]) -> Table {
        let mut table = Table::new("calls", &[Metric { key: "rtt", title: "RTT µs" }]);
        for (row, all) in [("ours", ours), ("theirs", theirs)] {
            for (round, sample) in all.iter().enumerate() {
                let mut samples = Samples::default();
                samples.add("rtt", *sample);
                table.add(round, row, Ok(samples));
            }
        }
        table
    }

    fn state(ours: &[f64], theirs: &[f64], bound: Bound<'_>) -> State {
        Verdict::of(&table(ours, theirs), "ours", "rtt", bound).state
    }

    #[test]
    fn a_row_is_met_by_five_runs_whose_ranges_do_not_overlap_and_by_nothing_less() {
        let below = Bound::MostTimes(1.0, "theirs");
        let (ours, theirs) = ([10.0, 11.0, 12.0, 13.0, 14.0], [15.0, 20.0, 20.0, 20.0, 90.0]);
        assert_eq!(state(&ours, &theirs, below), State::Met);
        assert_eq!(state(&ours[..4], &theirs, below), State::TooFewRuns);
        assert_eq!(state(&ours, &theirs[..4], below), State::TooFewRuns);
        assert_eq!(state(&[10.0, 11.0, 12.0, 13.0, 16.0], &theirs, below), State::Overlaps);
        assert_eq!(state(&theirs, &ours, below), State::NotMet);
        assert_eq!(state(&ours, &[], below), State::NotMeasured);
    }

    #[test]
    fn a_factor_moves_the_whole_range_of_the_other_row() {
        let (ours, theirs) = ([12.0; 5], [10.0; 5]);
        assert_eq!(state(&ours, &theirs, Bound::MostTimes(1.25, "theirs")), State::Met);
        assert_eq!(state(&ours, &theirs, Bound::MostTimes(1.1, "theirs")), State::NotMet);
        assert_eq!(state(&ours, &theirs, Bound::LeastTimes(0.7, "theirs")), State::Met);
        assert_eq!(state(&ours, &theirs, Bound::LeastTimes(2.0, "theirs")), State::NotMet);
    }

    #[test]
    fn a_limit_of_its_own_needs_five_runs_of_ours() {
        assert_eq!(state(&[4.0; 5], &[], Bound::Most(5.0)), State::Met);
        assert_eq!(state(&[4.0; 2], &[], Bound::Most(5.0)), State::TooFewRuns);
        assert_eq!(state(&[4.0, 4.0, 4.0, 4.0, 6.0], &[], Bound::Most(5.0)), State::Overlaps);
        assert_eq!(state(&[4.0; 5], &[], Bound::Least(5.0)), State::NotMet);
    }
}
