//! What two members tell each other of the records they hold. A message may be lost: whatever must
//! arrive is found again by the next comparison.

use super::claim::Span;
use crate::identity::NodeKey;

/// The XOR of the marks of some rows.
pub type Sum = u128;

/// What is said of a row that the receiver may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
    /// First bytes of its id.
    pub name: u128,
    /// Its number.
    pub seq: u64,
    /// First bytes of its digest.
    pub mark: u64,
}

/// A record on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried<S> {
    /// The record.
    pub statement: S,
    /// Members that passed it on before.
    pub hops: u32,
}

/// A node that somebody lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// The node.
    pub node: NodeKey,
    /// The number of its record: a later one clears it.
    pub seq: u64,
}

/// A message to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<S> {
    /// The sum of all that the sender holds; begins a comparison.
    Compare(Sum),
    /// It differs: the sum of each bucket.
    Buckets(Vec<Sum>),
    /// All that the sender holds of these parts of the order.
    Rows {
        /// The parts.
        spans: Vec<Span>,
        /// What is in them.
        rows: Vec<Brief>,
    },
    /// The last word about `Rows`, after the records that the asker lacks.
    Wants {
        /// What the sender lacks.
        names: Vec<u128>,
        /// Parts that did not fit into the answer.
        rest: Vec<Span>,
    },
    /// What the receiver may lack: new records that the sender came by.
    Offer(Vec<Brief>),
    /// What the sender lacks of an offer.
    Ask(Vec<u128>),
    /// Records that are new, passed on unasked.
    Push(Vec<Carried<S>>),
    /// Records that were asked for, or were lacking.
    Answer(Vec<S>),
    /// Nodes that cannot be reached, as far as the sender knows.
    Suspects(Vec<Suspect>),
}

impl<S> Message<S> {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Compare(_) => "compare",
            Self::Buckets(_) => "buckets",
            Self::Rows { .. } => "rows",
            Self::Wants { .. } => "wants",
            Self::Offer(_) => "offer",
            Self::Ask(_) => "ask",
            Self::Push(_) => "push",
            Self::Answer(_) => "answer",
            Self::Suspects(_) => "suspects",
        }
    }
}
