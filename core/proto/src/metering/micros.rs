//! Money.

use crate::error::{Error, Result};
use crate::killswitch::{Allowance, Amount, Component};
use crate::limits::AMOUNT_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// Money in millionths of the currency unit, at most `AMOUNT_MAX`: an amount's `costMicros`.
///
/// ```
/// use hubless_proto::metering::Micros;
///
/// let five: Micros = "5".parse().unwrap();
/// assert_eq!(five.plus(five).unwrap().value(), 10);
/// assert_eq!(five.plus(Micros::MAX), None);
/// assert!("-1".parse::<Micros>().is_err() && "9007199254740992".parse::<Micros>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(u64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that can be counted.
    pub const MAX: Self = Self(AMOUNT_MAX);

    /// So many millionths; none: more than can be counted.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= AMOUNT_MAX { Some(Self(value)) } else { None }
    }

    /// As many as this, or as can be counted.
    #[must_use]
    pub fn at_most(value: u128) -> Self {
        u64::try_from(value).ok().and_then(Self::new).unwrap_or(Self::MAX)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The sum; none: more than can be counted.
    #[must_use]
    pub const fn plus(self, other: Self) -> Option<Self> {
        // Two numbers below 2^53 have a sum.
        Self::new(self.0 + other.0)
    }

    /// The sum, which stops at what can be counted.
    #[must_use]
    pub fn plus_at_most(self, other: Self) -> Self {
        self.plus(other).unwrap_or(Self::MAX)
    }

    /// The difference, zero where the other is larger.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// That much cost, and no tokens.
impl From<Micros> for Amount {
    fn from(cost: Micros) -> Self {
        // A cost is within what can be counted.
        Self::ZERO.with(Component::CostMicros, cost.0).unwrap_or_default()
    }
}

/// At most that much cost; tokens are not limited.
impl From<Micros> for Allowance {
    fn from(cost: Micros) -> Self {
        Self::UNLIMITED.with(Component::CostMicros, Some(cost.0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Micros {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.then(|| text.parse().ok().and_then(Self::new)).flatten();
        value.ok_or_else(|| {
            let message = format!("expected an integer from 0 to {AMOUNT_MAX}, in millionths");
            Error::invalid("micros", message)
                .with_code("amount")
                .with_limit("AMOUNT_MAX", AMOUNT_MAX)
        })
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| D::Error::custom("more than can be counted"))
    }
}
