//! A grant: the part of a budget that one node holds for one call. Never changed once made.

use super::terms::origin_of_wire;
use super::{Allowance, BudgetId, CallId, GrantId, Origin, Reading};
use crate::error::{Error, Result};
use crate::identity::{AgentId, Domain, NodeKey, SecretKey, Signature, verify};
use crate::limits::{CALL_DEPTH, TOKEN_BYTES};
use crate::wire::decode::decode_within;
use crate::wire::record::{Digest, digest};
use crate::wire::v1;
use crate::wire::words::RefundPolicy;
use bytes::Bytes;
use prost::Message as _;

/// How long a grant may be spent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// While its issuer renews it, for so many milliseconds at a time.
    Leased {
        /// Milliseconds of one lease.
        lease_ms: u64,
    },
    /// Until this Unix time in milliseconds, with or without its issuer.
    Detached {
        /// Its end.
        not_after_ms: u64,
    },
}

/// A part of a budget, for one audience, one call and one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Random; of one id there is one grant.
    pub id: GrantId,
    /// Whose budget it is part of.
    pub origin: Origin,
    /// Epoch of the budget.
    pub epoch: u64,
    /// Grant, or account of the budget, that it was cut from.
    pub parent: GrantId,
    /// Node that cut it.
    pub issuer: NodeKey,
    /// Node that may spend it.
    pub audience: NodeKey,
    /// Agent that is called.
    pub agent: AgentId,
    /// How much.
    pub amount: Allowance,
    /// Steps from the root.
    pub depth: u32,
    /// Deepest grant of this budget.
    pub depth_max: u32,
    /// Grants that may be open at once below one grant of this budget.
    pub fan_out_max: u32,
    /// How long.
    pub life: Life,
    /// Call that it was cut for.
    pub call_id: CallId,
    /// Attempt of the call.
    pub attempt: u32,
    /// What comes back of it.
    pub refund: RefundPolicy,
    /// Latest reading of the audience's clock that the issuer had; the first lease runs from it.
    pub reading: Option<Reading>,
    /// SHA-256 over the grants above, outermost first.
    pub chain: Digest,
    /// Unix time in milliseconds at which the wall time of the budget is over; none: it has none.
    pub ends_at_ms: Option<u64>,
}

impl Grant {
    /// Reads the bytes that came with a call.
    ///
    /// # Errors
    /// As [`decode_within`], with `TOKEN_BYTES`; `hop_limit`, code `depth`.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        Self::of_wire(&decode_within(bytes, TOKEN_BYTES)?)
    }

    /// The bytes that travel with a call, and that are signed.
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        digest(&self.encode())
    }

    /// The budget.
    pub fn budget_id(&self) -> BudgetId {
        self.origin.budget_id()
    }

    /// Signs it for a third party; between issuer and audience the tunnel is proof enough.
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(Domain::Grant, &self.encode())
    }

    /// Reads a grant that a third party shows, and checks that its issuer signed these bytes.
    ///
    /// # Errors
    /// As [`Grant::decode`]; `auth`, code `bad_signature`.
    pub fn open(bytes: Bytes, signature: &[u8]) -> Result<Self> {
        let grant = Self::decode(bytes.clone())?;
        verify(&grant.issuer, Domain::Grant, &bytes, signature)?;
        Ok(grant)
    }

    /// The message.
    pub fn to_wire(&self) -> v1::Grant {
        let (lease_ms, not_after_ms) = match self.life {
            Life::Leased { lease_ms } => (lease_ms, 0),
            Life::Detached { not_after_ms } => (0, not_after_ms),
        };
        v1::Grant {
            id: self.id.to_wire(),
            root: self.origin.root.to_wire(),
            nonce: Bytes::copy_from_slice(&self.origin.nonce),
            epoch: self.epoch,
            parent: self.parent.to_wire(),
            issuer: self.issuer.to_wire(),
            audience: self.audience.to_wire(),
            agent: self.agent.to_wire(),
            amount: Some(self.amount.to_wire()),
            depth: self.depth,
            depth_max: self.depth_max,
            fan_out_max: self.fan_out_max,
            lease_ms,
            not_after_ms,
            call_id: self.call_id.to_wire(),
            attempt: self.attempt,
            refund: self.refund.name().to_owned(),
            reading: self.reading.as_ref().map(Reading::to_wire),
            chain: Bytes::copy_from_slice(&self.chain),
            ends_at_ms: self.ends_at_ms.unwrap_or(0),
        }
    }

    /// From a message that was checked.
    ///
    /// # Errors
    /// `invalid_argument` for a field in a wrong form; `hop_limit`, code `depth`, for a grant
    /// deeper than calls may be nested.
    pub fn of_wire(wire: &v1::Grant) -> Result<Self> {
        if wire.depth > CALL_DEPTH {
            let kind = crate::error::Kind::HopLimit;
            let message = format!("expected depth {CALL_DEPTH} at most, got {}", wire.depth);
            return Err(Error::new(kind, message)
                .with_code("depth")
                .with_limit("CALL_DEPTH", u64::from(CALL_DEPTH)));
        }
        let life = match wire.lease_ms {
            0 => Life::Detached { not_after_ms: wire.not_after_ms },
            lease_ms => Life::Leased { lease_ms },
        };
        Ok(Self {
            id: GrantId::from_slice(&wire.id)?,
            origin: origin_of_wire(&wire.root, &wire.nonce)?,
            epoch: wire.epoch,
            parent: GrantId::from_slice(&wire.parent)?,
            issuer: NodeKey::from_slice(&wire.issuer)?,
            audience: NodeKey::from_slice(&wire.audience)?,
            agent: AgentId::from_slice(&wire.agent)?,
            amount: wire.amount.as_ref().map_or(Allowance::NOTHING, Allowance::of_wire),
            depth: wire.depth,
            depth_max: wire.depth_max,
            fan_out_max: wire.fan_out_max,
            life,
            call_id: CallId::from_slice(&wire.call_id)?,
            attempt: wire.attempt,
            refund: RefundPolicy::of(&wire.refund),
            reading: wire.reading.as_ref().map(Reading::of_wire),
            chain: digest_of_wire(&wire.chain)?,
            ends_at_ms: Some(wire.ends_at_ms).filter(|ends_at_ms| *ends_at_ms > 0),
        })
    }
}

pub(super) fn digest_of_wire(bytes: &[u8]) -> Result<Digest> {
    let digest = bytes.try_into();
    digest.map_err(|_| Error::invalid("digest", "expected a digest of 32 bytes"))
}
