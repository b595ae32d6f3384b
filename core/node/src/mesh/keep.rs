//! Which connections are kept open, and for how long.
//!
//! Owns: the closing of idle connections, the end of those whose tokens end, and the connections
//! that peers without our runtime folder need to learn of changes. Must not know what runs on them.
//! Tested with the clock passed in `lasting_tests`.

use super::revoked;
use super::shared::Shared;
use crate::back_off::BackOff;
use crate::chance::now_ms;
use crate::link::CloseReason;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How often idle connections, addresses and our own record are looked at.
const ROUND: Duration = Duration::from_secs(10);
/// First and longest pause between tries to reach a node of a ticket.
const CONTACT_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// No more streams are opened on a connection so long before one of its tokens ends.
pub(super) const ENDING_MS: u64 = 60_000;
/// Distant nodes that are dialled at once to be told of a change.
const TOLD_AT_ONCE: usize = 16;
/// A node of our ticket is met again after this time, whatever else is known: two halves of a mesh
/// that forgot each other are joined by it.
const CONTACT_AGAIN: Duration = Duration::from_secs(600);

/// Small duties: idle connections, changed addresses, a record that must not grow old.
pub(super) async fn rounds(shared: &Arc<Shared>) {
    let mut ticks = tokio::time::interval(ROUND);
    loop {
        ticks.tick().await;
        shared.local.set_addresses(shared.link.addresses());
        if shared.local.is_due(now_ms()) {
            shared.announced.send_modify(|version| *version += 1);
        }
        end_terms(shared, now_ms());
        close_idle(shared, Instant::now());
        revoked::look(shared).await;
    }
}

/// Closes what was idle for long and, above the number that a node keeps, what was idle longest;
/// and what records of the mesh alone were said over, earlier, but for a few.
pub(super) fn close_idle(shared: &Shared, now: Instant) {
    let all = shared.peers.all();
    let all: Vec<_> = all.into_iter().filter(|one| !one.tunnel.is_closed()).collect();
    let surplus = all.len().saturating_sub(limits::CONNECTIONS);
    let mut links = all.iter().filter(|one| one.spreads()).count();
    // One that is introducing itself ends by itself when it does not.
    let mut idle: Vec<_> = all
        .into_iter()
        .filter(|connection| connection.greeting().is_some())
        .filter_map(|connection| Some((connection.idle_for(now)?, connection)))
        .collect();
    idle.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    for (place, (time, connection)) in idle.into_iter().enumerate() {
        let rests = time > limits::RECORD_LINK_IDLE && connection.is_link();
        let rests = rests && links > limits::RECORD_LINKS;
        if time > limits::CONNECTION_IDLE || place < surplus || rests {
            links = links.saturating_sub(usize::from(connection.spreads()));
            connection.close(CloseReason::Idle);
        }
    }
}

/// Leaves connections whose tokens end: the next call makes a new one, with new tokens, and what
/// runs on the old one may end there.
pub(super) fn end_terms(shared: &Shared, now_ms: u64) {
    let soon = now_ms.saturating_add(ENDING_MS);
    for connection in shared.peers.all() {
        if connection.ends_by(soon) && connection.start_drain() {
            tracing::debug!(node = %connection.peer(), "the tokens of a connection end");
        }
    }
}

/// Stays in contact with a node of our ticket, since nothing else tells us of it. One that was
/// idle is left alone: where it hears of changes by records, until no other member is left to tell
/// it, or for `CONTACT_AGAIN`; else until there is something to tell.
pub(super) async fn contact(shared: &Arc<Shared>, node: NodeKey) {
    let pauses = || BackOff::within(CONTACT_PAUSE.0, CONTACT_PAUSE.1);
    let mut pause = pauses();
    let mut changes = shared.announced.subscribe();
    loop {
        changes.borrow_and_update();
        if let Ok(connection) = shared.connection(node).await {
            pause = pauses();
            if connection.ended().await == Some(CloseReason::Idle) {
                if connection.spreads() {
                    // Whichever comes first.
                    let _ = timeout(CONTACT_AGAIN, shared.directory.alone()).await;
                    continue;
                }
                if changes.changed().await.is_ok() {
                    continue;
                }
            }
        }
        pause.wait().await;
    }
}

/// Makes a connection to every node beyond our runtime folder that has none and does not hear of
/// records, whenever our agents change or are renewed: it is told of them there.
pub(super) async fn distant_told(shared: &Arc<Shared>) {
    let mut changes = shared.announced.subscribe();
    while changes.changed().await.is_ok() {
        changes.borrow_and_update();
        let mut dials = JoinSet::new();
        for node in shared.book.distant() {
            let open = shared.peers.of(node);
            if open.iter().any(|connection| !connection.tunnel.is_closed()) {
                continue;
            }
            if dials.len() >= TOLD_AT_ONCE {
                dials.join_next().await;
            }
            let task = Arc::clone(shared);
            dials.spawn(async move {
                let failed = task.connection(node).await.is_err();
                // One that it dialled itself may have come meanwhile.
                if failed && !task.book.is_near(node) && task.peers.of(node).is_empty() {
                    task.book.gone(node);
                    task.vanished(node);
                }
            });
        }
        dials.join_all().await;
    }
}
