//! Cutting grants, also from what the last word about an answered call is about to give back.

use super::Treasury;
use super::durable::failed;
use super::guards::Funded;
use super::treasury::lost;
use crate::engine::lock;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{Grant, GrantId, Input, Order};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Longest wait for the last word about a call that was answered.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Code of the refusal of a grant for a node of whose clock nothing is known.
pub(super) const UNHEARD: &str = "unheard";

/// A grant whose call was answered while it is open.
pub(super) struct Answered {
    /// What it was cut from.
    from: GrantId,
    /// Whose last word is waited for.
    pub(super) holder: NodeKey,
}

impl Treasury {
    /// Cuts a grant for a call of this node. An answer may overtake the last word about its grant:
    /// what does not fit until then waits for that word, so that one call after the other is paid
    /// from the same money. So does what is for a node of whose clock nothing is known, for a word
    /// of it.
    pub(crate) async fn cut(self: &Arc<Self>, from: GrantId, order: Order) -> Result<Funded> {
        let until = Instant::now() + LAST_WORD;
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            let cut = self.cut_now(from, order.clone()).await;
            let Err(error) = &cut else { return cut };
            let exhausted = error.kind == Kind::BudgetExhausted;
            let waits = (exhausted && self.is_settling(from)) || error.code == UNHEARD;
            // The word may have come after there was too little, and before it was asked for. By a
            // timer that would take a millisecond, in which the stop of the call would come first.
            let came = async {
                tokio::select! {
                    biased;
                    () = &mut settled => true,
                    () = std::future::ready(()) => false,
                }
            };
            let again = if waits {
                timeout_at(until, settled).await.is_ok()
            } else {
                exhausted && self.goes_on(from) && Instant::now() < until && came.await
            };
            if !again {
                return cut;
            }
        }
    }

    async fn cut_now(self: &Arc<Self>, from: GrantId, order: Order) -> Result<Funded> {
        let (answer, granted) = oneshot::channel();
        let elsewhere = order.audience != self.node();
        self.work(|state, now| {
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(failed(why)));
                return;
            }
            if elsewhere && !state.ledger.hears(&order.audience) {
                let _ = answer.send(Err(unheard()));
                return;
            }
            state.grants.insert(order.id, answer);
            state.ledger.handle(Input::Cut { from, order }, now);
        });
        granted.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The call of a grant was answered; its holder has its last word to say, unless it was here
    /// before.
    pub(super) fn answered(&self, grant: &Grant) {
        let mut state = lock(&self.state);
        if state.ledger.is_open(&grant.id) {
            let answered = Answered { from: grant.parent, holder: grant.audience };
            state.answered.insert(grant.id, answered);
        }
    }

    /// True when what is cut from may soon be more: not where nothing is begun any more.
    fn is_settling(&self, from: GrantId) -> bool {
        let is_awaited = || lock(&self.state).answered.values().any(|open| open.from == from);
        self.goes_on(from) && is_awaited()
    }

    /// False once it was stopped, as what does not fit may have done: who asked again would learn
    /// of the stop instead of the reason.
    fn goes_on(&self, from: GrantId) -> bool {
        let state = lock(&self.state);
        state.ledger.view(&from).is_some_and(|view| view.stopped.is_none())
    }
}

/// Without a reading of its clock a holder cannot tell a new grant from one that an earlier process
/// of its node had: it would answer that all of it may be spent.
fn unheard() -> Error {
    let message = "nothing is known yet of the clock of the node that is called; call again";
    Error::refusal(Kind::Busy, UNHEARD, message)
}
