//! The secret half of a key.

use super::{AgentId, Domain, MeshId, NodeKey, Signature};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 secret key: wiped from memory on drop, never printed, never serialised.
///
/// ```
/// use hubless_proto::identity::{Domain, SecretKey, verify};
///
/// let key = SecretKey::from_seed([7; 32]);
/// let signature = key.sign(Domain::Hello, b"bytes");
/// assert!(verify(&key.node_key(), Domain::Hello, b"bytes", &signature).is_ok());
/// assert!(verify(&key.node_key(), Domain::Node, b"bytes", &signature).is_err());
/// assert_eq!(format!("{key:?}"), "SecretKey(..)");
/// ```
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Makes the key of a seed of 32 random bytes (RFC 8032's secret key).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// The seed, to be stored or handed to a transport; wiped when dropped.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half as the id of an agent.
    pub fn agent_id(&self) -> AgentId {
        AgentId::from_bytes(self.public())
    }

    /// The public half as the key of a node.
    pub fn node_key(&self) -> NodeKey {
        NodeKey::from_bytes(self.public())
    }

    /// The public half as the root key of a mesh.
    pub fn mesh_id(&self) -> MeshId {
        MeshId::from_bytes(self.public())
    }

    /// Signs `bytes` as a statement of `domain`.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Signature {
        self.0.sign(&domain.message(bytes)).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}
