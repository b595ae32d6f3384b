//! What issuers and holders of grants say to each other, on the control stream.
//!
//! A message may be lost: whoever needs an answer says it again. So nothing waits here.

use super::Mesh;
use super::connection::{Connection, Say};
use super::dials::{self, Wait};
use super::hello::Greeting;
use crate::chance::now_ms;
use hubless_proto::error::Result;
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::killswitch::Message;
use std::sync::Arc;

impl Mesh {
    /// The key of this node, for what it states.
    pub(crate) fn key(&self) -> &SecretKey {
        self.shared.local.key()
    }

    /// Which process of this node it is, as peers see it.
    pub(crate) fn instance(&self) -> u64 {
        self.shared.local.instance()
    }

    /// Waits so long until `node` has introduced itself, so that its clock is known.
    ///
    /// # Errors
    /// `transport` when it cannot be reached, `deadline` when that took too long.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn meet(&self, node: NodeKey, wait: Wait) -> Result<()> {
        let connection = self.shared.reached(node, wait).await?;
        tokio::select! {
            biased;
            introduced = connection.introduced() => introduced,
            () = dials::until(wait) => Err(dials::late(None)),
        }
    }

    /// True for a node that showed a token of the mesh that this node is a member of, on a
    /// connection that is open or in a record that it said of itself.
    pub(crate) fn is_fellow(&self, node: NodeKey) -> bool {
        let shared = &self.shared;
        let shown =
            |connection: &Arc<Connection>| connection.greeting().is_some_and(Greeting::is_member);
        shared.local.membership().is_member()
            && (shared.peers.of(node).iter().any(shown)
                || shared.book.is_proven(node, &shared.local, now_ms()))
    }

    /// Says something about a grant, on the connection that is there, else on one that is made
    /// for it. Must be called on the runtime.
    pub(crate) fn tell(&self, node: NodeKey, message: &Message) {
        let say = Say::Ledger(Box::new(message.to_wire()));
        let connections = self.shared.peers.of(node);
        let ready = connections.iter().rev().find(|one| one.greeting().is_some());
        match ready.map(|connection| connection.control.try_reserve()) {
            Some(Ok(place)) => place.send(say),
            None if self.shared.is_closing() => {}
            Some(Err(_)) | None => self.tell_later(node, say),
        }
    }

    fn tell_later(&self, node: NodeKey, say: Say) {
        let place = Arc::clone(&self.shared.telling).try_acquire_owned();
        let Ok(place) = place else { return };
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(async move {
            let _place = place;
            let Ok(connection) = shared.connection(node).await else { return };
            if connection.introduced().await.is_ok() {
                // A connection that ended meanwhile loses it.
                let _ = connection.control.send(say).await;
            }
        });
    }
}
