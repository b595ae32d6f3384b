//! What a node keeps and counts: its ledger and its audit log, in its store or in memory.

use super::lifecycle::{Inner, Node};
use super::options::NodeOptions;
use super::shown::NodeCounts;
use crate::audit::{Audit, InMemory};
use crate::budget::{Allowance, KillSwitch, Terms, Treasury};
use crate::executor::blocking;
use crate::home::Home;
use crate::mesh::Mesh;
use crate::spans::{CallWatcher, Refuser};
use crate::store::{Contents, Opened, SharedStore};
use crate::usage::{By, Tally, UsageRow};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::Name;
use std::sync::Arc;

impl Node {
    /// The rows of its audit log that are in memory: of a node without a name the latest, of one
    /// with a name those that are not on disk yet; [`crate::audit::LogFile`] reads the others.
    pub fn audit(&self) -> InMemory {
        self.inner().engine.audit().in_memory()
    }

    /// What the calls that were handled here used, by principal, agent or skill; of a node with a
    /// name since its store was made. Most expensive first.
    pub fn usage(&self, by: By) -> Vec<UsageRow> {
        self.inner().engine.tally().rows(by)
    }

    /// What it has open, and what it counted since its start; [`Node::status`] has its peers, and
    /// [`Node::usage`] what calls used.
    ///
    /// ```
    /// use hubless::budget::Budgets;
    /// use hubless::mesh::Traffic;
    /// use hubless::node::NodeCounts;
    /// # use hubless::{Node, NodeOptions};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let counts: NodeCounts = node.counts();
    /// assert_eq!((counts.running, counts.queued, counts.audit_rows), (0, 0, 1));
    /// assert_eq!((counts.budgets, counts.traffic), (Budgets::default(), Traffic::default()));
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn counts(&self) -> NodeCounts {
        let inner = self.inner();
        let rooms = inner.hosted();
        let rooms = rooms.iter().map(|hosted| hosted.room.counts());
        let (running, queued) = rooms.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        NodeCounts {
            running,
            queued,
            budgets: inner.engine.treasury().counts(),
            traffic: inner.mesh.traffic(),
            audit_rows: inner.engine.audit().rows(),
            repeats: inner.mesh.repeats(),
            merged: inner.mesh.merged(),
            records: inner.mesh.records(),
        }
    }

    /// Has a watcher told of every call that ends here from now on, until it is dropped: it is not
    /// kept alive.
    ///
    /// # Errors
    /// `too_large`: limit `CALL_WATCHERS`.
    pub fn watch_calls<W: CallWatcher>(&self, watcher: &Arc<W>) -> Result<()> {
        let watcher: Arc<dyn CallWatcher> = Arc::<W>::clone(watcher);
        self.inner().engine.spans().watchers().add(Arc::downgrade(&watcher))
    }

    /// A switch for one request of somebody who is not of the mesh, of whom `who` is the name that
    /// a listener counts by: with the limits of `call`, and within what all of its requests may
    /// spend in an hour.
    ///
    /// The most of the request is set aside of the hour before it begins; where `call` does not
    /// limit a component that `hour` does, that is all that is left of it, so that give `call` a
    /// limit for each where requests are to run beside each other. What the request used, with
    /// grants that nobody settles in full, takes the place of that when its budget is over, and
    /// counts for an hour from then, and up to `HOUR_SLOT` longer: in no interval of one hour more
    /// is begun, nor spent, than the limit. Nothing that runs is stopped for its hour.
    ///
    /// A node with a name keeps the hours in its store, each part before its request begins; what
    /// is set aside when it is killed counts as spent. A node without one keeps them in memory, so
    /// that its next process gives the hour anew.
    ///
    /// ```
    /// use hubless::budget::{Allowance, Component, Terms};
    /// use hubless::{Kind, Node, NodeOptions};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let calls = |most| Allowance::UNLIMITED.with(Component::Calls, Some(most));
    /// let switch = node.hourly_switch("alice", Terms::of(calls(2)), calls(3)).await?;
    /// let over = node.hourly_switch("alice", Terms::of(calls(2)), calls(3)).await.unwrap_err();
    /// assert_eq!((over.kind, over.field.as_deref()), (Kind::BudgetExhausted, Some("calls")));
    /// // Nothing was called under the first one.
    /// drop(switch);
    /// assert!(node.hourly_switch("alice", Terms::of(calls(2)), calls(3)).await.is_ok());
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `budget_exhausted`, code `hour`, with the component as field and its limit, for what does
    /// not fit into what is left; with the time after which it does, where that is known. `busy`:
    /// code `hour` at the bounds `HOUR_PRINCIPALS` and `HOUR_OPEN`, code `store` where the store of
    /// the node fails. `invalid_argument` for a name of more than `HOUR_NAME_BYTES`.
    ///
    /// # Cancellation
    /// Nothing stays set aside.
    pub async fn hourly_switch(
        &self,
        who: &str,
        call: Terms,
        hour: Allowance,
    ) -> Result<KillSwitch> {
        self.inner().engine.treasury().hourly_switch(who, call, hour).await
    }

    /// Writes into the audit log, and tells who counts it, that a gateway in front of this node
    /// refused a client, by its principal, something about the agent of this name; empty: it did
    /// not come that far.
    pub fn note_refused(&self, principal: &str, agent: &str, why: &Error) {
        self.inner().engine.spans().watchers().refused(Refuser::Gateway, why.kind);
        let entry = Entry::of(Event::CallRefused).by(principal).named(agent);
        self.inner().engine.audit().fold(entry.refused(why));
    }
}

/// Opens what a node keeps. Only who comes back under the same key can be asked what it spent: a
/// node without a stored one keeps its ledger in memory, and its audit log as well.
pub(super) async fn treasury(
    options: &NodeOptions,
    (home, mesh): (&Home, &Mesh),
    (audit, tally): (&Arc<Audit>, &Tally),
) -> Result<Arc<Treasury>> {
    let started = Entry::of(Event::NodeStarted).node(mesh.node_key()).mesh(mesh.mesh_id());
    let started = started.because(env!("CARGO_PKG_VERSION"));
    let Some(name) = &options.name else {
        audit.begin(None, started);
        return Ok(Treasury::in_memory(mesh.clone(), Arc::clone(audit)));
    };
    let (home, name): (_, Name) = (home.clone(), name.parse()?);
    let Opened { store, contents } = blocking(move || SharedStore::open(&home, &name)).await?;
    let store = Arc::new(store);
    let Contents { rows, past, sums, hours } = contents;
    audit.begin(Some((Arc::clone(&store), past)), started);
    tally.begin(&store, sums);
    Treasury::stored(mesh.clone(), Arc::clone(audit), (store, rows, hours)).await
}

/// Renews and ends leases, and says last words again.
pub(super) async fn leases(inner: Arc<Inner>) {
    let treasury = Arc::clone(inner.engine.treasury());
    tokio::select! {
        () = treasury.run() => {}
        () = inner.stop.cancelled() => {}
    }
}

/// Tells the audit log how often others caused the same.
pub(super) async fn counts(inner: Arc<Inner>) {
    inner.engine.audit().tell_counts(&inner.stop).await;
}

/// Writes down what calls used, a little later than they end.
pub(super) async fn sums(inner: Arc<Inner>) {
    inner.engine.tally().keep_on(&inner.stop).await;
}
