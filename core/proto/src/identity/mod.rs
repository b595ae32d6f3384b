//! Who is who: keys, ids, names, addresses, and what a signature covers.
//!
//! Owns: the validated newtypes of keys and their texts, signing and strict verification. Must not
//! know: records, messages, where a key is stored, where randomness comes from. Tested by vectors
//! that every language runs (`tests/conformance/vectors/identity.json`) and by properties.

mod address;
mod did;
mod ids;
mod name;
mod secret;
mod signature;
mod target;

pub mod hex;

pub use address::Address;
pub use ids::{AgentId, MeshId, NodeKey, RootKey};
pub use name::Name;
pub use secret::SecretKey;
pub use signature::{Domain, PublicKey, Signature, verify};
pub use target::Target;
