//! The packages, installed into empty projects as their users would, and used there.
//!
//! Owns: one project for each language below `target/install`. Must not know: how packages are
//! made. What is installed is asked where it came from, so that the checkout never stands in.

mod all;
mod alone;
mod bundle;
mod c;
mod java;
mod node;
mod python;
mod rust;

pub(crate) use all::{quick, release};
pub(crate) use c::pkg_config;
pub(crate) use java::{compile as compile_java, repository as java_repository};
pub(crate) use node::npm;
