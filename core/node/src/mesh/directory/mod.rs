//! The records of the mesh, carried by its connections.
//!
//! Owns: the replica of this node, what goes into it and what comes of it, and the few connections
//! that are kept for it. A node that knows nobody beyond its runtime folder has the folder, and
//! none of this runs. Must not know: which record is taken, when it ends, who is told of it; that
//! is the replica's (`hubless_proto::directory::replica`). Tested by nodes of several homes beside
//! it, between machines in `tests/network`, and the replica alone in `tests/simulation`.

mod carry;
mod driver;
mod jobs;
mod links;
mod news;
mod own;

#[cfg(test)]
mod tests;

pub(super) use driver::run;
pub(super) use news::{Directory, Words};
