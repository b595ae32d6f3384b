//! `serve`: any program over stdio as an agent, until a signal ends it.

#[cfg(feature = "metrics")]
use super::metrics;
use super::run::Context;
use crate::args::Serve;
use crate::output;
use hubless::node::{EndSignals, SkillOptions};
use hubless::{Error, Kind, Result};
#[cfg(feature = "metrics")]
use hubless_edge::http::MetricsEdge;
use hubless_edge::stdio::{StdioAgent, StdioOptions};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Serves until a signal, then lets running calls end; a second signal does not wait for them.
///
/// # Errors
/// `configuration` when the program does not start, or for an address that cannot be used; as
/// registration.
pub(super) async fn run(context: &Context, options: Serve) -> Result<()> {
    let name = options.node.clone();
    #[cfg(feature = "metrics")]
    let metrics = metrics::options(options.metrics.as_deref())?;
    let stdio = stdio(options)?;
    let mut signals = EndSignals::listen()?;
    let node = context.lasting_node(name).await?;
    // Open until the end: what runs last is counted too.
    #[cfg(feature = "metrics")]
    let metrics = metrics::open(&node, metrics).await?;
    #[cfg(feature = "metrics")]
    let page = metrics.as_ref().map(MetricsEdge::url);
    #[cfg(not(feature = "metrics"))]
    let page = None;
    let served = tokio::select! {
        served = StdioAgent::start(&node, stdio) => served,
        () = signals.next() => Err(interrupted()),
    };
    let told = match &served {
        Ok(served) => tell(context, served, page),
        Err(_) => Ok(()),
    };
    if served.is_ok() && told.is_ok() {
        signals.next().await;
        let calls = node.status().calls;
        if calls > 0 {
            output::say(&format!("ending: calls that run ({calls}) have 10 s"));
        }
    }
    tokio::select! {
        () = node.close(limits::CLOSE_GRACE) => {}
        () = signals.next() => node.close(Duration::ZERO).await,
    }
    served?.close().await;
    told
}

fn stdio(options: Serve) -> Result<StdioOptions> {
    let launcher = std::env::current_exe().map_err(|error| {
        Error::new(Kind::Internal, format!("cannot find the program of this process: {error}"))
    })?;
    let mut stdio = StdioOptions::new(launcher, &options.command)?;
    stdio.concurrency = options.concurrency;
    stdio.name = options.name;
    stdio.tags = options.tag;
    stdio.identity = options.identity;
    stdio.environment = options.env;
    if let Some(file) = &options.skill_file {
        stdio.skills = skills(file)?;
    }
    Ok(stdio)
}

/// Says that the agent can be called, and where its metrics are, if they are anywhere.
fn tell(context: &Context, served: &StdioAgent, metrics: Option<String>) -> Result<()> {
    let agent = served.agent();
    if context.json {
        let address = agent.address().to_string();
        let mut body = json!({ "name": agent.name(), "agentId": agent.id(), "address": address });
        if let Some(url) = metrics {
            body["metrics"] = url.into();
        }
        return output::object("serving", &body);
    }
    output::say(&format!("serving {} at {}", agent.name(), agent.address()));
    if let Some(url) = metrics {
        output::say(&format!("metrics: {url}"));
    }
    Ok(())
}

fn interrupted() -> Error {
    Error::new(Kind::Cancelled, "ended by a signal").with_code(output::INTERRUPTED)
}

/// One skill, or a list.
fn skills(file: &Path) -> Result<Vec<SkillOptions>> {
    let place = file.display();
    let wrong = |what: String| Error::invalid("skill-file", what);
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("{place}: {error}")))?;
    // The reader's own words end with line and column.
    let value = serde_json::from_str(&text).map_err(|error| wrong(format!("{place}: {error}")))?;
    let list = match value {
        Value::Array(list) => list,
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![one],
    };
    let read = |skill| {
        SkillOptions::read(skill).map_err(|error| wrong(format!("{place}: {}", error.message)))
    };
    list.into_iter().map(read).collect()
}
