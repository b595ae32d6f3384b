//! What a replica has to know of a record, and how records are told apart.

use crate::identity::{AgentId, NodeKey};
use crate::wire::record::Digest;
use sha2::{Digest as _, Sha256};

/// What a record is about. Of each there is at most one row: the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// Where a node is, by its own word.
    Node(NodeKey),
    /// An agent at a node that hosts it, by the agent's word.
    Agent(AgentId, NodeKey),
    /// A node hosts an agent no more, by the node's word.
    Left(AgentId, NodeKey),
    /// An agent or a node is no more, by its own word.
    Ended([u8; 32]),
}

impl RowKey {
    /// The place of the row in the order of all rows: its bucket, then the rest of a digest, so
    /// that nobody chooses where a row comes to lie. Nodes come first: what an agent says counts
    /// only once its node is known.
    pub fn id(&self) -> Digest {
        let mut sum = Sha256::new();
        match self {
            Self::Node(node) => sum.update([&[0][..], node.as_bytes()].concat()),
            Self::Agent(agent, node) => {
                sum.update([&[1][..], agent.as_bytes(), node.as_bytes()].concat());
            }
            Self::Left(agent, node) => {
                sum.update([&[2][..], agent.as_bytes(), node.as_bytes()].concat());
            }
            Self::Ended(key) => sum.update([&[3][..], key].concat()),
        }
        let mut id: Digest = sum.finalize().into();
        if let Some(first) = id.first_mut() {
            *first = match self {
                Self::Node(_) => *first % NODE_BUCKETS,
                Self::Agent(..) | Self::Left(..) | Self::Ended(_) => {
                    NODE_BUCKETS + *first % (u8::MAX - NODE_BUCKETS + 1)
                }
            };
        }
        id
    }

    /// The node that a row is counted to; none: it is counted to all together.
    pub const fn owner(&self) -> Option<NodeKey> {
        match self {
            Self::Node(node) | Self::Agent(_, node) | Self::Left(_, node) => Some(*node),
            Self::Ended(_) => None,
        }
    }
}

/// Buckets in which only nodes are; they are compared first.
const NODE_BUCKETS: u8 = 16;

/// What a record says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it is about.
    pub key: RowKey,
    /// [`RowKey::id`] of it.
    pub id: Digest,
    /// A later record of the same key has a higher number.
    pub seq: u64,
    /// Unix time in milliseconds, by its author's clock.
    pub issued_at_ms: u64,
    /// Unix time in milliseconds, by its author's clock.
    pub expires_at_ms: u64,
    /// Of what was signed: decides between two of one number.
    pub digest: Digest,
    /// Of what was signed with its signatures: a copy with another signature is another one.
    pub print: Digest,
    /// Its size in a message.
    pub bytes: usize,
}

impl Claim {
    /// First bytes of the digest, as sums are made of them.
    pub(super) fn mark(&self) -> u128 {
        head(&self.digest)
    }

    /// What tells a record from the last word of its author or of its node: numbers are times, and
    /// one without a number has that of its issue.
    pub(super) const fn time(&self) -> u64 {
        if self.seq == 0 { self.issued_at_ms } else { self.seq }
    }

    /// First bytes of the id, as messages name rows by them.
    pub fn name(&self) -> u128 {
        name(&self.id)
    }
}

/// First bytes of an id.
pub(super) fn name(id: &Digest) -> u128 {
    head(id)
}

fn head(digest: &Digest) -> u128 {
    digest.first_chunk().map_or(0, |first| u128::from_be_bytes(*first))
}

/// A record of which the claim was read; whether it holds is asked once, when it would be taken.
pub trait Statement: Clone {
    /// What it says of itself.
    fn claim(&self) -> &Claim;
}

/// The time of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Unix time in milliseconds, by which records of others are judged.
    pub unix_ms: u64,
    /// A clock that never jumps, in milliseconds, by which they end here.
    pub steady_ms: u64,
}

/// A part of the order of all rows, both ends included; names are first bytes of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first name.
    pub from: u128,
    /// The last name.
    pub to: u128,
}

impl Span {
    pub(super) fn bucket(bucket: u8) -> Self {
        let from = u128::from(bucket) << 120;
        Self { from, to: from | (u128::MAX >> 8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_lie_before_all_else_and_every_key_lies_elsewhere() {
        let (node, agent) = (NodeKey::from_bytes([7; 32]), AgentId::from_bytes([7; 32]));
        let keys = [
            RowKey::Node(node),
            RowKey::Agent(agent, node),
            RowKey::Left(agent, node),
            RowKey::Ended([7; 32]),
        ];
        let ids: std::collections::BTreeSet<_> = keys.iter().map(RowKey::id).collect();
        assert_eq!(ids.len(), keys.len());
        for seed in 0..=255 {
            let node = NodeKey::from_bytes([seed; 32]);
            assert!(RowKey::Node(node).id()[0] < NODE_BUCKETS);
            assert!(RowKey::Agent(agent, node).id()[0] >= NODE_BUCKETS);
        }
        assert_eq!(Span::bucket(255), Span { from: 255 << 120, to: u128::MAX });
    }
}
