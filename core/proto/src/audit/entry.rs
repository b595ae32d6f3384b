//! What one row says, before it has its place in the chain.

use super::kind::{Event, Outcome};
use crate::error::Error;
use crate::identity::{AgentId, MeshId, NodeKey};
use crate::killswitch::{Amount, BudgetId, Component};
use crate::limits::AUDIT_TEXT_BYTES;
use serde::{Deserialize, Serialize};

/// What happened, to whom, and why. Ids and names only: there is no room for contents.
///
/// ```
/// use hubless_proto::audit::{Entry, Event, Outcome};
/// use hubless_proto::error::{Error, Kind};
///
/// let error = Error::new(Kind::Denied, "callers like you are not taken").with_code("callers");
/// let entry = Entry::of(Event::CallRefused).by("http:token:alice").named("weather");
/// let entry = entry.refused(&error);
/// assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Refused, "denied/callers"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// What happened.
    pub kind: Event,
    /// How it ended.
    pub outcome: Outcome,
    /// Principal that did it or asked for it, such as `mesh:<node key>`; empty: this node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Agent that did it or asked for it; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by_agent: String,
    /// Agent that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// Name, or target of a credential, that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Node that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Mesh that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mesh: String,
    /// Budget that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub budget: String,
    /// Digest of the invite that it is about; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub invite: String,
    /// Why: `kind/code` of an error, a reason of a stop, a role; empty: nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How often it happened within its second, or how many rows it is about.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub count: u64,
    /// What was used of a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
}

/// Amounts of a row.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Millionths of the currency.
    pub cost_micros: u64,
    /// Calls.
    pub calls: u64,
}

impl From<&Amount> for Spent {
    fn from(amount: &Amount) -> Self {
        Self {
            input_tokens: amount.of(Component::InputTokens),
            output_tokens: amount.of(Component::OutputTokens),
            cost_micros: amount.of(Component::CostMicros),
            calls: amount.of(Component::Calls),
        }
    }
}

impl Entry {
    /// Something that was done, once, by this node.
    pub const fn of(kind: Event) -> Self {
        Self {
            kind,
            outcome: Outcome::Ok,
            by: String::new(),
            by_agent: String::new(),
            agent: String::new(),
            name: String::new(),
            node: String::new(),
            mesh: String::new(),
            budget: String::new(),
            invite: String::new(),
            reason: String::new(),
            count: 1,
            spent: None,
        }
    }

    /// It was refused, with the kind and code of this error; its message may hold what is nobody
    /// else's business and is left out.
    #[must_use]
    pub fn refused(self, why: &Error) -> Self {
        let kind = why.kind.name();
        let reason =
            if why.code.is_empty() { kind.to_owned() } else { format!("{kind}/{}", why.code) };
        Self { outcome: Outcome::Refused, ..self.because(&reason) }
    }

    /// Who did it or asked for it.
    #[must_use]
    pub fn by(self, principal: &str) -> Self {
        Self { by: clipped(principal), ..self }
    }

    /// Agent that did it or asked for it.
    #[must_use]
    pub fn by_agent(self, agent: Option<AgentId>) -> Self {
        Self { by_agent: agent.map(|agent| agent.to_string()).unwrap_or_default(), ..self }
    }

    /// Agent that it is about.
    #[must_use]
    pub fn agent(self, agent: AgentId) -> Self {
        Self { agent: agent.to_string(), ..self }
    }

    /// Name that it is about.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: clipped(name), ..self }
    }

    /// Node that it is about.
    #[must_use]
    pub fn node(self, node: NodeKey) -> Self {
        Self { node: node.to_string(), ..self }
    }

    /// Mesh that it is about.
    #[must_use]
    pub fn mesh(self, mesh: MeshId) -> Self {
        Self { mesh: mesh.to_string(), ..self }
    }

    /// Budget that it is about.
    #[must_use]
    pub fn budget(self, budget: BudgetId) -> Self {
        Self { budget: budget.to_string(), ..self }
    }

    /// Invite that it is about, by the digest of its secret.
    #[must_use]
    pub fn invite(self, digest: &str) -> Self {
        Self { invite: clipped(digest), ..self }
    }

    /// Why.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: clipped(reason), ..self }
    }

    /// How often, or how many.
    #[must_use]
    pub const fn times(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// What was used.
    #[must_use]
    pub fn spent(self, spent: &Amount) -> Self {
        Self { spent: Some(spent.into()), ..self }
    }
}

const fn once() -> u64 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_once(count: &u64) -> bool {
    *count == 1
}

/// Texts of others are cut: a row has a bound.
fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(AUDIT_TEXT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn texts_of_others_have_a_bound() {
        let long = "ä".repeat(AUDIT_TEXT_BYTES);
        let entry = Entry::of(Event::PinSet).named(&long).by(&long).because(&long).invite(&long);
        for text in [entry.name, entry.by, entry.reason, entry.invite] {
            assert_eq!(text.len(), AUDIT_TEXT_BYTES);
        }
    }

    #[test]
    fn an_error_gives_its_kind_and_code_and_never_its_message() {
        let error = Error::new(Kind::Auth, "canary-4711 is wrong").with_code("credential");
        let entry = Entry::of(Event::CallRefused).refused(&error);
        assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Refused, "auth/credential"));
        let bare = Entry::of(Event::CallRefused).refused(&Error::new(Kind::Deadline, "late"));
        assert_eq!(bare.reason, "deadline");
        assert!(!serde_json::to_string(&entry).unwrap().contains("4711"));
    }
}
