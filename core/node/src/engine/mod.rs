//! The callee's side of calls: who is called, may it be, and the run from first to last event.
//!
//! Owns: hosted agents, their checks in order, their rooms, what is remembered of calls. Must not
//! know: connections, or how a caller chose. Tested in process through the node.

mod admit;
mod hosted;
mod memory;
mod returns;
pub(crate) mod room;
mod run;
mod service;

pub(crate) use admit::{Admission, contained};
pub(crate) use hosted::{Hosted, Parts};
pub(crate) use returns::{Return, Returns};
pub(crate) use service::{Engine, lock};
