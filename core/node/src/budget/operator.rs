//! Budgets that the operator of the mesh stops: whose statement is taken, and what is answered.

use super::{BudgetId, OperatorStop, Treasury};
use crate::engine::lock;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::wire::v1;
use std::sync::Arc;

impl Treasury {
    /// A node shows a statement that stops budgets; those of them of which something is here. They
    /// are stopped from the call of this function on, and for good once it is answered.
    ///
    /// # Errors
    /// `denied`, code `not_operator`, when the root key of this mesh did not sign it; as
    /// [`OperatorStop::open`]; `busy`, code `store`, when a crash would take it back.
    pub(crate) fn show_stop(
        self: &Arc<Self>,
        from: NodeKey,
        signed: &v1::SignedRecord,
    ) -> impl Future<Output = Result<Vec<BudgetId>>> + Send + use<> {
        let shown = match OperatorStop::open(signed) {
            Ok(stop) => self.operator_stop(from, &stop),
            Err(error) => {
                lock(&self.state).refuse_stop(from, &error);
                Err(error)
            }
        };
        let treasury = Arc::clone(self);
        async move {
            let here = shown?;
            treasury.durable().await?;
            Ok(here)
        }
    }

    /// The same, of one whose signature holds under the key of the mesh that it names.
    pub(super) fn operator_stop(
        self: &Arc<Self>,
        from: NodeKey,
        stop: &OperatorStop,
    ) -> Result<Vec<BudgetId>> {
        if let Err(error) = stop.check_mesh(self.mesh_id()) {
            lock(&self.state).refuse_stop(from, &error);
            return Err(error);
        }
        Ok(self.work(|state, now| state.operator_stop(from, stop, now)))
    }

    /// A program of this node wanted to state what only the operator may.
    pub(crate) fn refuse_stop(&self, why: &Error) {
        lock(&self.state).refuse_stop(self.node(), why);
    }
}

/// What became of a statement that stops budgets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// Nodes that had something of the budgets, which is stopped, with those that it was of.
    pub stopped: Vec<(NodeKey, Vec<BudgetId>)>,
    /// Nodes that took it and had nothing of the budgets.
    pub unconcerned: usize,
    /// Nodes that refused it, with what they said.
    pub refused: Vec<(NodeKey, Error)>,
    /// Nodes that gave no answer, or that nobody reached.
    pub silent: usize,
}

impl StopReport {
    /// Takes what a node said.
    pub(crate) fn take(&mut self, node: NodeKey, told: Result<Vec<BudgetId>>) {
        match told {
            Ok(here) if here.is_empty() => self.unconcerned += 1,
            Ok(here) => self.stopped.push((node, here)),
            Err(error) if matches!(error.kind, Kind::Denied | Kind::Unsupported) => {
                self.refused.push((node, error));
            }
            Err(error) => {
                tracing::debug!(%node, %error, "a node was not told of a stop");
                self.silent += 1;
            }
        }
    }

    /// The report, unless nobody took the statement.
    ///
    /// # Errors
    /// What the first said that refused it.
    pub(crate) fn judged(self) -> Result<Self> {
        let taken = self.unconcerned > 0 || !self.stopped.is_empty();
        match self.refused.first() {
            Some((_, error)) if !taken => Err(error.clone()),
            Some(_) | None => Ok(self),
        }
    }
}
