//! Grants that ended here: remembered until no repeated message can wake them.

use super::message::{amount_to_wire, optional_to_wire};
use super::row::{Key, Row};
use super::{Amount, GrantId, Message, Settlement};
use crate::error::Kind;
use crate::identity::NodeKey;
use crate::wire::record::Digest;
use crate::wire::v1;

/// The last word about a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) issuer: NodeKey,
    /// Of the grant; none: it was recalled before it came.
    pub(super) digest: Option<Digest>,
    pub(super) settlement: Settlement,
    /// Why it was never taken.
    pub(super) refused: Option<(Kind, String)>,
    pub(super) acknowledged: bool,
    /// Wait before it is said again.
    pub(super) repeat_ms: u64,
    /// On the own clock; from then on it is not said again.
    pub(super) give_up_ms: u64,
}

impl Closed {
    pub(super) const fn new(issuer: NodeKey, settlement: Settlement) -> Self {
        Self {
            issuer,
            digest: None,
            settlement,
            refused: None,
            acknowledged: false,
            repeat_ms: 0,
            give_up_ms: 0,
        }
    }

    /// What is said to the issuer.
    pub(super) fn message(&self) -> Message {
        match &self.refused {
            Some((kind, code)) => {
                Message::Refused { grant: self.settlement.grant, kind: *kind, code: code.clone() }
            }
            None => Message::Settle(self.settlement.clone()),
        }
    }

    pub(super) const fn key(&self) -> Key {
        Key::Closed(self.settlement.grant, self.issuer)
    }

    pub(super) fn row(&self) -> Row {
        let grant = self.settlement.grant.to_wire();
        let row = v1::ClosedRow {
            issuer: self.issuer.to_wire(),
            grant: grant.clone(),
            digest: optional_to_wire(self.digest.as_ref()),
            used: Some(self.settlement.used.to_wire()),
            receipts: optional_to_wire(self.settlement.receipts.as_ref()),
            lost: self.settlement.lost,
            shown: self.settlement.shown.clone(),
            overrun: amount_to_wire(&self.settlement.overrun),
            acknowledged: self.acknowledged,
            refused: self.refused.as_ref().map(|(kind, code)| v1::GrantRefused {
                grant,
                kind: kind.name().to_owned(),
                code: code.clone(),
            }),
        };
        Row::new(self.key(), v1::ledger_row::Kind::Closed(row))
    }
}

/// A last word that says: nothing was used.
pub(super) const fn unused(grant: GrantId) -> Settlement {
    let (used, overrun) = (Amount::ZERO, Amount::ZERO);
    Settlement { grant, used, receipts: None, shown: Vec::new(), lost: false, overrun }
}
