//! `status`: this mesh as a node of it sees it.

use super::run::{Context, GRACE};
use crate::output;
use hubless::mesh::RecordsHeld;
use hubless::node::{FindOptions, PeerView, Scope};
use hubless::spans::TraceId;
use hubless::{Node, Result};
use hubless_proto::limits;
use hubless_proto::query::Query;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What members tell is taken for whole when nothing was added for so long.
const SETTLED: Duration = Duration::from_millis(250);

/// Prints mesh, nodes and agents. A node that is not reached within `FIND_WAIT` is shown as such.
///
/// # Errors
/// What keeps a node from starting.
pub(super) async fn run(context: &Context) -> Result<()> {
    let node = context.node().await?;
    // The first look at the runtime folder is over when a search has been answered.
    let looked = node.find(Query::read(json!({}))?, FindOptions::default()).await;
    let records = settled(&node).await;
    let agents = looked.and_then(|_| node.list_agents(Scope::All));
    reach(&node).await;
    let status = node.status();
    let home = node.home();
    node.close(GRACE).await;
    let agents = agents?;
    if context.json {
        return output::object(
            "status",
            &json!({
                "meshId": status.mesh_id, "home": home, "version": status.version,
                "peers": status.peers, "agents": agents, "relays": status.relays,
                "records": {"held": records.records, "nodes": records.nodes},
            }),
        );
    }
    output::line(&format!("mesh     {}", status.mesh_id))?;
    let home = home.map_or_else(|| "in memory".to_owned(), |home| home.display().to_string());
    output::line(&format!("data     {home}"))?;
    output::line(&format!("version  {}", status.version))?;
    for relay in &status.relays {
        output::line(&format!("relay    {relay}"))?;
    }
    output::line(&format!("nodes    {}", status.peers.len()))?;
    for peer in &status.peers {
        output::line(&format!("  {}  {}  agents: {}", peer.node_key, way(peer), peer.agents))?;
    }
    output::line(&format!("records  {}", held(records)))?;
    output::line(&format!("agents   {}", agents.len()))?;
    agents.iter().try_for_each(super::find::print)
}

/// Connects to the nodes that are known, since a node that found others has spoken with none yet,
/// and how one is reached shows its connection. They are asked what every member is told at once:
/// what they know of a trace, here of one that nobody has.
async fn reach(node: &Node) {
    let nobodys = TraceId::from_bytes([0xff; 16]);
    // Who was not reached in time, or gave no answer, has no path.
    let _ = timeout(limits::FIND_WAIT, node.trace(nobodys)).await;
}

/// How a node is reached, for a person.
fn way(peer: &PeerView) -> String {
    match (peer.path, peer.rtt_us) {
        (Some(path), Some(us)) => format!("{}, {}.{:03} ms", path.name(), us / 1_000, us % 1_000),
        (Some(path), None) => path.name().to_owned(),
        (None, _) => "not reached".to_owned(),
    }
}

/// The records of the mesh that a node holds once others have told what they hold, waiting for that
/// as long as for agents.
pub(super) async fn settled(node: &Node) -> RecordsHeld {
    let end = Instant::now() + limits::FIND_WAIT;
    let mut last = node.counts().records;
    while Instant::now() + SETTLED <= end {
        sleep(SETTLED).await;
        let records = node.counts().records;
        if records == last {
            break;
        }
        last = records;
    }
    last
}

/// The same in words.
pub(super) fn held(records: RecordsHeld) -> String {
    if records == RecordsHeld::default() {
        return "none: every node that is known is one of this runtime folder".to_owned();
    }
    format!("{} held, of {} nodes", records.records, records.nodes)
}
