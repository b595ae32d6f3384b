//! What a node does about its relays by itself.

use super::probe::Probe;
use super::watchdog::{Act, Look, Watchdog};
use crate::link::{Home, HomeState, RelayUrl};
use crate::mesh::shared::Shared;
use crate::web::Roots;
use hubless_proto::identity::NodeKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::sleep;

/// Watches over the relays of this node, as long as its mesh lives; a node without any has nothing
/// to do.
pub(in crate::mesh) async fn keep(shared: &Arc<Shared>, roots: Option<Roots>) {
    let relays = shared.link.relays();
    let Some(mut homes) = shared.link.homes() else { return };
    let probe = match Probe::new(relays, roots.as_ref()) {
        Ok(probe) => probe,
        Err(error) => {
            tracing::warn!(%error, "the relays of this node cannot be watched");
            return;
        }
    };
    let mut dog = Watchdog::new(relays, Instant::now());
    let (mut left, mut doubted, mut before) = (BTreeSet::new(), false, None);
    loop {
        let home = homes.borrow_and_update().clone();
        if home != before {
            say(shared, home.as_ref());
            before.clone_from(&home);
        }
        if is_connected(home.as_ref()) {
            shared.link.discover().await;
            left.extend(shared.end_stale());
            reach(shared, &mut left);
        }
        let looks = doubted || dog.pause(home.as_ref(), Instant::now()).is_some();
        let answers = if looks { probe.answers().await } else { Vec::new() };
        if doubted {
            left.extend(end_unanswered(shared, &answers));
        }
        // What the engine says by now counts.
        let home = homes.borrow().clone();
        let look = Look { home: home.as_ref(), answers: &answers, doubted };
        for act in dog.look(look, Instant::now()) {
            obey(shared, act, &mut left).await;
        }
        let pause = dog.pause(home.as_ref(), Instant::now());
        doubted = rest(shared, &mut homes, pause).await;
    }
}

/// Waits until there is something to look at; true: since there is reason to doubt.
async fn rest(
    shared: &Shared,
    homes: &mut watch::Receiver<Option<Home>>,
    pause: Option<Duration>,
) -> bool {
    let over = async {
        match pause {
            Some(pause) => sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // It fails with the mesh, which ends this task.
        _ = homes.changed() => false,
        () = over => false,
        () = shared.doubt.notified() => true,
    }
}

/// Ends what goes by relays that do not answer, of those that this node is not reached by: of that
/// one the engine says by itself that it is gone.
fn end_unanswered(shared: &Arc<Shared>, answers: &[RelayUrl]) -> BTreeSet<NodeKey> {
    let home = shared.local.relays().into_iter().next();
    let gone = shared
        .link
        .relays()
        .iter()
        .filter(|relay| !answers.contains(relay) && home.as_ref() != Some(*relay));
    gone.flat_map(|relay| shared.end_relayed(relay)).collect()
}

async fn obey(shared: &Arc<Shared>, act: Act, left: &mut BTreeSet<NodeKey>) {
    match act {
        Act::GiveUp(relay) => {
            tracing::info!(%relay, "a relay is there no more");
            shared.link.hush();
            left.extend(shared.give_up_relay(&relay));
        }
        Act::Leave(relay) => {
            shared.link.leave_relay(&relay).await;
            left.extend(shared.end_relayed(&relay));
        }
        Act::Renew(relay) => {
            tracing::debug!(%relay, "a relay is begun anew with");
            shared.link.renew_relay(&relay).await;
            left.extend(shared.end_relayed(&relay));
        }
    }
}

/// Says in the record of this node by which relay it can be reached.
fn say(shared: &Shared, home: Option<&Home>) {
    let relays = shared.link.relays();
    let first = home.map(|home| &home.relay);
    let others = relays.iter().filter(|relay| Some(*relay) != first);
    let told: Vec<RelayUrl> = first.into_iter().chain(others).cloned().collect();
    if shared.local.set_relays(told) {
        shared.announced.send_modify(|version| *version += 1);
    }
    if let Some(Home { relay, state: HomeState::Refused(reason) }) = home {
        tracing::warn!(%relay, reason, "a relay refuses this node");
    }
}

/// Finds again the nodes that a relay led to.
fn reach(shared: &Arc<Shared>, left: &mut BTreeSet<NodeKey>) {
    for node in std::mem::take(left) {
        let task = Arc::clone(shared);
        // Who calls it meanwhile waits for the same dial.
        shared.spawn(async move { drop(task.connection(node).await) });
    }
}

fn is_connected(home: Option<&Home>) -> bool {
    home.is_some_and(|home| home.state == HomeState::Connected)
}
