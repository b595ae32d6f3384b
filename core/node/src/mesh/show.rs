//! Telling peers without our runtime folder which agents we host. Those that speak of the records
//! of the mesh have them from there, and hear here at once what is taken back.

use super::connection::{Connection, Say};
use super::local::{Agents, hosting_seq};
use super::shared::Shared;
use crate::link::CloseReason;
use hubless_proto::identity::AgentId;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Pause for each agent that is shown: the peer takes 1,000 new ones a second.
const PACE: Duration = Duration::from_micros(1_250);
/// Agents of one HIDE: at most 44 bytes each, id and number, and some more to be safe.
const HIDDEN_AT_ONCE: usize = limits::CONTROL_FRAME_BYTES / 64;

/// Keeps a peer informed of our agents from now on.
pub(super) fn all(shared: &Arc<Shared>, connection: &Arc<Connection>) {
    let (task, connection) = (Arc::clone(shared), Arc::clone(connection));
    shared.spawn(async move {
        let changed = until_end(&task, &connection).await;
        let lately =
            changed.is_some_and(|at| at.elapsed() < limits::HELLO) && !connection.spreads();
        if lately && connection.ended().await == Some(CloseReason::Idle) {
            // The peer took it for idle while this was on its way: it is shown on another one. A
            // peer that cannot be reached learns it when it comes back.
            let _ = task.connection(connection.peer()).await;
        }
    });
}

/// Shows our agents and every change of them; gives the time of the last change.
async fn until_end(shared: &Shared, connection: &Connection) -> Option<Instant> {
    let mut changes = shared.announced.subscribe();
    let mut shown: BTreeMap<AgentId, v1::AgentAnnouncement> = BTreeMap::new();
    let (mut began, mut last) = (false, None);
    loop {
        changes.borrow_and_update();
        let now = by_id(&shared.local.agents());
        let says = difference(&shown, &now);
        if began && !says.is_empty() {
            last = Some(Instant::now());
        }
        began = true;
        // What it has seen by then is taken back in the order of this stream.
        let only_hides = connection.spreads();
        for say in says.into_iter().filter(|say| !only_hides || matches!(say, Say::Hide(_))) {
            let agents = if let Say::Show(show) = &say { show.agents.len() } else { 0 };
            if let Say::Hide(hide) = &say {
                taken_back(connection, hide);
            }
            if connection.control.send(say).await.is_err() {
                return last;
            }
            sleep(PACE * u32::try_from(agents).unwrap_or(u32::MAX)).await;
        }
        shown = now;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return last },
            _ = connection.tunnel.closed() => {
                // What changed at that moment was not shown either.
                let changed = changes.has_changed().is_ok_and(|new| new);
                return if changed { Some(Instant::now()) } else { last };
            }
        }
    }
}

/// Lets an agent that is registered again be shown again.
fn taken_back(connection: &Connection, hide: &v1::Hide) {
    for (agent, seq) in hide.agents.iter().zip(&hide.seqs) {
        if let Ok(agent) = AgentId::from_slice(agent) {
            connection.take_back(agent, *seq);
        }
    }
}

fn by_id(agents: &Agents) -> BTreeMap<AgentId, v1::AgentAnnouncement> {
    agents
        .iter()
        .filter_map(|agent| Some((super::local::agent_id(agent)?, agent.clone())))
        .collect()
}

fn difference(
    before: &BTreeMap<AgentId, v1::AgentAnnouncement>,
    now: &BTreeMap<AgentId, v1::AgentAnnouncement>,
) -> Vec<Say> {
    let mut says = Vec::new();
    let gone: Vec<_> = before.iter().filter(|(id, _)| !now.contains_key(id)).collect();
    for some in gone.chunks(HIDDEN_AT_ONCE) {
        let agents = some.iter().map(|(id, _)| id.to_wire()).collect();
        let seqs = some.iter().map(|(_, agent)| hosting_seq(agent)).collect();
        says.push(Say::Hide(v1::Hide { agents, seqs }));
    }
    let mut show = v1::Show::default();
    let mut size = 0;
    let new = now.iter().filter(|(id, agent)| before.get(id) != Some(agent));
    for (_, agent) in new {
        let bytes = agent.encoded_len() + 8;
        if size + bytes > limits::CONTROL_FRAME_BYTES {
            says.push(Say::Show(std::mem::take(&mut show)));
            size = 0;
        }
        size += bytes;
        show.agents.push(agent.clone());
    }
    if !show.agents.is_empty() {
        says.push(Say::Show(show));
    }
    says
}
