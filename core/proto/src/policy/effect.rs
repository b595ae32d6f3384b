//! What may be repeated.

use crate::error::{Kind, Result};
use crate::wire::v1;
pub use crate::wire::words::Effect;

/// Id of the skill that is meant where an agent has several and a request names none.
const WHOLE: &str = "handle";

impl v1::Descriptor {
    /// The skill that a request means by this id. One that names none means the only one, and of
    /// several the one that is called `handle`. None: there is no such skill, or none at all.
    ///
    /// ```
    /// use hubless_proto::wire::v1::{Descriptor, Skill};
    ///
    /// let skill = |id: &str| Skill { id: id.to_owned(), ..Skill::default() };
    /// let several = |ids: [&str; 2]| Descriptor {
    ///     skills: ids.map(skill).to_vec(),
    ///     ..Descriptor::default()
    /// };
    /// assert_eq!(several(["add", "handle"]).skill(""), Some(&skill("handle")));
    /// assert_eq!(several(["add", "double"]).skill(""), None);
    /// ```
    pub fn skill(&self, id: &str) -> Option<&v1::Skill> {
        let named = |id: &str| self.skills.iter().find(|skill| skill.id == id);
        match (id, self.skills.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => named(WHOLE),
            (id, _) => named(id),
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
    fn the_only_skill_or_the_one_called_handle_is_meant_when_none_is_named() {
        let skill = |id: &&str| v1::Skill { id: (*id).to_owned(), ..v1::Skill::default() };
        let meant = |ids: &[&str], asked: &str| {
            let skills = ids.iter().map(skill).collect();
            let descriptor = v1::Descriptor { skills, ..v1::Descriptor::default() };
            descriptor.skill(asked).map(|skill| skill.id.clone())
        };
        for (ids, asked, expected) in [
            (&[][..], "", None),
            (&[], "handle", None),
            (&["a"], "", Some("a")),
            (&["a"], "b", None),
            (&["a", "b"], "", None),
            (&["a", "b"], "b", Some("b")),
            (&["a", "b"], "handle", None),
            (&["a", "handle", "b"], "", Some("handle")),
            (&["a", "handle"], "a", Some("a")),
        ] {
            assert_eq!(meant(ids, asked).as_deref(), expected, "{ids:?} asked for {asked:?}");
        }
    }

    #[test]
    fn a_loss_is_unknown_only_where_a_repeat_may_harm() {
        assert_eq!(Effect::of_field(""), Ok(Effect::AtMostOnce));
        assert!(Effect::of_field("SOMETIMES").is_err());
        for effect in Effect::ALL {
            assert_eq!(effect.lost() == Kind::UnknownOutcome, *effect == Effect::AtMostOnce);
        }
    }
}
