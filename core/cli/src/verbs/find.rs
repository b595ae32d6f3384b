//! `find`: agents by what they can do.

use super::run::{Context, GRACE};
use crate::args::Find;
use crate::output;
use hubless::node::FindOptions;
use hubless::{Error, Found, Kind, Result};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::Duration;

/// Prints what was found, best first.
///
/// # Errors
/// `not_found` when nothing was; `invalid_argument` for the filter.
pub(super) async fn run(context: &Context, options: Find) -> Result<()> {
    let query = query(&options)?;
    let how = FindOptions { wait: Duration::from_millis(options.wait), explain: options.explain };
    let node = context.node().await?;
    let found = node.find(query, how).await;
    node.close(GRACE).await;
    let found = found?;
    for agent in &found {
        if context.json {
            output::object("found", agent)?;
        } else {
            print(agent)?;
        }
    }
    if found.is_empty() {
        let message = "no agent matches: start one as this user with the same HUBLESS_HOME; \
                       `hubless doctor` says what may be in the way";
        return Err(Error::new(Kind::NotFound, message).with_operation("find"));
    }
    Ok(())
}

/// Prints one agent for a person.
pub(super) fn print(agent: &Found) -> Result<()> {
    let skills: Vec<_> = agent.skills.iter().map(|skill| skill.id.as_str()).collect();
    let about = agent.description.lines().next().unwrap_or_default();
    output::line(&format!(
        "{:<24} {}  {:.3}  [{}]  {about}",
        agent.name,
        agent.address,
        agent.score,
        skills.join(" "),
    ))?;
    for part in agent.explain.iter().flatten() {
        output::line(&format!("    {:<10} {:.3} × {:.2}", part.signal, part.value, part.weight))?;
    }
    Ok(())
}

fn query(options: &Find) -> Result<Query> {
    let mut body = json!({ "limit": options.limit, "tags": options.tag });
    if !options.text.is_empty() {
        body["text"] = Value::from(options.text.join(" "));
    }
    if let Some(skill) = &options.skill {
        body["skill"] = Value::from(skill.as_str());
    }
    if let Some(filter) = &options.filter {
        let read = serde_json::from_str::<Value>(filter);
        body["filter"] = read.map_err(|_| Error::invalid("filter", "expected JSON"))?;
    }
    Query::read(body)
}
