//! The stop of a budget, as its root says it.

use super::terms::origin_of_wire;
use super::{BudgetId, Origin};
use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, NodeKey, SecretKey, verify};
use crate::limits::CONTROL_FRAME_BYTES;
use crate::wire::decode::{Checked as _, decode_within};
use crate::wire::v1;
use crate::wire::words::TripReason;
use bytes::Bytes;
use prost::Message as _;

/// What the root says when a budget is stopped, before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Which budget.
    pub origin: Origin,
    /// Its epoch.
    pub epoch: u64,
    /// Why.
    pub reason: TripReason,
    /// Node that asked for it.
    pub by: NodeKey,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// A stop whose signature holds under the root key that the budget's id is made of.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::killswitch::{Origin, Statement, Trip};
/// use hubless_proto::wire::words::TripReason;
///
/// let root = SecretKey::from_seed([1; 32]);
/// let statement = Statement {
///     origin: Origin { root: root.node_key(), nonce: [2; 16] },
///     epoch: 0,
///     reason: TripReason::Operator,
///     by: root.node_key(),
///     at_ms: 1_700_000_000_000,
/// };
/// let trip = Trip::sign(&root, statement).unwrap();
/// assert_eq!(Trip::open(trip.signed()), Ok(trip));
/// let stranger = SecretKey::from_seed([3; 32]);
/// assert_eq!(Trip::sign(&stranger, statement).unwrap_err().code, "not_root");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    statement: Statement,
    signed: v1::SignedRecord,
}

impl Eq for Trip {}

impl std::hash::Hash for Trip {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.statement.hash(state);
        self.signed.signature.hash(state);
    }
}

impl Trip {
    /// Signs a statement about a budget of this key.
    ///
    /// # Errors
    /// `denied`, code `not_root`: the budget is another's.
    pub fn sign(root: &SecretKey, statement: Statement) -> Result<Self> {
        if root.node_key() != statement.origin.root {
            return Err(denied("expected the key of the root of the budget"));
        }
        let signed = Bytes::from(to_wire(&statement).encode_to_vec());
        let signature = Bytes::copy_from_slice(&root.sign(Domain::Trip, &signed));
        Ok(Self { statement, signed: v1::SignedRecord { signed, signature } })
    }

    /// Checks a stop that somebody passed on.
    ///
    /// # Errors
    /// `denied`, code `not_root`: the root of the budget did not sign it. As [`decode_within`]
    /// for what is none.
    pub fn open(signed: &v1::SignedRecord) -> Result<Self> {
        let wire: v1::Trip = decode_within(signed.signed.clone(), CONTROL_FRAME_BYTES)?;
        wire.check()?;
        let statement = Statement {
            origin: origin_of_wire(&wire.root, &wire.nonce)?,
            epoch: wire.epoch,
            reason: TripReason::of(&wire.reason),
            by: NodeKey::from_slice(&wire.by)?,
            at_ms: wire.at_ms,
        };
        verify(&statement.origin.root, Domain::Trip, &signed.signed, &signed.signature)
            .map_err(|_| denied("expected a stop that the root of the budget signed"))?;
        Ok(Self { statement, signed: signed.clone() })
    }

    /// What it says.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The bytes that were signed, to be passed on.
    pub const fn signed(&self) -> &v1::SignedRecord {
        &self.signed
    }

    /// The budget that is stopped.
    pub fn budget_id(&self) -> BudgetId {
        self.statement.origin.budget_id()
    }
}

fn denied(message: &str) -> Error {
    Error::new(Kind::Denied, message).with_code("not_root")
}

fn to_wire(statement: &Statement) -> v1::Trip {
    v1::Trip {
        root: statement.origin.root.to_wire(),
        nonce: Bytes::copy_from_slice(&statement.origin.nonce),
        epoch: statement.epoch,
        reason: statement.reason.name().to_owned(),
        by: statement.by.to_wire(),
        at_ms: statement.at_ms,
    }
}
