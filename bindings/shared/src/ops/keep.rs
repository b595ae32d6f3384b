//! What a node keeps: templates, credentials, its own auth mechanism, pins.

use super::{Job, Outcome, unknown};
use crate::foreign::{HostChecks, HostCredentials};
use crate::json::parse::required;
use hubless::node::Secret;
use hubless_proto::Error;
use hubless_proto::error::Result;
use hubless_proto::policy::AuthRule;
use hubless_proto::wire::v1;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeepIn {
    name: Option<String>,
    template: Option<Value>,
    target: Option<String>,
    scheme: Option<String>,
    secret: Option<String>,
    provider: Option<String>,
    auth: Option<Value>,
    agent_id: Option<String>,
}

/// Keeps changes in the order in which they were begun. It is one for all sessions, which may share
/// the files, and is held for as long as one change takes.
static ORDER: Mutex<()> = Mutex::const_new(());

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    // Before the first wait: up to there operations run in the order of the host.
    let _turn = ORDER.lock().await;
    // Stores read and write files.
    tokio::task::yield_now().await;
    let keep: KeepIn = job.read()?;
    match name {
        "template.set" | "template.remove" | "template.list" => template(&job, name, keep),
        "credential.set" | "credential.remove" => credential(&job, name, keep),
        "pin.list" | "pin.set" | "pin.remove" => pin(&job, name, keep),
        "auth.global" => auth(&job, keep).await,
        _ => unknown(name),
    }
}

fn template(job: &Job<'_>, name: &str, keep: KeepIn) -> Result<Outcome> {
    let node = job.session.node()?;
    let templates = node.templates();
    if name == "template.list" {
        return Ok(Outcome::of(&json!({"templates": templates.list()})));
    }
    let key = required("name", keep.name)?;
    if name == "template.set" {
        templates.set(&key, required("template", keep.template)?)?;
        return Ok(Outcome::empty());
    }
    Ok(Outcome::of(&json!({"removed": templates.remove(&key)})))
}

fn credential(job: &Job<'_>, name: &str, keep: KeepIn) -> Result<Outcome> {
    let node = job.session.node()?;
    let credentials = node.credentials();
    let target = required("target", keep.target)?;
    if name == "credential.remove" {
        return Ok(Outcome::of(&json!({"removed": credentials.remove(&target)?})));
    }
    let secret = match (keep.secret, keep.provider) {
        (Some(secret), None) => {
            let scheme = keep.scheme.unwrap_or_else(|| "shared_secret".to_owned());
            Secret::Plain(v1::Auth { scheme, secret })
        }
        (None, Some(key)) => {
            let session = Arc::downgrade(job.session);
            Secret::Provider(Arc::new(HostCredentials { session, key }))
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("secret", "expected either secret or provider"));
        }
    };
    credentials.set(&target, secret)?;
    Ok(Outcome::empty())
}

fn pin(job: &Job<'_>, name: &str, keep: KeepIn) -> Result<Outcome> {
    let node = job.session.node()?;
    let pins = node.pins();
    if name == "pin.list" {
        return Ok(Outcome::of(&json!({"pins": pins.list()?})));
    }
    let key = required("name", keep.name)?;
    if name == "pin.set" {
        let agent = required("agentId", keep.agent_id)?;
        let agent = agent.parse().map_err(|e: Error| e.with_field("agentId"))?;
        pins.set(&key, agent)?;
        return Ok(Outcome::empty());
    }
    Ok(Outcome::of(&json!({"removed": pins.remove(&key)?})))
}

async fn auth(job: &Job<'_>, keep: KeepIn) -> Result<Outcome> {
    let rule = AuthRule::read(required("auth", keep.auth)?)?;
    let session = Arc::downgrade(job.session);
    let host = HostChecks { session, gate: None };
    job.session.node()?.set_auth(rule, Some(Arc::new(host))).await?;
    Ok(Outcome::empty())
}
