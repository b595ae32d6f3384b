//! `pin` and `secret`: what the data folder keeps for the user.

use super::run::{Context, GRACE};
use crate::args::{Pin, Secret};
use crate::output;
use hubless::{Error, Kind, Result};
use hubless_proto::wire::v1;
use serde_json::json;
use std::io::Read;
use zeroize::Zeroizing;

/// Names that are bound to one key.
///
/// # Errors
/// `not_found` for a name that is not pinned; `configuration` for the file.
pub(super) async fn pin(context: &Context, action: Pin) -> Result<()> {
    let node = context.node().await?;
    let done = match action {
        Pin::List => node.pins().list().and_then(|pins| {
            pins.iter().try_for_each(|pin| {
                if context.json {
                    output::object("pin", pin)
                } else {
                    output::line(&format!("{:<24} {}", pin.name, pin.agent_id))
                }
            })
        }),
        Pin::Set { name, agent } => agent.parse().and_then(|id| node.pins().set(&name, id)),
        Pin::Remove { name } => node.pins().remove(&name).and_then(|was| there(was, &name)),
    };
    node.close(GRACE).await;
    done
}

/// Credentials, whose secrets are read from stdin and never printed.
///
/// # Errors
/// `not_found` for a target without one; `invalid_argument` for an empty secret.
pub(super) async fn secret(context: &Context, action: Secret) -> Result<()> {
    let node = context.node().await?;
    let kept = node.credentials();
    let done = match action {
        Secret::List => kept.list().and_then(|targets| {
            targets.iter().try_for_each(|target| {
                if context.json {
                    output::object("secret", &json!({ "target": target }))
                } else {
                    output::line(target)
                }
            })
        }),
        Secret::Set { target, scheme } => typed().and_then(|secret| {
            kept.store(&target, v1::Auth { scheme, secret: secret.trim().to_owned() })
        }),
        Secret::Remove { target } => kept.remove(&target).and_then(|was| there(was, &target)),
    };
    node.close(GRACE).await;
    done
}

fn there(was: bool, name: &str) -> Result<()> {
    let missing = || Error::new(Kind::NotFound, format!("there is nothing for {name}"));
    was.then_some(()).ok_or_else(missing)
}

fn typed() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|error| Error::new(Kind::InvalidArgument, format!("cannot read stdin: {error}")))?;
    if text.trim().is_empty() {
        return Err(Error::invalid("secret", "expected the secret on stdin, got nothing"));
    }
    Ok(text)
}
