//! The caller's side of calls: from options to an answer.
//!
//! Owns: attempts, deadlines, tools and questions of calls that leave agents of this node. Must
//! not know: how a callee checks, or bytes of the wire. Tested in process through the node.

pub(crate) mod drive;
pub(crate) mod questions;
mod waiting;
