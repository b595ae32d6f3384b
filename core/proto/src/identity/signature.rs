//! What a signature covers, and the one strict way to check it (RFC 8032).

use crate::error::{Error, Kind, Result};
use ed25519_dalek::VerifyingKey;

/// A detached Ed25519 signature.
pub type Signature = [u8; 64];

/// A key that signatures can be checked under.
pub trait PublicKey {
    /// The 32 bytes of the Ed25519 key.
    fn key_bytes(&self) -> &[u8; 32];
}

impl PublicKey for [u8; 32] {
    fn key_bytes(&self) -> &[u8; 32] {
        self
    }
}

/// What is stated by a signature. Each statement has a tag of its own before the signed bytes, so
/// that a signature made for one can never be shown as another.
///
/// ```
/// use hubless_proto::identity::{Domain, PublicKey, SecretKey, verify};
///
/// let key = SecretKey::from_seed([1; 32]);
/// let signature = key.sign(Domain::Descriptor, b"what is stated");
/// let id = key.agent_id();
/// assert!(verify(&id, Domain::Descriptor, b"what is stated", &signature).is_ok());
/// assert!(verify(&id, Domain::Hosting, b"what is stated", &signature).is_err());
/// assert_eq!(id.key_bytes(), key.node_key().key_bytes());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// A descriptor record, by the agent key.
    Descriptor,
    /// A hosting record, by the agent key.
    Hosting,
    /// A node record, by the node key.
    Node,
    /// The end of an agent, by the agent key.
    Tombstone,
    /// The proof of a HELLO, by the node key.
    Hello,
    /// A grant that a third party must check, by the issuer's node key.
    Grant,
    /// The stop of a budget, by the node key of its root.
    Trip,
    /// A link of a spending key at a metering gateway, by the key of the link before.
    Link,
    /// The stop of budgets by the operator of a mesh, by the root key of the mesh.
    OperatorStop,
    /// What a metering gateway charged to a key, by the key of the gateway.
    Receipt,
    /// A round of a strict budget, by the node key of its root.
    Beacon,
    /// The keys that a mesh lets in no more, by the root key of the mesh.
    Revoked,
}

impl Domain {
    /// Every domain.
    pub const ALL: [Self; 12] = [
        Self::Descriptor,
        Self::Hosting,
        Self::Node,
        Self::Tombstone,
        Self::Hello,
        Self::Grant,
        Self::Trip,
        Self::Link,
        Self::OperatorStop,
        Self::Receipt,
        Self::Beacon,
        Self::Revoked,
    ];

    /// The bytes that stand before what is signed; no tag is a prefix of another.
    pub const fn tag(self) -> &'static [u8] {
        match self {
            Self::Descriptor => b"hubless/descriptor/v1\0",
            Self::Hosting => b"hubless/hosting/v1\0",
            Self::Node => b"hubless/node/v1\0",
            Self::Tombstone => b"hubless/tombstone/v1\0",
            Self::Hello => b"hubless/hello/v1\0",
            Self::Grant => b"hubless/grant/v1\0",
            Self::Trip => b"hubless/trip/v1\0",
            Self::Link => b"hubless/link/v1\0",
            Self::OperatorStop => b"hubless/operator_stop/v1\0",
            Self::Receipt => b"hubless/receipt/v1\0",
            Self::Beacon => b"hubless/beacon/v1\0",
            Self::Revoked => b"hubless/revoked/v1\0",
        }
    }

    pub(super) fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.tag(), bytes].concat()
    }
}

/// Checks that the holder of `key` signed `bytes` as a statement of `domain`.
///
/// Keys of small order, points that are none, and signatures whose scalar is not reduced are
/// refused: of one statement there is one signature that counts.
///
/// # Errors
/// `auth`, code `bad_signature`.
pub fn verify(key: &impl PublicKey, domain: Domain, bytes: &[u8], signature: &[u8]) -> Result<()> {
    let refused = || {
        Error::new(Kind::Auth, "the signature does not hold under this key")
            .with_code("bad_signature")
    };
    let signature: &Signature = signature.try_into().map_err(|_| refused())?;
    let key = VerifyingKey::from_bytes(key.key_bytes()).map_err(|_| refused())?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(&domain.message(bytes), &signature).map_err(|_| refused())
}
