//! `cargo package-all`: what users install, in one folder of the target folder.
//!
//! Owns: one build of the four native libraries, the files that are made of it for each language,
//! and one archive of them all. Must not know: how they are installed (`parts/install` tries that).
//! Tested by `cargo verify install`.

mod all;
pub(crate) mod bundle;
mod c;
mod dist;
mod features;
mod java;
mod native;
mod node;
pub(crate) mod notices;
mod python;
pub(crate) mod reference;
mod tools;

pub(crate) use all::{Options, build, run, sizes};
pub(crate) use dist::{Dist, Profile, VERSION, empty, say, write};
pub(crate) use native::{check as check_libraries, check_c};
pub(crate) use node::{PLATFORM as NODE_PLATFORM, ZOD};
pub(crate) use python::only as only_python;
pub(crate) use tools::{path as tool_path, program as tool};
