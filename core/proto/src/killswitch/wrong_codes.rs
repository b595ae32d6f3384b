//! Codes that are none, by the node that showed them: nobody may try on for ever.

use crate::error::{Error, Kind, Result, Retry};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::BTreeMap;

/// How often each node showed a code that is none; at most `REDEEM_NODES`.
#[derive(Debug, Default)]
pub struct WrongCodes {
    // Each with its number and when the counting began.
    nodes: BTreeMap<NodeKey, (u32, u64)>,
}

impl WrongCodes {
    /// Whether a code of this node is looked at.
    ///
    /// # Errors
    /// `busy`, code `redeem`, after `REDEEM_WRONG` wrong ones within `REDEEM_WRONG_SPAN`, with the
    /// time after which it is.
    pub fn admit(&self, node: &NodeKey, now_ms: u64) -> Result<()> {
        let Some((wrong, began_ms)) = self.nodes.get(node) else { return Ok(()) };
        let left_ms = end_ms(*began_ms).saturating_sub(now_ms);
        if left_ms == 0 || *wrong < limits::REDEEM_WRONG {
            return Ok(());
        }
        let message = "too many codes that are none came from this node";
        let error = Error::refusal(Kind::Busy, "redeem", message);
        let error = error.with_limit("REDEEM_WRONG", limits::REDEEM_WRONG.into());
        Err(error.with_retry(Retry::AfterMs(left_ms)))
    }

    /// Counts a code that is none.
    pub fn count(&mut self, node: NodeKey, now_ms: u64) {
        if let Some((wrong, began_ms)) = self.nodes.get_mut(&node)
            && now_ms < end_ms(*began_ms)
        {
            *wrong = wrong.saturating_add(1);
            return;
        }
        self.nodes.retain(|_, (_, began_ms)| now_ms < end_ms(*began_ms));
        if self.nodes.len() >= limits::REDEEM_NODES
            && let Some(oldest) = self.nodes.iter().min_by_key(|(_, (_, began))| *began)
        {
            let oldest = *oldest.0;
            self.nodes.remove(&oldest);
        }
        self.nodes.insert(node, (1, now_ms));
    }
}

fn end_ms(began_ms: u64) -> u64 {
    began_ms.saturating_add(ms(limits::REDEEM_WRONG_SPAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        NodeKey::from_bytes(key)
    }

    #[test]
    fn one_node_is_refused_for_a_while_and_others_are_not() {
        let (mut wrong, span_ms) = (WrongCodes::default(), ms(limits::REDEEM_WRONG_SPAN));
        for _ in 0..limits::REDEEM_WRONG {
            assert_eq!(wrong.admit(&node(1), 5), Ok(()));
            wrong.count(node(1), 5);
        }
        let refused = wrong.admit(&node(1), 6).unwrap_err();
        assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, "redeem"));
        assert_eq!(refused.retry, Retry::AfterMs(span_ms - 1));
        assert_eq!(wrong.admit(&node(2), 6), Ok(()));
        assert_eq!(wrong.admit(&node(1), 5 + span_ms), Ok(()), "REDEEM_WRONG_SPAN is over");
        wrong.count(node(1), 5 + span_ms);
        assert_eq!(wrong.admit(&node(1), 5 + span_ms), Ok(()), "it is counted anew");
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        let mut wrong = WrongCodes::default();
        for number in 0..=limits::REDEEM_NODES {
            for _ in 0..limits::REDEEM_WRONG {
                wrong.count(node(number), number as u64);
            }
        }
        assert_eq!(wrong.nodes.len(), limits::REDEEM_NODES);
        let now_ms = limits::REDEEM_NODES as u64;
        assert_eq!(wrong.admit(&node(0), now_ms), Ok(()), "the oldest is forgotten");
        assert!(wrong.admit(&node(limits::REDEEM_NODES), now_ms).is_err());
    }
}
