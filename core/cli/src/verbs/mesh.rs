//! `invite` and `join`: tickets.

use super::run::Context;
use crate::args::Invite;
use crate::{input, output};
use hubless::Result;
use hubless::home::Home;
use hubless::membership::Ticket;
use hubless::node::InviteOptions;
use serde_json::json;

/// Longest ticket that is read.
const TICKET_BYTES: u64 = 64 * 1024;

/// Prints a ticket; a running node of this user redeems it.
///
/// # Errors
/// `configuration` (`no_minter`) when no running node can be reached from elsewhere.
pub(super) async fn invite(context: &Context, options: Invite) -> Result<()> {
    let home = Home::open(context.settings.home())?;
    let wanted = InviteOptions {
        role: options.role,
        groups: options.groups,
        zones: options.zones,
        ttl_s: options.ttl,
        uses: options.uses,
        local: options.local,
        bearer: options.bearer,
    };
    let ticket = hubless::node::invite(home, wanted).await?;
    if context.json {
        output::object("ticket", &json!({ "ticket": ticket }))
    } else {
        output::line(&ticket)?;
        output::say("a secret: whoever has it may join, with `hubless join -`");
        if options.bearer {
            output::say(
                "a bearer ticket: nobody counts how often it is used until it ends, and who joined \
                 stays a member if a node of this mesh renews its token before that",
            );
            if ticket.parse::<Ticket>()?.minters.is_empty() {
                output::say(
                    "it names no node, since none of yours can be reached: unless who joins finds \
                     one otherwise, nobody renews its token and it is out when the ticket ends",
                );
            }
        }
        Ok(())
    }
}

/// Joins the mesh of a ticket; nodes started later are members of it.
///
/// # Errors
/// As [`hubless::node::join`].
pub(super) async fn join(context: &Context, ticket: &str) -> Result<()> {
    let ticket = match ticket {
        "-" => input::text("ticket", TICKET_BYTES)?,
        given => given.to_owned(),
    };
    let ca = context.settings.relay_ca();
    let mesh = hubless::node::join_by(context.settings.home(), &ticket, ca.as_deref()).await?;
    if context.json {
        output::object("joined", &json!({ "meshId": mesh }))
    } else {
        output::line(&format!("joined mesh {mesh}"))
    }
}
