//! The guides in the packages' folders, made of one text, the samples of each language and the
//! tables of errors.
//!
//! Owns: what a guide says and where its samples are. Must not know: how samples are run
//! (`parts/docs`). Tested by its own tests, and by the part `generated`, which compares.

mod errors;
mod samples;
mod text;

pub(crate) use samples::{Sample, class, docs, programs, source};
pub(crate) use text::files;
