//! What a user allows a whole tree of calls.

use super::amount::{join, number, object, unknown};
use super::{Allowance, Component, Origin};
use crate::error::{Error, Result};
use crate::identity::NodeKey;
use crate::limits::{CALL_DEPTH, GRANT_FAN_OUT, LEASE, LEASE_MAX, ms};
use crate::wire::v1;
use serde_json::{Map, Value};

/// The limits of one switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Most that may ever be spent.
    pub ceiling: Allowance,
    /// What trips the switch once more than this is known to be spent.
    pub soft: Allowance,
    /// Time from its making to its end, in milliseconds.
    pub wall_time_ms: Option<u64>,
    /// Deepest grant that may be cut; those of the root have depth 1.
    pub depth: Option<u32>,
    /// Grants that one grant may have open at once.
    pub fan_out: Option<u32>,
    /// How long a node that hears nothing goes on, in milliseconds.
    pub lease_ms: u64,
    /// Whether each lease needs the word of the root: a dishonest node in the middle can then keep
    /// nothing below it going after a stop. Each call waits for the root before its first spending.
    pub strict: bool,
}

impl Default for Terms {
    /// Nothing is limited but what limits every call.
    fn default() -> Self {
        Self {
            ceiling: Allowance::UNLIMITED,
            soft: Allowance::UNLIMITED,
            wall_time_ms: None,
            depth: None,
            fan_out: None,
            lease_ms: ms(LEASE),
            strict: false,
        }
    }
}

const FIELDS: [&str; 7] =
    ["wallTimeMs", "depth", "fanOut", "leaseMs", "soft", "strict", "unlimited"];

impl Terms {
    /// Terms with a ceiling.
    pub fn of(ceiling: Allowance) -> Self {
        Self { ceiling, ..Self::default() }
    }

    /// Reads `{"inputTokens": 5, "calls": 9, "wallTimeMs": 600000, ...}`.
    ///
    /// # Errors
    /// `invalid_argument`, naming the field: a number that is no integer in its range; code
    /// `unlimited` when nothing is limited and `"unlimited": true` does not say so.
    ///
    /// ```
    /// use hubless_proto::killswitch::{Component, Terms};
    /// use serde_json::json;
    ///
    /// let terms = Terms::read("", &json!({"calls": 0})).unwrap();
    /// assert_eq!(terms.ceiling.of(Component::Calls), Some(0));
    /// assert_eq!(Terms::read("", &json!({})).unwrap_err().code, "unlimited");
    /// assert!(Terms::read("", &json!({"unlimited": true})).is_ok());
    /// ```
    pub fn read(path: &str, value: &Value) -> Result<Self> {
        let object = object(path, value)?;
        let names = Component::ALL.map(Component::name);
        let strange =
            |key: &&String| !FIELDS.contains(&key.as_str()) && !names.contains(&key.as_str());
        if let Some(key) = object.keys().find(strange) {
            return Err(unknown(&join(path, key)));
        }
        let read = |field: &str, most: u64| {
            let value = object.get(field);
            value.map(|value| number(&join(path, field), value, most)).transpose()
        };
        let small = |field: &str, most: u32| {
            let read = read(field, u64::from(most))?;
            Ok::<_, Error>(read.and_then(|number| u32::try_from(number).ok()))
        };
        let lease_ms = read("leaseMs", ms(LEASE_MAX))?.unwrap_or_else(|| ms(LEASE));
        if lease_ms == 0 {
            return Err(Error::invalid(&join(path, "leaseMs"), "expected at least 1 ms"));
        }
        let soft = object.get("soft").map(|soft| Allowance::read(&join(path, "soft"), soft));
        let terms = Self {
            ceiling: Allowance::UNLIMITED.read_fields(path, object)?,
            soft: soft.transpose()?.unwrap_or(Allowance::UNLIMITED),
            wall_time_ms: read("wallTimeMs", crate::limits::AMOUNT_MAX)?,
            depth: small("depth", CALL_DEPTH)?,
            fan_out: small("fanOut", GRANT_FAN_OUT)?,
            lease_ms,
            strict: said(path, object, "strict")?,
        };
        terms.check_said(path, object)?;
        Ok(terms)
    }

    /// Reads limits that somebody foreign asks for, of a call that others pay; as [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`]; `invalid_argument` for `leaseMs` and `strict`, which limit nothing that
    /// is spent, and cost those who pay.
    pub fn read_foreign(path: &str, value: &Value) -> Result<Self> {
        let terms = Self::read(path, value)?;
        match ["leaseMs", "strict"].into_iter().find(|field| value.get(field).is_some()) {
            None => Ok(terms),
            Some(field) => {
                let message = "expected limits only: how a budget is renewed is for who pays it";
                Err(Error::invalid(&join(path, field), message))
            }
        }
    }

    /// The same with the smaller limit of each; what is not limited here may be there.
    ///
    /// ```
    /// use hubless_proto::killswitch::{Component, Terms};
    /// use serde_json::json;
    ///
    /// let own = Terms::read("", &json!({"calls": 5, "outputTokens": 100})).unwrap();
    /// let asked = Terms::read("", &json!({"calls": 9, "inputTokens": 7})).unwrap();
    /// let both = own.lowered_to(&asked).ceiling;
    /// assert_eq!(both.of(Component::Calls), Some(5));
    /// assert_eq!(both.of(Component::InputTokens), Some(7));
    /// assert_eq!(both.of(Component::OutputTokens), Some(100));
    /// ```
    #[must_use]
    pub fn lowered_to(&self, asked: &Self) -> Self {
        Self {
            ceiling: self.ceiling.min(&asked.ceiling),
            soft: self.soft.min(&asked.soft),
            wall_time_ms: least(self.wall_time_ms, asked.wall_time_ms),
            depth: least(self.depth, asked.depth),
            fan_out: least(self.fan_out, asked.fan_out),
            lease_ms: self.lease_ms,
            strict: self.strict,
        }
    }

    /// A switch that limits nothing must have been meant.
    fn check_said(&self, path: &str, object: &Map<String, Value>) -> Result<()> {
        let field = join(path, "unlimited");
        let said = said(path, object, "unlimited")?;
        let (lease_ms, strict) = (self.lease_ms, self.strict);
        let limits = *self != Self { lease_ms, strict, ..Self::default() };
        match (said, limits) {
            (true, true) => Err(Error::invalid(&field, "expected no limit beside it")),
            (false, false) => {
                let message = "expected at least one limit, or unlimited: true";
                Err(Error::invalid(&field, message).with_code("unlimited"))
            }
            (true, false) | (false, true) => Ok(()),
        }
    }

    fn to_wire(&self) -> v1::Terms {
        v1::Terms {
            ceiling: Some(self.ceiling.to_wire()),
            soft: Some(self.soft.to_wire()),
            wall_time_ms: self.wall_time_ms,
            depth: self.depth,
            fan_out: self.fan_out,
            lease_ms: self.lease_ms,
            strict: self.strict,
        }
    }

    fn of_wire(wire: &v1::Terms) -> Self {
        let allowance =
            |wire: Option<&v1::Allowance>| wire.map_or(Allowance::NOTHING, Allowance::of_wire);
        Self {
            ceiling: allowance(wire.ceiling.as_ref()),
            soft: allowance(wire.soft.as_ref()),
            wall_time_ms: wire.wall_time_ms,
            depth: wire.depth,
            fan_out: wire.fan_out,
            lease_ms: wire.lease_ms.max(1),
            strict: wire.strict,
        }
    }
}

/// The smaller of two limits; none: there is none.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// A switch that is on only where it is said.
fn said(path: &str, object: &Map<String, Value>, field: &str) -> Result<bool> {
    match object.get(field) {
        None => Ok(false),
        Some(Value::Bool(said)) => Ok(*said),
        Some(_) => Err(Error::invalid(&join(path, field), "expected true or false")),
    }
}

/// A budget at its root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Whose it is.
    pub origin: Origin,
    /// 0: a budget never outlives the process of its root, so none comes back from an older store.
    pub epoch: u64,
    /// What is allowed.
    pub terms: Terms,
    /// Unix time in milliseconds at which its wall time is over.
    pub ends_at_ms: Option<u64>,
}

impl Budget {
    /// A new budget of a node; `nonce` are 16 random bytes, of which a strict one keeps ten.
    pub fn new(root: NodeKey, nonce: [u8; 16], terms: Terms, unix_ms: u64) -> Self {
        let ends_at_ms = terms.wall_time_ms.map(|time_ms| unix_ms.saturating_add(time_ms).max(1));
        let origin =
            if terms.strict { Origin::strict(root, nonce) } else { Origin { root, nonce } };
        Self { origin, epoch: 0, terms, ends_at_ms }
    }

    pub(super) fn to_wire(&self) -> v1::Budget {
        v1::Budget {
            root: self.origin.root.to_wire(),
            nonce: bytes::Bytes::copy_from_slice(&self.origin.nonce),
            epoch: self.epoch,
            terms: Some(self.terms.to_wire()),
            ends_at_ms: self.ends_at_ms.unwrap_or(0),
        }
    }

    pub(super) fn of_wire(wire: &v1::Budget) -> Result<Self> {
        Ok(Self {
            origin: origin_of_wire(&wire.root, &wire.nonce)?,
            epoch: wire.epoch,
            terms: Terms::of_wire(&wire.terms.clone().unwrap_or_default()),
            ends_at_ms: Some(wire.ends_at_ms).filter(|ends_at_ms| *ends_at_ms > 0),
        })
    }
}

pub(super) fn origin_of_wire(root: &[u8], nonce: &[u8]) -> Result<Origin> {
    let nonce = nonce.try_into();
    let nonce = nonce.map_err(|_| Error::invalid("nonce", "expected 16 bytes"))?;
    Ok(Origin { root: NodeKey::from_slice(root)?, nonce })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn zero_refuses_everything_and_nothing_said_is_refused() {
        let zero = Terms::read("", &json!({"inputTokens": 0})).unwrap();
        assert_eq!(zero.ceiling.of(Component::InputTokens), Some(0));
        assert_eq!(zero.ceiling.of(Component::Calls), None);
        let bad = [
            (json!({}), "unlimited"),
            (json!({"leaseMs": 500}), "unlimited"),
            (json!({"unlimited": false}), "unlimited"),
            (json!({"unlimited": true, "calls": 1}), "unlimited"),
            (json!({"unlimited": 1}), "unlimited"),
            (json!({"calls": null}), "calls"),
            (json!({"wallTimeMs": -1}), "wallTimeMs"),
            (json!({"wallTimeMs": "10"}), "wallTimeMs"),
            (json!({"depth": 17}), "depth"),
            (json!({"fanOut": 4097}), "fanOut"),
            (json!({"calls": 1, "leaseMs": 0}), "leaseMs"),
            (json!({"calls": 1, "leaseMs": 300_001}), "leaseMs"),
            (json!({"soft": {"calls": 0.5}}), "soft.calls"),
            (json!({"tokens": 1}), "tokens"),
            (json!({"strict": true}), "unlimited"),
            (json!({"calls": 1, "strict": 1}), "strict"),
            (json!({"calls": 1, "strict": null}), "strict"),
        ];
        for (value, field) in bad {
            let error = Terms::read("", &value).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{value}");
        }
    }

    #[test]
    fn who_is_foreign_lowers_each_limit_and_raises_none() {
        let read = |value| Terms::read_foreign("", &value).unwrap();
        let own = Terms::read(
            "",
            &json!({"calls": 5, "costMicros": 7, "wallTimeMs": 100, "depth": 4, "leaseMs": 500}),
        );
        let own = own.unwrap();
        let asked = json!({"calls": 9, "costMicros": 6, "inputTokens": 3, "wallTimeMs": 99,
            "fanOut": 2, "depth": 16, "soft": {"calls": 1}});
        let both = own.lowered_to(&read(asked));
        let wanted = json!({"calls": 5, "costMicros": 6, "inputTokens": 3, "wallTimeMs": 99,
            "fanOut": 2, "depth": 4, "soft": {"calls": 1}, "leaseMs": 500});
        assert_eq!(both, Terms::read("", &wanted).unwrap());
        assert_eq!(own.lowered_to(&read(json!({"unlimited": true}))), own);
        let none = Terms::default().lowered_to(&read(json!({"calls": 0})));
        assert_eq!(none.ceiling.of(Component::Calls), Some(0));
        for (field, value) in [("leaseMs", json!(1)), ("strict", json!(true))] {
            let error = Terms::read_foreign("b", &json!({"calls": 1, field: value})).unwrap_err();
            assert_eq!(error.field, Some(format!("b.{field}")));
        }
    }

    #[test]
    fn a_budget_reads_back() {
        for strict in [false, true] {
            let value = json!({
                "calls": 3, "wallTimeMs": 10, "depth": 2, "soft": {"calls": 2}, "strict": strict,
            });
            let terms = Terms::read("", &value).unwrap();
            let budget = Budget::new(NodeKey::from_bytes([1; 32]), [2; 16], terms, 100);
            assert_eq!((budget.ends_at_ms, budget.origin.is_strict()), (Some(110), strict));
            assert_eq!(Budget::of_wire(&budget.to_wire()), Ok(budget));
        }
        let strict = Terms::read("", &json!({"unlimited": true, "strict": true})).unwrap();
        assert!(strict.strict);
    }
}
