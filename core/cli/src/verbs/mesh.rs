//! `invite` and `join`: tickets.

use super::run::Context;
use crate::args::Invite;
use crate::output;
use hubless::home::Home;
use hubless::node::InviteOptions;
use hubless::{Error, Kind, Result};
use serde_json::json;
use std::io::Read;

/// Prints a ticket; a running node of this user redeems it.
///
/// # Errors
/// `configuration` (`no_minter`) when no running node can be reached from elsewhere.
pub(super) async fn invite(context: &Context, options: Invite) -> Result<()> {
    let home = Home::open(context.settings.home().as_deref())?;
    let wanted = InviteOptions {
        role: options.role,
        groups: options.groups,
        ttl_s: options.ttl,
        uses: options.uses,
        local: options.local,
    };
    let ticket = hubless::node::invite(home, wanted).await?;
    if context.json {
        output::object("ticket", &json!({ "ticket": ticket }))
    } else {
        output::line(&ticket)
    }
}

/// Joins the mesh of a ticket; nodes started later are members of it.
///
/// # Errors
/// As [`hubless::node::join`].
pub(super) async fn join(context: &Context, ticket: &str) -> Result<()> {
    let ticket = match ticket {
        "-" => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map_err(|error| {
                Error::new(Kind::InvalidArgument, format!("cannot read stdin: {error}"))
            })?;
            text
        }
        given => given.to_owned(),
    };
    let mesh = hubless::node::join(context.settings.home().as_deref(), &ticket).await?;
    if context.json {
        output::object("joined", &json!({ "meshId": mesh }))
    } else {
        output::line(&format!("joined mesh {mesh}"))
    }
}
