//! The beacon of a strict budget: the word of its root that these questions were asked before any
//! stop.

use super::grant::digest_of_wire;
use super::terms::origin_of_wire;
use super::{GrantId, Origin};
use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, SecretKey, verify};
use crate::limits::CONTROL_FRAME_BYTES;
use crate::wire::decode::{Checked as _, decode_within};
use crate::wire::record::Digest;
use crate::wire::v1;
use bytes::Bytes;
use prost::Message as _;

/// What the root says of all questions that it answers at once, before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Round {
    /// Which budget.
    pub origin: Origin,
    /// Its epoch.
    pub epoch: u64,
    /// What the questions are folded into.
    pub tree: Digest,
    /// Lease of each that asked, from its own asking, in milliseconds.
    pub lease_ms: u64,
}

/// A round whose signature holds under the root key that the budget's id is made of.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::killswitch::{Beacon, Origin, Round};
///
/// let root = SecretKey::from_seed([1; 32]);
/// let origin = Origin::strict(root.node_key(), [2; 16]);
/// let round = Round { origin, epoch: 0, tree: [3; 32], lease_ms: 10_000 };
/// let beacon = Beacon::sign(&root, round).unwrap();
/// assert_eq!(Beacon::open(beacon.signed()), Ok(beacon));
/// let stranger = SecretKey::from_seed([4; 32]);
/// assert_eq!(Beacon::sign(&stranger, round).unwrap_err().code, "not_root");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Beacon {
    round: Round,
    signed: v1::SignedRecord,
}

impl Eq for Beacon {}

impl std::hash::Hash for Beacon {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.round.hash(state);
        self.signed.signature.hash(state);
    }
}

impl Beacon {
    /// Signs a round of a budget of this key.
    ///
    /// # Errors
    /// `denied`, code `not_root`: the budget is another's.
    pub fn sign(root: &SecretKey, round: Round) -> Result<Self> {
        if root.node_key() != round.origin.root {
            return Err(denied("expected the key of the root of the budget"));
        }
        let wire = v1::Beacon {
            root: round.origin.root.to_wire(),
            nonce: Bytes::copy_from_slice(&round.origin.nonce),
            epoch: round.epoch,
            tree: Bytes::copy_from_slice(&round.tree),
            lease_ms: round.lease_ms,
        };
        let signed = Bytes::from(wire.encode_to_vec());
        let signature = Bytes::copy_from_slice(&root.sign(Domain::Beacon, &signed));
        Ok(Self { round, signed: v1::SignedRecord { signed, signature } })
    }

    /// Checks a beacon that somebody passed on.
    ///
    /// # Errors
    /// `denied`, code `not_root`: the root of the budget did not sign it. As [`decode_within`]
    /// for what is none.
    pub fn open(signed: &v1::SignedRecord) -> Result<Self> {
        let wire: v1::Beacon = decode_within(signed.signed.clone(), CONTROL_FRAME_BYTES)?;
        wire.check()?;
        let round = Round {
            origin: origin_of_wire(&wire.root, &wire.nonce)?,
            epoch: wire.epoch,
            tree: digest_of_wire(&wire.tree)?,
            lease_ms: wire.lease_ms,
        };
        verify(&round.origin.root, Domain::Beacon, &signed.signed, &signed.signature)
            .map_err(|_| denied("expected a beacon that the root of the budget signed"))?;
        Ok(Self { round, signed: signed.clone() })
    }

    /// What it says.
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// The bytes that were signed, to be passed on.
    pub const fn signed(&self) -> &v1::SignedRecord {
        &self.signed
    }
}

/// A beacon, and how it covers one question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proof {
    /// The grant that was asked for.
    pub grant: GrantId,
    /// What was asked with.
    pub fold: Digest,
    /// The word of the root.
    pub beacon: Beacon,
    /// From the question to the tree of the round, lowest first; `BEACON_PATH` digests at most.
    pub path: Vec<Digest>,
}

impl Proof {
    pub(super) fn to_wire(&self) -> v1::BeaconProof {
        v1::BeaconProof {
            grant: self.grant.to_wire(),
            fold: Bytes::copy_from_slice(&self.fold),
            beacon: Some(self.beacon.signed().clone()),
            path: self.path.iter().map(|digest| Bytes::copy_from_slice(digest)).collect(),
        }
    }

    pub(super) fn of_wire(wire: &v1::BeaconProof) -> Result<Self> {
        let missing = || Error::invalid("beacon", "expected a beacon");
        Ok(Self {
            grant: GrantId::from_slice(&wire.grant)?,
            fold: digest_of_wire(&wire.fold)?,
            beacon: Beacon::open(wire.beacon.as_ref().ok_or_else(missing)?)?,
            path: wire.path.iter().map(|digest| digest_of_wire(digest)).collect::<Result<_>>()?,
        })
    }
}

fn denied(message: &str) -> Error {
    Error::new(Kind::Denied, message).with_code("not_root")
}
