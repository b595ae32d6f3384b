//! Typed values and what may be asked of two of them. A value of the wrong type never matches.

use super::date;
use crate::wire::v1::{self, attribute, interval};

/// A value of an attribute, a field or a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    Text(String),
    Flag(bool),
    Number(f64),
    Date(Span),
    Interval(Span),
    List(Vec<Self>),
}

/// A closed stretch of numbers or of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    scale: Scale,
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Numbers,
    Time,
}

impl Span {
    fn covers(&self, other: &Self) -> bool {
        self.scale == other.scale && self.low <= other.low && other.high <= self.high
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.scale == other.scale && self.low <= other.high && other.low <= self.high
    }
}

/// An interval of a descriptor; none when it is of two kinds or ends before it begins.
pub(super) fn interval(interval: &v1::Interval) -> Option<Span> {
    let (scale, low, high) = match (interval.low.as_ref()?, interval.high.as_ref()?) {
        (interval::Low::FromNumber(low), interval::High::ToNumber(high)) => {
            (Scale::Numbers, *low, *high)
        }
        (interval::Low::FromDate(low), interval::High::ToDate(high)) => {
            (Scale::Time, date::span(low)?.0 as f64, date::span(high)?.1 as f64)
        }
        (interval::Low::FromNumber(_), interval::High::ToDate(_))
        | (interval::Low::FromDate(_), interval::High::ToNumber(_)) => return None,
    };
    (low <= high).then_some(Span { scale, low, high })
}

impl Fact {
    /// Reads an attribute; none for what says nothing.
    pub(super) fn of(attribute: &v1::Attribute) -> Option<Self> {
        match attribute.value.as_ref()? {
            attribute::Value::Text(text) => Some(Self::Text(text.clone())),
            attribute::Value::Number(number) => Some(Self::Number(*number)),
            attribute::Value::Flag(flag) => Some(Self::Flag(*flag)),
            attribute::Value::Date(text) => {
                let (low, high) = date::span(text)?;
                let (low, high) = (low as f64, high as f64);
                Some(Self::Date(Span { scale: Scale::Time, low, high }))
            }
            attribute::Value::Interval(ends) => interval(ends).map(Self::Interval),
            attribute::Value::List(list) => {
                // Lists in lists are read no further: no peer may build a deep one.
                let scalar = |item: &v1::Attribute| match Self::of_scalar(item) {
                    Some(fact) => Some(fact),
                    None => Some(Self::List(Vec::new())),
                };
                Some(Self::List(list.items.iter().filter_map(scalar).collect()))
            }
        }
    }

    fn of_scalar(attribute: &v1::Attribute) -> Option<Self> {
        match attribute.value.as_ref()? {
            attribute::Value::List(_) => None,
            attribute::Value::Text(_)
            | attribute::Value::Number(_)
            | attribute::Value::Flag(_)
            | attribute::Value::Date(_)
            | attribute::Value::Interval(_) => Self::of(attribute),
        }
    }

    /// A list of texts.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.clone())).collect())
    }

    fn span(&self) -> Option<Span> {
        match self {
            Self::Number(number) => {
                Some(Span { scale: Scale::Numbers, low: *number, high: *number })
            }
            Self::Date(span) | Self::Interval(span) => Some(*span),
            Self::Text(_) | Self::Flag(_) | Self::List(_) => None,
        }
    }

    /// Same type, same value.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self == other
    }

    /// Same type, another value.
    pub(super) fn differs(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self != other
    }

    /// A number below a number, a date before a date.
    pub(super) fn below(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a < b,
            (Self::Date(a), Self::Date(b)) => a.high < b.low,
            _ => false,
        }
    }

    /// `below`, or the same.
    pub(super) fn at_most(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a <= b,
            (Self::Date(a), Self::Date(b)) => a.high <= b.high,
            _ => false,
        }
    }

    /// One of the items of a list.
    pub(super) fn is_in(&self, other: &Self) -> bool {
        matches!(other, Self::List(items) if items.iter().any(|item| self.equals(item)))
    }

    /// A list has the item; a text has the piece, in either case; a stretch has the point.
    pub(super) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(items), item) => items.iter().any(|own| own.equals(item)),
            (Self::Text(text), Self::Text(piece)) => {
                text.to_lowercase().contains(&piece.to_lowercase())
            }
            (Self::Date(span) | Self::Interval(span), Self::Number(_) | Self::Date(_)) => {
                other.span().is_some_and(|point| span.covers(&point))
            }
            _ => false,
        }
    }

    /// Two stretches share a point; two lists share an item.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own), Self::List(items)) => {
                items.iter().any(|item| own.iter().any(|own| own.equals(item)))
            }
            (Self::List(own), Self::Date(_) | Self::Interval(_)) => {
                own.iter().any(|own| own.overlaps(other))
            }
            (Self::Date(a) | Self::Interval(a), Self::Date(b) | Self::Interval(b)) => a.overlaps(b),
            _ => false,
        }
    }

    /// A stretch holds all of another, or of a point; a list holds every item of another.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own), Self::List(items)) => {
                items.iter().all(|item| own.iter().any(|own| own.equals(item)))
            }
            (Self::List(own), _) => own.iter().any(|own| own.covers(other)),
            (Self::Date(span) | Self::Interval(span), _) => {
                other.span().is_some_and(|other| span.covers(&other))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute_from_json;
    use super::*;
    use serde_json::{Value, json};

    fn fact(value: &Value) -> Fact {
        Fact::of(&attribute_from_json("x", value).unwrap()).unwrap()
    }

    #[test]
    fn comparisons_hold_within_a_type_and_never_across() {
        type Op = fn(&Fact, &Fact) -> bool;
        let day = |text: &str| json!({"date": text});
        let years = |from: u32, to: u32| {
            let (from, to) = (format!("{from}-01-01"), format!("{to}-12-31"));
            json!({"interval": {"from": from, "to": to}})
        };
        let numbers = |from: u32, to: u32| json!({"interval": {"from": from, "to": to}});
        let moment = json!({"date": "2021-06-01T12:00:00Z"});
        let rows: Vec<(Op, Value, Value, bool)> = vec![
            (Fact::equals, json!("a"), json!("a"), true),
            (Fact::equals, json!("a"), json!("A"), false),
            (Fact::equals, json!(1), json!("1"), false),
            (Fact::differs, json!(1), json!(2), true),
            (Fact::differs, json!(1), json!("2"), false),
            (Fact::below, json!(1), json!(2), true),
            (Fact::below, json!("a"), json!("b"), false),
            (Fact::below, day("2021-01-01"), day("2021-01-02"), true),
            (Fact::below, day("2021-06-01"), moment.clone(), false),
            (Fact::at_most, json!(60), json!(60), true),
            (Fact::at_most, json!(60), json!(true), false),
            (Fact::is_in, json!("a"), json!(["b", "a"]), true),
            (Fact::is_in, json!("a"), json!("a"), false),
            (Fact::contains, json!(["EUR/USD"]), json!("EUR/USD"), true),
            (Fact::contains, json!("Grüße aus Köln"), json!("KÖLN"), true),
            (Fact::contains, years(2021, 2024), day("2022-05-05"), true),
            (Fact::contains, years(2021, 2024), json!(2022), false),
            (Fact::contains, day("2021-06-01"), moment, true),
            (Fact::overlaps, years(2021, 2022), years(2022, 2023), true),
            (Fact::overlaps, years(2021, 2022), years(2023, 2024), false),
            (Fact::overlaps, numbers(1, 5), years(2021, 2022), false),
            (Fact::overlaps, json!([1, 2]), json!([2, 3]), true),
            (Fact::overlaps, json!([1, 2]), json!(2), false),
            (Fact::covers, years(2021, 2024), years(2022, 2023), true),
            (Fact::covers, years(2022, 2024), years(2021, 2023), false),
            (Fact::covers, numbers(1, 5), json!(5), true),
            (Fact::covers, json!([1, 2, 3]), json!([1, 3]), true),
            (Fact::covers, json!([1, 2, 3]), json!([4]), false),
            (Fact::covers, json!([numbers(1, 2), numbers(5, 9)]), numbers(6, 7), true),
            (Fact::covers, json!("abc"), json!("b"), false),
        ];
        for (index, (op, a, b, holds)) in rows.into_iter().enumerate() {
            assert_eq!(op(&fact(&a), &fact(&b)), holds, "row {index}: {a} {b}");
        }
    }

    #[test]
    fn a_deep_list_of_a_peer_is_flat() {
        let mut list = v1::Attribute { value: Some(attribute::Value::Flag(true)) };
        for _ in 0..10_000 {
            let items = vec![list];
            list =
                v1::Attribute { value: Some(attribute::Value::List(v1::AttributeList { items })) };
        }
        assert_eq!(Fact::of(&list), Some(Fact::List(vec![Fact::List(Vec::new())])));
        // Dropping a deep value recurses; it is taken apart from the outside instead.
        while let Some(attribute::Value::List(inner)) = list.value.take() {
            let Some(next) = inner.items.into_iter().next() else { break };
            list = next;
        }
    }
}
