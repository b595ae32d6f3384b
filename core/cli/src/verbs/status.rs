//! `status`: this mesh as a node of it sees it.

use super::run::{Context, GRACE};
use crate::output;
use hubless::Result;
use hubless::node::{FindOptions, Scope};
use hubless_proto::query::Query;
use serde_json::json;

/// Prints mesh, nodes and agents.
///
/// # Errors
/// What keeps a node from starting.
pub(super) async fn run(context: &Context) -> Result<()> {
    let node = context.node().await?;
    // The first look at the runtime folder is over when a search has been answered.
    let looked = node.find(Query::read(json!({}))?, FindOptions::default()).await;
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
                "peers": status.peers, "agents": agents, "relays": status.relays,
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
        output::line(&format!("  {}  agents: {}", peer.node_key, peer.agents))?;
    }
    output::line(&format!("agents   {}", agents.len()))?;
    agents.iter().try_for_each(super::find::print)
}
