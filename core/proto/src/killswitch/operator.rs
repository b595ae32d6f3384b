//! Budgets that the operator of a mesh stops, wherever they began: a statement of the mesh's root
//! key, which any node of the mesh may carry.
//!
//! That the mesh is the own one is looked at by whoever hands the statement to a ledger.

use super::account::{Account, Drain};
use super::io::Output;
use super::ledger::Ledger;
use super::row::{Key, Row};
use super::{BudgetId, GrantId, Message, Now, Statement};
use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, MeshId, NodeKey, SecretKey, verify};
use crate::limits;
use crate::wire::decode::{Checked as _, decode_within};
use crate::wire::v1;
use crate::wire::words::TripReason;
use bytes::Bytes;
use prost::Message as _;
use std::sync::Arc;

/// A statement that stops budgets, whose signature holds under the root key of the mesh it names.
///
/// ```
/// use hubless_proto::identity::{NodeKey, SecretKey};
/// use hubless_proto::killswitch::{BudgetId, OperatorStop};
///
/// let (root, node) = (SecretKey::from_seed([1; 32]), NodeKey::from_bytes([2; 32]));
/// let budgets = [BudgetId::from_bytes([3; 32])];
/// let stop = OperatorStop::sign(&root, &budgets, node, 1_700_000_000_000).unwrap();
/// assert_eq!(OperatorStop::open(stop.signed()), Ok(stop.clone()));
/// assert_eq!((stop.mesh(), stop.by()), (root.mesh_id(), node));
/// assert!(OperatorStop::sign(&root, &[], node, 0).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorStop {
    mesh: MeshId,
    budgets: Arc<[BudgetId]>,
    by: NodeKey,
    at_ms: u64,
    signed: v1::SignedRecord,
}

impl Eq for OperatorStop {}

impl std::hash::Hash for OperatorStop {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.signed.signed.hash(state);
        self.signed.signature.hash(state);
    }
}

impl OperatorStop {
    /// Signs that these budgets, at most `STOP_BUDGETS`, are stopped in the mesh of this root;
    /// `by`: the node that asks for it, `at_ms`: when, in Unix milliseconds.
    ///
    /// # Errors
    /// `invalid_argument`, field `budgets`, for none, or more than `STOP_BUDGETS`.
    pub fn sign(root: &SecretKey, budgets: &[BudgetId], by: NodeKey, at_ms: u64) -> Result<Self> {
        if budgets.is_empty() || budgets.len() > limits::STOP_BUDGETS {
            let most = limits::STOP_BUDGETS;
            let message = format!("expected 1 to {most} budgets, got {}", budgets.len());
            let error = Error::invalid("budgets", message);
            return Err(error.with_limit("STOP_BUDGETS", most as u64));
        }
        let (mesh, budgets) = (root.mesh_id(), Arc::<[BudgetId]>::from(budgets));
        let wire = v1::OperatorStop {
            mesh: mesh.to_wire(),
            may_kill: budgets.iter().map(BudgetId::to_wire).collect(),
            groups: Vec::new(),
            by: by.to_wire(),
            at_ms,
        };
        let signed = Bytes::from(wire.encode_to_vec());
        let signature = Bytes::copy_from_slice(&root.sign(Domain::OperatorStop, &signed));
        Ok(Self { mesh, budgets, by, at_ms, signed: v1::SignedRecord { signed, signature } })
    }

    /// Checks a statement that somebody shows or passes on.
    ///
    /// # Errors
    /// `denied`, code `not_operator`: the root key of the mesh that it names did not sign it.
    /// `unsupported`, code `not_served`, for groups, which come with a later version. As
    /// [`decode_within`] for what is none.
    pub fn open(signed: &v1::SignedRecord) -> Result<Self> {
        let wire: v1::OperatorStop =
            decode_within(signed.signed.clone(), limits::CONTROL_FRAME_BYTES)?;
        wire.check()?;
        let mesh = MeshId::from_slice(&wire.mesh)?;
        verify(&mesh, Domain::OperatorStop, &signed.signed, &signed.signature)
            .map_err(|_| not_operator())?;
        if !wire.groups.is_empty() {
            let message = "budgets are not stopped by group in this version: name their ids";
            let error = Error::refusal(Kind::Unsupported, "not_served", message);
            return Err(error.with_field("groups"));
        }
        let budgets = wire.may_kill.iter().map(|id| BudgetId::from_slice(id));
        Ok(Self {
            mesh,
            budgets: budgets.collect::<Result<Vec<_>>>()?.into(),
            by: NodeKey::from_slice(&wire.by)?,
            at_ms: wire.at_ms,
            signed: signed.clone(),
        })
    }

    /// The mesh whose root signed it.
    pub const fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// The budgets that are stopped.
    pub fn budgets(&self) -> &[BudgetId] {
        &self.budgets
    }

    /// Node that asked for it.
    pub const fn by(&self) -> NodeKey {
        self.by
    }

    /// The bytes that were signed, to be passed on.
    pub const fn signed(&self) -> &v1::SignedRecord {
        &self.signed
    }

    /// Whether it is a statement of the operator of this mesh.
    ///
    /// # Errors
    /// `denied`, code `not_operator`.
    pub fn check_mesh(&self, mesh: MeshId) -> Result<()> {
        if self.mesh == mesh { Ok(()) } else { Err(not_operator()) }
    }
}

fn not_operator() -> Error {
    let message = "expected a statement that the root key of this mesh signed";
    Error::refusal(Kind::Denied, "not_operator", message)
}

impl Ledger {
    /// The operator of the mesh stops budgets.
    pub(super) fn operator_stop(&mut self, from: NodeKey, stop: &OperatorStop, now: Now) {
        for budget in stop.budgets() {
            let known = self.trips.contains_key(budget) || self.stops.contains_key(budget);
            if !known {
                self.stop_budget(from, *budget, stop, now);
            }
        }
    }

    /// Where the budget begins its root says it to all below; elsewhere the statement itself goes
    /// on to them, and is remembered for grants that are still to come.
    fn stop_budget(&mut self, from: NodeKey, budget: BudgetId, stop: &OperatorStop, now: Now) {
        let ids = self.budgets.get(&budget).into_iter().flatten();
        let accounts: Vec<&Account> = ids.filter_map(|id| self.accounts.get(id)).collect();
        let first = accounts.first().map(|account| (account.origin(), account.epoch()));
        let root = accounts.iter().find(|account| account.is_root()).map(|account| account.id());
        if let Some(root) = root {
            return self.trip_budget(root, TripReason::Operator, stop.by, now);
        }
        for peer in self.holders(&budget) {
            if peer != from {
                self.send(peer, Message::OperatorStop(stop.clone()));
            }
        }
        self.remember_stop(budget, stop);
        if let Some((origin, epoch)) = first {
            let (reason, by, at_ms) = (TripReason::Operator, stop.by, stop.at_ms);
            let statement = Statement { origin, epoch, reason, by, at_ms };
            self.out.after(Output::Tripped(statement));
        }
        self.stop_all(&budget, TripReason::Operator, now);
    }

    /// Why nothing of a budget may be begun here; none: it is not stopped.
    pub(super) fn stop_reason(&self, budget: &BudgetId) -> Option<TripReason> {
        let tripped = self.trips.get(budget).map(|tripped| tripped.statement.reason);
        tripped.or_else(|| self.stops.contains_key(budget).then_some(TripReason::Operator))
    }

    /// Why a grant was stopped before its process ended.
    pub(super) fn stopped_before(&self, grant: &GrantId) -> Option<Drain> {
        let budget = self.accounts.get(grant)?.origin().budget_id();
        self.stop_reason(&budget).map(Drain::Stopped)
    }

    /// Keeps a statement; at the bound one of a budget of which nothing is here is forgotten.
    fn remember_stop(&mut self, budget: BudgetId, stop: &OperatorStop) {
        if self.stops.len() >= limits::LEDGER_STOPS {
            let unused = |budget: &&BudgetId| !self.budgets.contains_key(budget);
            if let Some(other) = self.stops.keys().find(unused).copied() {
                self.stops.remove(&other);
                self.out.delete(Key::Stop(other));
            }
        }
        self.stops.insert(budget, stop.clone());
        let key = Key::Stop(budget);
        self.out.put(key, || {
            let (budget, stop) = (budget.to_wire(), Some(stop.signed.clone()));
            Row::new(key, v1::ledger_row::Kind::Stop(v1::StopRow { budget, stop }))
        });
    }
}
