//! Whether a report says, and its charts show, what was computed independently.

use crate::count::Outcome;
use serde_json::Value;
use std::path::Path;

/// Checks one report and the answer that came with it.
pub(super) fn check(file: &Path, answer: &Value, expected: &Value) -> Outcome {
    let Ok(html) = std::fs::read_to_string(file) else {
        return Outcome::failure(format!("{} was not written", file.display()));
    };
    let mut outcome = Outcome::one(answer.get("figures") == Some(expected), || {
        format!("the figures differ: {:?} is not {expected}", answer.get("figures"))
    });
    let ok = answer.pointer("/check/ok") == Some(&Value::Bool(true));
    outcome += Outcome::one(ok, || format!("the check is not ok: {:?}", answer.get("check")));
    outcome += Outcome::one(answer.pointer("/digest/rows") == expected.get("days"), || {
        format!("the digest counted other rows: {:?}", answer.get("digest"))
    });
    outcome += cells(&html, expected);
    outcome += charts(&html, expected);
    outcome
}

/// Every yearly figure stands in a cell of the table that names it.
fn cells(html: &str, expected: &Value) -> Outcome {
    let mut wrong = Vec::new();
    let years = expected.get("years").and_then(Value::as_array);
    for year in years.into_iter().flatten() {
        let number = year.get("year").cloned().unwrap_or_default();
        for figure in ["precipitationTenths", "windMaxTenths", "days"] {
            let name = format!("years.{number}.{figure}");
            let value = year.get(figure).and_then(Value::as_i64).unwrap_or(-1);
            let want = if figure == "days" { value.to_string() } else { decimal(value) };
            let found = cell(html, &name);
            if found.as_deref() != Some(want.as_str()) {
                wrong.push(format!("{name}: {found:?}, not {want}"));
            }
        }
    }
    Outcome::one(wrong.is_empty() && years.is_some(), || wrong.join("\n"))
}

/// The four charts are there, and one shows each month's precipitation, one each weather kind.
fn charts(html: &str, expected: &Value) -> Outcome {
    let charts: Vec<_> = html.split("<svg").skip(1).collect();
    let mut wrong = Vec::new();
    if charts.len() != 4 {
        wrong.push(format!("{} charts, not 4", charts.len()));
    }
    let shown = |value: &str| charts.iter().any(|chart| labels(chart).any(|l| says(l, value)));
    let months = expected.get("months").and_then(Value::as_array);
    for month in months.into_iter().flatten() {
        let rain = month.get("precipitationTenths").and_then(Value::as_i64).unwrap_or(-1);
        if !shown(&decimal(rain)) {
            wrong.push(format!("no chart shows {} of {month}", decimal(rain)));
        }
    }
    let weather = expected.get("weather").and_then(Value::as_object);
    for (kind, days) in weather.into_iter().flatten() {
        let both = |label: &str| says(label, kind) && says(label, &days.to_string());
        if !charts.iter().any(|chart| labels(chart).any(both)) {
            wrong.push(format!("no chart shows {days} days of {kind}"));
        }
    }
    Outcome::one(wrong.is_empty(), || wrong.join("\n"))
}

/// Texts by which a chart names its marks.
fn labels(chart: &str) -> impl Iterator<Item = &str> {
    chart.split("aria-label=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// True when a label holds this word or number, whole.
fn says(label: &str, word: &str) -> bool {
    label.split([' ', ';', ':', ',']).any(|part| part == word)
}

/// Text of the cell that carries `data-figure="name"`.
fn cell(html: &str, name: &str) -> Option<String> {
    let rest = html.split_once(&format!("data-figure=\"{name}\""))?.1;
    let text = rest.split_once('>')?.1.split_once('<')?.0;
    Some(text.trim().to_owned())
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
        assert!(says("month: Jan; precipitation: 12.8", "12.8"));
        assert!(!says("month: Jan; precipitation: 112.8", "12.8"));
        assert_eq!([decimal(128), decimal(50), decimal(-6)], ["12.8", "5", "-0.6"]);
    }
}
