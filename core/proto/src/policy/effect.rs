//! What may be repeated.

use crate::error::{Kind, Result};
use crate::wire::v1;
pub use crate::wire::words::Effect;

impl v1::Descriptor {
    /// The skill that a request means by this id: where it names none, the only one.
    pub fn skill(&self, id: &str) -> Option<&v1::Skill> {
        match (id, self.skills.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => None,
            (id, all) => all.iter().find(|skill| skill.id == id),
        }
    }
}

impl Effect {
    /// Reads a field that a person or a program wrote; empty: `AT_MOST_ONCE`.
    ///
    /// # Errors
    /// `invalid_argument` naming `effect`.
    pub fn of_field(text: &str) -> Result<Self> {
        if text.is_empty() { Ok(Self::AtMostOnce) } else { text.parse() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_unknown_only_where_a_repeat_may_harm() {
        assert_eq!(Effect::of_field(""), Ok(Effect::AtMostOnce));
        assert!(Effect::of_field("SOMETIMES").is_err());
        for effect in Effect::ALL {
            assert_eq!(effect.lost() == Kind::UnknownOutcome, *effect == Effect::AtMostOnce);
        }
    }
}
