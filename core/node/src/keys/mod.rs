//! Secret keys of this user: the root of the own mesh, node keys, agent keys.
//!
//! Owns: making, storing and reading them, one maker at a time; that those who share one publish
//! the same. Must not know what they sign.
//! Tested here; the race of several processes in `tests/mesh`.

mod body;
mod store;

pub(crate) use body::Body;
pub use store::{
    StoredKey, fresh, random, read_agent, stored_agent, stored_agent_shared, stored_node,
};
pub(crate) use store::{load_or_make, root};
