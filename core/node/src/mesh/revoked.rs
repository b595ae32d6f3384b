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
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::v1::{self, answer, ask};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Mesh {
    /// Keys that the mesh lets in no more.
    pub(crate) fn revoked(&self) -> Vec<NodeKey> {
        let keys = self.shared.local.membership().revoked_keys();
        keys.into_iter().map(NodeKey::from_bytes).collect()
    }

    /// Of these keys those of which no node is known here: where one is a node's, the key of its
    /// member is not known either.
    pub(crate) fn strange(&self, keys: &[NodeKey]) -> Vec<NodeKey> {
        let (shared, now) = (&self.shared, now_ms());
        let is_strange =
            |key: &&NodeKey| shared.book.member_keys(**key, &shared.local, now).is_none();
        keys.iter().filter(is_strange).copied().collect()
    }

    /// Revokes keys: of nodes that are known here those of their members as well. Gives those that
    /// were not revoked before. Other nodes are told as they are asked next; see
    /// [`Mesh::show_revoked`].
    ///
    /// # Errors
    /// As [`crate::membership::Membership::revoke`].
    pub(crate) async fn revoke(&self, keys: &[NodeKey]) -> Result<Vec<NodeKey>> {
        let (shared, now) = (Arc::clone(&self.shared), now_ms());
        let of = |key: &NodeKey| {
            let known = shared.book.member_keys(*key, &shared.local, now);
            known.unwrap_or_else(|| vec![*key.as_bytes()])
        };
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
        .await;
        // What cannot be kept counts here as well.
        put_out(&shared);
        Ok(new?.into_iter().map(NodeKey::from_bytes).collect())
    }

    /// Shows a node the lists of this one, and takes the later one that it may have.
    ///
    /// # Errors
    /// As [`Mesh::ask`]; `denied`, code `not_operator`, for a list that is not of this mesh.
    pub(crate) async fn show_revoked(&self, node: NodeKey) -> Result<()> {
        let lists = self.shared.local.membership().revoked();
        let mut shown: Vec<_> = lists.iter().map(|list| list.signed().clone()).collect();
        if shown.is_empty() {
            shown.push(v1::SignedRecord::default());
        }
        for list in shown {
            let question = ask::Question::Revoked(list);
            let answer::Answer::Revoked(theirs) = self.ask(node, question).await? else {
                return Err(another_answer());
            };
            if !theirs.signed.is_empty() {
                take(&self.shared, node, theirs).await?;
            }
        }
        Ok(())
    }
}

/// Catches up with a peer whose list is a later one, and shows it ours where it cannot know to ask:
/// one that came after our HELLO, which said `told_seq`, and those beside the latest.
pub(super) fn met(shared: &Arc<Shared>, node: NodeKey, greeting: &Greeting, told_seq: u64) {
    let lists = shared.local.membership().revoked();
    let seq = lists.first().map_or(0, RevokedKeys::seq);
    let asks = greeting.revoked_seq > seq || seq > told_seq || lists.len() > 1;
    if greeting.is_member() && asks {
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
        Ok(Some(_)) => spread(shared, None).await,
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "cannot read or keep the revoked keys"),
    }
}

/// Takes the list of a peer, and passes it on where it is a later one.
async fn take(shared: &Arc<Shared>, from: NodeKey, theirs: v1::SignedRecord) -> Result<()> {
    let entry = Entry::of(Event::KeyRevoked).by(&principal(from)).mesh(shared.local.mesh());
    let task = Arc::clone(shared);
    let shown = theirs.clone();
    let taken = blocking(move || task.local.membership().take_revoked(&task.home, &shown)).await;
    match taken {
        Ok(Some(taken)) => {
            shared.host.noted(entry.times(taken.new as u64));
            if let Err(error) = taken.kept {
                // It is tried again with each look at the folder.
                tracing::warn!(%error, "cannot keep the revoked keys");
            }
            // Whoever showed less than what stands here now is shown that.
            let has_all = signed(shared) == theirs;
            spread(shared, has_all.then_some(from)).await;
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
async fn spread(shared: &Arc<Shared>, from: Option<NodeKey>) {
    let members = put_out(shared);
    let from = if revoke_members(shared, members).await { None } else { from };
    for connection in shared.peers.all() {
        let node = connection.peer();
        let member = connection.greeting().is_some_and(Greeting::is_member);
        if member && Some(node) != from && !connection.tunnel.is_closed() {
            show(shared, node);
        }
    }
}

/// Revokes, where the root key is, the members of revoked nodes that this node knows and whoever
/// revoked them did not; true: the list is another one by it.
async fn revoke_members(shared: &Arc<Shared>, members: BTreeSet<[u8; 32]>) -> bool {
    let membership = shared.local.membership();
    let is_new = |key: &[u8; 32]| membership.check_keys(&[*key]).is_ok();
    let new: Vec<_> = members.into_iter().filter(is_new).map(NodeKey::from_bytes).collect();
    if new.is_empty() || membership.root().is_none() {
        return false;
    }
    let mesh = Mesh { shared: Arc::clone(shared) };
    let revoked = mesh.revoke(&new).await;
    if let Err(error) = &revoked {
        tracing::warn!(%error, "the member of a revoked node is not revoked");
    }
    revoked.is_ok()
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

/// Ends the connections of whoever rests on a revoked key, and forgets its agents; gives the keys
/// of the members of those nodes.
fn put_out(shared: &Shared) -> BTreeSet<[u8; 32]> {
    let mut members = BTreeSet::new();
    let check = |keys: &[[u8; 32]]| shared.local.membership().check_keys(keys);
    for connection in shared.peers.all() {
        let Some(greeting) = connection.greeting() else { continue };
        if let Err(error) = check(&greeting.keys) {
            // Not where a bearer ticket alone is revoked: its members may have another token.
            if let [node, member, ..] = greeting.keys.as_slice() {
                members.extend(check(&[*node]).is_err().then_some(*member));
            }
            let node = connection.peer();
            shared.host.noted(audit::peer_refused(node, &error));
            connection.fail(error);
            connection.close(CloseReason::Refused);
            forget(shared, node);
        }
    }
    for node in shared.book.known() {
        let keys = shared.book.member_keys(node, &shared.local, now_ms());
        let keys = keys.unwrap_or_else(|| vec![*node.as_bytes()]);
        if check(&keys).is_err() {
            members.extend(keys.get(1));
            forget(shared, node);
        }
    }
    members
}

fn forget(shared: &Shared, node: NodeKey) {
    shared.book.gone(node);
    shared.host.gone(node);
}

/// The latest list as it is shown; nothing where nothing was revoked.
fn signed(shared: &Shared) -> v1::SignedRecord {
    let lists = shared.local.membership().revoked();
    lists.first().map(|list| list.signed().clone()).unwrap_or_default()
}
