//! What is spent, and what may be: one number for each component, compared one by one.

use crate::error::{Error, Result};
use crate::limits::AMOUNT_MAX;
use crate::wire::v1;
use crate::wire::words::TripReason;
use serde_json::{Map, Value};

/// One of the things that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// Tokens that models read.
    InputTokens,
    /// Tokens that models wrote.
    OutputTokens,
    /// Cost, in 1e-6 of the currency unit.
    CostMicros,
    /// Calls of agents.
    Calls,
}

impl Component {
    /// Every component, in the order of the wire.
    pub const ALL: [Self; 4] =
        [Self::InputTokens, Self::OutputTokens, Self::CostMicros, Self::Calls];

    /// The stable name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputTokens => "inputTokens",
            Self::OutputTokens => "outputTokens",
            Self::CostMicros => "costMicros",
            Self::Calls => "calls",
        }
    }

    /// True for what a handler spends; calls are counted by the core itself.
    pub const fn is_reported(self) -> bool {
        match self {
            Self::InputTokens | Self::OutputTokens | Self::CostMicros => true,
            Self::Calls => false,
        }
    }
}

/// How much of each component; each is at most `AMOUNT_MAX`.
///
/// ```
/// use hubless_proto::killswitch::{Amount, Component};
///
/// let one = Amount::ZERO.with(Component::Calls, 1).unwrap();
/// assert_eq!(one.plus(&one).unwrap().of(Component::Calls), 2);
/// assert_eq!(one.with(Component::Calls, u64::MAX).unwrap_err().code, "amount");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Amount([u64; 4]);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self([0; 4]);
    /// The most of everything that can be counted.
    pub const MAX: Self = Self([AMOUNT_MAX; 4]);

    /// Reads `{"inputTokens": 5, ...}`; what is missing is zero.
    ///
    /// # Errors
    /// `invalid_argument`, code `amount`, naming the field, for anything but an integer from 0 to
    /// 2^53 − 1: null (which NaN becomes in JSON), texts, fractions, negative numbers; and for a
    /// field that is no component.
    pub fn read(path: &str, value: &Value) -> Result<Self> {
        let object = object(path, value)?;
        known(path, object)?;
        let mut read = Self::ZERO;
        for component in Component::ALL {
            if let Some(value) = object.get(component.name()) {
                let field = join(path, component.name());
                read = read.with(component, number(&field, value, AMOUNT_MAX)?)?;
            }
        }
        Ok(read)
    }

    /// Reads what a handler spends, as [`Amount::read`] does: no calls, which the node counts.
    ///
    /// # Errors
    /// As [`Amount::read`]; `invalid_argument`, code `counted`, for any calls.
    pub fn read_spent(value: &Value) -> Result<Self> {
        Self::read("", value)?.without_calls()
    }

    /// The same amount, if it holds nothing that the node counts by itself.
    ///
    /// # Errors
    /// `invalid_argument`, code `counted`, for any calls.
    pub fn without_calls(self) -> Result<Self> {
        if self.of(Component::Calls) == 0 {
            return Ok(self);
        }
        let message = "expected none: calls are counted by the node";
        Err(Error::invalid(Component::Calls.name(), message).with_code("counted"))
    }

    /// The JSON form: every component by its name.
    pub fn to_json(&self) -> Value {
        Allowance::exactly(self).to_json()
    }

    /// The same with one component set.
    ///
    /// # Errors
    /// `invalid_argument`, code `amount`, above `AMOUNT_MAX`.
    pub fn with(mut self, component: Component, value: u64) -> Result<Self> {
        if value > AMOUNT_MAX {
            return Err(wrong(component.name(), AMOUNT_MAX));
        }
        self.0[component as usize] = value;
        Ok(self)
    }

    pub(super) const fn of_calls(calls: u64) -> Self {
        Self([0, 0, 0, calls])
    }

    /// How much of one component.
    pub const fn of(&self, component: Component) -> u64 {
        self.0[component as usize]
    }

    /// The sum; none: a component would be above `AMOUNT_MAX`.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        self.join(other, |a, b| a.checked_add(b).filter(|sum| *sum <= AMOUNT_MAX))
    }

    /// The difference; none: a component would be below zero.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        self.join(other, u64::checked_sub)
    }

    /// The sum, where a component that is not limited stops at `AMOUNT_MAX`.
    #[must_use]
    pub fn plus_at_most(&self, other: &Self) -> Self {
        self.each(other, |a, b| a.saturating_add(b).min(AMOUNT_MAX))
    }

    /// The difference, zero where the other is larger.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    /// The larger of each component.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.each(other, u64::max)
    }

    /// The smaller of each component.
    #[must_use]
    pub fn min(&self, other: &Self) -> Self {
        self.each(other, u64::min)
    }

    /// True when no component is larger than that of the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| *own <= other)
    }

    /// True when it is nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The message.
    pub const fn to_wire(&self) -> v1::Amount {
        let Self([input_tokens, output_tokens, cost_micros, calls]) = *self;
        v1::Amount { input_tokens, output_tokens, cost_micros, calls }
    }

    /// From a message that was checked; a component above the bound counts as the bound.
    pub fn of_wire(wire: &v1::Amount) -> Self {
        let v1::Amount { input_tokens, output_tokens, cost_micros, calls } = *wire;
        Self([input_tokens, output_tokens, cost_micros, calls]).min(&Self::MAX)
    }

    fn each(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([with(a, e), with(b, f), with(c, g), with(d, h)])
    }

    fn join(&self, other: &Self, with: impl Fn(u64, u64) -> Option<u64>) -> Option<Self> {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Some(Self([with(a, e)?, with(b, f)?, with(c, g)?, with(d, h)?]))
    }
}

/// A most for each component; `None`: that component is not limited. Zero refuses everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allowance([Option<u64>; 4]);

impl Allowance {
    /// No component is limited.
    pub const UNLIMITED: Self = Self([None; 4]);
    /// Nothing at all is allowed.
    pub const NOTHING: Self = Self([Some(0); 4]);

    /// Reads `{"inputTokens": 5, ...}`; what is missing is not limited.
    ///
    /// # Errors
    /// As [`Amount::read`].
    pub fn read(path: &str, value: &Value) -> Result<Self> {
        let object = object(path, value)?;
        known(path, object)?;
        Self::UNLIMITED.read_fields(path, object)
    }

    /// Takes the components that an object has, beside other fields of it.
    pub(super) fn read_fields(mut self, path: &str, object: &Map<String, Value>) -> Result<Self> {
        for component in Component::ALL {
            if let Some(value) = object.get(component.name()) {
                let field = join(path, component.name());
                self.0[component as usize] = Some(number(&field, value, AMOUNT_MAX)?);
            }
        }
        Ok(self)
    }

    /// The JSON form: every component by its name; null: it is not limited.
    pub fn to_json(&self) -> Value {
        let each = Component::ALL.map(|one| (one.name().to_owned(), Value::from(self.of(one))));
        Value::Object(each.into_iter().collect())
    }

    /// Exactly this much.
    pub fn exactly(amount: &Amount) -> Self {
        Self(amount.0.map(Some))
    }

    /// The same with another most for one component, of at most `AMOUNT_MAX`.
    #[must_use]
    pub fn with(mut self, component: Component, most: Option<u64>) -> Self {
        self.0[component as usize] = most.map(|most| most.min(AMOUNT_MAX));
        self
    }

    /// The most of one component.
    pub const fn of(&self, component: Component) -> Option<u64> {
        self.0[component as usize]
    }

    /// What is left after `used`; a component that is not limited stays so.
    #[must_use]
    pub fn without(&self, used: &Amount) -> Self {
        let mut left = *self;
        for (most, used) in left.0.iter_mut().zip(used.0) {
            *most = most.map(|most| most.saturating_sub(used));
        }
        left
    }

    /// The smaller of each component.
    #[must_use]
    pub fn min(&self, other: &Self) -> Self {
        let mut least = *self;
        for (own, other) in least.0.iter_mut().zip(other.0) {
            *own = match (*own, other) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            };
        }
        least
    }

    /// Each component as it is limited, else as that of the other.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut all = *self;
        for (own, other) in all.0.iter_mut().zip(other.0) {
            *own = own.or(other);
        }
        all
    }

    /// A quarter of each component, rounded up, so that something is left to pass on.
    #[must_use]
    pub fn quarter(&self) -> Self {
        Self(self.0.map(|most| most.map(|most| most.div_ceil(4))))
    }

    /// The same with nothing for a handler to spend.
    #[must_use]
    pub fn spending_nothing(&self) -> Self {
        let reported = Component::ALL.into_iter().filter(|component| component.is_reported());
        reported.fold(*self, |all, component| all.with(component, Some(0)))
    }

    /// What is set aside for it: zero where it is not limited, since there nothing runs out.
    pub fn held(&self) -> Amount {
        Amount(self.0.map(|most| most.unwrap_or(0)))
    }

    /// The most of each component; `AMOUNT_MAX` where it is not limited.
    pub fn most(&self) -> Amount {
        Amount(self.0.map(|most| most.unwrap_or(AMOUNT_MAX)))
    }

    /// True when `wanted` is allowed; equal to the most is.
    pub fn allows(&self, wanted: &Amount) -> bool {
        wanted.is_within(&self.most())
    }

    /// Why `wanted` is not allowed; none: it is.
    pub fn exceeded(&self, wanted: &Amount) -> Option<TripReason> {
        let over = |component| wanted.of(component) > self.of(component).unwrap_or(AMOUNT_MAX);
        match (over(Component::InputTokens), over(Component::OutputTokens)) {
            (true, true) => Some(TripReason::InputAndOutputExceeded),
            (true, false) => Some(TripReason::InputExceeded),
            (false, true) => Some(TripReason::OutputExceeded),
            (false, false) if over(Component::CostMicros) => Some(TripReason::CostExceeded),
            (false, false) => over(Component::Calls).then_some(TripReason::CallsExceeded),
        }
    }

    /// The message.
    pub fn to_wire(&self) -> v1::Allowance {
        let held = self.held();
        let unlimited =
            Component::ALL.into_iter().filter(|component| self.of(*component).is_none());
        v1::Allowance {
            input_tokens: held.of(Component::InputTokens),
            output_tokens: held.of(Component::OutputTokens),
            cost_micros: held.of(Component::CostMicros),
            calls: held.of(Component::Calls),
            unlimited: unlimited.map(|component| component.name().to_owned()).collect(),
        }
    }

    /// From a message that was checked; a component above the bound counts as the bound.
    pub fn of_wire(wire: &v1::Allowance) -> Self {
        let amount = Amount::of_wire(&v1::Amount {
            input_tokens: wire.input_tokens,
            output_tokens: wire.output_tokens,
            cost_micros: wire.cost_micros,
            calls: wire.calls,
        });
        let is_unlimited =
            |component: &Component| wire.unlimited.iter().any(|name| name == component.name());
        let unlimited = Component::ALL.into_iter().filter(is_unlimited);
        unlimited.fold(Self::exactly(&amount), |all, component| all.with(component, None))
    }
}

pub(super) fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::invalid(path, "expected an object of amounts"))
}

pub(super) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Reads an integer from 0 to `most`; a double that happens to be whole is none, since it may have
/// lost digits on its way.
pub(super) fn number(field: &str, value: &Value, most: u64) -> Result<u64> {
    value.as_u64().filter(|number| *number <= most).ok_or_else(|| wrong(field, most))
}

fn known(path: &str, object: &Map<String, Value>) -> Result<()> {
    let names = Component::ALL.map(Component::name);
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(unknown(&join(path, key))),
    }
}

pub(super) fn unknown(field: &str) -> Error {
    Error::invalid(field, "no such field is known here")
}

fn wrong(field: &str, most: u64) -> Error {
    let error = Error::invalid(field, format!("expected an integer from 0 to {most}"));
    error.with_code("amount").with_limit("AMOUNT_MAX", most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn refuses_whatever_is_no_whole_number_in_range() {
        let bad = [
            "-1",
            "1.5",
            "5.0",
            "1e3",
            "\"5\"",
            "null",
            "true",
            "[]",
            "{}",
            "9007199254740992",
            "18446744073709551616",
            "-9223372036854775808",
        ];
        for text in bad {
            let value: Value = serde_json::from_str(&format!("{{\"calls\": {text}}}")).unwrap();
            for error in [
                Amount::read("budget", &value).unwrap_err(),
                Allowance::read("budget", &value).unwrap_err(),
            ] {
                let field = error.field.as_deref();
                assert_eq!(
                    (error.code.as_str(), field),
                    ("amount", Some("budget.calls")),
                    "{text}"
                );
            }
        }
        assert!(serde_json::from_str::<Value>("{\"calls\": NaN}").is_err());
        for value in [json!(null), json!(5), json!([1]), json!({"tokens": 1})] {
            assert_eq!(Amount::read("", &value).unwrap_err().kind.name(), "invalid_argument");
        }
    }

    #[test]
    fn what_is_missing_is_zero_spent_and_not_limited() {
        let value = json!({"outputTokens": 9_007_199_254_740_991_u64});
        let amount = Amount::read("", &value).unwrap();
        assert_eq!(amount.of(Component::OutputTokens), AMOUNT_MAX);
        assert_eq!(amount.of(Component::Calls), 0);
        let allowance = Allowance::read("", &value).unwrap();
        assert_eq!(allowance.of(Component::Calls), None);
        assert!(Allowance::NOTHING.allows(&Amount::ZERO));
        assert!(!Allowance::NOTHING.allows(&Amount::ZERO.with(Component::Calls, 1).unwrap()));
        assert!(Allowance::UNLIMITED.allows(&Amount::MAX));
    }

    #[test]
    fn equal_is_allowed_and_one_more_is_named() {
        let most = Allowance::exactly(&Amount([4; 4]));
        assert_eq!(most.exceeded(&Amount([4; 4])), None);
        let rows = [
            ([5, 4, 9, 9], TripReason::InputExceeded),
            ([4, 5, 4, 4], TripReason::OutputExceeded),
            ([5, 5, 5, 5], TripReason::InputAndOutputExceeded),
            ([0, 0, 5, 5], TripReason::CostExceeded),
            ([0, 0, 0, 5], TripReason::CallsExceeded),
        ];
        for (wanted, reason) in rows {
            assert_eq!(most.exceeded(&Amount(wanted)), Some(reason));
        }
    }

    proptest! {
        #[test]
        fn arithmetic_never_wraps(a in any::<[u64; 4]>(), b in any::<[u64; 4]>()) {
            let [a, b] = [a, b].map(|all| Amount(all.map(|one| one % (AMOUNT_MAX + 1))));
            let sum = a.plus_at_most(&b);
            prop_assert!(a.is_within(&sum) && sum.is_within(&Amount::MAX));
            prop_assert!(a.plus(&b).is_none_or(|exact| exact == sum));
            prop_assert_eq!(a.minus(&b).is_some(), b.is_within(&a));
            prop_assert!(a.without(&b).is_within(&a));
            prop_assert_eq!(Amount::of_wire(&a.to_wire()), a);
        }

        #[test]
        fn an_allowance_reads_back(a in any::<[Option<u64>; 4]>(), used in any::<[u64; 4]>()) {
            let a = Allowance(a.map(|most| most.map(|most| most % (AMOUNT_MAX + 1))));
            let used = Amount(used.map(|one| one % (AMOUNT_MAX + 1)));
            prop_assert_eq!(Allowance::of_wire(&a.to_wire()), a);
            prop_assert_eq!(a.allows(&used), a.exceeded(&used).is_none());
            prop_assert!(a.quarter().held().is_within(&a.held()));
            let half = a.with(Component::Calls, None);
            prop_assert_eq!(half.or(&a), a);
            prop_assert_eq!(a.or(&Allowance::NOTHING).most().min(&a.most()), a.held());
            prop_assert!(a.without(&used).held().is_within(&a.held()));
        }
    }
}
