//! The life of a connection: introductions, control frames, the peer's streams, its end.

use super::book::Hears;
use super::connection::{Connection, Say};
use super::directory::Words;
use super::frames::{FrameReader, FrameWriter, LAST_WORD, unexpected};
use super::hello::Greeting;
use super::shared::Shared;
use super::{Source, hello, revoked, show, stream};
use crate::audit;
use crate::chance::{clock_ms, now_ms};
use crate::link::{CloseReason, Tunnel};
use crate::membership;
use bytes::Bytes;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::directory::replica::{Frame as Records, Loss};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey, hex};
use hubless_proto::killswitch::{Message, Reading};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType};
use hubless_proto::wire::v1;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

/// How often a connection says what this node's clock reads, for the first leases of grants.
const CLOCK_ROUND: Duration = Duration::from_millis(3_333);

/// The control stream of a connection.
struct Control {
    writer: FrameWriter,
    reader: FrameReader,
    said: mpsc::Receiver<Say>,
}

/// Takes a connection that we made. Its first stream is the control stream.
pub(super) async fn dialled(
    shared: &Arc<Shared>,
    tunnel: Tunnel,
    trusted: bool,
) -> Result<Arc<Connection>> {
    let (send, recv) = tunnel.open().await?;
    let (connection, said) = Connection::new(tunnel, trusted);
    let control = Control { writer: FrameWriter::new(send), reader: FrameReader::new(recv), said };
    if trusted {
        shared.joined(&connection);
    }
    let (task, held) = (Arc::clone(shared), Arc::clone(&connection));
    shared.spawn(async move { live(&task, &held, control, None).await });
    Ok(connection)
}

/// Takes a connection that a peer made.
///
/// `place` bounds how many introduce themselves at once; it is given back when this one has.
pub(super) async fn accepted(
    shared: Arc<Shared>,
    incoming: iroh::endpoint::Incoming,
    place: OwnedSemaphorePermit,
) {
    let Ok(connecting) = incoming.accept() else { return };
    let Ok(Ok(connection)) = timeout(limits::HELLO, connecting).await else { return };
    let tunnel = Tunnel::new(connection);
    let Ok(Ok((send, recv))) = timeout(limits::HELLO, tunnel.accept()).await else {
        tunnel.close(CloseReason::Protocol);
        return;
    };
    let (connection, said) = Connection::new(tunnel, false);
    let control = Control { writer: FrameWriter::new(send), reader: FrameReader::new(recv), said };
    live(&shared, &connection, control, Some(place)).await;
}

async fn live(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    mut control: Control,
    place: Option<OwnedSemaphorePermit>,
) {
    let node = connection.peer();
    // A peer that takes nothing in holds up whoever writes to it.
    let introduced = timeout(limits::HELLO, introduce(shared, connection, &mut control)).await;
    if let Err(error) = introduced.unwrap_or_else(|_| Err(hello::late())) {
        tracing::debug!(%node, %error, "no introduction");
        if error.kind != Kind::Transport || error.code == "no_hello" {
            shared.host.noted(audit::peer_refused(node, &error));
        }
        if error.kind != Kind::Transport {
            let _ = timeout(LAST_WORD, hello::refuse(&mut control.writer, &error)).await;
        }
        connection.fail(error);
        connection.close(CloseReason::Refused);
        end(shared, connection, None);
        return;
    }
    drop(place);
    let Control { writer, reader, said } = control;
    let mut streams = std::pin::pin!(stream::accept(shared, connection));
    let mut heard = std::pin::pin!(hear(shared, connection, reader));
    let mut spoken = std::pin::pin!(speak(writer, said));
    let outcome = tokio::select! {
        _ = connection.ended() => None,
        () = &mut streams => None,
        outcome = &mut heard => Some(outcome),
        () = &mut spoken => None,
    };
    let reason = if let Some(outcome) = outcome {
        after_control(connection, outcome).await
    } else {
        let reason = connection.ended().await;
        if !connection.is_closed_here() {
            // The last that the peer said, such as why it closed, may have arrived unread.
            let _ = timeout(LAST_WORD, heard).await;
        }
        reason
    };
    connection.lost();
    end(shared, connection, reason);
}

/// The end of a connection whose control stream is over.
async fn after_control(connection: &Connection, outcome: Result<()>) -> Option<CloseReason> {
    let node = connection.peer();
    match outcome {
        Err(error) if error.kind == Kind::Transport && error.code == "lost" => {
            // The end of the connection may be seen on its streams before it is seen itself.
            if let Ok(reason) = timeout(LAST_WORD, connection.ended()).await {
                return reason;
            }
            tracing::debug!(%node, "no control stream");
            connection.close(CloseReason::Protocol);
        }
        Err(error) if error.kind != Kind::Closed => {
            tracing::debug!(%node, %error, "broken control stream");
            connection.close(CloseReason::Protocol);
        }
        Ok(()) | Err(_) => {}
    }
    connection.ended().await
}

async fn introduce(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    control: &mut Control,
) -> Result<()> {
    let tunnel = &connection.tunnel;
    let membership = shared.local.membership();
    let told_seq = membership.revoked_seq();
    let own_end_ms = hello::greet(&mut control.writer, tunnel, &shared.local).await?;
    let check = |token: &[u8], node| membership.verify(token, node, now_ms());
    let greeting = hello::read(&mut control.reader, tunnel, membership.mesh(), check).await?;
    if tunnel.dialled() && !greeting.is_member() {
        return Err(Error::refusal(Kind::Auth, "no_token", "the peer shows no token of this mesh"));
    }
    membership.check_keys(&greeting.keys)?;
    hello::acknowledge(&mut control.writer, &greeting).await?;
    shared.host.noted(audit::peer_accepted(&greeting.caller));
    let member = greeting.is_member();
    let node = connection.peer();
    let Greeting { instance, clock_ms, spreads, .. } = greeting;
    if member {
        let hears = if spreads { Hears::Records } else { Hears::Shown };
        shared.book.said(node, greeting.node.clone(), tunnel.remote_ip(), hears);
        if shared.parted.contains(node, instance) {
            // Its first words were behind the news that it leaves.
            shared.book.gone(node);
        }
    }
    connection.ready(greeting, own_end_ms);
    shared.joined(connection);
    if member {
        // The end of an older connection makes it forgotten, and says again what the table holds.
        shared.host.clock(node, Reading { instance, clock_ms });
    }
    if let Some(greeting) = connection.greeting() {
        // A list that came meanwhile put out those that had introduced themselves, not this one.
        membership.check_keys(&greeting.keys)?;
        revoked::met(shared, node, greeting, told_seq);
    }
    if connection.spreads() {
        shared.directory.changed(node, None);
    }
    if member && !shared.book.is_near(node) {
        show::all(shared, connection);
    }
    Ok(())
}

/// Writes what this side has to say.
async fn speak(mut writer: FrameWriter, mut said: mpsc::Receiver<Say>) {
    let mut clock = tokio::time::interval(CLOCK_ROUND);
    // The HELLO has just said it.
    clock.reset();
    loop {
        let say = tokio::select! {
            say = said.recv() => say,
            _ = clock.tick() => {
                let reading = v1::Clock { clock_ms: clock_ms() };
                if writer.message(FrameType::Clock, &reading).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(say) = say else { return };
        let written = match say {
            Say::Show(show) => writer.message(FrameType::Show, &show).await,
            Say::Hide(hide) => writer.message(FrameType::Hide, &hide).await,
            Say::Load(load) => writer.message(FrameType::Load, &load).await,
            Say::Ledger(message) => writer.message(FrameType::Ledger, message.as_ref()).await,
            Say::Records(records) => match *records {
                Records::Digests(said) => writer.message(FrameType::RecordDigests, &said).await,
                Records::Delta(said) => writer.message(FrameType::RecordDelta, &said).await,
            },
            Say::Redeemed(redeemed) => writer.message(FrameType::Redeemed, &redeemed).await,
            Say::Drained => writer.message(FrameType::Drained, &v1::Drained {}).await,
            Say::Goodbye { deadline_ms } => {
                writer.message(FrameType::Goodbye, &v1::Goodbye { deadline_ms }).await
            }
            Say::Last(had) => {
                writer.finish();
                writer.stopped().await;
                // Who closes may wait no longer.
                let _ = had.send(());
                return std::future::pending().await;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

/// Takes what the peer says.
async fn hear(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    mut reader: FrameReader,
) -> Result<()> {
    loop {
        let Frame { kind, body } = reader.next().await.map_err(hello::ended)?;
        if kind == FrameType::Redeem {
            // What else the peer says waits meanwhile: one that reads no answers is heard no more.
            redeem(shared, connection, decode(kind, body)?).await;
            continue;
        }
        heard(shared, connection, Frame { kind, body })?;
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the types of frames grow")]
fn heard(shared: &Arc<Shared>, connection: &Arc<Connection>, frame: Frame) -> Result<()> {
    let node = connection.peer();
    let member = connection.greeting().is_some_and(Greeting::is_member);
    let Frame { kind, body } = frame;
    match kind {
        FrameType::HelloAck => {
            let ack: v1::HelloAck = decode(kind, body)?;
            tracing::debug!(%node, role = ack.role, "introduced");
        }
        FrameType::Refused => {
            let refused: v1::Refused = decode(kind, body)?;
            let error = refused.rejection.map_or_else(|| unexpected(kind), Error::from);
            tracing::debug!(%node, %error, "refused by the peer");
            connection.fail(error);
            return Err(Error::new(Kind::Closed, "the peer refused this node"));
        }
        FrameType::Show if member => {
            let show: v1::Show = decode(kind, body)?;
            let record = connection.greeting().map(|greeting| greeting.node.clone());
            let announcement =
                v1::NodeAnnouncement { node: record, agents: show.agents, beyond: false };
            shared.host.announced(Source::Connection(node), announcement);
        }
        FrameType::Hide if member => {
            let hide: v1::Hide = decode(kind, body)?;
            shared.host.hidden(node, hidden(connection, &hide));
        }
        FrameType::Load if member => {
            let load: v1::Load = decode(kind, body)?;
            let loads = load.queued.iter();
            let loads = loads.filter_map(|(id, calls)| Some((id.parse().ok()?, *calls)));
            shared.host.loaded(node, loads.collect());
        }
        FrameType::Drained => connection.peer_drained(),
        FrameType::Goodbye => {
            let goodbye: v1::Goodbye = decode(kind, body)?;
            tracing::debug!(%node, ms = goodbye.deadline_ms, "a peer says good-bye");
            if let Some(greeting) = connection.greeting() {
                shared.parted.add(node, greeting.instance);
            }
            shared.node_left(node, Instant::now());
        }
        FrameType::Clock if member => {
            let clock: v1::Clock = decode(kind, body)?;
            if let Some(greeting) = connection.greeting() {
                let (instance, clock_ms) = (greeting.instance, clock.clock_ms);
                shared.host.clock(node, Reading { instance, clock_ms });
            }
        }
        FrameType::Ledger if member => of_grants(shared, node, body)?,
        FrameType::RecordDigests if connection.spreads() => {
            shared.directory.heard(connection, Words::Digests(decode(kind, body)?));
        }
        FrameType::RecordDelta if connection.spreads() => {
            shared.directory.heard(connection, Words::Delta(decode(kind, body)?));
        }
        // What an external says of itself counts for nothing.
        FrameType::RecordDigests
        | FrameType::RecordDelta
        | FrameType::Clock
        | FrameType::Load
        | FrameType::Show
        | FrameType::Hide
        | FrameType::Ledger => {}
        other => return Err(unexpected(other)),
    }
    Ok(())
}

/// Takes what a member says of a grant.
fn of_grants(shared: &Shared, node: NodeKey, body: Bytes) -> Result<()> {
    match Message::decode(body) {
        Ok(message) => shared.host.ledger(node, message),
        // What a newer version says, and a stop that is not its root's, change nothing here.
        Err(error) if matches!(error.kind, Kind::Unsupported | Kind::Denied) => {
            let entry = Entry::of(Event::BudgetBreach).by(&principal(node));
            shared.host.noted(entry.refused(&error));
            tracing::warn!(%node, %error, "a message about a grant is not taken");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Forgets what the peer takes back; gives whose hostings they are, each with its number.
fn hidden(connection: &Connection, hide: &v1::Hide) -> Vec<(AgentId, u64)> {
    let mut taken = Vec::new();
    for (place, id) in hide.agents.iter().enumerate() {
        let Ok(id) = AgentId::from_slice(id) else { continue };
        let seq = hide.seqs.get(place).copied().unwrap_or(u64::MAX);
        connection.disown(id, seq);
        taken.push((id, seq));
    }
    taken
}

/// Turns an invite into a token, for whoever brings it.
///
/// # Cancellation
/// Whether it is admitted or not is written down all the same.
async fn redeem(shared: &Arc<Shared>, connection: &Connection, wanted: v1::Redeem) {
    // Invites are one file, which has one lock: more at once would only hold threads.
    let Ok(turn) = Arc::clone(&shared.redeeming).acquire_owned().await else { return };
    let (task, node) = (Arc::clone(shared), connection.peer());
    let outcome = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let entry = Entry::of(Event::InviteRedeemed).by(&principal(node));
        // By its key a member is revoked.
        let entry =
            entry.invite(&audit::digest(&wanted.invite)).named(&hex::encode(&wanted.member_key));
        let token = admit(&task, &wanted);
        match &token {
            Ok(_) => audit::record_in(&task.home, entry),
            Err(error) => {
                tracing::info!(%node, %error, "an invite was refused");
                task.host.noted(entry.refused(error));
            }
        }
        token
    });
    let outcome = outcome
        .await
        .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the invite could not be read")));
    let redeemed = match outcome {
        Ok(token) => v1::Redeemed { token: token.into(), rejection: None },
        Err(error) => v1::Redeemed { rejection: Some((&error).into()), ..Default::default() },
    };
    // The joiner may be gone.
    let _ = connection.control.send(Say::Redeemed(redeemed)).await;
}

/// The token for the member key of whoever brings an invite.
fn admit(shared: &Shared, wanted: &v1::Redeem) -> Result<Vec<u8>> {
    let membership = shared.local.membership();
    if membership.root().is_none() {
        let message = "this node cannot admit others to its mesh";
        return Err(Error::refusal(Kind::Denied, "no_minter", message));
    }
    let key: [u8; 32] = (*wanted.member_key).try_into().map_err(|_| {
        Error::refusal(Kind::Transport, "bad_frame", "expected a member key of 32 bytes")
    })?;
    membership.check_keys(&[key])?;
    membership::redeem(&shared.home, &wanted.invite, &key, now_ms())
}

/// What a node is called as one that asks.
pub(super) fn principal(node: NodeKey) -> String {
    format!("mesh:{node}")
}

/// Cleans up after a connection. The engine is told when the node itself is no more.
fn end(shared: &Arc<Shared>, connection: &Arc<Connection>, reason: Option<CloseReason>) {
    let node = connection.peer();
    let last = shared.left(connection);
    let member = connection.greeting().is_some_and(Greeting::is_member);
    let near = shared.book.is_near(node);
    if last && member && !near {
        forget(shared, node, reason);
    }
    // Behind what makes its agents forgotten: what brings them back must not be overtaken by that.
    if last && connection.spreads() {
        shared.directory.changed(node, Some(if near { Loss::Closed } else { loss(reason) }));
    }
}

/// Forgets a node, as far as the end of the last connection to it says that it is no more.
fn forget(shared: &Shared, node: NodeKey, reason: Option<CloseReason>) {
    match reason {
        // It lives; only this connection was not needed.
        Some(CloseReason::Idle | CloseReason::Drained) => {}
        Some(
            CloseReason::Goodbye
            | CloseReason::Protocol
            | CloseReason::Refused
            | CloseReason::Replaced
            | CloseReason::Gone,
        ) => {
            shared.book.gone(node);
            shared.vanished(node);
        }
        // It broke: whoever knows the node may still find it where it was.
        None => {
            shared.book.lost(node);
            shared.vanished(node);
        }
    }
}

/// What the end of the last connection to a node says of the node.
const fn loss(reason: Option<CloseReason>) -> Loss {
    match reason {
        Some(CloseReason::Idle | CloseReason::Drained) => Loss::Closed,
        Some(
            CloseReason::Goodbye
            | CloseReason::Protocol
            | CloseReason::Refused
            | CloseReason::Replaced
            | CloseReason::Gone,
        )
        | None => Loss::Broken,
    }
}
