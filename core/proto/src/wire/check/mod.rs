//! The bounds and forms of each message, one file for each protobuf file.
//!
//! Names that this version does not know pass (a newer peer may know them), values that no version
//! can mean do not. Sizes of lists were measured by `scan` before; they are checked here as well
//! for messages that are made here and never were bytes.

mod call;
mod context;
mod control;
mod directory;
mod form;
mod killswitch;
mod record;
mod trace;
