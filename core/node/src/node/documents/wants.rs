//! What a query waits for: which documents, until when, and when it looks for more.

use super::table::{Begun, Wanted};
use crate::node::lifecycle::Inner;
use hubless_proto::error::Result;
use hubless_proto::limits;
use hubless_proto::wire::record::Digest;
use std::collections::BTreeSet;
use std::future::pending;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What decides whether a query may miss another document than before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    /// Of the directory: how often an agent came whose documents are not known, or a node that has
    /// them.
    pub(super) undocumented: u64,
    /// How often one that was not to be had might be asked for of another node.
    pub(super) again: u64,
    /// How often there was room for another.
    pub(super) ended: u64,
}

/// What a query has asked for, so that it looks for more only when there may be more.
#[derive(Debug, Default)]
pub(in crate::node) struct Wants {
    seen: Option<Stand>,
    /// True: some had to wait.
    left: bool,
    /// When it is to be looked for more, whatever happens.
    again_at: Option<Instant>,
    /// Documents that it missed and that are on their way.
    pub(super) flying: BTreeSet<Digest>,
    /// A match is at hand, and is answered then.
    settles_at: Option<Instant>,
}

impl Wants {
    /// True when it is to be looked for more.
    pub(super) fn is_due(&self, stand: &Stand, now: Instant) -> bool {
        self.again_at.is_some_and(|at| at <= now)
            || self.seen.is_none_or(|seen| {
                seen.undocumented != stand.undocumented
                    || seen.again != stand.again
                    || self.left && seen.ended != stand.ended
            })
    }

    /// It was looked for more; gives what is to be fetched.
    pub(super) fn looked(&mut self, stand: Stand, begun: Begun) -> Vec<Wanted> {
        self.seen = Some(stand);
        (self.left, self.again_at) = (begun.left, begun.again_at);
        self.flying.extend(begun.flying);
        begun.wanted
    }

    /// Until when a query waits; none: what it has is its answer. Documents that are on their way,
    /// or wait for their turn, may show better matches than the one that is at hand, but whose node
    /// hangs delays nobody for long.
    pub(super) fn until(
        &mut self,
        is_matched: bool,
        deadline: Instant,
        now: Instant,
    ) -> Option<Instant> {
        if !is_matched {
            return Some(deadline);
        }
        let settles_at = *self.settles_at.get_or_insert(now + limits::FIND_SETTLE);
        let until = settles_at.min(deadline);
        let may_come = !self.flying.is_empty() || self.left;
        (may_come && now < until).then_some(until)
    }

    /// Ends when it is to be looked for more, whatever happens.
    pub(in crate::node) async fn due(&self) {
        match self.again_at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }
}

impl Inner {
    /// Waits until a query is to be looked at again; false: what it has is its answer.
    pub(in crate::node) async fn looks_again(
        &self,
        changed: &mut watch::Receiver<u64>,
        wants: &mut Wants,
        is_matched: bool,
        deadline: Instant,
    ) -> Result<bool> {
        let until = wants.until(is_matched, deadline, Instant::now());
        let Some(until) = until else { return Ok(false) };
        tokio::select! {
            changed = self.changes_by(changed, until) => changed,
            () = wants.due() => Ok(true),
        }
    }
}
