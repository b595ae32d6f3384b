//! Samples of one row, and what a table shows of them.

use std::collections::BTreeMap;

/// Something that is measured of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its name in programs and in the CSV file.
    pub(super) key: &'static str,
    /// Its name in tables, with the unit.
    pub(super) title: &'static str,
}

/// Lowest, middle and highest of some samples, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
    pub(super) count: usize,
}

impl Spread {
    /// None: there are no samples.
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        // Of an even number, between the two in the middle.
        let median = match sorted.len().is_multiple_of(2) {
            true => f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, upper),
            false => upper,
        };
        Some(Self { low, median, high, count: sorted.len() })
    }

    /// As a table shows it.
    pub(super) fn shown(&self) -> String {
        let Self { low, median, high, count } = self;
        // One run, or a limit: no range.
        if *count == 1 || low.total_cmp(high).is_eq() {
            return number(*median);
        }
        format!("{} [{}–{}]", number(*median), number(*low), number(*high))
    }
}

/// With as many digits as mean something.
pub(super) fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        let digits = format!("{value:.0}");
        let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |rest| ("-", rest));
        let groups: Vec<_> =
            digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        return format!("{sign}{}", groups.join(","));
    }
    format!("{value:.*}", if value.abs() >= 10.0 { 1 } else { 2 })
}

/// The samples of one row, by metric.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<String, Vec<Sample>>);

/// One figure, and in which round it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) round: usize,
    pub(super) value: f64,
}

impl Samples {
    /// Adds a figure of a run; a table knows in which round that was.
    pub(super) fn add(&mut self, key: &str, value: f64) {
        self.0.entry(key.to_owned()).or_default().push(Sample { round: 0, value });
    }

    /// Those of another look at the same run as well.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.merge(others, 0);
        self
    }

    fn merge(&mut self, others: Self, round: usize) {
        for (key, samples) in others.0 {
            let samples = samples.into_iter().map(|sample| Sample { round, ..sample });
            self.0.entry(key).or_default().extend(samples);
        }
    }

    pub(super) fn all(&self, key: &str) -> &[Sample] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn of(&self, key: &str) -> Vec<f64> {
        self.all(key).iter().map(|sample| sample.value).collect()
    }

    pub(super) fn spread(&self, key: &str) -> Option<Spread> {
        Spread::of(&self.of(key))
    }
}

/// What is measured of whom.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) metrics: Vec<Metric>,
    rows: Vec<(String, Samples)>,
    /// What a reader has to know besides: what was left out, and what failed.
    pub(super) notes: Vec<String>,
    /// Runs that failed.
    pub(super) faults: Vec<String>,
}

impl Table {
    pub(super) fn new(title: &'static str, metrics: &[Metric]) -> Self {
        Self {
            title,
            metrics: metrics.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Adds the run of a row in this round, or notes why there is none.
    pub(super) fn add(&mut self, round: usize, row: &str, measured: Result<Samples, String>) {
        let samples = match measured {
            Ok(samples) => samples,
            Err(fault) => {
                let fault = fault.lines().next().unwrap_or_default();
                let fault = format!("{row}: {fault}");
                self.notes.push(fault.clone());
                self.faults.push(fault);
                return;
            }
        };
        if let Some((_, all)) = self.rows.iter_mut().find(|(name, _)| name == row) {
            all.merge(samples, round);
            return;
        }
        let mut all = Samples::default();
        all.merge(samples, round);
        self.rows.push((row.to_owned(), all));
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, &Samples)> {
        self.rows.iter().map(|(name, samples)| (name.as_str(), samples))
    }

    pub(super) fn spread(&self, row: &str, key: &str) -> Option<Spread> {
        self.rows().find(|(name, _)| *name == row).and_then(|(_, samples)| samples.spread(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(Spread::of(&[]), None);
        let odd = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Spread { low: 1.0, median: 2.0, high: 3.0, count: 3 });
        let even = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert!((even.median - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        let all = [0.456, 9.876, 12.34, 123.4, 86_500.2, -1_234.0];
        assert_eq!(all.map(number), ["0.46", "9.88", "12.3", "123", "86,500", "-1,234"]);
        let spread = Spread::of(&[1.0, 2.0, 30.0]).unwrap();
        assert_eq!(spread.shown(), "2.00 [1.00–30.0]");
    }

    #[test]
    fn runs_of_one_row_are_gathered_and_failures_noted() {
        let metric = Metric { key: "cold_ms", title: "cold ms" };
        let mut table = Table::new("calls", &[metric]);
        for (round, value) in [(0, 1.0), (2, 3.0)] {
            let mut samples = Samples::default();
            samples.add("cold_ms", value);
            table.add(round, "c", Ok(samples));
        }
        table.add(1, "c", Err("it ended\nwith a trace".to_owned()));
        assert_eq!(table.spread("c", "cold_ms").unwrap().count, 2);
        // A run that failed moves no later one into its round.
        let samples = table.rows().flat_map(|(_, samples)| samples.all("cold_ms"));
        assert_eq!(samples.map(|sample| sample.round).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(table.spread("d", "cold_ms"), None);
        assert_eq!((&table.notes, &table.faults), (&vec!["c: it ended".to_owned()], &table.notes));
    }
}
