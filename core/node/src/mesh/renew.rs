//! The token of a joined mesh, renewed while it holds.
//!
//! Owns: when it is looked at, who is asked, one after the other, and what a minter answers. Must
//! not know what a token says. Tested with the clock passed in, in `tests/renewal.rs`.

use super::serve::principal;
use super::shared::Shared;
use super::{Mesh, another_answer};
use crate::audit;
use crate::back_off::BackOff;
use crate::chance::now_ms;
use crate::executor::blocking;
use crate::membership::{self, OWN_ROLE};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{NodeKey, hex};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, answer, ask};
use std::sync::Arc;
use std::time::Duration;

/// How often the token is looked at, and the file in which another process may have renewed it.
const ROUND: Duration = Duration::from_secs(10);
/// First and longest pause after a round in which nobody renewed what was to be renewed.
const PAUSE: (Duration, Duration) = (ROUND, Duration::from_secs(60));

/// What became of one look at the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// It has the most of its life before it, or is over.
    Rests,
    /// Another process of this user is renewing it.
    Elsewhere,
    /// The data folder holds another one, which this process cannot take up.
    Behind,
    /// A minter renewed it.
    Renewed,
}

/// Looks at the token for as long as the mesh lives; the user's own mesh has none to renew.
pub(super) async fn keep(shared: &Arc<Shared>) {
    let pauses = || BackOff::within(PAUSE.0, PAUSE.1);
    let (mut pause, mut last) = (pauses(), Round::Rests);
    while shared.local.membership().is_renewed() {
        match round(shared, now_ms()).await {
            Ok(round) => {
                if round == Round::Behind && last != round {
                    tracing::warn!(
                        "the data folder joined the mesh again on other terms: this process keeps \
                         its membership until that ends; start it again to go by the new one"
                    );
                }
                (pause, last) = (pauses(), round);
                tokio::time::sleep(ROUND).await;
            }
            Err(error) => {
                tracing::info!(%error, "the membership token was not renewed; later again");
                pause.wait().await;
            }
        }
    }
}

/// Takes up what another process renewed, and renews what is due.
///
/// # Errors
/// What the last minter said or failed with; `transport`, code `unknown_node`, where none is known;
/// `configuration` for the data folder.
pub(super) async fn round(shared: &Arc<Shared>, now_ms: u64) -> Result<Round> {
    take_up(shared, now_ms).await?;
    if shared.local.membership().due(now_ms).is_none() {
        return Ok(Round::Rests);
    }
    let task = Arc::clone(shared);
    let turn = blocking(move || membership::renewal_turn(&task.home, task.local.mesh())).await?;
    let Some(turn) = turn else { return Ok(Round::Elsewhere) };
    // Who had the turn before may have renewed it.
    take_up(shared, now_ms).await?;
    let Some(old) = shared.local.membership().due(now_ms) else { return Ok(Round::Rests) };
    let (task, token) = (Arc::clone(shared), old.clone());
    if !blocking(move || task.local.membership().is_kept(&task.home, &token)).await? {
        return Ok(Round::Behind);
    }
    let new = ask_minters(shared, &old, now_ms).await?;
    let task = Arc::clone(shared);
    blocking(move || {
        let mesh = task.local.mesh();
        // Who joined again meanwhile has what that ticket gave.
        if membership::replace_token(&task.home, mesh, &old, &new)? {
            audit::record_in(&task.home, Entry::of(Event::TokenRenewed).mesh(mesh));
        }
        Ok(())
    })
    .await?;
    drop(turn);
    take_up(shared, now_ms).await?;
    Ok(Round::Renewed)
}

/// Asks one minter after the other.
async fn ask_minters(shared: &Arc<Shared>, old: &[u8], now_ms: u64) -> Result<Vec<u8>> {
    let mesh = Mesh { shared: Arc::clone(shared) };
    let node = shared.local.node();
    let bound = shared.local.membership().token_for(node, now_ms)?;
    let message = "no node is known that renews the membership token";
    let mut why = Error::new(Kind::Transport, message).with_code("unknown_node");
    for minter in minters(shared) {
        let question = ask::Question::RenewToken(bound.clone().into());
        let renewed = match mesh.ask(minter, question).await {
            Ok(answer::Answer::Token(new)) => {
                let checked = shared.local.membership().check_renewed(old, &new, node, now_ms);
                checked.map(|()| new.to_vec())
            }
            Ok(_) => Err(another_answer()),
            Err(error) => Err(error),
        };
        match renewed {
            Ok(new) => return Ok(new),
            Err(error) => {
                tracing::debug!(node = %minter, %error, "a membership token is not renewed");
                why = error;
            }
        }
    }
    Err(why)
}

/// Who may have the root key: those that say so by their token, of these first the ones that a
/// connection is open to, then those of the ticket.
pub(super) fn minters(shared: &Shared) -> Vec<NodeKey> {
    let mut minters = shared.book.of_role(OWN_ROLE, &shared.local);
    let is_open = |node: &NodeKey| {
        shared.peers.of(*node).iter().any(|connection| !connection.tunnel.is_closed())
    };
    minters.sort_by_cached_key(|node| !is_open(node));
    minters.truncate(limits::TICKET_MINTERS);
    for contact in shared.local.membership().contacts() {
        if !minters.contains(&contact.node) {
            minters.push(contact.node);
        }
    }
    minters
}

/// Takes up the token of the data folder, when that is another one.
async fn take_up(shared: &Arc<Shared>, now_ms: u64) -> Result<()> {
    let task = Arc::clone(shared);
    let changed = blocking(move || {
        let (local, home) = (&task.local, &task.home);
        local.membership().take_up(home, local.node(), now_ms)
    });
    if changed.await? {
        // Whoever is shown our record from now on sees it, in the runtime folder as well.
        shared.local.token_changed();
        shared.announced.send_modify(|version| *version += 1);
    }
    Ok(())
}

/// Answers a member that shows its token to be renewed.
pub(super) fn answer(shared: &Shared, peer: NodeKey, token: &[u8]) -> v1::Answer {
    let entry = Entry::of(Event::TokenRenewed).by(&principal(peer));
    let answer = match shared.local.membership().renew(token, peer, now_ms()) {
        Ok((token, member)) => {
            // By its key a member is revoked, and by this row alone known if no minter let it in.
            shared.host.noted(entry.named(&hex::encode(&member)));
            answer::Answer::Token(token.into())
        }
        Err(error) => {
            shared.host.noted(entry.refused(&error));
            answer::Answer::Rejection((&error).into())
        }
    };
    v1::Answer { answer: Some(answer) }
}
