//! Budgets: limits kept, and how fast; and how quickly a stop arrives in every language, by the
//! programs of `cargo demo --runaway` from the installed packages.

use super::figures::{Metric, Samples, Table};
use super::install::Programs;
use super::options::{Options, Scale};
use super::report::Report;
use super::{about, plot};
use crate::demo::{self, Trips};
use crate::house::Result;
use crate::settings;
use serde_json::Value;
use std::process::Command;

const LIMITS: [Metric; 7] = [
    Metric { key: "per_second", title: "calls/s" },
    Metric { key: "used_per_cent", title: "used at the first refusal, %" },
    Metric { key: "limit", title: "limit" },
    Metric { key: "written", title: "written" },
    Metric { key: "overspent", title: "overspent" },
    Metric { key: "stranded", title: "stranded" },
    Metric { key: "refused", title: "refused" },
];
const LEDGER: [Metric; 1] = [Metric { key: "per_second", title: "reserve + commit a second" }];
const KILLS: [Metric; 9] = [
    Metric { key: "budgets", title: "budgets" },
    Metric { key: "limit", title: "limit of each" },
    Metric { key: "answered", title: "answered" },
    Metric { key: "failed", title: "failed" },
    Metric { key: "written", title: "written" },
    Metric { key: "overspent", title: "overspent" },
    Metric { key: "forgotten", title: "written, not charged" },
    Metric { key: "lost", title: "charged, not written" },
    Metric { key: "stranded", title: "stranded" },
];
const TRIPS: [Metric; 5] = [
    Metric { key: "later_ms", title: "from the trip to the last call that began, ms" },
    Metric { key: "p99_ms", title: "p99 ms" },
    Metric { key: "none", title: "chains with none after it" },
    Metric { key: "most", title: "calls of a chain at most" },
    Metric { key: "whole", title: "of one that nobody stops" },
];

/// Trips that are measured.
const fn trips(scale: Scale) -> usize {
    match scale {
        Scale::Whole => 1_000,
        Scale::Quick => 20,
    }
}

/// Measures, and writes the report; true when no limit was broken.
pub(super) fn run(options: &Options, programs: &Programs) -> Result<bool> {
    let about = about::lines(Some(programs));
    let mut tables = [
        ("limits", Table::new("Tokens of a limit, one after another and at once", &LIMITS)),
        ("ledger", Table::new("Spendings of one ledger", &LEDGER)),
        ("kills", Table::new("A spender or root that is killed 100 ms after each start", &KILLS)),
    ];
    let mut kept = limits(options.scale(), programs, &mut tables)?;
    let starts = |language| programs.runaway(language);
    let stops = demo::trips(trips(options.scale()), &starts)?;
    kept &= stops.hold();
    let mut tables: Vec<_> = tables.into_iter().map(|(_, table)| table).collect();
    tables.push(stopped(&stops));
    let folder = options.folder();
    let report = Report { name: "budgets", folder, about, tables, verdicts: Vec::new() };
    plot::points(&report.tables, &report.file("svg"))?;
    report.write(options.scale())?;
    Ok(kept)
}

/// What the program says goes into the tables; whether it found that no limit was broken.
fn limits(scale: Scale, programs: &Programs, tables: &mut [(&str, Table)]) -> Result<bool> {
    let program = programs.rust("budgets");
    let mut command = Command::new(&program);
    if scale == Scale::Quick {
        command.arg("quick");
    }
    eprintln!("  limits: minutes, unless this is a quick run");
    let done = settings::own_only(&mut command).stderr(std::process::Stdio::inherit()).output();
    let done = done.map_err(|error| format!("{program:?}: {error}"))?;
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let (table, row, samples) = told(line)?;
        let known = tables.iter_mut().find(|(name, _)| *name == table);
        let (_, known) = known.ok_or_else(|| format!("a row of an unknown table: {line}"))?;
        known.add(0, &row, Ok(samples));
    }
    Ok(done.status.success())
}

/// A line of the program: its table, its row, and what was measured of it.
fn told(line: &str) -> Result<(String, String, Samples)> {
    let line: Value =
        serde_json::from_str(line).map_err(|error| format!("{error} in a figure: {line}"))?;
    let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
    let metrics = line.get("metrics").and_then(Value::as_object);
    let (Some(table), Some(row), Some(metrics)) = (text("table"), text("row"), metrics) else {
        return Err(format!("no figure: {line}"));
    };
    let mut samples = Samples::default();
    for (key, value) in metrics.iter().filter_map(|(key, value)| Some((key, value.as_f64()?))) {
        samples.add(key, value);
    }
    Ok((table, row, samples))
}

/// The table of the chains that were stopped.
fn stopped(stops: &Trips) -> Table {
    let mut table =
        Table::new("From the trip of a switch to the last call of the provider", &TRIPS);
    table.notes.push("each chain was four calls deep, through all four languages".to_owned());
    let mut samples = Samples::default();
    let ms = |us: u64| us as f64 / 1_000.0;
    let mut sorted = stops.later_us.clone();
    sorted.sort_unstable();
    let late = sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied();
    stops.later_us.iter().for_each(|us| samples.add("later_ms", ms(*us)));
    samples.add("p99_ms", ms(late.unwrap_or_default()));
    samples.add("none", sorted.iter().filter(|us| **us == 0).count() as f64);
    samples.add("most", stops.most as f64);
    samples.add("whole", stops.whole as f64);
    table.add(0, "a chain of the runaway", Ok(samples));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_from_a_line_and_nothing_else_is_one() {
        let line = r#"{"table": "ledger", "row": "on a disk", "metrics": {"per_second": 7.5}}"#;
        let (table, row, samples) = told(line).unwrap();
        assert_eq!((&*table, &*row), ("ledger", "on a disk"));
        assert_eq!(samples.of("per_second"), [7.5]);
        for wrong in ["", "| a table |", r#"{"table": "ledger", "row": "x"}"#] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stop_that_comes_late_is_seen_and_a_chain_that_went_on_does_not_hold() {
        let later_us = (0..200).map(|n| if n < 100 { 0 } else { n * 10 }).collect();
        let stops = Trips { later_us, most: 9, whole: 300 };
        let table = stopped(&stops);
        let of = |key| table.spread("a chain of the runaway", key).unwrap();
        assert_eq!((of("none").median, of("later_ms").count), (100.0, 200));
        assert!((of("later_ms").high - 1.99).abs() < 1e-9);
        assert!((of("p99_ms").median - 1.97).abs() < 1e-9);
        assert!(stops.hold());
        assert!(!Trips { most: 300, ..stops }.hold());
    }
}
