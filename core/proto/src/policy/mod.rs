//! Who may ask what of an agent, and why not.
//!
//! Owns: callers, private requirements, and the checks before a handler runs, in their one order.
//! Must not know: sockets, queues, who runs a foreign function. Time is a parameter.
//! Requirements are read in and never written out: nothing here encodes them.
//! Tested by a table with each check firing and losing to the one before it, and by properties.

mod caller;
pub mod check;
mod content_type;
mod effect;
mod hours;
mod principal;
mod rate;
mod requirements;
mod rules;
mod secret;
mod token_rule;
mod verdicts;

pub use caller::{Caller, CallerKey, CallerKind};
pub use content_type::MediaRule;
pub use effect::Effect;
pub use hours::{Begun, HourPart, HourRow, HourWrite, Hours, Wanted, read_hour};
pub use principal::AllowedCallers;
pub use rate::{Rate, Rates};
pub use requirements::{AuthRule, Requirements, TokenCounter};
pub use rules::{Policy, SkillRules};
pub use secret::Secret;
pub use token_rule::{FactValue, StatedFact, TokenRule};
pub use verdicts::{AuthVerdicts, VerdictKey};
