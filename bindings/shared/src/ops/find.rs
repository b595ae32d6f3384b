//! Finding agents.

use super::stream::{Source, open};
use super::{Job, Outcome, unknown};
use crate::json::parse::required;
use hubless::node::FindOptions;
use hubless_proto::error::Result;
use hubless_proto::query::Query;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FindIn {
    query: Option<Value>,
    wait_ms: Option<u64>,
    #[serde(default)]
    explain: bool,
}

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    let find: FindIn = job.read()?;
    let query = Query::read(required("query", find.query)?)?;
    let mut options = FindOptions { explain: find.explain, ..FindOptions::default() };
    if let Some(wait) = find.wait_ms {
        options.wait = Duration::from_millis(wait);
    }
    let node = job.session.node()?;
    match name {
        "find" => Ok(Outcome::of(&json!({"agents": node.find(query, options).await?}))),
        "peer" => Ok(Outcome::of(&node.peer(query, options).await?)),
        "discover" => Ok(open(job.session, Source::Discovery(node.discover(query, options)?))),
        "watch" => Ok(open(job.session, Source::Watch(node.watch(query)?))),
        _ => unknown(name),
    }
}
