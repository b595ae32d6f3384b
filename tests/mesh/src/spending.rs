//! What the test that kills a spending process, and that process, both know.

use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{Allowance, Amount, Budget, Component, Terms};

/// The node that spends.
pub const NODE: NodeKey = NodeKey::from_bytes([1; 32]);

/// A node that is never heard: what was granted to it stays charged.
pub const ABROAD: NodeKey = NodeKey::from_bytes([2; 32]);

/// Tokens of the budget.
pub const CEILING: u64 = 20_000_000;

/// Tokens of each budget that the nodes spend which are killed.
pub const NODE_CEILING: u64 = 1_000;

/// Its lease, in milliseconds.
pub const NODE_LEASE_MS: u64 = 1_000;

/// Tokens of one spending of those nodes.
pub const ONCE: u64 = 5;

/// The budget that is spent from.
pub fn budget() -> Budget {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(CEILING));
    Budget::new(NODE, [7; 16], Terms::of(ceiling), 0)
}

/// An amount of output tokens.
///
/// # Panics
/// When it is above what can be counted.
pub fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, count).expect("an amount that can be counted")
}
