//! Plots as SVG.

use super::figures::{Metric, Spread, Table, number};
use crate::house::Result;
use crate::package::say;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

/// Pixels of one panel: its width, and the heights of its frame and of each row in it.
const WIDTH: u32 = 640;
const FRAME: u32 = 100;
const ROW: u32 = 22;
/// Pixels of the names of rows.
const NAMES: u32 = 190;
/// Half of those of the last number of an axis.
const NUMBER: u32 = 40;
const COLUMNS: usize = 2;
const FONT: (&str, u32) = ("sans-serif", 16);
const COLOURS: [RGBColor; 5] = [
    RGBColor(68, 119, 170),
    RGBColor(34, 136, 51),
    RGBColor(204, 187, 68),
    RGBColor(102, 204, 238),
    RGBColor(170, 51, 119),
];
/// With fewer than ten labels wanted, only whole powers of ten have one.
const DECADES: usize = 9;
/// What a logarithmic axis begins with where a range begins with nothing.
const LEAST: f64 = 1e-3;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A row of a panel.
type Named<'a> = (&'a str, Spread);

/// Medians with their ranges: a panel for each metric, on a logarithmic axis.
pub(super) fn points(tables: &[Table], file: &Path) -> Result<()> {
    let all = tables.iter().flat_map(|table| table.metrics.iter().map(move |one| (table, one)));
    let all = all.map(|(table, metric)| (metric, rows(table, metric)));
    let panels: Vec<_> = all.filter(|(_, rows)| !rows.is_empty()).collect();
    let most = panels.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0);
    draw(file, panels.len(), most, |area, index| match panels.get(index) {
        Some((metric, rows)) => ranges(area, metric.title, rows),
        None => Ok(()),
    })
}

/// Stacked bars of medians: a panel for each table.
pub(super) fn bars(tables: &[Table], parts: &[Metric], file: &Path) -> Result<()> {
    let most = tables.iter().map(|table| table.rows().count()).max().unwrap_or(0);
    // Room for the legend.
    draw(file, tables.len(), most + parts.len(), |area, index| match tables.get(index) {
        Some(table) if table.rows().next().is_some() => stacked(area, table, parts),
        Some(_) | None => Ok(()),
    })
}

/// So many panels, each with room for so many rows.
fn draw(
    file: &Path,
    panels: usize,
    rows: usize,
    each: impl Fn(&Area<'_>, usize) -> Result<()>,
) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder).map_err(|error| say(folder, &error))?;
    let lines = panels.div_ceil(COLUMNS);
    let [lines_px, rows_px, columns] =
        [lines, rows, COLUMNS].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let height = FRAME.saturating_add(ROW.saturating_mul(rows_px)).saturating_mul(lines_px);
    let root = SVGBackend::new(file, (WIDTH * columns, height.max(1))).into_drawing_area();
    root.fill(&WHITE).map_err(fault)?;
    for (index, area) in root.split_evenly((lines.max(1), COLUMNS)).iter().enumerate() {
        each(area, index)?;
    }
    root.present().map_err(fault)
}

fn rows<'a>(table: &'a Table, metric: &Metric) -> Vec<Named<'a>> {
    let found = table.rows().filter_map(|(row, samples)| Some((row, samples.spread(metric.key)?)));
    // The first row stands at the top.
    let mut found: Vec<_> = found.collect();
    found.reverse();
    found
}

fn ranges(area: &Area<'_>, title: &str, rows: &[Named<'_>]) -> Result<()> {
    let low = rows.iter().map(|(_, spread)| spread.low).fold(f64::MAX, f64::min).max(LEAST);
    let high = rows.iter().map(|(_, spread)| spread.high).fold(low, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(10)
        .margin_right(NUMBER)
        .x_label_area_size(30)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(
            decades(low, high).log_scale(),
            (0..rows.len().saturating_sub(1)).into_segmented(),
        )
        .map_err(fault)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_labels(DECADES)
        .x_label_formatter(&|value| number(*value))
        .y_labels(rows.len())
        .y_label_formatter(&|row| name(row, |index| rows.get(index).map(|(name, _)| *name)))
        .draw()
        .map_err(fault)?;
    for (index, (_, spread)) in rows.iter().enumerate() {
        let at = |value: f64| (value.max(LEAST), SegmentValue::CenterOf(index));
        let line = PathElement::new([at(spread.low), at(spread.high)], COLOURS[0].stroke_width(3));
        chart.draw_series([line]).map_err(fault)?;
        let point = Circle::new(at(spread.median), 4, COLOURS[4].filled());
        chart.draw_series([point]).map_err(fault)?;
    }
    Ok(())
}

/// From the whole power of ten below to the one above.
fn decades(low: f64, high: f64) -> Range<f64> {
    let below = 10_f64.powf(low.log10().floor());
    below..10_f64.powf(high.log10().ceil()).max(below * 10.0)
}

fn stacked(area: &Area<'_>, table: &Table, parts: &[Metric]) -> Result<()> {
    let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
    for (row, samples) in table.rows() {
        let medians = parts.iter().map(|part| samples.spread(part.key).map_or(0.0, |s| s.median));
        all.push((row, medians.collect()));
    }
    all.reverse();
    let most = all.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(table.title, FONT)
        .margin(10)
        .margin_right(NUMBER)
        .x_label_area_size(30)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(
            0.0..most * 1.05,
            (0..(all.len() + parts.len()).saturating_sub(1)).into_segmented(),
        )
        .map_err(fault)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_label_formatter(&|value| number(*value))
        .y_labels(all.len() + parts.len())
        .y_label_formatter(&|row| name(row, |index| all.get(index).map(|(name, _)| *name)))
        .draw()
        .map_err(fault)?;
    for (part, (metric, colour)) in parts.iter().zip(COLOURS).enumerate() {
        let bars = all.iter().enumerate().map(|(index, (_, medians))| {
            let before: f64 = medians.iter().take(part).sum();
            let own = medians.get(part).copied().unwrap_or_default();
            let ends = [
                (before, SegmentValue::Exact(index)),
                (before + own, SegmentValue::Exact(index + 1)),
            ];
            let mut bar = Rectangle::new(ends, colour.filled());
            bar.set_margin(3, 3, 0, 0);
            bar
        });
        let series = chart.draw_series(bars).map_err(fault)?;
        series
            .label(metric.title)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .map_err(fault)
}

/// The name of the row that a segment is of.
fn name<'a>(row: &SegmentValue<usize>, of: impl Fn(usize) -> Option<&'a str>) -> String {
    match row {
        SegmentValue::CenterOf(index) => of(*index).unwrap_or_default().to_owned(),
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    }
}

fn fault(error: impl Display) -> String {
    format!("a plot cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::figures::Samples;
    use super::*;
    use crate::house;

    fn table() -> Table {
        let metric = |key| Metric { key, title: key };
        let mut table = Table::new("calls", &["one", "two"].map(metric));
        for (row, value) in [("hubless C", 70.0), ("others", 3_000.0)] {
            for (round, key) in ["one", "two"].into_iter().enumerate() {
                let mut samples = Samples::default();
                samples.add(key, value);
                samples.add(key, value * 1.5);
                table.add(round, row, Ok(samples));
            }
        }
        table
    }

    #[test]
    fn an_axis_has_whole_decades() {
        assert_eq!(decades(70.0, 4_500.0), 10.0..10_000.0);
        assert_eq!(decades(100.0, 100.0), 100.0..1_000.0);
    }

    #[test]
    fn each_row_and_each_panel_is_named() {
        let folder = house::target().join(format!("bench-plot-{}", std::process::id()));
        let tables = [table()];
        let [points_file, bars_file] = ["points.svg", "bars.svg"].map(|name| folder.join(name));
        points(&tables, &points_file).unwrap();
        bars(&tables, &tables[0].metrics, &bars_file).unwrap();
        for (file, circles, words) in [
            (points_file, 4, ["hubless C", "others", "one", "two"]),
            (bars_file, 0, ["hubless C", "others", "calls", "two"]),
        ] {
            let text = std::fs::read_to_string(file).unwrap();
            words.iter().for_each(|word| assert!(text.contains(word), "{word}"));
            assert_eq!(text.matches("<circle").count(), circles);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
