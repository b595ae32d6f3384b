//! What issuer and holder of a grant say to each other. Every message may be lost, repeated or
//! overtaken.

use super::grant::digest_of_wire;
use super::{Amount, Grant, GrantId, OperatorStop, Proof, Reading, Trip};
use crate::error::{Error, Kind, Result};
use crate::limits::CONTROL_FRAME_BYTES;
use crate::wire::decode::decode_within;
use crate::wire::record::Digest;
use crate::wire::v1;
use bytes::Bytes;
use prost::Message as _;
use std::str::FromStr as _;

/// The holder's last word: nothing more will be spent from the grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settlement {
    /// Which grant.
    pub grant: GrantId,
    /// What was used of it.
    pub used: Amount,
    /// Head of the chain of receipts.
    pub receipts: Option<Digest>,
    /// The receipts as they were signed, in the order of the chain, at most `RECEIPTS`; only of a
    /// grant that wants them.
    pub shown: Vec<Bytes>,
    /// True when the holder keeps nothing over its end and cannot say what an earlier process
    /// used: the grant is charged in full.
    pub lost: bool,
    /// Part of `used`, here and below: what providers took above what was set aside for it. It
    /// stops the budget, unless nothing of what the holder says is believed
    /// ([`RefundPolicy::Never`](crate::wire::words::RefundPolicy::Never)).
    pub overrun: Amount,
}

/// One message between issuer and holder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// Issuer to holder, inside the call.
    Grant(Box<Grant>),
    /// Holder to issuer: it will never be spent from.
    Refused {
        /// Which grant.
        grant: GrantId,
        /// Why.
        kind: Kind,
        /// Open detail.
        code: String,
    },
    /// Holder to issuer: so much was used so far; frees nothing.
    Progress {
        /// Which grant.
        grant: GrantId,
        /// Used so far.
        used: Amount,
    },
    /// Holder to issuer: its last word, said until it is acknowledged.
    Settle(Settlement),
    /// Issuer to holder: the last word was written down.
    SettleAck {
        /// Which grant.
        grant: GrantId,
    },
    /// Holder to issuer: may it go on.
    RenewAsk {
        /// Which grant.
        grant: GrantId,
        /// When it asks, on its own clock.
        reading: Reading,
        /// Under a strict budget, its nonce and those of the holders below, folded.
        fold: Option<Digest>,
    },
    /// Issuer to holder: it may, from the time it asked.
    Renew {
        /// Which grant.
        grant: GrantId,
        /// The reading of the question.
        reading: Reading,
        /// For so long, in milliseconds.
        lease_ms: u64,
        /// Epoch of the budget.
        epoch: u64,
    },
    /// Issuer to holder: the root of a strict budget says that it may.
    Beacon(Box<Proof>),
    /// Issuer to holder: end it, and say the last word.
    Recall {
        /// Which grant.
        grant: GrantId,
        /// The reading that the grant carries.
        reading: Option<Reading>,
    },
    /// From the root along every open grant: the budget is stopped.
    Trip(Trip),
    /// From the operator of the mesh, and along every open grant: budgets are stopped. Whether it
    /// is the own mesh is for the receiver to check.
    OperatorStop(OperatorStop),
}

impl Message {
    /// Reads a message; stops and beacons are checked under the key of their root or mesh.
    ///
    /// # Errors
    /// As [`decode_within`], with `CONTROL_FRAME_BYTES`; as [`Trip::open`],
    /// [`OperatorStop::open`] and [`super::Beacon::open`].
    pub fn decode(bytes: Bytes) -> Result<Self> {
        Self::of_wire(&decode_within(bytes, CONTROL_FRAME_BYTES)?)
    }

    /// The bytes.
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// The message of the wire.
    pub fn to_wire(&self) -> v1::LedgerMessage {
        use v1::ledger_message::Kind as Wire;
        let kind = match self {
            Self::Grant(grant) => Wire::Grant(grant.to_wire()),
            Self::Refused { grant, kind, code } => Wire::Refused(v1::GrantRefused {
                grant: grant.to_wire(),
                kind: kind.name().to_owned(),
                code: code.clone(),
            }),
            Self::Progress { grant, used } => Wire::Progress(v1::SpendProgress {
                grant: grant.to_wire(),
                used: Some(used.to_wire()),
            }),
            Self::Settle(settlement) => Wire::Settle(v1::Settle {
                grant: settlement.grant.to_wire(),
                used: Some(settlement.used.to_wire()),
                receipts: optional_to_wire(settlement.receipts.as_ref()),
                lost: settlement.lost,
                shown: settlement.shown.clone(),
                overrun: amount_to_wire(&settlement.overrun),
            }),
            Self::SettleAck { grant } => Wire::SettleAck(v1::SettleAck { grant: grant.to_wire() }),
            Self::RenewAsk { grant, reading, fold } => Wire::RenewAsk(v1::RenewAsk {
                grant: grant.to_wire(),
                reading: Some(reading.to_wire()),
                fold: optional_to_wire(fold.as_ref()),
            }),
            Self::Renew { grant, reading, lease_ms, epoch } => Wire::Renew(v1::Renew {
                grant: grant.to_wire(),
                reading: Some(reading.to_wire()),
                lease_ms: *lease_ms,
                epoch: *epoch,
            }),
            Self::Beacon(proof) => Wire::Beacon(proof.to_wire()),
            Self::Recall { grant, reading } => Wire::Recall(v1::Recall {
                grant: grant.to_wire(),
                reading: reading.as_ref().map(Reading::to_wire),
            }),
            Self::Trip(trip) => Wire::Trip(trip.signed().clone()),
            Self::OperatorStop(stop) => Wire::OperatorStop(stop.signed().clone()),
        };
        v1::LedgerMessage { kind: Some(kind) }
    }

    fn of_wire(wire: &v1::LedgerMessage) -> Result<Self> {
        use v1::ledger_message::Kind as Wire;
        let id = GrantId::from_slice;
        Ok(match wire.kind.as_ref().ok_or_else(empty)? {
            Wire::Grant(grant) => Self::Grant(Box::new(Grant::of_wire(grant)?)),
            Wire::Refused(refused) => Self::Refused {
                grant: id(&refused.grant)?,
                // A newer holder's word: the grant is refused all the same.
                kind: Kind::from_str(&refused.kind).unwrap_or(Kind::Denied),
                code: refused.code.clone(),
            },
            Wire::Progress(progress) => Self::Progress {
                grant: id(&progress.grant)?,
                used: amount_of_wire(progress.used.as_ref()),
            },
            Wire::Settle(settle) => Self::Settle(Settlement {
                grant: id(&settle.grant)?,
                used: amount_of_wire(settle.used.as_ref()),
                receipts: optional_of_wire(&settle.receipts)?,
                lost: settle.lost,
                shown: settle.shown.clone(),
                overrun: amount_of_wire(settle.overrun.as_ref()),
            }),
            Wire::SettleAck(ack) => Self::SettleAck { grant: id(&ack.grant)? },
            Wire::RenewAsk(ask) => Self::RenewAsk {
                grant: id(&ask.grant)?,
                reading: reading_of_wire(ask.reading.as_ref())?,
                fold: optional_of_wire(&ask.fold)?,
            },
            Wire::Renew(renew) => Self::Renew {
                grant: id(&renew.grant)?,
                reading: reading_of_wire(renew.reading.as_ref())?,
                lease_ms: renew.lease_ms,
                epoch: renew.epoch,
            },
            Wire::Beacon(proof) => Self::Beacon(Box::new(Proof::of_wire(proof)?)),
            Wire::Recall(recall) => Self::Recall {
                grant: id(&recall.grant)?,
                reading: recall.reading.as_ref().map(Reading::of_wire),
            },
            Wire::Trip(signed) => Self::Trip(Trip::open(signed)?),
            Wire::OperatorStop(signed) => Self::OperatorStop(OperatorStop::open(signed)?),
        })
    }
}

fn empty() -> Error {
    Error::new(Kind::Unsupported, "expected a known kind of message").with_code("unknown_kind")
}

pub(super) fn amount_of_wire(wire: Option<&v1::Amount>) -> Amount {
    wire.map_or(Amount::ZERO, Amount::of_wire)
}

/// Nothing is left out.
pub(super) fn amount_to_wire(amount: &Amount) -> Option<v1::Amount> {
    (!amount.is_zero()).then(|| amount.to_wire())
}

pub(super) fn optional_to_wire(digest: Option<&Digest>) -> Bytes {
    digest.map_or_else(Bytes::new, |digest| Bytes::copy_from_slice(digest))
}

pub(super) fn optional_of_wire(bytes: &[u8]) -> Result<Option<Digest>> {
    if bytes.is_empty() { Ok(None) } else { digest_of_wire(bytes).map(Some) }
}

fn reading_of_wire(wire: Option<&v1::Reading>) -> Result<Reading> {
    let missing = || Error::invalid("reading", "expected a reading of a clock");
    wire.map(Reading::of_wire).ok_or_else(missing)
}
