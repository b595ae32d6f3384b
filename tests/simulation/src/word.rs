//! What the simulated nodes say: claims without signatures, shared by all that hold them.

use crate::chance::mixed;
use hubless_proto::directory::replica::{Claim, Message, RowKey, Statement};
use hubless_proto::identity::{AgentId, NodeKey};
use std::rc::Rc;

/// A record as it travels.
#[derive(Debug, Clone)]
pub struct Word(Rc<Claim>);

impl Statement for Word {
    fn claim(&self) -> &Claim {
        &self.0
    }
}

/// Number and life of a record.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// The number.
    pub seq: u64,
    /// By the clock of its author.
    pub issued_at_ms: u64,
    /// By the clock of its author.
    pub expires_at_ms: u64,
}

impl Word {
    /// A record of this key; `version` tells two of one number apart.
    #[must_use]
    pub fn new(key: RowKey, term: Term, version: u64) -> Self {
        let id = key.id();
        // Of id and number at once: changes of two rows to one number would cancel in a sum.
        let said = mixed(term.seq ^ version.rotate_left(32));
        let mut digest = id;
        for half in digest.chunks_exact_mut(8) {
            let part = half.first_chunk().map_or(0, |half| u64::from_be_bytes(*half));
            half.copy_from_slice(&mixed(part ^ said).to_be_bytes());
        }
        let bytes = match key {
            RowKey::Node(_) => 700,
            RowKey::Agent(..) => 1_200,
            RowKey::Left(..) | RowKey::Ended(_) => 220,
        };
        let Term { seq, issued_at_ms, expires_at_ms } = term;
        let print = digest;
        Self(Rc::new(Claim { key, id, seq, issued_at_ms, expires_at_ms, digest, print, bytes }))
    }
}

/// The key of a node by its place.
#[must_use]
pub fn node_key(place: usize) -> NodeKey {
    NodeKey::from_bytes(key(place as u64, 0x6e6f_6465))
}

/// The id of an agent by its number.
#[must_use]
pub fn agent_id(number: u64) -> AgentId {
    AgentId::from_bytes(key(number, 0x6167_656e))
}

/// The place of a node by its key.
#[must_use]
pub fn place(node: &NodeKey) -> usize {
    let last = node.as_bytes().last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
    usize::try_from(last).unwrap_or(usize::MAX)
}

fn key(number: u64, kind: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let parts = [mixed(number ^ kind), kind, 0, number];
    for (byte, part) in bytes.iter_mut().zip(parts.iter().flat_map(|part| part.to_be_bytes())) {
        *byte = part;
    }
    bytes
}

/// What a message takes on the wire, about.
#[must_use]
pub fn size(message: &Message<Word>) -> u64 {
    let bytes = match message {
        Message::Compare(_) => 24,
        Message::Buckets(sums) => 8 + sums.len() * 16,
        Message::Rows { spans, rows } => 12 + spans.len() * 32 + rows.len() * 32,
        Message::Wants { names, rest } => 12 + names.len() * 16 + rest.len() * 32,
        Message::Offer(rows) => 8 + rows.len() * 32,
        Message::Ask(names) => 8 + names.len() * 16,
        Message::Push(carried) => {
            8 + carried.iter().map(|one| one.statement.claim().bytes).sum::<usize>()
        }
        Message::Answer(records) => 8 + records.iter().map(|one| one.claim().bytes).sum::<usize>(),
        Message::Suspects(suspects) => 8 + suspects.len() * 40,
    };
    bytes as u64
}
