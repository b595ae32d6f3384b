//! `status`: this mesh as a node of it sees it.

use super::run::{Context, GRACE};
use crate::output;
use hubless::mesh::RecordsHeld;
use hubless::node::{FindOptions, Scope};
use hubless::{Node, Result};
use hubless_proto::limits;
use hubless_proto::query::Query;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What members tell is taken for whole when nothing was added for so long.
const SETTLED: Duration = Duration::from_millis(250);

/// Prints mesh, nodes and agents.
///
/// # Errors
/// What keeps a node from starting.
pub(super) async fn run(context: &Context) -> Result<()> {
    let node = context.node().await?;
    // The first look at the runtime folder is over when a search has been answered.
    let looked = node.find(Query::read(json!({}))?, FindOptions::default()).await;
    let records = settled(&node).await;
    let agents = looked.and_then(|_| node.list_agents(Scope::All));
    let status = node.status();
    let home = node.home();
    node.close(GRACE).await;
    let agents = agents?;
    if context.json {
        return output::object(
            "status",
            &json!({
                "meshId": status.mesh_id, "home": home, "version": status.version,
                "peers": status.peers, "agents": agents,
                "records": {"held": records.records, "nodes": records.nodes},
            }),
        );
    }
    output::line(&format!("mesh     {}", status.mesh_id))?;
    let home = home.map_or_else(|| "in memory".to_owned(), |home| home.display().to_string());
    output::line(&format!("data     {home}"))?;
    output::line(&format!("version  {}", status.version))?;
    output::line(&format!("nodes    {}", status.peers.len()))?;
    for peer in &status.peers {
        output::line(&format!("  {}  agents: {}", peer.node_key, peer.agents))?;
    }
    output::line(&format!("records  {}", held(records)))?;
    output::line(&format!("agents   {}", agents.len()))?;
    agents.iter().try_for_each(super::find::print)
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
