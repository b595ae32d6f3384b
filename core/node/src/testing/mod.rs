//! What programs are tested with: a mesh of their own, fake peers, recordings.
//!
//! Owns: scripts and what of them fits a request, recordings and what is kept out of them, the
//! temporary home of a mesh. Must not know: the form that a language gives to it. Matching is a
//! pure machine and tested beside it; fakes, recorders and homes in `core/node/tests/testing.rs`.

mod fake;
mod house;
mod matching;
mod play;
mod recorder;
mod redaction;
mod script;
mod tape;

pub use fake::{Asked, Ending, Fake};
pub use house::House;
pub use recorder::{Recorder, RecorderOptions, Saved};
pub use script::{Mode, Script};
