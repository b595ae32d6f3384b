//! A ledger that outlives its process: opened, told what is durable, and stopped when its store
//! fails.

use super::Treasury;
use super::counted::Counted;
use super::rows::{Rows, Stored, Written};
use super::treasury::now;
use crate::audit::Audit;
use crate::executor::blocking;
use crate::mesh::Mesh;
use crate::store::{SharedStore, closed};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::{BudgetId, Ending, GrantId, Input, Keeping, Ledger, Owner, Row};
use hubless_proto::policy::HourRow;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Treasury {
    /// The ledger of a named node, as its last process left it: what that held or granted ends, and
    /// its budgets are over, since the switches that spent them are gone.
    ///
    /// # Errors
    /// `configuration`, code `broken_store`, for rows that no ledger wrote; `closed`.
    pub(crate) async fn stored(
        mesh: Mesh,
        audit: Arc<Audit>,
        (store, rows, hours): (Arc<SharedStore>, Vec<Row>, Vec<HourRow>),
    ) -> Result<Arc<Self>> {
        let (node, instance) = (mesh.node_key(), mesh.instance());
        let owner = Owner { node, instance, keeping: Keeping::Durable };
        let path = store.path().to_owned();
        let recovered = blocking(move || {
            let counted = Counted::beside(&path);
            let told = counted.read()?;
            let recovered = recover(owner, rows, told);
            Ok((recovered.map_err(|error| crate::store::broken(&path, &error))?, counted))
        });
        let (Recovered { ledger, opened, budgets }, counted) = recovered.await?;
        let written = Arc::<Written>::default();
        let stored = Stored { store: Arc::clone(&store), written: Arc::clone(&written) };
        let treasury = Self::with(mesh, Box::new(stored), ledger, (written, audit));
        treasury.hourly.keep(&store, hours);
        let roots = treasury.work(|state, _| {
            let (roots, held) = (state.ledger.roots(), state.ledger.held());
            if !roots.is_empty() || !held.is_empty() {
                tracing::info!(
                    budgets = roots.len(),
                    grants = held.len(),
                    "an earlier process of this node left open"
                );
            }
            state.left.extend(roots.iter().chain(&held));
            state.roots = budgets;
            roots
        });
        for grant in roots {
            treasury.put(Input::Finish { grant, ending: Ending::Ran });
        }
        treasury.caught_up().await?;
        // Only once the store says so as well: a process that dies between leaves it one ahead.
        blocking(move || counted.write(opened)).await?;
        Ok(treasury)
    }

    /// Waits until everything that was written is durable.
    async fn caught_up(self: &Arc<Self>) -> Result<()> {
        loop {
            self.look_at_rows();
            let asked = crate::engine::lock(&self.state).asked;
            if let Some(error) = self.written.failed() {
                return Err(error.clone());
            }
            if asked <= self.written.durable() {
                return Ok(());
            }
            self.written.changed().await;
        }
    }

    /// Waits until what was written so far is durable, as [`Self::run`] hears from the store.
    ///
    /// # Errors
    /// `busy`, code `store`, when it never will be.
    pub(super) async fn durable(&self) -> Result<()> {
        if self.rows.keeping() == Keeping::Volatile {
            return Ok(());
        }
        let asked = crate::engine::lock(&self.state).asked;
        loop {
            let mut told = std::pin::pin!(self.persisted.notified());
            told.as_mut().enable();
            if let Some(error) = self.written.failed() {
                return Err(refused(error));
            }
            if asked <= self.written.durable() {
                return Ok(());
            }
            told.await;
        }
    }

    /// Tells the ledger what the store said.
    pub(super) fn look_at_rows(self: &Arc<Self>) {
        if let Some(error) = self.written.failed() {
            self.fail(error);
        }
        let seq = self.written.durable();
        self.put(Input::Persisted { seq });
        self.persisted.notify_waiters();
    }

    /// Nothing becomes durable any more: nothing new is begun, and what waits is refused. What is
    /// known stays known, and what is open stays charged.
    fn fail(self: &Arc<Self>, why: &Error) {
        let effects = self.work(|state, _| {
            if state.failed.is_some() {
                return Vec::new();
            }
            tracing::warn!(error = %why, "the store failed: no budget is spent from any more");
            state.fail(why)
        });
        self.act_all(effects);
    }

    /// Waits until what is known to end has ended, so that it is told before the store is closed.
    pub(crate) async fn flush(self: &Arc<Self>) {
        // What is durable by the first may let more be written.
        for _ in 0..2 {
            self.on_rows(|rows| rows.flush()).await;
        }
    }

    /// Writes what waits and closes the store; whoever still wants to spend is refused.
    pub(crate) async fn shut(self: &Arc<Self>) {
        if self.rows.keeping() == Keeping::Volatile {
            return;
        }
        self.on_rows(|rows| rows.close()).await;
        let effects = self.work(|state, _| state.fail(&closed()));
        self.act_all(effects);
    }

    /// Lets the rows do what blocks, then takes what they told.
    async fn on_rows(self: &Arc<Self>, work: fn(&dyn Rows)) {
        let treasury = Arc::clone(self);
        let done = blocking(move || {
            work(&*treasury.rows);
            Ok(())
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "the store was not waited for");
        }
        self.look_at_rows();
    }
}

/// What a store says of the processes before this one.
pub(super) struct Recovered {
    pub(super) ledger: Ledger,
    /// How many had it open, this one among them.
    pub(super) opened: u64,
    /// The budgets that were open, by their accounts: one in which nothing was is over by now, and
    /// what it came to is told by its name.
    pub(super) budgets: BTreeMap<GrantId, BudgetId>,
}

/// A store without the row that says since when it knows everything is new: earlier processes of
/// this node may have had another. One that counts fewer processes than `told` of is an older copy
/// of what it was.
pub(super) fn recover(owner: Owner, rows: Vec<Row>, told: u64) -> Result<Recovered> {
    let said = rows.iter().find_map(Row::since).map(|(_, opened)| opened);
    let is_whole = said.is_some_and(|opened| opened >= told);
    if said.is_some() && !is_whole {
        tracing::warn!(
            told,
            said,
            "the store of this node is an older copy of what it was: what \
            was held is charged in full"
        );
    }
    let shown = Ledger::shown(rows.iter().cloned())?;
    let name = |root: GrantId| Some((root, shown.origin(&root)?.budget_id()));
    let budgets = shown.roots().into_iter().filter_map(name).collect();
    let recover = if is_whole { Ledger::recover } else { Ledger::recover_partly };
    let mut ledger = recover(owner, rows, now())?;
    let opened = said.unwrap_or_default().max(told).saturating_add(1);
    ledger.opened(opened);
    Ok(Recovered { ledger, opened, budgets })
}

/// What a program is told that wants to spend.
pub(super) fn failed(why: &Error) -> Error {
    if why.kind == Kind::Closed {
        return why.clone();
    }
    let message =
        format!("{}; then start the node anew: until then no budget is spent", why.message);
    Error::new(why.kind, message).with_code(&why.code)
}

/// What a caller from elsewhere is told; paths of this machine are not its business.
pub(super) fn refused(why: &Error) -> Error {
    if why.kind == Kind::Closed {
        return why.clone();
    }
    Error::refusal(Kind::Busy, "store", "the store of this node fails: it takes no grants")
}
