//! One account.

use crate::identity::RootKey;
use crate::killswitch::{Allowance, Amount, BudgetId, Component};
use crate::metering::chain::LinkId;
use serde::{Deserialize, Serialize};

/// A root that the operator registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its key.
    pub key: RootKey,
    /// What a person calls it; at most `NAME_CHARS`.
    pub label: String,
    /// Most that may ever be paid below it, of each component; calls are not counted.
    pub ceiling: Allowance,
}

/// What was paid by a key, for its receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Served {
    /// Calls.
    pub calls: u64,
    /// Model of the last of them.
    pub model: String,
    /// What the provider calls the last of them; empty: nothing.
    pub request: String,
}

/// What an account says to those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Root that it is below, or is.
    pub root: RootKey,
    /// Its link; none: the root itself.
    pub link: Option<LinkId>,
    /// Link above it; none: the root, or nothing.
    pub parent: Option<LinkId>,
    /// What a person calls the root; empty for links.
    pub label: String,
    /// Most that may be paid, of each component.
    pub limit: Allowance,
    /// What was paid.
    pub spent: Amount,
    /// What is set aside.
    pub reserved: Amount,
    /// Unix time in milliseconds at which it ends; none: never.
    pub until_ms: Option<u64>,
    /// True once a provider took more than was set aside: nothing more is paid.
    pub stopped: bool,
    /// True once whoever has the key ended it: nothing more is paid.
    pub ended: bool,
}

/// What was paid and is set aside, of at most a limit of each component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) limit: Allowance,
    pub(super) spent: Amount,
    /// Sum of the open reservations; not written down, since their own rows are.
    pub(super) reserved: Amount,
    /// Open reservations, some of which may be of nothing.
    pub(super) calls: usize,
    pub(super) stopped: bool,
    /// True once whoever has the key said that nothing more is spent by it.
    pub(super) ended: bool,
}

impl Account {
    pub(super) const fn new(limit: Allowance) -> Self {
        Self {
            limit,
            spent: Amount::ZERO,
            reserved: Amount::ZERO,
            calls: 0,
            stopped: false,
            ended: false,
        }
    }

    /// What of so much more does not fit; none: it fits. A component that is not limited has room
    /// as long as it can be counted.
    pub(super) fn lacks(&self, more: &Amount) -> Option<Component> {
        let most = self.limit.most();
        Component::ALL.into_iter().find(|component| {
            let of = |amount: &Amount| amount.of(*component);
            // Three numbers below 2^53 have a sum.
            of(&self.spent) + of(&self.reserved) + of(more) > of(&most)
        })
    }

    /// True when nothing would be lost without it.
    pub(super) fn is_blank(&self) -> bool {
        self.spent.is_zero() && self.calls == 0 && !self.stopped && !self.ended
    }

    pub(super) fn hold(&mut self, max: &Amount) {
        self.reserved = self.reserved.plus_at_most(max);
        self.calls += 1;
    }

    /// Takes a reservation back and pays what was used of it, or beyond it.
    pub(super) fn pay(&mut self, held: &Amount, used: &Amount) {
        self.reserved = self.reserved.without(held);
        self.calls = self.calls.saturating_sub(1);
        self.spent = self.spent.plus_at_most(used);
    }
}

/// The account of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkAccount {
    pub(super) account: Account,
    pub(super) root: RootKey,
    pub(super) parent: Option<LinkId>,
    pub(super) until_ms: u64,
    /// Budget with whose stop it ends.
    pub(super) budget: Option<BudgetId>,
    pub(super) served: Served,
    /// Links below it that have an account; not written down, since their own rows are.
    pub(super) below: usize,
}

/// The account of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootAccount {
    pub(super) account: Account,
    pub(super) label: String,
    /// Links of it that have an account.
    pub(super) links: usize,
    /// Links that end by then are worth nothing: some of their accounts were forgotten.
    pub(super) forgotten_ms: u64,
}

impl Account {
    /// What it says as that of a root.
    pub(super) fn view(&self, root: RootKey, label: &str) -> AccountView {
        let Self { limit, spent, reserved, stopped, ended, .. } = *self;
        let label = label.to_owned();
        let (link, parent, until_ms) = (None, None, None);
        AccountView { root, link, parent, label, limit, spent, reserved, until_ms, stopped, ended }
    }
}

impl LinkAccount {
    /// What it says.
    pub(super) fn view(&self, id: LinkId) -> AccountView {
        let (link, parent, until_ms) = (Some(id), self.parent, Some(self.until_ms));
        AccountView { link, parent, until_ms, ..self.account.view(self.root, "") }
    }
}
