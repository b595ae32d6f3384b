//! The C library: `include/hubless.h` over the contract of all languages.
//!
//! Owns: the C types, checked handles, callbacks and their one thread. Must not know: any decision
//! about agents or calls. Every function returns a status and fills an error; a panic becomes
//! `HUBLESS_INTERNAL`. Tested by the C suite in `include/tests`.
#![allow(unsafe_code, reason = "its functions are called from C, with pointers of its callers")]
#![deny(unsafe_op_in_unsafe_fn)]
// Names are those of the header.
#![allow(non_camel_case_types)]

mod agent;
mod ahead;
mod amount;
mod arena;
mod ask;
mod body;
mod call;
mod callback;
mod close;
mod content;
mod dispatch;
mod entry;
mod failure;
mod fault;
mod find;
mod handles;
mod join;
mod json;
mod keep;
mod known;
mod mesh;
mod node;
mod operation;
mod peer;
mod pending;
mod poll;
mod provider;
mod question;
mod reply;
mod request;
mod secrets;
mod send;
mod serve;
mod short;
mod spend;
mod state;
mod stream;
mod switch;
mod sync;
mod tell;
#[cfg(feature = "testing")]
pub mod testing;
mod texts;
mod trip;
mod types;
mod usage;
mod watch;

pub use agent::*;
pub use amount::*;
pub use body::*;
pub use call::*;
pub use callback::*;
pub use close::*;
pub use content::*;
pub use failure::*;
pub use fault::*;
pub use find::*;
pub use join::*;
pub use json::*;
pub use keep::*;
pub use known::*;
pub use mesh::*;
pub use node::*;
pub use peer::*;
pub use poll::*;
pub use provider::*;
pub use question::*;
pub use reply::*;
pub use request::*;
pub use secrets::*;
pub use send::*;
pub use serve::*;
pub use short::*;
pub use spend::*;
pub use stream::*;
pub use switch::*;
pub use tell::*;
pub use texts::*;
pub use trip::*;
pub use types::*;
pub use usage::*;
pub use watch::*;
