//! Whether a report says, and its charts show, what was computed independently.

use crate::count::Outcome;
use serde_json::{Value, json};
use std::path::Path;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Rows of the table: each day of four years.
const DAYS: u64 = 1_461;
/// Figures of a year that the table shows.
const CELLS: [&str; 7] = [
    "days",
    "precipitationTenths",
    "tempMaxSumTenths",
    "tempMinSumTenths",
    "windMaxTenths",
    "hottest",
    "wettest",
];

/// What each report is made of: work, as the page names it, and the language that does it.
const WORK: [(&str, &str); 6] = [
    ("digest_table", "c"),
    ("render_chart: Mean temperature by month", "node"),
    ("render_chart: Precipitation by month", "node"),
    ("render_chart: Days by kind of weather", "node"),
    ("render_chart: Daily maximum temperature", "node"),
    ("check_figures", "kotlin"),
];

/// An agent as its process said when it was ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    language: String,
    name: String,
    address: String,
}

impl Agent {
    pub(super) fn new(language: &str, name: &str, address: &str) -> Self {
        let [language, name, address] = [language, name, address].map(str::to_owned);
        Self { language, name, address }
    }
}

/// What was computed apart from the agents.
pub(super) struct Expected {
    /// The figures as `tests/demo/DEMO.md` lays them out.
    pub(super) figures: Value,
    /// The highest temperature of each day, in tenths.
    pub(super) highs: Vec<(String, i64)>,
    /// What the digester says of the table.
    pub(super) digest: Value,
}

/// Checks the answer that comes with a report.
pub(super) fn answer(answer: &Value, expected: &Expected) -> Outcome {
    let Expected { figures: expected, digest, .. } = expected;
    let mut outcome = Outcome::one(answer.get("figures") == Some(expected), || {
        format!("the figures differ: {:?} is not {expected}", answer.get("figures"))
    });
    // Every figure was compared: a checker that compares none would find all of them right.
    let check = json!({"ok": true, "compared": leaves(expected), "mismatches": []});
    outcome += Outcome::one(answer.get("check") == Some(&check), || {
        format!("the check is not {check}: {:?}", answer.get("check"))
    });
    outcome += Outcome::one(answer.get("digest") == Some(digest), || {
        format!("the digest differs: {:?} is not {digest}", answer.get("digest"))
    });
    let days = [answer.pointer("/digest/rows"), answer.pointer("/figures/days")];
    outcome += Outcome::one(days.iter().all(|days| *days == Some(&Value::from(DAYS))), || {
        format!("{days:?} are not the {DAYS} days of the table")
    });
    outcome
}

/// Checks the page of a report that these agents made.
pub(super) fn page(file: &Path, expected: &Expected, agents: &[Agent]) -> Outcome {
    let Expected { figures, highs, .. } = expected;
    let Ok(html) = std::fs::read_to_string(file) else {
        return Outcome::failure(format!("{} was not written", file.display()));
    };
    let mut outcome = cells(&html, figures);
    outcome += charts(&html, figures, highs);
    let wrong = work_faults(&html, agents);
    outcome += Outcome::one(wrong.is_empty(), || wrong.join("\n"));
    outcome
}

/// How many single values there are in it.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// What is wrong with the table of who did what: each work stands there once, in order, with an
/// agent of its language that was there.
fn work_faults(html: &str, agents: &[Agent]) -> Vec<String> {
    let table = html.split_once("<h2>Who did what</h2>").map_or("", |(_, rest)| rest);
    let table = table.split_once("</table>").map_or("", |(table, _)| table);
    let rows: Vec<Vec<_>> = table.split("<tr>").map(|row| texts(row).collect()).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    let mut faults = Vec::new();
    let told: Vec<_> =
        rows.iter().map(|row| row.iter().take(2).copied().collect::<Vec<_>>()).collect();
    if told != WORK.map(|(work, language)| vec![work, language]) {
        faults.push(format!("who did what: {told:?}"));
    }
    let was_there = |row: &&Vec<&str>| {
        let [_, language, name, address] = row[..] else { return false };
        agents.contains(&Agent::new(language, name, address))
    };
    let stranger = rows.iter().find(|row| !was_there(row));
    faults.extend(stranger.map(|row| format!("who did what: {row:?} is none of {agents:?}")));
    faults
}

/// Texts of the cells of a row.
fn texts(row: &str) -> impl Iterator<Item = &str> {
    let cells = row.split("<td").skip(1);
    cells.filter_map(|cell| Some(cell.split_once('>')?.1.split_once('<')?.0))
}

/// Every figure of each year stands in the cell of the table that names it.
fn cells(html: &str, expected: &Value) -> Outcome {
    let mut wrong = Vec::new();
    let years = array(expected, "years");
    for year in years {
        let of = |name: &str| {
            let want = cell_of(year, name);
            let name = format!("years.{}.{name}", number(year, "year"));
            let found = cell(html, &name);
            (found.as_ref() != Some(&want)).then(|| format!("{name}: {found:?}, not {want}"))
        };
        wrong.extend(CELLS.iter().filter_map(|name| of(name)));
    }
    Outcome::one(wrong.is_empty() && !years.is_empty(), || wrong.join("\n"))
}

/// What a cell says: sums as means of the days, days with their date.
fn cell_of(year: &Value, name: &str) -> String {
    match name {
        "days" => number(year, name).to_string(),
        "hottest" | "wettest" => {
            let day = year.get(name).cloned().unwrap_or_default();
            let date = day.get("date").and_then(Value::as_str).unwrap_or_default();
            let (value, unit) = match name {
                "hottest" => ("tempMaxTenths", "°C"),
                _ => ("precipitationTenths", "mm"),
            };
            format!("{date}: {} {unit}", decimal(number(&day, value)))
        }
        _ if name.ends_with("SumTenths") => mean(year, name),
        _ => decimal(number(year, name)),
    }
}

/// Each of the four charts has one mark for each month, kind of weather or day, which says its
/// value, and no other mark.
fn charts(html: &str, expected: &Value, highs: &[(String, i64)]) -> Outcome {
    let charts: Vec<_> = html.split("<svg").skip(1).collect();
    let months = || array(expected, "months").iter();
    let name = |month: &Value| {
        let number = usize::try_from(number(month, "month")).unwrap_or_default();
        MONTHS.get(number.wrapping_sub(1)).copied().unwrap_or_default().to_owned()
    };
    let band = |month| {
        let degrees = |sum| bare(&mean(month, sum));
        vec![name(month), degrees("tempMinSumTenths"), degrees("tempMaxSumTenths")]
    };
    let rain = |month| vec![name(month), decimal(number(month, "precipitationTenths"))];
    let weather = expected.get("weather").and_then(Value::as_object);
    let kinds = weather.into_iter().flatten();
    let outcome = Outcome::one(charts.len() == 4, || format!("{} charts, not 4", charts.len()));
    [
        ("Mean temperature by month", "month", months().map(band).collect()),
        ("Precipitation by month", "month", months().map(rain).collect()),
        (
            "Days by kind of weather",
            "weather",
            kinds.map(|(kind, days)| vec![kind.clone(), days.to_string()]).collect(),
        ),
        (
            "Daily maximum temperature",
            "date",
            highs.iter().map(|(date, high)| vec![shown(date), decimal(*high)]).collect(),
        ),
    ]
    .into_iter()
    .fold(outcome, |mut all, (title, first, rows)| {
        all += chart(&charts, title, first, rows);
        all
    })
}

/// The marks of the chart with this title, whose labels begin with the word `first`, say `rows`.
fn chart(charts: &[&str], title: &str, first: &str, mut rows: Vec<Vec<String>>) -> Outcome {
    let titled = format!("Title text '{title}'");
    let Some(chart) = charts.iter().find(|chart| labels(chart).any(|label| label == titled)) else {
        return Outcome::failure(format!("no chart is titled {title}"));
    };
    let mut marks: Vec<_> = labels(chart).filter_map(|label| values(label, first)).collect();
    marks.sort();
    rows.sort();
    let differs = || marks.iter().zip(&rows).find(|(mark, row)| mark != row);
    Outcome::one(marks == rows && !rows.is_empty(), || {
        let (marks, rows) = (marks.len(), rows.len());
        format!("{title}: {marks} marks for {rows} rows; first that differ: {:?}", differs())
    })
}

/// Texts by which a chart names its marks.
fn labels(chart: &str) -> impl Iterator<Item = &str> {
    chart.split("aria-label=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// Values of a label such as `month: Jan; low: 2.7`, if its first word is this one.
fn values(label: &str, first: &str) -> Option<Vec<String>> {
    label.strip_prefix(first)?.strip_prefix(": ")?;
    // Vega writes a minus sign, not a hyphen.
    let value =
        |pair: &str| pair.rsplit_once(": ").map(|(_, value)| value.replace('\u{2212}', "-"));
    label.split("; ").map(value).collect()
}

/// A date as Vega writes it: `2012-01-31` is `Jan 31, 2012`.
fn shown(date: &str) -> String {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let month = month.and_then(|month| month.parse::<usize>().ok()).unwrap_or_default();
    let name = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default();
    format!("{name} {}, {}", day.unwrap_or_default(), year.unwrap_or_default())
}

/// Text of the cell that carries `data-figure="name"`.
fn cell(html: &str, name: &str) -> Option<String> {
    let rest = html.split_once(&format!("data-figure=\"{name}\""))?.1;
    let text = rest.split_once('>')?.1.split_once('<')?.0;
    Some(text.trim().to_owned())
}

/// Mean of a sum of tenths over the days, with two digits.
fn mean(of: &Value, sum: &str) -> String {
    let (sum, days) = (number(of, sum) as f64, number(of, "days") as f64);
    format!("{:.2}", sum / days / 10.0)
}

/// A decimal without the zeros at its end.
fn bare(decimal: &str) -> String {
    decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn array<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(of: &Value, name: &str) -> i64 {
    of.get(name).and_then(Value::as_i64).unwrap_or(i64::MIN)
}

/// Tenths as a decimal without needless digits: 128 is `12.8`, 50 is `5`.
fn decimal(tenths: i64) -> String {
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, part) = (tenths.abs() / 10, tenths.abs() % 10);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cells_and_labels() {
        assert_eq!(cell("<td data-figure=\"a.b\"> 1.5 </td>", "a.b"), Some("1.5".to_owned()));
        assert_eq!(labels("x aria-label=\"a: 1; b: 2\"").collect::<Vec<_>>(), ["a: 1; b: 2"]);
        let band = values("month: Jan; low: −2.7; mean: high: 8.23", "month").unwrap();
        assert_eq!(band, ["Jan", "-2.7", "8.23"]);
        assert_eq!(values("Title text 'Days'", "month"), None);
        assert_eq!(shown("2012-01-31"), "Jan 31, 2012");
        assert_eq!([bare("2.70"), bare("8.23"), bare("10.00")], ["2.7", "8.23", "10"]);
        assert_eq!([decimal(128), decimal(50), decimal(-6)], ["12.8", "5", "-0.6"]);
    }

    #[test]
    fn every_figure_is_counted_once() {
        let figures = json!({"days": 2, "years": [{"year": 1, "hottest": {"date": "x"}}, {}]});
        assert_eq!(leaves(&figures), 3);
    }

    #[test]
    fn work_that_is_missing_or_of_a_stranger_is_told() {
        let agents = [("c", "digester"), ("node", "renderer"), ("kotlin", "checker")];
        let agents = agents.map(|(language, name)| Agent::new(language, name, "1:A.B.C"));
        let row = |work: &str, language: &str| {
            let agent = agents.iter().find(|agent| agent.language == language).unwrap();
            let cells = [work, language, &agent.name, &agent.address];
            format!(
                "<tr>{}</tr>",
                cells.map(|cell| format!("<td class=\"t\">{cell}</td>")).concat()
            )
        };
        let rows = WORK.map(|(work, language)| row(work, language));
        let page = |rows: &[String]| {
            let head = "<h2>Who did what</h2><table><thead><tr><th>Work</th></tr></thead>";
            format!("<table><tr><td>1</td></tr></table>{head}{}</table>", rows.concat())
        };
        assert_eq!(work_faults(&page(&rows), &agents), Vec::<String>::new());
        for at in 0..rows.len() {
            let mut less = rows.to_vec();
            less.remove(at);
            assert_eq!(work_faults(&page(&less), &agents).len(), 1, "without row {at}");
            let mut other = rows.to_vec();
            other[at] = other[at].replace("1:A.B.C", "1:D.E.F");
            assert_eq!(work_faults(&page(&other), &agents).len(), 1, "row {at} of a stranger");
        }
        assert!(!work_faults("", &agents).is_empty());
    }

    #[test]
    fn a_chart_with_another_value_or_mark_is_wrong() {
        let chart = |marks: &str| format!("aria-label=\"Title text 'Days'\" {marks}");
        let mark = |text: &str| format!("aria-label=\"weather: {text}\" ");
        let rows = || vec![vec!["sun".to_owned(), "714".to_owned()]];
        let failed = |html: &str| super::chart(&[html], "Days", "weather", rows()).failed;
        assert_eq!(failed(&chart(&mark("sun; days: 714"))), 0);
        for wrong in ["sun; days: 713", "fog; days: 714", "sun; days: 7140"] {
            assert_eq!(failed(&chart(&mark(wrong))), 1, "{wrong}");
        }
        assert_eq!(failed(&chart(&mark("sun; days: 714").repeat(2))), 1);
        assert_eq!(failed(&chart("")), 1);
        assert_eq!(super::chart(&["untitled"], "Days", "weather", rows()).failed, 1);
    }
}
