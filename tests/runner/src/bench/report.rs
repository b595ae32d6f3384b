//! A table as Markdown and as CSV, and the files that a reader gets.

use super::figures::{Sample, Table};
use super::judged::Verdict;
use super::options::Scale;
use crate::house::Result;
use crate::package::write;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::PathBuf;

/// What one benchmark found.
pub(super) struct Report {
    /// Its name in files.
    pub(super) name: &'static str,
    /// Where its files go.
    pub(super) folder: PathBuf,
    /// On what it was measured.
    pub(super) about: Vec<String>,
    pub(super) tables: Vec<Table>,
    /// What became of the targets.
    pub(super) verdicts: Vec<Verdict>,
}

impl Report {
    /// Where a file of it is.
    pub(super) fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }

    /// Writes both forms and prints the first. A quick run shows that all of it runs: what did not
    /// is its fault.
    pub(super) fn write(&self, scale: Scale) -> Result<()> {
        let text = self.markdown();
        write(&self.file("md"), &text)?;
        write(&self.file("csv"), self.csv())?;
        println!("{text}");
        for ending in ["md", "csv", "svg"] {
            let file = self.file(ending);
            if file.exists() {
                println!("{}", file.display());
            }
        }
        let faults: Vec<_> = self.tables.iter().flat_map(|table| &table.faults).collect();
        match scale {
            Scale::Quick if !faults.is_empty() => Err(format!("{}: {faults:?}", self.name)),
            Scale::Quick | Scale::Whole => Ok(()),
        }
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.name);
        for line in &self.about {
            push(&mut text, &format!("- {line}"));
        }
        for table in &self.tables {
            push(&mut text, &format!("\n## {}\n", table.title));
            text.push_str(&rows(table));
            for note in &table.notes {
                push(&mut text, &format!("\nNote: {note}"));
            }
        }
        if !self.verdicts.is_empty() {
            push(&mut text, "\n## Targets\n\n| row | target | state | ours | theirs |");
            push(&mut text, "|---|---|---|---|---|");
            for verdict in &self.verdicts {
                push(&mut text, &verdict.row());
            }
        }
        text
    }

    /// One line for each sample.
    fn csv(&self) -> String {
        let mut text = "benchmark,table,row,metric,round,value\n".to_owned();
        for table in &self.tables {
            for (row, samples) in table.rows() {
                for metric in &table.metrics {
                    for Sample { round, value } in samples.all(metric.key) {
                        let key = metric.key;
                        let names = format!("{},\"{}\",\"{row}\"", self.name, table.title);
                        push(&mut text, &format!("{names},{key},{round},{value}"));
                    }
                }
            }
        }
        text
    }
}

/// Counts by name, as CSV.
pub(super) fn counts(counts: &Map<String, Value>) -> String {
    let lines = counts.iter().map(|(name, count)| format!("{name},{count}\n"));
    "stage,instructions\n".to_owned() + &lines.collect::<String>()
}

fn rows(table: &Table) -> String {
    let titles: Vec<_> = table.metrics.iter().map(|metric| metric.title).collect();
    let mut text = String::new();
    push(&mut text, &format!("| | runs | {} |", titles.join(" | ")));
    push(&mut text, &format!("|---|---|{}", "---|".repeat(titles.len())));
    for (row, samples) in table.rows() {
        let spreads: Vec<_> =
            table.metrics.iter().map(|metric| samples.spread(metric.key)).collect();
        let runs = spreads.iter().flatten().map(|spread| spread.count).max().unwrap_or(0);
        let cells: Vec<_> = spreads
            .iter()
            .map(|spread| spread.map_or_else(|| "–".to_owned(), |spread| spread.shown()))
            .collect();
        push(&mut text, &format!("| {row} | {runs} | {} |", cells.join(" | ")));
    }
    text
}

fn push(text: &mut String, line: &str) {
    // A string takes everything.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Metric, Samples};
    use super::*;

    #[test]
    fn a_table_shows_medians_with_ranges_and_the_csv_each_sample() {
        let metrics = [
            Metric { key: "rtt_64_us", title: "RTT 64 B µs" },
            Metric { key: "big_ms", title: "8 MiB ms" },
        ];
        let mut table = Table::new("calls", &metrics);
        // The second round failed.
        for (round, sample) in [(0, 100.0), (2, 300.0), (3, 200.0)] {
            let mut samples = Samples::default();
            samples.add("rtt_64_us", sample);
            table.add(round, "hubless C", Ok(samples));
        }
        table.notes.push("no peers".to_owned());
        let (tables, folder) = (vec![table], PathBuf::new());
        let report = Report { name: "calls", folder, about: vec![], tables, verdicts: vec![] };
        let text = report.markdown();
        assert!(text.contains("| | runs | RTT 64 B µs | 8 MiB ms |"), "{text}");
        assert!(text.contains("| hubless C | 3 | 200 [100–300] | – |"), "{text}");
        assert!(text.contains("Note: no peers"), "{text}");
        let csv = report.csv();
        assert!(csv.contains("calls,\"calls\",\"hubless C\",rtt_64_us,2,300\n"), "{csv}");
        assert_eq!(csv.lines().count(), 4, "{csv}");
    }

    #[test]
    fn a_run_that_failed_is_a_fault_of_a_quick_run_only() {
        let folder = crate::house::target().join(format!("bench-report-{}", std::process::id()));
        let written = |measured, scale| {
            let mut table = Table::new("calls", &[Metric { key: "big_ms", title: "8 MiB ms" }]);
            table.notes.push("no peers".to_owned());
            table.add(0, "hubless C", measured);
            let (tables, folder) = (vec![table], folder.clone());
            Report { name: "calls", folder, about: vec![], tables, verdicts: vec![] }.write(scale)
        };
        let failed = || Err("it ended".to_owned());
        assert!(written(failed(), Scale::Whole).is_ok());
        assert!(written(failed(), Scale::Quick).unwrap_err().contains("hubless C: it ended"));
        assert!(written(Ok(Samples::default()), Scale::Quick).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
