//! `pin` and `secret`: what the data folder keeps for the user.

use super::run::Context;
use crate::args::{Pin, Secret};
use crate::{input, output};
use hubless::home::Home;
use hubless::node::{Credentials, Pins};
use hubless::{Error, Kind, Result};
use hubless_proto::wire::v1;
use serde_json::json;

/// Names that are bound to one key.
///
/// # Errors
/// `not_found` for a name that is not pinned; `configuration` for the file.
pub(super) fn pin(context: &Context, action: Pin) -> Result<()> {
    let pins = Pins::of(Home::open(context.settings.home())?);
    match action {
        Pin::List => {
            let all = pins.list()?;
            if all.is_empty() && !context.json {
                output::say("no name is pinned");
            }
            all.iter().try_for_each(|pin| {
                if context.json {
                    output::object("pin", pin)
                } else {
                    output::line(&format!("{:<24} {}", pin.name, pin.agent_id))
                }
            })
        }
        Pin::Set { name, agent } => {
            let id = agent.parse().map_err(|_| {
                Error::invalid("agent", "expected the id of an agent, did:key:… (hubless find)")
            })?;
            pins.set(&name, id)?;
            done(context, "pin", json!({ "name": name.to_lowercase(), "agentId": id }))
        }
        Pin::Remove { name } => {
            there(pins.remove(&name)?, &name)?;
            done(context, "removed", json!({ "name": name }))
        }
    }
}

/// Credentials, whose secrets are read from stdin and never printed.
///
/// # Errors
/// `not_found` for a target without one; `invalid_argument` for an empty secret.
pub(super) fn secret(context: &Context, action: Secret) -> Result<()> {
    let kept = Credentials::open(Home::open(context.settings.home())?);
    match action {
        Secret::List => {
            let targets = kept.list()?;
            if targets.is_empty() && !context.json {
                output::say("no credential is kept");
            }
            targets.iter().try_for_each(|target| {
                if context.json {
                    output::object("secret", &json!({ "target": target }))
                } else {
                    output::line(target)
                }
            })
        }
        Secret::Set { target, scheme } => {
            let secret = input::secret("secret", &format!("the secret for {target}"))?;
            let secret = secret.to_string();
            kept.store(&target, v1::Auth { scheme: scheme.clone(), secret })?;
            done(context, "secret", json!({ "target": target, "scheme": scheme }))
        }
        Secret::Remove { target } => {
            there(kept.remove(&target)?, &target)?;
            done(context, "removed", json!({ "target": target }))
        }
    }
}

/// Says in JSON what was done; a person is told of faults only.
fn done(context: &Context, schema: &str, body: serde_json::Value) -> Result<()> {
    if context.json { output::object(schema, &body) } else { Ok(()) }
}

fn there(was: bool, name: &str) -> Result<()> {
    let missing = || Error::new(Kind::NotFound, format!("there is nothing for {name}"));
    was.then_some(()).ok_or_else(missing)
}
