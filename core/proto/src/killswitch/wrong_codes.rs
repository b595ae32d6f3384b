//! Codes that are none, by who showed them: nobody may try on for ever.

use crate::error::{Error, Kind, Result, Retry};
use crate::limits::{self, ms};
use std::collections::BTreeMap;

/// How often each node, or each client of a listener, showed a code that is none; at most
/// `REDEEM_NODES` of them are counted.
#[derive(Debug)]
pub struct WrongCodes<Who> {
    /// Name and value of the limit.
    most: (&'static str, u32),
    // Each with its number and when the counting began.
    shown: BTreeMap<Who, (u32, u64)>,
}

impl<Who: Ord + Clone> WrongCodes<Who> {
    /// Nothing is counted yet; so many of one asker are admitted within `REDEEM_WRONG_SPAN`.
    pub const fn new(limit: &'static str, most: u32) -> Self {
        Self { most: (limit, most), shown: BTreeMap::new() }
    }

    /// Whether this asker may show another code that is, or may be, none.
    ///
    /// # Errors
    /// `busy`, code `redeem`, after too many wrong ones within `REDEEM_WRONG_SPAN`, with the
    /// time after which it may.
    pub fn admit(&self, who: &Who, now_ms: u64) -> Result<()> {
        let Some((wrong, began_ms)) = self.shown.get(who) else { return Ok(()) };
        let (left_ms, (limit, most)) = (end_ms(*began_ms).saturating_sub(now_ms), self.most);
        if left_ms == 0 || *wrong < most {
            return Ok(());
        }
        let message = "too many codes that are none were shown";
        let error = Error::refusal(Kind::Busy, "redeem", message);
        Err(error.with_limit(limit, most.into()).with_retry(Retry::AfterMs(left_ms)))
    }

    /// Counts a code that is none.
    pub fn count(&mut self, who: Who, now_ms: u64) {
        if let Some((wrong, began_ms)) = self.shown.get_mut(&who)
            && now_ms < end_ms(*began_ms)
        {
            *wrong = wrong.saturating_add(1);
            return;
        }
        self.shown.retain(|_, (_, began_ms)| now_ms < end_ms(*began_ms));
        if self.shown.len() >= limits::REDEEM_NODES
            && let Some(oldest) = self.shown.iter().min_by_key(|(_, (_, began))| *began)
        {
            let oldest = oldest.0.clone();
            self.shown.remove(&oldest);
        }
        self.shown.insert(who, (1, now_ms));
    }
}

fn end_ms(began_ms: u64) -> u64 {
    began_ms.saturating_add(ms(limits::REDEEM_WRONG_SPAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;

    fn none_yet() -> WrongCodes<NodeKey> {
        WrongCodes::new("REDEEM_WRONG", limits::REDEEM_WRONG)
    }

    fn node(number: usize) -> NodeKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        NodeKey::from_bytes(key)
    }

    #[test]
    fn one_node_is_refused_for_a_while_and_others_are_not() {
        let (mut wrong, span_ms) = (none_yet(), ms(limits::REDEEM_WRONG_SPAN));
        for _ in 0..limits::REDEEM_WRONG {
            assert_eq!(wrong.admit(&node(1), 5), Ok(()));
            wrong.count(node(1), 5);
        }
        let refused = wrong.admit(&node(1), 6).unwrap_err();
        assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, "redeem"));
        assert_eq!(refused.retry, Retry::AfterMs(span_ms - 1));
        assert_eq!(refused.limit.unwrap().name, "REDEEM_WRONG");
        assert_eq!(wrong.admit(&node(2), 6), Ok(()));
        assert_eq!(wrong.admit(&node(1), 5 + span_ms), Ok(()), "REDEEM_WRONG_SPAN is over");
        wrong.count(node(1), 5 + span_ms);
        assert_eq!(wrong.admit(&node(1), 5 + span_ms), Ok(()), "it is counted anew");
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        let mut wrong = none_yet();
        for number in 0..=limits::REDEEM_NODES {
            for _ in 0..limits::REDEEM_WRONG {
                wrong.count(node(number), number as u64);
            }
        }
        assert_eq!(wrong.shown.len(), limits::REDEEM_NODES);
        let now_ms = limits::REDEEM_NODES as u64;
        assert_eq!(wrong.admit(&node(0), now_ms), Ok(()), "the oldest is forgotten");
        assert!(wrong.admit(&node(limits::REDEEM_NODES), now_ms).is_err());
    }
}
