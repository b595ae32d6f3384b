//! One archive for a machine that reaches no registry: the packages, what they depend on, and what
//! a project of each language needs to run the ten lines.
//!
//! Owns: what goes into it, its checksums and its list of components. Must not know: how it is
//! installed (`parts/install/bundle.rs` does that where there is no network).

mod archive;
mod bill;
mod maven;

pub(crate) use archive::{CHECKSUMS, Contents, ENDING, build, name, packed};
