//! Joining a mesh by ticket, and writing tickets for others.

use super::dials::tries;
use super::frames::{FrameReader, FrameWriter};
use super::local::Local;
use super::{Listen, book, hello, relays};
use crate::audit;
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::{Bind, CloseReason, Link, Paths, Tunnel};
use crate::membership::{self, InviteOptions, Membership, Minter, Ticket};
use crate::runtime::records;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::record;
use hubless_proto::wire::v1;
use std::path::Path;
use tokio::time::timeout;

/// Writes an invite to the user's own mesh and gives the ticket for it. It names the running
/// nodes of this user that can be reached from elsewhere. Blocks for milliseconds.
///
/// # Errors
/// `configuration` with code `no_minter` when there is none; `invalid_argument` for the options.
pub fn invite(home: &Home, options: &InviteOptions) -> Result<Ticket> {
    let own = Membership::open(home, super::MeshChoice::Own)?;
    membership::invite(home, &running(home, &own), options, now_ms())
}

/// As [`invite`], from a running node of the user's own mesh, which the ticket names even before
/// its record is in the runtime folder.
///
/// # Errors
/// As [`invite`].
pub fn invite_beside(home: &Home, node: Minter, options: &InviteOptions) -> Result<Ticket> {
    let own = Membership::open(home, super::MeshChoice::Own)?;
    let mut minters = running(home, &own);
    minters.retain(|minter| minter.node != node.node);
    minters.insert(0, node);
    membership::invite(home, &minters, options, now_ms())
}

/// Joins the mesh of a ticket: every node that this data folder starts from then on is in it,
/// unless told otherwise.
///
/// The invite is shown only to a node that proved to be of that mesh. A bearer ticket is used
/// here alone: no node is asked, and the token that it gives is renewed by one in time.
///
/// # Errors
/// `denied` when the invite is used up, over, or unknown; when no minter of the ticket admits this
/// data folder, the failure that says most, with what became of each of them in its message: what
/// one refused with, before `transport` of those that did not answer or were not reached;
/// `configuration` without a home that can be written.
///
/// # Cancellation
/// Dropping the future may cost a use of the invite.
pub async fn join(home: &Home, ticket: &Ticket) -> Result<MeshId> {
    join_by(home, ticket, None).await
}

/// As [`join`]; relays of the ticket are believed by the certificates of this file, in PEM, and by
/// no others; none: by those that this machine trusts.
///
/// # Errors
/// As [`join`]; `configuration`, code `tls`, for the file.
///
/// # Cancellation
/// As [`join`].
pub async fn join_by(home: &Home, ticket: &Ticket, relay_ca: Option<&Path>) -> Result<MeshId> {
    let mesh = ticket.mesh;
    let held = home.clone();
    let member = tokio::task::spawn_blocking(move || membership::member_key(&held, mesh));
    let member = member.await.unwrap_or_else(|_| Err(internal()))?;
    let key = keys::fresh()?;
    let token = match ticket.admit(&member.public())? {
        Some(token) => token,
        None => ask_minters(&key, (ticket, relay_ca), &member).await?,
    };
    membership::check_member(&token, mesh, &member, key.node_key(), now_ms())?;
    let (home, ticket) = (home.clone(), ticket.clone());
    let saved = tokio::task::spawn_blocking(move || {
        membership::save(&home, &ticket, &token, now_ms())?;
        audit::record_in(&home, Entry::of(Event::MeshJoined).mesh(mesh));
        Ok(())
    });
    saved.await.unwrap_or_else(|_| Err(internal()))?;
    tracing::info!(%mesh, "joined a mesh");
    Ok(mesh)
}

/// Fetches a token from a minter of the ticket, as a node of this key.
async fn ask_minters(
    key: &SecretKey,
    (ticket, relay_ca): (&Ticket, Option<&Path>),
    member: &SecretKey,
) -> Result<Vec<u8>> {
    let near = ticket.minters.iter().flat_map(|minter| &minter.addresses);
    let ca = relay_ca.map(Path::to_owned);
    let relays = relays::pass_of_ticket(ticket, key.node_key(), ca).await?;
    let is_here = near.clone().all(|address| address.ip().is_loopback()) && relays.is_none();
    let listen = if is_here { Listen::Loopback } else { Listen::All };
    let bind = Bind { key, listen: &listen, port: 0, relays, paths: Paths::All };
    let link = Link::bind(bind).await?;
    let local = Local::new(key.clone(), Membership::outsider(ticket.mesh))?;
    let outcome = redeem(&link, &local, ticket, member).await;
    link.close().await;
    outcome
}

/// Asks one minter after the other; those that cannot be reached as often as a call would.
async fn redeem(
    link: &Link,
    local: &Local,
    ticket: &Ticket,
    member: &SecretKey,
) -> Result<Vec<u8>> {
    let mut failed: Vec<Option<Error>> = vec![None; ticket.minters.len()];
    let mut tries = tries();
    loop {
        for (minter, why) in ticket.minters.iter().zip(&mut failed) {
            // One that was reached may have taken the invite: a second use may be one too many.
            if why.as_ref().is_some_and(|why| why.code != "dial") {
                continue;
            }
            match ask(link, local, (ticket, minter), member).await {
                Ok(token) => return Ok(token),
                // It looked at the invite: another one would say the same.
                Err(error) if error.kind == Kind::Denied && error.code != "no_minter" => {
                    return Err(error.with_operation("join"));
                }
                Err(error) => *why = Some(error),
            }
        }
        let unreached = failed.iter().flatten().any(|why| why.code == "dial");
        if !unreached || !tries.again().await {
            break;
        }
    }
    let nodes = ticket.minters.iter().map(|minter| minter.node);
    let failed = nodes.zip(failed).filter_map(|(node, why)| Some((node, why?)));
    Err(most_telling(failed.collect()).with_operation("join"))
}

/// Asks one minter once.
async fn ask(
    link: &Link,
    local: &Local,
    (ticket, minter): (&Ticket, &Minter),
    member: &SecretKey,
) -> Result<Vec<u8>> {
    let tunnel = link.dial(minter.node, &minter.addresses, &minter.relays).await?;
    let outcome = timeout(limits::HELLO, show(&tunnel, local, ticket, member)).await;
    tunnel.close(CloseReason::Goodbye);
    outcome.unwrap_or_else(|_| Err(silent()))
}

/// The failure that says most, with what became of each minter: a refusal before one that broke
/// off, and that before one that was not reached.
fn most_telling(failed: Vec<(NodeKey, Error)>) -> Error {
    let rank = |why: &Error| match why.code.as_str() {
        "dial" => 0,
        _ if why.kind == Kind::Transport => 1,
        _ => 2,
    };
    let each = failed.iter().map(|(node, why)| format!("{node}: {}", why.message));
    let each: Vec<String> = each.collect();
    let Some((_, most)) = failed.into_iter().max_by_key(|(_, why)| rank(why)) else {
        return silent();
    };
    if each.len() == 1 {
        return most;
    }
    let message = format!("no node of the ticket admits this one: {}", each.join("; "));
    Error { message, ..most }
}

/// Shows the invite to a node of the mesh and takes its token.
async fn show(
    tunnel: &Tunnel,
    local: &Local,
    ticket: &Ticket,
    member: &SecretKey,
) -> Result<Vec<u8>> {
    let (send, recv) = tunnel.open().await?;
    let (mut writer, mut reader) = (FrameWriter::new(send), FrameReader::new(recv));
    hello::greet(&mut writer, tunnel, local).await?;
    let membership = local.membership();
    let check = |token: &[u8], node| membership.verify(token, node, now_ms());
    let greeting = hello::read(&mut reader, tunnel, ticket.mesh, check).await?;
    if !greeting.is_member() {
        let message = "the node of the ticket shows no token of that mesh";
        return Err(Error::refusal(Kind::Auth, "no_token", message));
    }
    hello::acknowledge(&mut writer, &greeting).await?;
    let redeem = v1::Redeem {
        invite: bytes::Bytes::copy_from_slice(ticket.invite().unwrap_or_default()),
        member_key: bytes::Bytes::copy_from_slice(&member.public()),
    };
    writer.message(FrameType::Redeem, &redeem).await.map_err(hello::ended)?;
    loop {
        let frame = reader.next().await.map_err(hello::ended)?;
        if frame.kind == FrameType::Redeemed {
            let redeemed: v1::Redeemed = decode(frame.kind, frame.body)?;
            return match redeemed.rejection {
                None => Ok(redeemed.token.to_vec()),
                Some(rejection) => Err(rejection.into()),
            };
        }
    }
}

/// Running nodes of this user in the mesh of `membership`.
fn running(home: &Home, membership: &Membership) -> Vec<Minter> {
    let now = now_ms();
    let of = |announcement: v1::NodeAnnouncement| {
        let opened = record::open::<v1::NodeRecord>(&announcement.node?, None, now).ok()?;
        membership.verify(&opened.body.token, opened.author, now).ok()?;
        let addresses = opened.body.addresses.iter().filter_map(|text| text.parse().ok());
        let relays = book::relays_of(&opened.body);
        Some(Minter { node: opened.author, addresses: addresses.collect(), relays })
    };
    records(home).into_iter().filter_map(of).collect()
}

fn silent() -> Error {
    Error::new(Kind::Transport, "no node of the ticket answered").with_code("no_answer")
}

fn internal() -> Error {
    Error::new(Kind::Internal, "file work broke off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_failure_that_says_most_and_names_every_minter() {
        let node = |byte| NodeKey::from_bytes([byte; 32]);
        let failure = |kind, code: &str| Error::new(kind, format!("said {code}")).with_code(code);
        let unreached = || failure(Kind::Transport, "dial");
        let lost = || failure(Kind::Transport, "lost");
        let refused = || failure(Kind::Auth, "no_token");
        for (failed, code) in [
            (vec![unreached(), unreached()], "dial"),
            (vec![lost(), unreached()], "lost"),
            (vec![refused(), lost(), unreached()], "no_token"),
            (vec![unreached(), refused(), lost()], "no_token"),
        ] {
            let failed: Vec<_> = (1..).map(node).zip(failed).collect();
            let told = most_telling(failed.clone());
            assert_eq!(told.code, code, "{failed:?}");
            for (node, why) in failed {
                let part = format!("{node}: {}", why.message);
                assert!(told.message.contains(&part), "{}", told.message);
            }
        }
        assert_eq!(most_telling(vec![(node(1), refused())]), refused());
        assert_eq!(most_telling(Vec::new()).code, "no_answer");
    }
}
