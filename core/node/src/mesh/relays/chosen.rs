//! Which relays a node uses.

use crate::chance::now_ms;
use crate::executor::blocking;
use crate::link::{RelayUrl, Relaying};
use crate::membership::{Membership, Ticket};
use crate::mesh::dialling::may_reach;
use crate::mesh::local::Local;
use crate::web::Roots;
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits::{self, ms};
use std::path::PathBuf;
use std::sync::Arc;

/// The relays that were named, or else those of the ticket by which the mesh was joined; none:
/// there are neither.
///
/// # Errors
/// `invalid_argument` for more than a node uses; `configuration`, code `tls`, for the file of
/// certificates.
pub(in crate::mesh) async fn relaying(
    named: Vec<RelayUrl>,
    roots: Option<PathBuf>,
    local: &Arc<Local>,
) -> Result<Option<Relaying>> {
    let urls = if named.is_empty() { of_ticket(local.membership()) } else { unlike(named)? };
    if urls.is_empty() {
        return Ok(None);
    }
    let local = Arc::clone(local);
    let pass = Arc::new(move || local.membership().relay_token(local.node(), now_ms()));
    Ok(Some(Relaying { urls, roots: read(roots).await?, pass, may_reach }))
}

/// Relays of a ticket, for the node that comes with it; none: it names none.
///
/// # Errors
/// As [`relaying`]; `auth` for a ticket whose pass is not of its mesh.
pub(in crate::mesh) async fn pass_of_ticket(
    ticket: &Ticket,
    node: NodeKey,
    roots: Option<PathBuf>,
) -> Result<Option<Relaying>> {
    let mut urls: Vec<RelayUrl> = Vec::new();
    for relay in ticket.minters.iter().flat_map(|minter| &minter.relays) {
        if !urls.contains(relay) && urls.len() < limits::NODE_RELAYS {
            urls.push(relay.clone());
        }
    }
    if urls.is_empty() {
        return Ok(None);
    }
    let until_ms = now_ms().saturating_add(ms(limits::NODE_TOKEN_LIFE));
    let pass = ticket.pass(node, until_ms)?.unwrap_or_default();
    let pass = Arc::new(move || Ok(pass.clone()));
    Ok(Some(Relaying { urls, roots: read(roots).await?, pass, may_reach }))
}

async fn read(roots: Option<PathBuf>) -> Result<Option<Roots>> {
    let Some(file) = roots else { return Ok(None) };
    blocking(move || Roots::read("relay_ca", &file)).await.map(Some)
}

/// Each once, the first of its kind, as many as a node uses.
fn unlike(named: Vec<RelayUrl>) -> Result<Vec<RelayUrl>> {
    let mut urls = Vec::new();
    for relay in named {
        if !urls.contains(&relay) {
            urls.push(relay);
        }
    }
    let most = limits::NODE_RELAYS;
    if urls.len() > most {
        let message = format!("expected at most {most} relays");
        return Err(Error::invalid("relays", message).with_limit("NODE_RELAYS", most as u64));
    }
    Ok(urls)
}

fn of_ticket(membership: &Membership) -> Vec<RelayUrl> {
    let mut urls: Vec<RelayUrl> = Vec::new();
    for relay in membership.contacts().iter().flat_map(|contact| &contact.relays) {
        if !urls.contains(relay) && urls.len() < limits::NODE_RELAYS {
            urls.push(relay.clone());
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_uses_so_many_relays() {
        let of = |many: usize| {
            let relay = |number: usize| format!("https://r{number}.example").parse().unwrap();
            let twice = (0..many).chain(0..many);
            unlike(twice.map(relay).collect()).map(|urls| urls.len())
        };
        assert_eq!(of(limits::NODE_RELAYS), Ok(limits::NODE_RELAYS));
        let error = of(limits::NODE_RELAYS + 1).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("relays"));
        assert_eq!(error.limit.unwrap().name, "NODE_RELAYS");
    }
}
