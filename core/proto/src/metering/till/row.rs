//! What is kept of a till.

use super::Served;
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::killswitch::{Allowance, Amount, BudgetId, Component};
use crate::limits::AMOUNT_MAX;
use crate::metering::Micros;
use crate::metering::chain::LinkId;
use serde::{Deserialize, Deserializer, Serialize};

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
        ceiling: Allowance,
        /// What was paid.
        spent: Amount,
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
        limit: Allowance,
        /// What was paid.
        spent: Amount,
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
        max: Amount,
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
    Put(Box<Row>),
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
        #[serde(deserialize_with = "said")]
        ceiling: Option<Micros>,
        #[serde(default, rename = "ceilingTokens")]
        ceiling_tokens: TokenLimits,
        spent: Micros,
        #[serde(default, rename = "spentTokens")]
        spent_tokens: Tokens,
        stopped: bool,
        #[serde(rename = "forgottenMs")]
        forgotten_ms: u64,
    },
    Link {
        id: String,
        root: RootKey,
        parent: Option<String>,
        #[serde(deserialize_with = "said")]
        limit: Option<Micros>,
        #[serde(default, rename = "limitTokens")]
        limit_tokens: TokenLimits,
        spent: Micros,
        #[serde(default, rename = "spentTokens")]
        spent_tokens: Tokens,
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
        #[serde(default, rename = "maxTokens")]
        max_tokens: Tokens,
    },
}

/// Tokens beside a cost; a row of a gateway that counted cost alone has none.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    input: u64,
    output: u64,
}

/// Limits of tokens beside that of a cost; null, as in a row of a gateway that counted cost alone:
/// not limited.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenLimits {
    #[serde(deserialize_with = "said")]
    input: Option<u64>,
    #[serde(deserialize_with = "said")]
    output: Option<u64>,
}

/// What may be null, and is there: a limit that is missing is not one that is not limited.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

fn apart(amount: &Amount) -> (Micros, Tokens) {
    let of = |component| amount.of(component);
    let (input, output) = (of(Component::InputTokens), of(Component::OutputTokens));
    (Micros::at_most(of(Component::CostMicros).into()), Tokens { input, output })
}

fn joined(cost: Micros, Tokens { input, output }: &Tokens) -> Result<Amount> {
    let all = Amount::from(cost).with(Component::InputTokens, *input);
    let all = all.and_then(|all| all.with(Component::OutputTokens, *output));
    all.map_err(|_| broken("expected an amount that can be counted"))
}

fn limits_apart(limits: &Allowance) -> (Option<Micros>, TokenLimits) {
    let of = |component| limits.of(component);
    let (input, output) = (of(Component::InputTokens), of(Component::OutputTokens));
    (
        of(Component::CostMicros).map(|most| Micros::at_most(most.into())),
        TokenLimits { input, output },
    )
}

fn limits_joined(cost: Option<Micros>, tokens: &TokenLimits) -> Result<Allowance> {
    let limits = [
        (Component::InputTokens, tokens.input),
        (Component::OutputTokens, tokens.output),
        (Component::CostMicros, cost.map(Micros::value)),
    ];
    limits.into_iter().try_fold(Allowance::UNLIMITED, |all, (component, most)| {
        if most.is_some_and(|most| most > AMOUNT_MAX) {
            return Err(broken("expected a limit that can be counted"));
        }
        Ok(all.with(component, most))
    })
}

impl Write {
    pub(super) fn put(row: Row) -> Self {
        Self::Put(Box::new(row))
    }
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
                let (ceiling, ceiling_tokens) = limits_apart(&ceiling);
                let (spent, spent_tokens) = apart(&spent);
                Form::Root {
                    key,
                    label,
                    ceiling,
                    ceiling_tokens,
                    spent,
                    spent_tokens,
                    stopped,
                    forgotten_ms,
                }
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
                let (limit, limit_tokens) = limits_apart(&limit);
                let (spent, spent_tokens) = apart(&spent);
                Form::Link {
                    id,
                    root,
                    parent,
                    limit,
                    limit_tokens,
                    spent,
                    spent_tokens,
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
                let (max, max_tokens) = apart(&max);
                Form::Open { id, root, link: link.as_ref().map(text), max, max_tokens }
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
            Form::Root {
                key,
                label,
                ceiling,
                ceiling_tokens,
                spent,
                spent_tokens,
                stopped,
                forgotten_ms,
            } => {
                let ceiling = limits_joined(ceiling, &ceiling_tokens)?;
                let spent = joined(spent, &spent_tokens)?;
                Self::Root { key, label, ceiling, spent, stopped, forgotten_ms }
            }
            Form::Link {
                id,
                root,
                parent,
                limit,
                limit_tokens,
                spent,
                spent_tokens,
                until_ms,
                stopped,
                ended,
                budget,
                served,
            } => {
                let (id, parent) = (id_of(&id)?, parent.as_deref().map(id_of).transpose()?);
                let budget = budget.as_deref().map(budget_of).transpose()?;
                let limit = limits_joined(limit, &limit_tokens)?;
                let spent = joined(spent, &spent_tokens)?;
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
            Form::Open { id, root, link, max, max_tokens } => {
                let (link, max) =
                    (link.as_deref().map(id_of).transpose()?, joined(max, &max_tokens)?);
                Self::Open { id, root, link, max }
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
