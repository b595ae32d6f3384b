//! `trust`: whom the mesh lets in no more.

use super::run::{Context, GRACE};
use crate::args::Trust;
use crate::output;
use hubless::node::FindOptions;
use hubless::{Error, Node, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::query::Query;
use serde_json::json;

/// Revokes keys, or prints those that are revoked.
///
/// # Errors
/// `denied`, code `not_operator`, to revoke in a mesh that was joined; `invalid_argument` for what
/// is no key.
pub(super) async fn run(context: &Context, action: Trust) -> Result<()> {
    match action {
        Trust::Revoke { keys } => {
            let keys = keys.iter().map(|key| read(key)).collect::<Result<Vec<_>>>()?;
            let node = context.node().await?;
            let done = revoke(&node, &keys).await;
            node.close(GRACE).await;
            let report = done.map_err(|error| error.with_operation("trust"))?;
            if context.json {
                let shown = json!({ "revoked": report.revoked, "told": report.told,
                    "silent": report.silent, "strange": report.strange });
                return output::object("revoked", &shown);
            }
            report.revoked.iter().try_for_each(|key| output::line(&format!("revoked {key}")))?;
            output::say(&format!(
                "{} nodes know of it; {} gave no answer and hear of it from others",
                report.told, report.silent
            ));
            report.strange.iter().for_each(|key| {
                output::say(&format!(
                    "no node {key} is known: if it is not the key of a member, revoke that too \
                     (see hubless trust --help), or it comes back as another node"
                ));
            });
            Ok(())
        }
        Trust::List => {
            let node = context.node().await?;
            let revoked = node.revoked();
            node.close(GRACE).await;
            let revoked = revoked?;
            if revoked.is_empty() && !context.json {
                output::say("no key is revoked");
            }
            revoked.iter().try_for_each(|key| {
                if context.json {
                    output::object("revokedKey", &json!({ "key": key }))
                } else {
                    output::line(&key.to_string())
                }
            })
        }
    }
}

fn read(key: &str) -> Result<NodeKey> {
    key.parse().map_err(|_| {
        Error::invalid("key", "expected the key of a node or member, as hubless status prints it")
    })
}

async fn revoke(node: &Node, keys: &[NodeKey]) -> Result<hubless::node::RevokeReport> {
    // The first look at the runtime folder is over when a search has been answered.
    node.find(Query::read(json!({}))?, FindOptions::default()).await?;
    node.revoke(keys).await
}
