//! The figures of the table, computed once more and independently of all four languages.

use super::place::table;
use crate::house::Result;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Default)]
struct Sums {
    days: i64,
    precipitation: i64,
    temp_max: i64,
    temp_min: i64,
    wind_max: i64,
    hottest: Option<(i64, String)>,
    wettest: Option<(i64, String)>,
}

/// A row of the table, numbers in tenths.
struct Row {
    date: String,
    rain: i64,
    high: i64,
    low: i64,
    wind: i64,
    kind: String,
}

/// The highest temperature of each day, in tenths.
///
/// # Errors
/// As [`compute`].
pub(super) fn highs() -> Result<Vec<(String, i64)>> {
    Ok(rows()?.into_iter().map(|row| (row.date, row.high)).collect())
}

/// What the digester says of the table.
///
/// # Errors
/// As [`compute`].
pub(super) fn digest() -> Result<Value> {
    let text = table()?;
    let sha256: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let rows = rows_of(&text)?;
    let column = |of: fn(&Row) -> i64| {
        let tenths = || rows.iter().map(of);
        json!({
            "sumTenths": tenths().sum::<i64>(), "minTenths": tenths().min(),
            "maxTenths": tenths().max(),
        })
    };
    let columns = json!({
        "precipitation": column(|row| row.rain), "temp_max": column(|row| row.high),
        "temp_min": column(|row| row.low), "wind": column(|row| row.wind),
    });
    Ok(json!({ "bytes": text.len(), "sha256": sha256, "rows": rows.len(), "columns": columns }))
}

fn rows() -> Result<Vec<Row>> {
    rows_of(&table()?)
}

fn rows_of(text: &str) -> Result<Vec<Row>> {
    let lines = text.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Result<Row> {
    let cells: Vec<_> = line.trim().split(',').collect();
    let [date, rain, high, low, wind, kind] = cells[..] else {
        return Err(format!("a row of the table has other columns: {line}"));
    };
    Ok(Row {
        date: iso(date)?,
        rain: tenths(rain)?,
        high: tenths(high)?,
        low: tenths(low)?,
        wind: tenths(wind)?,
        kind: kind.to_owned(),
    })
}

/// The figures as `tests/demo/DEMO.md` lays them out, in tenths.
///
/// # Errors
/// The table is not there, or a row of it cannot be read.
pub(super) fn compute() -> Result<Value> {
    let (mut years, mut months) = (BTreeMap::<i64, Sums>::new(), BTreeMap::<i64, Sums>::new());
    let mut weather = BTreeMap::<String, i64>::new();
    let mut dates = Vec::new();
    for Row { date, rain, high, low, wind, kind } in rows()? {
        let number = |range| date.get(range).and_then(|d: &str| d.parse().ok()).unwrap_or(0);
        for sums in
            [years.entry(number(0..4)).or_default(), months.entry(number(5..7)).or_default()]
        {
            sums.days += 1;
            sums.precipitation += rain;
            sums.temp_max += high;
            sums.temp_min += low;
            sums.wind_max = sums.wind_max.max(wind);
            raise(&mut sums.hottest, high, &date);
            raise(&mut sums.wettest, rain, &date);
        }
        *weather.entry(kind).or_default() += 1;
        dates.push(date);
    }
    dates.sort();
    Ok(json!({
        "days": dates.len(), "first": dates.first(), "last": dates.last(),
        "years": years.iter().map(|(year, sums)| of_year(*year, sums)).collect::<Vec<_>>(),
        "months": months.iter().map(|(month, sums)| of_month(*month, sums)).collect::<Vec<_>>(),
        "weather": weather.into_iter().map(|(k, n)| (k, Value::from(n))).collect::<Map<_, _>>(),
    }))
}

fn of_year(year: i64, sums: &Sums) -> Value {
    let (hot, hot_date) = sums.hottest.clone().unwrap_or_default();
    let (wet, wet_date) = sums.wettest.clone().unwrap_or_default();
    json!({
        "year": year, "days": sums.days, "precipitationTenths": sums.precipitation,
        "tempMaxSumTenths": sums.temp_max, "tempMinSumTenths": sums.temp_min,
        "windMaxTenths": sums.wind_max,
        "hottest": { "date": hot_date, "tempMaxTenths": hot },
        "wettest": { "date": wet_date, "precipitationTenths": wet },
    })
}

fn of_month(month: i64, sums: &Sums) -> Value {
    json!({
        "month": month, "days": sums.days, "precipitationTenths": sums.precipitation,
        "tempMaxSumTenths": sums.temp_max, "tempMinSumTenths": sums.temp_min,
    })
}

/// Keeps the largest value with its earliest date.
fn raise(best: &mut Option<(i64, String)>, value: i64, date: &str) {
    let better = best
        .as_ref()
        .is_none_or(|(most, when)| value > *most || (value == *most && date < when.as_str()));
    if better {
        *best = Some((value, date.to_owned()));
    }
}

/// A decimal with at most one digit after the point, in tenths.
fn tenths(text: &str) -> Result<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let wrong = || format!("not a number with one decimal: {text}");
    if part.len() != 1 {
        return Err(wrong());
    }
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let part: i64 = part.parse().map_err(|_| wrong())?;
    Ok(sign * (whole * 10 + part))
}

/// The table's dates as `YYYY-MM-DD`.
fn iso(text: &str) -> Result<String> {
    let date = text.replace('/', "-");
    if date.len() == 10 { Ok(date) } else { Err(format!("not a date: {text}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tenths_exactly() {
        assert_eq!(tenths("12.8"), Ok(128));
        assert_eq!(tenths("-0.6"), Ok(-6));
        assert_eq!(tenths("5"), Ok(50));
        assert!(tenths("1.25").is_err());
    }

    #[test]
    fn keeps_the_earliest_of_equal_days() {
        let mut best = None;
        raise(&mut best, 5, "2012-02-02");
        raise(&mut best, 5, "2012-01-01");
        raise(&mut best, 4, "2011-01-01");
        assert_eq!(best, Some((5, "2012-01-01".to_owned())));
    }
}
