//! Typed facts in the JSON form that languages write:
//! string | number | bool | `{"date": …}` | `{"interval": {"from": …, "to": …}}` | list of these.

use super::date;
use crate::error::{Error, Result};
use crate::limits;
use crate::wire::v1::{self, attribute, interval};
use serde_json::{Map, Value, json};

/// Reads one attribute.
///
/// ```
/// use hubless_proto::query::{attribute_from_json, attribute_to_json};
/// use serde_json::json;
///
/// let period = json!({"interval": {"from": "2021-01-01", "to": "2024-12-31"}});
/// let attribute = attribute_from_json("period", &period).unwrap();
/// assert_eq!(attribute_to_json(&attribute), period);
/// ```
///
/// # Errors
/// `invalid_argument` naming `field`: null, another object, a number that is not exact in a
/// double, a date that is none, an interval of two kinds or that ends before it begins, a list in
/// a list, or more than `ATTRIBUTE_ITEMS`.
pub fn attribute_from_json(field: &str, value: &Value) -> Result<v1::Attribute> {
    let Value::Array(items) = value else { return scalar(field, value) };
    if items.len() > limits::ATTRIBUTE_ITEMS {
        let message = format!("expected at most {} items", limits::ATTRIBUTE_ITEMS);
        return Err(Error::invalid(field, message)
            .with_limit("ATTRIBUTE_ITEMS", limits::ATTRIBUTE_ITEMS as u64));
    }
    let items = items.iter().map(|item| scalar(field, item)).collect::<Result<_>>()?;
    Ok(of(attribute::Value::List(v1::AttributeList { items })))
}

const fn of(value: attribute::Value) -> v1::Attribute {
    v1::Attribute { value: Some(value) }
}

fn scalar(field: &str, value: &Value) -> Result<v1::Attribute> {
    match value {
        Value::String(text) => Ok(of(attribute::Value::Text(text.clone()))),
        Value::Bool(flag) => Ok(of(attribute::Value::Flag(*flag))),
        Value::Number(_) => Ok(of(attribute::Value::Number(number(field, value)?))),
        Value::Object(object) if object.len() == 1 => tagged(field, object),
        Value::Object(_) | Value::Null | Value::Array(_) => Err(wrong(field)),
    }
}

fn tagged(field: &str, object: &Map<String, Value>) -> Result<v1::Attribute> {
    if let Some(Value::String(date)) = object.get("date") {
        return Ok(of(attribute::Value::Date(checked_date(field, date)?.to_owned())));
    }
    let Some(Value::Object(ends)) = object.get("interval") else { return Err(wrong(field)) };
    let (Some(from), Some(to), 2) = (ends.get("from"), ends.get("to"), ends.len()) else {
        return Err(Error::invalid(field, "expected an interval with from and to"));
    };
    let (low, high) = match (from, to) {
        (Value::String(from), Value::String(to)) => (
            interval::Low::FromDate(checked_date(field, from)?.to_owned()),
            interval::High::ToDate(checked_date(field, to)?.to_owned()),
        ),
        _ => (
            interval::Low::FromNumber(number(field, from)?),
            interval::High::ToNumber(number(field, to)?),
        ),
    };
    let interval = v1::Interval { low: Some(low), high: Some(high) };
    if super::fact::interval(&interval).is_none() {
        return Err(Error::invalid(field, "expected an interval that ends after it begins"));
    }
    Ok(of(attribute::Value::Interval(interval)))
}

fn checked_date<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    let known = date::span(text).map(|_| text);
    known.ok_or_else(|| Error::invalid(field, "expected a date as in RFC 3339"))
}

fn number(field: &str, value: &Value) -> Result<f64> {
    const EXACT: u64 = 1 << 53;
    let exact = value.is_f64() || value.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT);
    let number = value.as_f64().filter(|number| number.is_finite() && exact);
    number.ok_or_else(|| Error::invalid(field, "expected a number that a double holds exactly"))
}

fn wrong(field: &str) -> Error {
    Error::invalid(field, "expected a string, number, bool, date, interval or list of these")
}

/// Writes one attribute; what a peer left empty is null.
pub fn attribute_to_json(attribute: &v1::Attribute) -> Value {
    use attribute::Value as Kind;
    match &attribute.value {
        None => Value::Null,
        Some(Kind::Text(text)) => json!(text),
        Some(Kind::Number(number)) => whole(*number).map_or_else(|| json!(number), |n| json!(n)),
        Some(Kind::Flag(flag)) => json!(flag),
        Some(Kind::Date(date)) => json!({"date": date}),
        Some(Kind::Interval(interval)) => {
            let from = match &interval.low {
                Some(interval::Low::FromDate(date)) => json!(date),
                Some(interval::Low::FromNumber(number)) => json!(number),
                None => Value::Null,
            };
            let to = match &interval.high {
                Some(interval::High::ToDate(date)) => json!(date),
                Some(interval::High::ToNumber(number)) => json!(number),
                None => Value::Null,
            };
            json!({"interval": {"from": from, "to": to}})
        }
        Some(Kind::List(list)) => Value::Array(list.items.iter().map(attribute_to_json).collect()),
    }
}

/// A number without a fraction is written without one.
fn whole(number: f64) -> Option<i64> {
    let whole = number as i64;
    (number.fract() == 0.0 && number.abs() < 9e15 && whole as f64 == number).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        for value in [
            json!("EUR/USD"),
            json!(60),
            json!(0.5),
            json!(-3),
            json!(true),
            json!({"date": "2021-01-01"}),
            json!({"interval": {"from": "2021-01-01", "to": "2024-12-31T00:00:00Z"}}),
            json!({"interval": {"from": 1.5, "to": 2.5}}),
            json!(["a", 1, {"date": "2021-01-01"}]),
            json!([]),
        ] {
            assert_eq!(attribute_to_json(&attribute_from_json("a", &value).unwrap()), value);
        }
    }

    #[test]
    fn wrong_forms_name_the_field() {
        for value in [
            json!(null),
            json!({}),
            json!({"date": "yesterday"}),
            json!({"date": 5}),
            json!({"date": "2021-01-01", "x": 1}),
            json!({"interval": {"from": 1}}),
            json!({"interval": {"from": 2, "to": 1}}),
            json!({"interval": {"from": "2021-01-01", "to": 1}}),
            json!({"interval": {"from": "2022-01-01", "to": "2021-01-01"}}),
            json!([[1]]),
            json!([null]),
            json!(9_007_199_254_740_993_u64),
            Value::Array(vec![json!(1); 65]),
        ] {
            let error = attribute_from_json("attributes.x", &value).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("attributes.x"), "{value}");
        }
    }
}
