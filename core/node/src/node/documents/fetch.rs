//! Fetching what a query has to know, some at a time.

use super::table::{Table, Wanted};
use super::wants::{Stand, Wants};
use crate::engine::lock;
use crate::executor;
use crate::mesh::another_answer;
use crate::node::lifecycle::Inner;
use crate::turn::in_turn;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::query::Query;
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::{document, v1};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The documents that are wanted, and the places of those that are fetched.
pub(in crate::node) struct Documents {
    pub(super) table: Mutex<Table>,
    places: Semaphore,
}

impl Documents {
    pub(in crate::node) fn new(own: NodeKey) -> Self {
        let places = Semaphore::new(limits::DOCUMENTS_AT_ONCE);
        Self { table: Mutex::new(Table::new(own)), places }
    }

    /// Does some work while not too much of its kind is done, except for what takes longer than a
    /// turn.
    pub(super) async fn in_place<T>(&self, turn: Duration, work: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let place = self.places.acquire().await;
        in_turn(place, turn, work).await
    }

    /// Takes out those that are not on their way any more, or are slow.
    fn keep_flying(&self, flying: &mut BTreeSet<Digest>, now: Instant) {
        if !flying.is_empty() {
            let table = lock(&self.table);
            flying.retain(|digest| table.flies(digest, now));
        }
    }

    fn stand(&self, undocumented: u64) -> Stand {
        let table = lock(&self.table);
        Stand { undocumented, again: table.again(), ended: table.ended() }
    }
}

impl Inner {
    /// Begins to fetch what a query with `accepts` has to know, some at a time. Who waits for
    /// changes is woken by what comes: with a match at hand nobody waits long for a document, which
    /// a node may be slow to give.
    pub(in crate::node) fn want_documents(self: &Arc<Self>, query: &Query, wants: &mut Wants) {
        if query.accepts.is_none() {
            return;
        }
        // Before it is looked: what changes meanwhile is looked at next time.
        let stand = self.documents.stand(self.world.undocumented());
        let now = Instant::now();
        if wants.is_due(&stand, now) {
            self.look_for(query, wants, (stand, now));
        }
        self.documents.keep_flying(&mut wants.flying, now);
    }

    fn look_for(
        self: &Arc<Self>,
        query: &Query,
        wants: &mut Wants,
        (stand, now): (Stand, Instant),
    ) {
        let some = query.limit.clamp(limits::FIND_ANSWERS, limits::FIND_LIMIT);
        let begun = self.world.missing_documents(query, |missing| {
            lock(&self.documents.table).begin(missing, some, now)
        });
        for wanted in wants.looked(stand, begun) {
            let own = self.adds_own(&wanted);
            if !own && executor::spawn(fetch(Arc::clone(self), wanted)).is_err() {
                lock(&self.documents.table).forget(&wanted);
            }
        }
    }

    /// Adds a document of an agent that lives here; false: it is none.
    fn adds_own(&self, wanted: &Wanted) -> bool {
        let own = self.own_document(&wanted.1).map(|bytes| document::open(&bytes, &wanted.1));
        let Some(Ok(document)) = own else { return false };
        self.has_come(wanted, &document);
        true
    }

    /// Adds a document that was wanted.
    pub(super) fn has_come(&self, wanted: &Wanted, document: &v1::SkillDocument) {
        // What is not on its way any more is known, and who is woken has room for another.
        self.world.add_document(wanted.1, document);
        lock(&self.documents.table).came(wanted, Instant::now());
        self.world.touch();
    }

    /// A skill document, from here or from the node that hosts its agent.
    pub(in crate::node) async fn document(
        &self,
        node: Option<NodeKey>,
        digest: Digest,
    ) -> Result<v1::SkillDocument> {
        let missing = || Error::new(Kind::NotFound, "the skill document is not to be had");
        if let Some(own) = self.own_document(&digest) {
            return document::open(&own, &digest);
        }
        let node = node.filter(|node| *node != self.mesh.node_key()).ok_or_else(missing)?;
        let question = v1::ask::Question::SkillDocument(bytes::Bytes::copy_from_slice(&digest));
        let answer = self.mesh.ask(node, question).await?;
        let v1::answer::Answer::SkillDocument(bytes) = answer else {
            return Err(another_answer());
        };
        document::open(&bytes, &digest)
    }
}

async fn fetch(inner: Arc<Inner>, wanted: Wanted) {
    let (documents, (node, digest)) = (&inner.documents, wanted);
    let fetched = documents.in_place(limits::DOCUMENT_SLOW, async {
        // Another node may have given it while this one waited for its place.
        let came = lock(&documents.table).has_come(&digest);
        if came { None } else { Some(inner.document(Some(node), digest).await) }
    });
    match inner.stop.run_until_cancelled(fetched).await.flatten() {
        Some(Ok(document)) => inner.has_come(&wanted, &document),
        Some(Err(error)) => {
            tracing::debug!(%node, %error, "a skill document is not to be had");
            lock(&documents.table).failed(&wanted, Instant::now());
            // Who still waits for it asks another node, or this one later.
            inner.world.touch();
        }
        None => lock(&documents.table).forget(&wanted),
    }
}
