//! Budgets as the stores of a data folder tell them: those that are open, and what is left of those
//! that are over.

use super::{Allowance, Amount, BudgetId, Stop};
use crate::audit::LogFile;
use crate::home::Home;
use hubless_proto::audit::{Event, Row, Spent};
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{CutView, GrantId, Ledger};
use hubless_proto::limits::CALL_DEPTH;
use std::collections::{BTreeMap, BTreeSet};

/// What the named nodes of a data folder know of one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetReport {
    /// Its id.
    pub budget: BudgetId,
    /// Node at which it begins; none: not known here.
    pub root: Option<NodeKey>,
    /// `open`; `tripped`; `over`, whether it was tripped before or not.
    pub state: &'static str,
    /// Why, by whom and when it was stopped.
    pub stop: Option<Stop>,
    /// When it was opened, in Unix milliseconds.
    pub opened_ms: Option<u64>,
    /// When it was over and settled.
    pub closed_ms: Option<u64>,
    /// What was used of it, once it is over.
    pub spent: Option<Spent>,
    /// The budget with what was cut from it, where it is open; of one that begins elsewhere the
    /// grants that are held here.
    pub accounts: Vec<AccountReport>,
}

/// A budget, or a grant of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountReport {
    /// Id of the grant, or of the budget's own account.
    pub grant: GrantId,
    /// Node that holds it.
    pub node: NodeKey,
    /// Agent that is called; none: the budget itself.
    pub agent: Option<AgentId>,
    /// `open`, `recalled`, `settled` or `written_off`; of what is held here why nothing more is
    /// begun, such as `finished`, if so.
    pub state: &'static str,
    /// Most that may be used.
    pub amount: Allowance,
    /// Known to be used.
    pub used: Amount,
    /// Set aside for reservations and open grants; of what another folder holds, what is charged
    /// and not known to be used.
    pub held: Amount,
    /// Open reservations, where that is known.
    pub reservations: Option<usize>,
    /// What was cut from it.
    pub children: Vec<Self>,
}

/// What the named nodes of a data folder know of their budgets, running or not: of each, or of one.
/// Blocks.
///
/// ```
/// use hubless::budget::{self, AccountReport, BudgetReport};
/// use hubless::home::Home;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let home = Home::open(Some(folder.path()))?;
/// let all: Vec<BudgetReport> = budget::of_home(&home, None)?;
/// let grants = all.iter().flat_map(|one| &one.accounts).map(|top: &AccountReport| top.grant);
/// assert_eq!(grants.count(), 0);
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// # Errors
/// `configuration` without a data folder, and for a store that cannot be read.
pub fn of_home(home: &Home, wanted: Option<BudgetId>) -> Result<Vec<BudgetReport>> {
    let (mut ledgers, mut reports) = (Vec::new(), BTreeMap::new());
    for log in LogFile::all(home)?.into_iter().filter(LogFile::is_of_node) {
        ledgers.push(Ledger::shown(log.view()?.ledger()?)?);
        log.read(|row| history(&mut reports, &row, wanted))?;
    }
    for budget in ledgers.iter().flat_map(Ledger::known_budgets) {
        if wanted.is_none_or(|wanted| wanted == budget) {
            reports.entry(budget).or_insert_with(|| BudgetReport::of(budget));
        }
    }
    let mut all: Vec<_> = reports.into_values().collect();
    for report in &mut all {
        report.look(&ledgers);
    }
    all.sort_by_key(|report| report.opened_ms);
    Ok(all)
}

/// Takes what a row of an audit log says of a budget.
fn history(reports: &mut BTreeMap<BudgetId, BudgetReport>, row: &Row, wanted: Option<BudgetId>) {
    let Ok(budget) = row.entry.budget.parse::<BudgetId>() else { return };
    let is_part =
        matches!(row.entry.kind, Event::BudgetOpened | Event::BudgetTripped | Event::BudgetClosed);
    if !is_part || wanted.is_some_and(|wanted| wanted != budget) {
        return;
    }
    let report = reports.entry(budget).or_insert_with(|| BudgetReport::of(budget));
    if row.entry.kind == Event::BudgetOpened {
        report.opened_ms = Some(row.at_ms);
    } else if row.entry.kind == Event::BudgetClosed {
        (report.closed_ms, report.spent) = (Some(row.at_ms), row.entry.spent);
    } else if report.stop.is_none() {
        let by = row.entry.by.strip_prefix("mesh:").and_then(|by| by.parse().ok());
        let reason = super::TripReason::of(&row.entry.reason);
        report.stop = Some(Stop { reason, by, at_ms: row.at_ms });
    }
}

impl BudgetReport {
    const fn of(budget: BudgetId) -> Self {
        Self {
            budget,
            root: None,
            state: "over",
            stop: None,
            opened_ms: None,
            closed_ms: None,
            spent: None,
            accounts: Vec::new(),
        }
    }

    /// Takes what the ledgers say.
    fn look(&mut self, ledgers: &[Ledger]) {
        if let Some(stop) = ledgers.iter().find_map(|ledger| ledger.tripped(&self.budget)) {
            let (reason, by, at_ms) = (stop.reason, Some(stop.by), stop.at_ms);
            (self.stop, self.root) = (Some(Stop { reason, by, at_ms }), Some(stop.origin.root));
        }
        let here = ledgers.iter().flat_map(|ledger| {
            let accounts = ledger.accounts(&self.budget).into_iter();
            accounts.map(move |(account, _)| (ledger, account))
        });
        let here: Vec<_> = here.collect();
        // What was cut from an account of this folder is shown below that.
        let cuts = here.iter().flat_map(|(ledger, account)| ledger.cuts(account));
        let cuts: BTreeSet<GrantId> = cuts.map(|cut| cut.grant).collect();
        let tops = here.iter().filter(|(_, account)| !cuts.contains(account));
        let report = |(ledger, account): &(&Ledger, GrantId)| held(ledgers, ledger, *account, None);
        let accounts: Vec<_> = tops.filter_map(report).collect();
        self.root = self.root.or_else(|| {
            here.first().and_then(|(ledger, account)| Some(ledger.origin(account)?.root))
        });
        self.accounts = accounts;
        self.state = match (self.accounts.is_empty(), self.stop) {
            (true, _) => "over",
            (false, Some(_)) => "tripped",
            (false, None) => "open",
        };
    }
}

/// An account of one of these ledgers; `cut`: as the one that it was cut from tells it.
fn held(
    ledgers: &[Ledger],
    ledger: &Ledger,
    account: GrantId,
    cut: Option<&CutView>,
) -> Option<AccountReport> {
    let view = ledger.view(&account)?;
    let grant = ledger.held_grant(&account);
    let deep = grant.map_or(0, |grant| grant.depth);
    let cuts = if deep < CALL_DEPTH { ledger.cuts(&account) } else { Vec::new() };
    let known = view.stopped.unwrap_or("open");
    Some(AccountReport {
        grant: account,
        node: grant
            .map_or_else(|| ledger.origin(&account).map(|of| of.root), |g| Some(g.audience))?,
        agent: grant.map(|grant| grant.agent),
        state: cut.map_or(known, |cut| if cut.state == "open" { known } else { cut.state }),
        amount: view.amount,
        used: view.used,
        held: view.held,
        reservations: Some(view.reservations),
        children: cuts.iter().map(|cut| below(ledgers, cut)).collect(),
    })
}

/// A grant that was cut here: as its holder tells it, if that is one of these ledgers.
fn below(ledgers: &[Ledger], cut: &CutView) -> AccountReport {
    let holder = ledgers.iter().find(|ledger| ledger.held_grant(&cut.grant).is_some());
    let told = holder.and_then(|holder| held(ledgers, holder, cut.grant, Some(cut)));
    told.unwrap_or_else(|| AccountReport {
        grant: cut.grant,
        node: cut.audience,
        agent: Some(cut.agent),
        state: cut.state,
        amount: cut.amount,
        used: if cut.state == "settled" { cut.charged } else { cut.seen },
        held: if cut.state == "settled" { Amount::ZERO } else { cut.charged.without(&cut.seen) },
        reservations: None,
        children: Vec::new(),
    })
}
