//! What is kept of a till.

use super::Served;
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::killswitch::BudgetId;
use crate::metering::Micros;
use crate::metering::chain::LinkId;
use serde::{Deserialize, Serialize};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A root.
    Root {
        /// Its key.
        key: RootKey,
        /// What a person calls it.
        label: String,
        /// Most that may be paid below it.
        ceiling: Micros,
        /// What was paid.
        spent: Micros,
        /// True once nothing more is paid by the root's own key.
        stopped: bool,
        /// Links that end by then are worth nothing.
        forgotten_ms: u64,
    },
    /// A link.
    Link {
        /// Its id.
        id: LinkId,
        /// Root that it is below.
        root: RootKey,
        /// Link above it; none: the root.
        parent: Option<LinkId>,
        /// Most that may be paid below it.
        limit: Micros,
        /// What was paid.
        spent: Micros,
        /// Unix time in milliseconds at which it ends.
        until_ms: u64,
        /// True once nothing more is paid: a provider took too much.
        stopped: bool,
        /// True once nothing more is paid: whoever has the key ended it.
        ended: bool,
        /// Budget with whose stop it ends.
        budget: Option<BudgetId>,
        /// What was paid by it.
        served: Served,
    },
    /// A budget that was stopped.
    Trip {
        /// Which.
        budget: BudgetId,
        /// Root whose key the teller showed.
        teller: RootKey,
        /// Unix time in milliseconds until which a key of it may live.
        until_ms: u64,
    },
    /// An open reservation.
    Open {
        /// Its number.
        id: u64,
        /// Root that pays.
        root: RootKey,
        /// Last link of the chain that pays; none: the root alone.
        link: Option<LinkId>,
        /// What is set aside.
        max: Micros,
    },
}

/// What a row is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// A root.
    Root(RootKey),
    /// A link.
    Link(LinkId),
    /// A budget that was stopped.
    Trip(BudgetId),
    /// An open reservation.
    Open(u64),
}

/// One change of what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The row is this from here on.
    Put(Row),
    /// The row is no more.
    Delete(RowKey),
}

/// A row as it is written: bytes as hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "row")]
enum Form {
    Root {
        key: RootKey,
        label: String,
        ceiling: Micros,
        spent: Micros,
        stopped: bool,
        #[serde(rename = "forgottenMs")]
        forgotten_ms: u64,
    },
    Link {
        id: String,
        root: RootKey,
        parent: Option<String>,
        limit: Micros,
        spent: Micros,
        #[serde(rename = "untilMs")]
        until_ms: u64,
        stopped: bool,
        #[serde(default)]
        ended: bool,
        #[serde(default)]
        budget: Option<String>,
        #[serde(default)]
        served: Served,
    },
    Trip {
        budget: String,
        teller: RootKey,
        #[serde(rename = "untilMs")]
        until_ms: u64,
    },
    Open {
        id: u64,
        root: RootKey,
        link: Option<String>,
        max: Micros,
    },
}

impl Row {
    /// What it is kept under.
    pub const fn key(&self) -> RowKey {
        match self {
            Self::Root { key, .. } => RowKey::Root(*key),
            Self::Link { id, .. } => RowKey::Link(*id),
            Self::Trip { budget, .. } => RowKey::Trip(*budget),
            Self::Open { id, .. } => RowKey::Open(*id),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let text = |id: &LinkId| id.to_string();
        let form = match self.clone() {
            Self::Root { key, label, ceiling, spent, stopped, forgotten_ms } => {
                Form::Root { key, label, ceiling, spent, stopped, forgotten_ms }
            }
            Self::Link {
                id,
                root,
                parent,
                limit,
                spent,
                until_ms,
                stopped,
                ended,
                budget,
                served,
            } => {
                let (id, parent) = (text(&id), parent.as_ref().map(text));
                let budget = budget.map(|budget| budget.to_string());
                Form::Link {
                    id,
                    root,
                    parent,
                    limit,
                    spent,
                    until_ms,
                    stopped,
                    ended,
                    budget,
                    served,
                }
            }
            Self::Trip { budget, teller, until_ms } => {
                Form::Trip { budget: budget.to_string(), teller, until_ms }
            }
            Self::Open { id, root, link, max } => {
                Form::Open { id, root, link: link.as_ref().map(text), max }
            }
        };
        // Nothing of a row keeps it from being written.
        serde_json::to_vec(&form).unwrap_or_default()
    }

    /// Reads the bytes of a row.
    ///
    /// # Errors
    /// `configuration`, code `broken_store`.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let form = serde_json::from_slice(bytes).map_err(|_| broken("expected a row of a till"))?;
        Ok(match form {
            Form::Root { key, label, ceiling, spent, stopped, forgotten_ms } => {
                Self::Root { key, label, ceiling, spent, stopped, forgotten_ms }
            }
            Form::Link {
                id,
                root,
                parent,
                limit,
                spent,
                until_ms,
                stopped,
                ended,
                budget,
                served,
            } => {
                let (id, parent) = (id_of(&id)?, parent.as_deref().map(id_of).transpose()?);
                let budget = budget.as_deref().map(budget_of).transpose()?;
                Self::Link {
                    id,
                    root,
                    parent,
                    limit,
                    spent,
                    until_ms,
                    stopped,
                    ended,
                    budget,
                    served,
                }
            }
            Form::Trip { budget, teller, until_ms } => {
                Self::Trip { budget: budget_of(&budget)?, teller, until_ms }
            }
            Form::Open { id, root, link, max } => {
                Self::Open { id, root, link: link.as_deref().map(id_of).transpose()?, max }
            }
        })
    }
}

impl RowKey {
    /// Its bytes; no key's are another's.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Root(key) => [b"r", &key.as_bytes()[..]].concat(),
            Self::Link(id) => [b"l", &id.as_bytes()[..]].concat(),
            Self::Trip(id) => [b"t", &id.as_bytes()[..]].concat(),
            Self::Open(id) => [b"o", &id.to_be_bytes()[..]].concat(),
        }
    }
}

/// Rows that do not belong together.
pub(super) fn broken(what: &str) -> Error {
    Error::new(Kind::Configuration, what).with_code("broken_store")
}

fn budget_of(text: &str) -> Result<BudgetId> {
    text.parse().map_err(|_| broken("expected the id of a budget"))
}

fn id_of(text: &str) -> Result<LinkId> {
    let bytes = crate::identity::hex::decode("link", text);
    bytes.map(LinkId::from_bytes).map_err(|_| broken("expected the id of a link"))
}
