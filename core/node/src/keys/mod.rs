//! Secret keys of this user: the root of the own mesh, node keys, agent keys.
//!
//! Owns: making, storing and reading them, one maker at a time; that those who share one publish
//! the same. Must not know what they sign.
//! Tested here; the race of several processes in `tests/mesh`.

mod body;
#[cfg(feature = "key-export")]
mod moved;
#[cfg(feature = "key-export")]
mod sealed;
mod store;

pub(crate) use body::Body;
#[cfg(feature = "key-export")]
pub use moved::{Which, export, import};
#[cfg(feature = "key-export")]
pub use sealed::{PASSPHRASE_CHARS, SEALED_BYTES};
pub use store::{
    StoredKey, fresh, random, read_agent, stored_agent, stored_agent_shared, stored_node,
};
pub(crate) use store::{load_or_make, root};
