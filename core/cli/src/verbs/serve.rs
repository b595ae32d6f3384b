//! `serve`: any program over stdio as an agent, until a signal ends it.

use super::run::Context;
use crate::args::Serve;
use crate::output;
use hubless::node::{EndSignals, SkillOptions};
use hubless::{Error, Result};
use hubless_edge::stdio::{StdioAgent, StdioOptions};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::path::Path;

/// Serves until SIGTERM or Ctrl-C, then lets running calls end.
///
/// # Errors
/// `configuration` when the program does not start; as registration.
pub(super) async fn run(context: &Context, options: Serve) -> Result<()> {
    let mut stdio = StdioOptions::new(&options.command)?;
    stdio.concurrency = options.concurrency.max(1);
    stdio.name = options.name;
    stdio.tags = options.tag;
    stdio.environment = options.env;
    if let Some(file) = &options.skill_file {
        stdio.skills = skills(file)?;
    }
    let mut signals = EndSignals::listen()?;
    let node = context.node().await?;
    let served = StdioAgent::start(&node, stdio).await;
    if let Ok(served) = &served {
        let agent = served.agent();
        if context.json {
            let address = agent.address().to_string();
            let body = json!({ "name": agent.name(), "agentId": agent.id(), "address": address });
            output::object("serving", &body)?;
        } else {
            output::say(&format!("serving {} at {}", agent.name(), agent.address()));
        }
        signals.next().await;
    }
    node.close(limits::CLOSE_GRACE).await;
    served.map(drop)
}

/// One skill, or a list.
fn skills(file: &Path) -> Result<Vec<SkillOptions>> {
    let wrong = |what: String| Error::invalid("skill-file", format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let list = match value {
        Value::Array(list) => list,
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![one],
    };
    list.into_iter().map(SkillOptions::read).collect()
}
