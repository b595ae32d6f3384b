//! Revoked keys, told from node to node, and whoever has one put out.
//!
//! Each side says the number of its list in its HELLO; who has the earlier one asks, and whoever
//! takes a list shows it to the members that it is connected to. Must not know: who may revoke.
//! Tested in `tests/revocation.rs`.

use super::Mesh;
use super::another_answer;
use super::hello::Greeting;
use super::serve::principal;
use super::shared::Shared;
use crate::audit;
use crate::chance::now_ms;
use crate::executor::blocking;
use crate::link::CloseReason;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::Result;
use hubless_proto::identity::NodeKey;
use hubless_proto::wire::v1::{self, answer, ask};
use std::sync::Arc;

impl Mesh {
    /// Keys that the mesh lets in no more.
    pub(crate) fn revoked(&self) -> Vec<NodeKey> {
        let list = self.shared.local.membership().revoked();
        let keys = list.iter().flat_map(|list| list.keys().copied());
        keys.map(NodeKey::from_bytes).collect()
    }

    /// Revokes keys: of nodes that are known here those of their members as well. Gives those that
    /// were not revoked before. Other nodes are told as they are asked next; see
    /// [`Mesh::show_revoked`].
    ///
    /// # Errors
    /// As [`crate::membership::Membership::revoke`].
    pub(crate) async fn revoke(&self, keys: &[NodeKey]) -> Result<Vec<NodeKey>> {
        let (shared, now) = (Arc::clone(&self.shared), now_ms());
        let of = |key: &NodeKey| shared.book.member_keys(*key, &shared.local, now);
        let all: Vec<_> = keys.iter().flat_map(of).collect();
        let task = Arc::clone(&shared);
        let new = blocking(move || {
            let (_, new) = task.local.membership().revoke(&task.home, &all, now)?;
            for key in &new {
                let row = Entry::of(Event::KeyRevoked).mesh(task.local.mesh());
                audit::record_in(&task.home, row.named(&NodeKey::from_bytes(*key).to_string()));
            }
            Ok(new)
        })
        .await?;
        put_out(&shared);
        Ok(new.into_iter().map(NodeKey::from_bytes).collect())
    }

    /// Shows a node the list of this one, and takes the later one that it may have.
    ///
    /// # Errors
    /// As [`Mesh::ask`]; `denied`, code `not_operator`, for a list that is not of this mesh.
    pub(crate) async fn show_revoked(&self, node: NodeKey) -> Result<()> {
        let question = ask::Question::Revoked(signed(&self.shared));
        let answer::Answer::Revoked(theirs) = self.ask(node, question).await? else {
            return Err(another_answer());
        };
        if theirs.signed.is_empty() { Ok(()) } else { take(&self.shared, node, theirs).await }
    }
}

/// Catches up with a peer whose list is a later one.
pub(super) fn met(shared: &Arc<Shared>, node: NodeKey, greeting: &Greeting) {
    if greeting.revoked_seq > shared.local.membership().revoked_seq() {
        show(shared, node);
    }
}

/// Answers a member that shows its list, which may be none, with the one that stands here then.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    peer: NodeKey,
    theirs: &v1::SignedRecord,
) -> v1::Answer {
    let taken =
        if theirs.signed.is_empty() { Ok(()) } else { take(shared, peer, theirs.clone()).await };
    let answer = match taken {
        Ok(()) => answer::Answer::Revoked(signed(shared)),
        Err(error) => answer::Answer::Rejection((&error).into()),
    };
    v1::Answer { answer: Some(answer) }
}

/// Takes up what another process of this user kept.
pub(super) async fn look(shared: &Arc<Shared>) {
    let task = Arc::clone(shared);
    let looked = blocking(move || task.local.membership().look_revoked(&task.home)).await;
    match looked {
        Ok(Some(_)) => spread(shared, None),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "cannot read the revoked keys"),
    }
}

/// Takes the list of a peer, and passes it on where it is a later one.
async fn take(shared: &Arc<Shared>, from: NodeKey, theirs: v1::SignedRecord) -> Result<()> {
    let entry = Entry::of(Event::KeyRevoked).by(&principal(from)).mesh(shared.local.mesh());
    let task = Arc::clone(shared);
    let taken = blocking(move || task.local.membership().take_revoked(&task.home, &theirs)).await;
    match taken {
        Ok(Some(new)) => {
            shared.host.noted(entry.times(new as u64));
            spread(shared, Some(from));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            shared.host.noted(entry.refused(&error));
            Err(error)
        }
    }
}

/// Puts out whom a new list names, and shows it to the members that are connected.
fn spread(shared: &Arc<Shared>, from: Option<NodeKey>) {
    put_out(shared);
    for connection in shared.peers.all() {
        let node = connection.peer();
        let member = connection.greeting().is_some_and(Greeting::is_member);
        if member && Some(node) != from && !connection.tunnel.is_closed() {
            show(shared, node);
        }
    }
}

fn show(shared: &Arc<Shared>, node: NodeKey) {
    let mesh = Mesh { shared: Arc::clone(shared) };
    shared.spawn(async move {
        if let Err(error) = mesh.show_revoked(node).await {
            // It is told with the next introduction.
            tracing::debug!(%node, %error, "a node was not shown the revoked keys");
        }
    });
}

/// Ends the connections of whoever rests on a revoked key, and forgets its agents.
fn put_out(shared: &Shared) {
    let check = |keys: &[[u8; 32]]| shared.local.membership().check_keys(keys);
    for connection in shared.peers.all() {
        let Some(greeting) = connection.greeting() else { continue };
        if let Err(error) = check(&greeting.keys) {
            let node = connection.peer();
            shared.host.noted(audit::peer_refused(node, &error));
            connection.fail(error);
            connection.close(CloseReason::Refused);
            forget(shared, node);
        }
    }
    for node in shared.book.known() {
        if check(&[*node.as_bytes()]).is_err() {
            forget(shared, node);
        }
    }
}

fn forget(shared: &Shared, node: NodeKey) {
    shared.book.gone(node);
    shared.host.gone(node);
}

/// The list as it is shown; nothing where nothing was revoked.
fn signed(shared: &Shared) -> v1::SignedRecord {
    let list = shared.local.membership().revoked();
    list.map(|list| list.signed().clone()).unwrap_or_default()
}
