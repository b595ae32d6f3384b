//! What may be repeated.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;

/// What running a skill twice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Effect {
    /// Nothing changes anywhere; any number of runs is as good as one.
    Pure,
    /// Something changes, and a second run changes nothing more.
    Idempotent,
    /// A second run may do harm; never repeated by us.
    #[default]
    AtMostOnce,
}

impl Effect {
    /// Every effect, the most harmless first.
    pub const ALL: [Self; 3] = [Self::Pure, Self::Idempotent, Self::AtMostOnce];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pure => "PURE",
            Self::Idempotent => "IDEMPOTENT",
            Self::AtMostOnce => "AT_MOST_ONCE",
        }
    }

    /// Reads a field of a message; empty: the default.
    ///
    /// # Errors
    /// `invalid_argument` naming `effect`.
    pub fn of_wire(text: &str) -> Result<Self> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }

    /// True when a run of which nobody knows the end may be repeated.
    pub const fn repeatable(self) -> bool {
        match self {
            Self::Pure | Self::Idempotent => true,
            Self::AtMostOnce => false,
        }
    }

    /// Kind of error when the way to the callee broke after the request had left.
    pub const fn lost(self) -> Kind {
        if self.repeatable() { Kind::Transport } else { Kind::UnknownOutcome }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Effect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|effect| effect.name() == text).ok_or_else(|| {
            Error::invalid("effect", "expected PURE, IDEMPOTENT or AT_MOST_ONCE")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_defaults_to_the_careful_one() {
        for effect in Effect::ALL {
            assert_eq!(Effect::of_wire(effect.name()), Ok(effect));
        }
        assert_eq!(Effect::of_wire(""), Ok(Effect::AtMostOnce));
        assert_eq!(Effect::of_wire("SOMETIMES").unwrap_err().field.as_deref(), Some("effect"));
    }
}
