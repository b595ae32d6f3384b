//! Rows of the store of a ledger: what is enough to go on after a crash.

use super::grant::digest_of_wire;
use super::terms::origin_of_wire;
use super::{BudgetId, Grant, GrantId, OperatorStop, ReservationId, Trip};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits::CONTROL_FRAME_BYTES;
use crate::wire::decode::decode_within;
use crate::wire::v1::{self, account_row::Title, ledger_row::Kind as Wire};
use bytes::Bytes;
use prost::Message as _;

/// Under which a row is stored; of one key there is one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A grant that is held, or a budget.
    Account(GrantId),
    /// A reservation of an account.
    Reservation(GrantId, ReservationId),
    /// A grant that was cut from an account.
    Subgrant(GrantId, GrantId),
    /// A grant that was held, by its issuer.
    Closed(GrantId, NodeKey),
    /// A budget that was stopped.
    Trip(BudgetId),
    /// From which process of the node on everything is known.
    Since,
    /// A budget that the operator of the mesh stopped.
    Stop(BudgetId),
}

impl Key {
    /// The key as bytes for a store.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Account(grant) => [&[1], &grant.as_bytes()[..]].concat(),
            Self::Reservation(grant, id) => {
                [&[2], &grant.as_bytes()[..], &id.as_bytes()[..]].concat()
            }
            Self::Subgrant(grant, id) => [&[3], &grant.as_bytes()[..], &id.as_bytes()[..]].concat(),
            Self::Closed(grant, issuer) => {
                [&[4], &grant.as_bytes()[..], &issuer.as_bytes()[..]].concat()
            }
            Self::Trip(budget) => [&[5], &budget.as_bytes()[..]].concat(),
            Self::Since => vec![6],
            Self::Stop(budget) => [&[7], &budget.as_bytes()[..]].concat(),
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    key: Key,
    wire: v1::LedgerRow,
}

impl Row {
    /// Reads the bytes of a row.
    ///
    /// # Errors
    /// As [`decode_within`]; `invalid_argument` for a row that no ledger wrote.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        let wire: v1::LedgerRow = decode_within(bytes, CONTROL_FRAME_BYTES)?;
        Self::of(wire)
    }

    /// The bytes.
    pub fn encode(&self) -> Bytes {
        self.wire.encode_to_vec().into()
    }

    /// Its key.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Of the row that says it: the first process of the node of which everything is known, and how
    /// many had the store open.
    pub fn since(&self) -> Option<(u64, u64)> {
        match &self.wire.kind {
            Some(Wire::Since(row)) => Some((row.instance, row.opened)),
            _ => None,
        }
    }

    pub(super) const fn new(key: Key, kind: Wire) -> Self {
        Self { key, wire: v1::LedgerRow { kind: Some(kind) } }
    }

    pub(super) fn kind(&self) -> Result<&Wire> {
        self.wire.kind.as_ref().ok_or_else(unknown)
    }

    fn of(wire: v1::LedgerRow) -> Result<Self> {
        let id = GrantId::from_slice;
        let key = match wire.kind.as_ref().ok_or_else(unknown)? {
            Wire::Account(row) => match row.title.as_ref().ok_or_else(unknown)? {
                Title::Budget(budget) => {
                    Key::Account(origin_of_wire(&budget.root, &budget.nonce)?.account())
                }
                Title::Grant(grant) => Key::Account(id(&grant.id)?),
            },
            Wire::Reservation(row) => {
                Key::Reservation(id(&row.account)?, ReservationId::from_slice(&row.id)?)
            }
            Wire::Subgrant(row) => {
                let grant = row.grant.as_ref().ok_or_else(unknown)?;
                Key::Subgrant(id(&row.account)?, Grant::of_wire(grant)?.id)
            }
            Wire::Closed(row) => {
                if !row.digest.is_empty() {
                    digest_of_wire(&row.digest)?;
                }
                Key::Closed(id(&row.grant)?, NodeKey::from_slice(&row.issuer)?)
            }
            Wire::Trip(signed) => Key::Trip(Trip::open(signed)?.budget_id()),
            Wire::Since(_) => Key::Since,
            Wire::Stop(row) => Key::Stop(stop_of_wire(row)?.0),
        };
        Ok(Self { key, wire })
    }
}

/// A budget with the statement that stops it.
pub(super) fn stop_of_wire(row: &v1::StopRow) -> Result<(BudgetId, OperatorStop)> {
    let stop = OperatorStop::open(row.stop.as_ref().ok_or_else(unknown)?)?;
    let budget = BudgetId::from_slice(&row.budget)?;
    if !stop.budgets().contains(&budget) {
        return Err(Error::invalid("budget", "expected a budget of the statement"));
    }
    Ok((budget, stop))
}

fn unknown() -> Error {
    Error::new(Kind::Unsupported, "expected a known kind of row").with_code("unknown_kind")
}

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Write {
    /// Put this row under its key.
    Put(Box<Row>),
    /// No row is under this key.
    Delete(Key),
}
