//! Pieces of an answer that a callback sends: it must not wait for the room that they need.
//!
//! Owns: how many of them wait. Must not know what they are. Tested by `include/tests/streams.c`.

use crate::fault::Result;
use crate::operation::OnDrop;
use crate::pending::Told;
use crate::state::Node;
use bytes::Bytes;
use hubless_proto::{Error, Kind, limits};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pieces of a node that nobody has taken yet.
#[derive(Default)]
pub(crate) struct Ahead(Arc<AtomicUsize>);

impl Ahead {
    /// Sends one piece without waiting.
    ///
    /// # Errors
    /// `busy` when too many wait; none of them is lost, nor is the end of the call.
    pub(crate) fn send(&self, node: &Node, piece: (Value, Vec<Bytes>)) -> Result<()> {
        let waiting = Arc::clone(&self.0);
        let before = waiting.fetch_add(1, Ordering::AcqRel);
        // However it ends: taken, refused, or never begun.
        let one = OnDrop::new(move || {
            waiting.fetch_sub(1, Ordering::AcqRel);
        });
        if before >= limits::CALLBACK_CHUNKS {
            let message = "a callback sends faster than its caller reads: a thread of the program \
                           may wait";
            return Err(Error::new(Kind::Busy, message)
                .with_limit("CALLBACK_CHUNKS", limits::CALLBACK_CHUNKS as u64)
                .into());
        }
        node.begin("call.chunk", piece, Told::new(move |_| drop(one))).map(drop)
    }
}
