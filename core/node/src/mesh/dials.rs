//! Dialling a node, once for all who wait for it.
//!
//! Owns: how often a node is dialled, with which pauses, and who waits how long. A call waits as
//! long as it has time, since a node that is away may come back; what this node does by itself is
//! told after a few tries. Tested here and, over links that are cut, in `tests/network`.

use super::connection::Connection;
use super::shared::Shared;
use super::{peers, serve};
use crate::back_off::{BackOff, Tries};
use crate::chance::now_ms;
use hubless_proto::directory::replica::Loss;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Tries to dial before who joins, or does something by itself, is told.
const TRIES: u32 = 4;
/// Pause after the first failed try; it doubles.
const PAUSE: Duration = Duration::from_millis(75);

/// How long somebody waits for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For a few tries.
    Tries,
    /// As long as another try may succeed, at most until then.
    Until(Instant),
}

/// How far a dial is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// So many tries failed, the last one so.
    Trying { failed: u32, last: Option<Error> },
    /// There is a connection, or there will be none.
    Over(Result<()>),
}

/// A dial under way; it ends when nobody waits for it any more.
pub(super) type Dial = watch::Sender<Stage>;

/// What a dial is waited for with.
pub(super) struct Waiting {
    pub(super) stage: watch::Receiver<Stage>,
    /// Fires when connections to the node, or what is known of it, change.
    pub(super) changed: watch::Receiver<()>,
}

/// A dial of which no try was made yet.
pub(super) fn begin() -> Arc<Dial> {
    Arc::new(watch::Sender::new(Stage::Trying { failed: 0, last: None }))
}

/// How often a node is dialled by who does not wait longer, and with which pauses.
pub(super) fn tries() -> Tries {
    Tries::of(TRIES, BackOff::within(PAUSE, PAUSE * (1 << TRIES)))
}

impl Waiting {
    /// Waits until something may have changed; `last` becomes why the last try failed.
    ///
    /// # Errors
    /// Why there will be no connection in time: what the last try failed with; `deadline`.
    pub(super) async fn turn(mut self, wait: Wait, last: &mut Option<Error>) -> Result<()> {
        let (stage, changed) = (&mut self.stage, &mut self.changed);
        tokio::select! {
            biased;
            over = over(stage, wait, last) => return over,
            _ = changed.changed() => return Ok(()),
            () = until(wait) => {}
        }
        Err(late(last.as_ref()))
    }
}

/// Waits for the end of a dial, or until it lasts longer than `wait` allows.
async fn over(
    stage: &mut watch::Receiver<Stage>,
    wait: Wait,
    last: &mut Option<Error>,
) -> Result<()> {
    loop {
        match &*stage.borrow_and_update() {
            Stage::Over(outcome) => return outcome.clone(),
            Stage::Trying { last: None, .. } => {}
            Stage::Trying { failed, last: Some(why) } => {
                if wait == Wait::Tries && *failed >= TRIES {
                    return Err(why.clone());
                }
                *last = Some(why.clone());
            }
        }
        // Its task ended with the mesh.
        stage.changed().await.map_err(|_| peers::closed())?;
    }
}

/// Waits for the end of the time that `wait` gives.
pub(super) async fn until(wait: Wait) {
    match wait {
        Wait::Until(at) => tokio::time::sleep_until(at).await,
        Wait::Tries => std::future::pending().await,
    }
}

/// The time for a connection is over: what the last try failed with is part of it.
pub(super) fn late(last: Option<&Error>) -> Error {
    let message = "the node could not be reached in time";
    Error::new(
        Kind::Deadline,
        match last {
            Some(why) => format!("{message}: {}", why.message),
            None => message.to_owned(),
        },
    )
}

/// True for a failure that another try may not have.
fn may_pass(why: &Error) -> bool {
    matches!(why.code.as_str(), "dial" | "lost")
}

impl Shared {
    /// Dials a node until there is a connection, it is certain that there will be none, or nobody
    /// waits any more.
    pub(super) async fn dial(
        self: &Arc<Self>,
        node: NodeKey,
        dial: &Arc<Dial>,
        mut changed: watch::Receiver<()>,
    ) {
        let mut pauses = BackOff::within(PAUSE, limits::DIAL_PAUSE);
        let mut failed = 0;
        loop {
            changed.mark_unchanged();
            let outcome = self.dial_once(node).await;
            let outcome = if self.talks_with(node) { Ok(()) } else { outcome };
            let why = match outcome {
                Err(why) if may_pass(&why) => why,
                over => {
                    if let Err(error) = &over {
                        tracing::debug!(%node, %error, "cannot reach a node");
                    }
                    if self.dialled(node, dial, over, &changed) {
                        return;
                    }
                    continue;
                }
            };
            failed += 1;
            if failed == 1 {
                self.host.unreached(node);
                self.directory.changed(node, Some(Loss::Unreached));
            }
            tracing::debug!(%node, %why, failed, "a node is not reached");
            dial.send_replace(Stage::Trying { failed, last: Some(why) });
            changed.mark_unchanged();
            tokio::select! {
                () = pauses.wait() => {}
                () = dial.closed() => {}
                // It may be there now, or known to be no more.
                _ = changed.changed() => {}
            }
            if self.gave_up(node, dial) {
                return;
            }
        }
    }

    async fn dial_once(self: &Arc<Self>, node: NodeKey) -> Result<()> {
        if self.presence.as_ref().is_some_and(|presence| presence.is_dead(node)) {
            self.node_died(node, std::time::Instant::now());
        }
        let reach = self.book.reach(node, &self.local, now_ms())?;
        let tunnel = self.link.dial(node, &reach.addresses, &reach.relays).await;
        if tunnel.is_err() {
            self.dialled_in_vain(&reach.relays);
        }
        let tunnel = tunnel?;
        // There is a way to it now: those on which nothing arrives are left for this one.
        self.leave_silent(node);
        let connection = serve::dialled(self, tunnel, reach.trusted).await?;
        if !reach.trusted {
            connection.introduced().await?;
        }
        Ok(())
    }

    /// Opens no more streams on connections to a node on which nothing arrives. Their calls end
    /// there, or on the new one.
    fn leave_silent(self: &Arc<Self>, node: NodeKey) {
        let silent = |one: &Arc<Connection>| one.is_silent();
        for left in self.peers.of(node).into_iter().filter(silent) {
            if left.start_drain() {
                tracing::debug!(%node, "a silent connection is left");
                self.spawn(left.drain(self.patience.drain));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(failed: u32) -> Stage {
        let why = Error::new(Kind::Transport, format!("try {failed}")).with_code("dial");
        Stage::Trying { failed, last: Some(why) }
    }

    /// Waits with this patience for a dial that goes through these stages.
    async fn waited(wait: Wait, stages: Vec<Stage>) -> Result<()> {
        let dial = begin();
        let (_known, changed) = watch::channel(());
        let waiting = Waiting { stage: dial.subscribe(), changed };
        let going = tokio::spawn(async move {
            for stage in stages {
                dial.send_replace(stage);
                tokio::task::yield_now().await;
            }
            // Keeps it under way.
            std::future::pending::<()>().await;
            drop(dial);
        });
        let turn = waiting.turn(wait, &mut None).await;
        going.abort();
        turn
    }

    fn soon() -> Wait {
        Wait::Until(Instant::now() + Duration::from_millis(50))
    }

    #[tokio::test]
    async fn a_call_waits_beyond_the_tries_that_others_are_told_after() {
        let failures: Vec<_> = (1..=TRIES).map(failing).collect();
        let told = waited(Wait::Tries, failures.clone()).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.message), ("dial", format!("try {TRIES}")));
        let late = waited(soon(), failures.clone()).await.unwrap_err();
        assert_eq!(late.kind, Kind::Deadline);
        assert!(late.message.ends_with(&format!("try {TRIES}")), "{late}");
        let long = Wait::Until(Instant::now() + limits::DEADLINE);
        let reached = [failures, vec![Stage::Over(Ok(()))]].concat();
        assert_eq!(waited(long, reached).await, Ok(()));
    }

    #[tokio::test]
    async fn nobody_waits_where_it_is_certain_that_nothing_comes() {
        let gone = Error::new(Kind::Transport, "gone").with_code("unknown_node");
        assert!(!may_pass(&gone) && may_pass(&Error::new(Kind::Transport, "").with_code("dial")));
        let long = Wait::Until(Instant::now() + limits::DEADLINE);
        for wait in [Wait::Tries, long] {
            let over = waited(wait, vec![failing(1), Stage::Over(Err(gone.clone()))]).await;
            assert_eq!(over, Err(gone.clone()));
        }
    }

    #[tokio::test]
    async fn who_comes_late_to_a_dial_that_failed_often_is_told_at_once() {
        let dial = begin();
        dial.send_replace(failing(TRIES + 3));
        let (_known, changed) = watch::channel(());
        let waiting = Waiting { stage: dial.subscribe(), changed };
        let mut last = None;
        assert_eq!(waiting.turn(Wait::Tries, &mut last).await.unwrap_err().code, "dial");
    }

    #[tokio::test]
    async fn pauses_of_a_dial_grow_to_their_bound() {
        let mut pauses = BackOff::within(PAUSE, limits::DIAL_PAUSE);
        let next = |pauses: &mut BackOff| pauses.next(hubless_proto::error::Retry::Later);
        let all: Vec<_> = (0..12).map(|_| next(&mut pauses)).collect();
        let most = limits::DIAL_PAUSE.mul_f64(1.25);
        assert!(all.iter().all(|pause| *pause <= most), "{all:?}");
        assert!(all.iter().skip(6).all(|pause| *pause >= limits::DIAL_PAUSE.mul_f64(0.7)));
    }
}
