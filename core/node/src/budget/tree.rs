//! A budget as this node sees it.

use super::{Allowance, Amount};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{CutView, GrantId, Ledger, Origin};
use hubless_proto::limits::CALL_DEPTH;

/// A budget, or one grant of it, with what was cut from it. Of a grant that another node holds,
/// only what that node said is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Agent that is called; none: the budget itself.
    pub agent: Option<AgentId>,
    /// Node that holds it.
    pub node: NodeKey,
    /// `open`, `recalled`, `settled` or `written_off`.
    pub state: &'static str,
    /// How much it is.
    pub amount: Allowance,
    /// What it costs the one it was cut from.
    pub charged: Amount,
    /// What is known to be used of it.
    pub used: Amount,
    /// Grants that were cut from it, except those settled long ago.
    pub children: Vec<Self>,
}

/// The tree of a budget that begins here; none: it is over.
pub(super) fn of(ledger: &Ledger, origin: Origin) -> Option<Branch> {
    let root = origin.account();
    let view = ledger.view(&root)?;
    Some(Branch {
        agent: None,
        node: origin.root,
        state: "open",
        amount: view.amount,
        charged: view.used.plus_at_most(&view.held),
        used: view.used,
        children: children(ledger, &root, CALL_DEPTH),
    })
}

fn children(ledger: &Ledger, of: &GrantId, deep: u32) -> Vec<Branch> {
    let cuts = ledger.cuts(of);
    cuts.iter().map(|cut| branch(ledger, cut, deep)).collect()
}

fn branch(ledger: &Ledger, cut: &CutView, deep: u32) -> Branch {
    let inside = ledger.view(&cut.grant);
    let children = match deep.checked_sub(1) {
        Some(deep) if inside.is_some() => children(ledger, &cut.grant, deep),
        Some(_) | None => Vec::new(),
    };
    // What a holder's last word says is what it is charged.
    let known = if cut.state == "settled" { cut.charged } else { cut.seen };
    Branch {
        agent: Some(cut.agent),
        node: cut.audience,
        state: cut.state,
        amount: cut.amount,
        charged: cut.charged,
        used: inside.map_or(known, |view| view.used),
        children,
    }
}
