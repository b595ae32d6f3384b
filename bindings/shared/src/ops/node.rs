//! The node of a session: start, close, status, invitations.

use super::{Job, Outcome, testing, unknown};
use crate::json::parse::required;
use crate::log;
use crate::session::Session;
use hubless::Node;
use hubless::budget::Orphans;
use hubless::node::{InviteOptions, NodeOptions, ServeOptions};
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind, limits};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "node.start" => start(job).await,
        "node.close" => close(job).await,
        "node.serve" => serve(job).await,
        "node.status" => Ok(Outcome::of(&job.session.node()?.status())),
        "invite" => invite(job).await,
        "join" => join(job).await,
        _ => unknown(name),
    }
}

const START: [&str; 20] = [
    "name",
    "mesh",
    "home",
    "listen",
    "port",
    "lan",
    "zones",
    "relays",
    "relayCa",
    "log",
    "memoryOnly",
    "maxConcurrency",
    "trace",
    "orphans",
    "gateway",
    "gatewayKey",
    "gatewaySigner",
    "refund",
    "testing",
    "numbers",
];

#[derive(Deserialize)]
struct OursIn {
    log: Option<String>,
    orphans: Option<Value>,
    testing: Option<u64>,
    #[serde(default)]
    numbers: Numbers,
}

/// The whole numbers that a host has.
#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Numbers {
    /// All.
    #[default]
    Exact,
    /// Those of a double.
    Double,
}

async fn start(job: Job<'_>) -> Result<Outcome> {
    job.only(&START)?;
    let mut options: NodeOptions = job.read()?;
    options.language = Some(job.session.language);
    let OursIn { log, orphans, testing, numbers } = job.read()?;
    job.session.doubles.store(numbers == Numbers::Double, Ordering::Release);
    if let Some(mesh) = testing {
        testing::enter(&job, mesh, &mut options)?;
    }
    if let Some(orphans) = orphans {
        options.orphans = Orphans::read(&orphans)?;
    }
    if let Some(level) = log {
        let level = level
            .parse()
            .map_err(|_| Error::invalid("log", "expected error, warn, info, debug or trace"))?;
        log::listen(job.session, level);
    }
    if job.session.node().is_ok() {
        return Err(Error::new(Kind::Conflict, "this session has a node"));
    }
    // On the runtime, not on the host's thread: starting opens files and sockets.
    tokio::task::yield_now().await;
    let mut starting = Starting(Some(Node::start(options).await?));
    let Some(node) = starting.0.take() else { return Ok(Outcome::empty()) };
    let out = json!({
        "nodeKey": node.key().to_string(),
        "meshId": node.mesh_id().to_string(),
        "home": node.home(),
        "memoryOnly": node.home().is_none(),
    });
    if let Some(other) = job.session.set_node(Some(node)) {
        let _ = Starting(Some(other));
        return Err(Error::new(Kind::Conflict, "this session has a node"));
    }
    Ok(Outcome::of(&out))
}

/// Closes a node that nobody came to own.
struct Starting(Option<Node>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(node) = self.0.take() {
            // Without a runtime there is nothing left to close.
            let _ = hubless::executor::spawn(async move { node.close(Duration::ZERO).await });
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CloseIn {
    grace_ms: Option<u64>,
}

async fn close(job: Job<'_>) -> Result<Outcome> {
    let CloseIn { grace_ms } = job.read()?;
    let grace = grace_ms.map_or(limits::CLOSE_GRACE, Duration::from_millis);
    end(job.session, grace).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServeIn {
    #[serde(default)]
    until_stdin_ends: bool,
    grace_ms: Option<u64>,
}

async fn serve(job: Job<'_>) -> Result<Outcome> {
    let ServeIn { until_stdin_ends, grace_ms } = job.read()?;
    let grace = grace_ms.map_or(limits::CLOSE_GRACE, Duration::from_millis);
    let node = job.session.node()?;
    node.serve(ServeOptions { until_stdin_ends, grace }).await?;
    end(job.session, grace).await
}

/// Ends the node, and lets go of what the host had open once that is over: running handlers ask
/// on until then.
async fn end(session: &Arc<Session>, grace: Duration) -> Result<Outcome> {
    if let Ok(node) = session.node() {
        let session = Arc::clone(session);
        // What is submitted behind this operation finds the node closing.
        let closing = node.close(grace);
        // Goes on to its end even when the host gives the operation up.
        let closing = hubless::executor::spawn(async move {
            closing.await;
            session.set_node(None);
            crate::handler::cut(&session);
            session.release();
        })?;
        closing.await.map_err(|_| Error::new(Kind::Internal, "closing the node failed"))?;
    }
    Ok(Outcome::empty())
}

async fn invite(job: Job<'_>) -> Result<Outcome> {
    job.only(&["role", "groups", "zones", "ttlS", "uses", "local", "bearer"])?;
    let options: InviteOptions = job.read()?;
    let ticket = job.session.node()?.invite(options).await?;
    Ok(Outcome::of(&json!({ "ticket": ticket })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinIn {
    ticket: Option<String>,
    home: Option<PathBuf>,
}

async fn join(job: Job<'_>) -> Result<Outcome> {
    let JoinIn { ticket, home } = job.read()?;
    let ticket = required("ticket", ticket)?;
    let mesh = hubless::node::join(home.as_deref(), &ticket).await?;
    Ok(Outcome::of(&json!({"meshId": mesh.to_string()})))
}
