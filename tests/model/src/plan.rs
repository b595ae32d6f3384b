//! What a configuration is: who calls whom, what is spent, what goes wrong.

/// A grant that may be cut, once.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Account that pays: 0 is the budget, `n` the grant of `cuts[n - 1]`.
    pub from: usize,
    /// Node that is called.
    pub to: usize,
    /// Its call; another attempt of the same call is another grant.
    pub call: u8,
    /// The attempt.
    pub attempt: u32,
    /// Moment at which a detached one ends; none: it is leased.
    pub until: Option<u64>,
}

/// A spending that may be made, once.
#[derive(Debug, Clone, Copy)]
pub struct Spend {
    /// Account, as in [`Cut::from`].
    pub of: usize,
    /// Node that spends.
    pub at: usize,
    /// Most that is reserved; the provider may take less.
    pub most: u64,
}

/// When a write of the store is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Before anything else happens.
    AtOnce,
    /// Some time later, or never when the node dies first.
    Late,
}

/// Time that passes.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Moments that are looked at.
    pub ticks: u64,
    /// Length of a lease in them.
    pub lease: u64,
    /// Last moment at which a node says what its clock reads.
    pub heard: u64,
    /// Moments that the clock of one node may miss, in all.
    pub slow: u64,
}

/// Who renews what is held of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Who cut the grant, as a rule.
    Issuer,
    /// The root alone: the budget is strict.
    Root,
}

/// A node between two others that does not keep to its ledger: it says to both whatever somebody
/// who hears what it hears can say, and nothing that either of them says reaches the other but by
/// it. What it says of money is its own loss and left out: here it lies about time.
#[derive(Debug, Clone, Copy)]
pub struct Liar {
    /// The node: the one of the first grant, which cuts the second.
    pub node: usize,
    /// Who renews.
    pub renewal: Renewal,
    /// Questions that it asks the root at most.
    pub asks: u8,
}

/// What may happen besides calls, spending and messages in any order, lost or repeated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mishaps {
    /// Nodes that may die and come back, in all.
    pub crashes: u8,
    /// The only node that may; none: any.
    pub dies: Option<usize>,
    /// Whether callers may ask for their grants back.
    pub recalls: bool,
    /// Whether the root may stop the budget.
    pub trips: bool,
    /// Whether nobody may know what a call of a provider cost.
    pub unknown: bool,
}

/// Which histories are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histories {
    /// Each, whatever the order of what happens at different nodes.
    All,
    /// What happens to the last grant of a chain by its holder alone goes before everything else
    /// (`alone.rs`).
    LeavesFirst,
}

/// One configuration. Node 0 is the root.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: &'static str,
    /// Number of nodes.
    pub nodes: usize,
    /// Tokens of the budget.
    pub ceiling: u64,
    /// Grants.
    pub cuts: Vec<Cut>,
    /// Spending.
    pub spends: Vec<Spend>,
    /// What goes wrong.
    pub mishaps: Mishaps,
    /// Of every node.
    pub store: Store,
    /// None: it stands still.
    pub time: Option<Time>,
    /// A dishonest node; none: all are honest.
    pub liar: Option<Liar>,
    /// Which histories are looked at.
    pub histories: Histories,
}

impl Plan {
    /// Node that cuts a grant.
    pub fn issuer(&self, cut: usize) -> usize {
        self.home(self.cuts[cut].from)
    }

    /// Node of an account.
    pub fn home(&self, account: usize) -> usize {
        account.checked_sub(1).map_or(0, |cut| self.cuts[cut].to)
    }

    /// Moment at which what is spent from an account ends, where no stop is heard of: that of the
    /// nearest detached grant that it is or is below.
    pub fn until(&self, account: usize) -> Option<u64> {
        let cut = self.cuts[account.checked_sub(1)?];
        cut.until.or_else(|| self.until(cut.from))
    }

    /// Accounts from the innermost out, each with the one that pays for it.
    pub fn inwards(&self) -> impl Iterator<Item = (usize, usize)> {
        self.cuts.iter().enumerate().rev().map(|(cut, grant)| (cut + 1, grant.from))
    }
}
