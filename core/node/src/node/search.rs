//! Finding agents.

use super::documents::Wants;
use super::found::{Change, Description, FindOptions, Found, Loaded, Scope};
use super::lifecycle::{Inner, Node};
use super::resolve::{Sight, Times};
use super::stream::{Discovery, Watch};
use super::watching::Watching;
use super::world::Known;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::executor;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::query::Query;
use hubless_proto::registry;
use hubless_proto::wire::record;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

impl Node {
    /// Agents that match, best first; waits for a first one. What a query with `accepts` has to
    /// know is fetched: after a first match it waits for the others that are on their way, but at
    /// most `FIND_SETTLE`.
    ///
    /// # Errors
    /// `closed`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn find(&self, query: Query, options: FindOptions) -> Result<Vec<Found>> {
        let inner = self.open()?;
        let deadline = Instant::now() + options.wait.min(limits::DEADLINE_MAX);
        let (mut changed, mut wants) = (inner.world.changed(), Wants::default());
        loop {
            changed.borrow_and_update();
            // What comes of it is a change.
            inner.want_documents(&query, &mut wants);
            let found = inner.find_now(&query, options.explain);
            let matched = !found.is_empty();
            if !inner.looks_again(&mut changed, &mut wants, matched, deadline).await? {
                return Ok(found);
            }
        }
    }

    /// The best agent that matches.
    ///
    /// # Errors
    /// `not_found` when none came in time; as [`Node::find`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn peer(&self, query: Query, options: FindOptions) -> Result<Found> {
        let found = self.find(Query { limit: 1, ..query }, options).await?;
        found.into_iter().next().ok_or_else(|| {
            let message = "no agent matches: start one as this user with the same HUBLESS_HOME; \
                           `hubless doctor` says what may be in the way";
            Error::new(Kind::NotFound, message).with_operation("peer")
        })
    }

    /// Agents that match, each once, as they appear.
    ///
    /// # Errors
    /// `closed`; `busy` when there are too many watchers.
    pub fn discover(&self, query: Query, options: FindOptions) -> Result<Discovery> {
        let inner = Arc::clone(self.open()?);
        let mut watch = Watching::begin(&inner, query)?;
        let (sender, items) = mpsc::channel(limits::CALL_EVENTS);
        let task = executor::spawn(async move {
            let mut seen = BTreeSet::new();
            while let Some(change) = watch.next(options.explain).await {
                let new = match change {
                    Change::Snapshot(all) => all,
                    Change::Arrived(one) => vec![*one],
                    Change::Changed(_) | Change::Departed { .. } | Change::Lagged(_) => continue,
                };
                for found in new {
                    if seen.insert(found.agent_id) && sender.send(found).await.is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Discovery { items, _task: AbortOnDropHandle::new(task) })
    }

    /// What matches, then every change of it.
    ///
    /// # Errors
    /// As [`Node::discover`].
    pub fn watch(&self, query: Query) -> Result<Watch> {
        let inner = Arc::clone(self.open()?);
        let mut watch = Watching::begin(&inner, query)?;
        let (sender, items) = mpsc::channel(limits::CALL_EVENTS);
        let task = executor::spawn(async move {
            while let Some(change) = watch.next(false).await {
                if sender.send(change).await.is_err() {
                    return;
                }
            }
        })?;
        Ok(Watch { items, _task: AbortOnDropHandle::new(task) })
    }

    /// Everything that is public of an agent, by id, address or name.
    ///
    /// # Errors
    /// `not_found`, `ambiguous`; `transport` when its node cannot be asked for the long forms.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn describe(&self, agent: &str) -> Result<Description> {
        let inner = self.open()?;
        let to = agent.into();
        let times = Times::brief(Instant::now() + limits::FIND_WAIT);
        let route = inner.route((&to, Sight::All), times, None).await;
        let route = route.map_err(|error| error.with_operation("describe"))?;
        let mut skills = Vec::new();
        for skill in &route.descriptor.skills {
            let Ok(digest) = record::Digest::try_from(skill.document_digest.as_ref()) else {
                continue;
            };
            skills.push(inner.document(route.node, digest).await?);
        }
        Ok(Description { descriptor: route.descriptor.as_ref().clone(), skills })
    }

    /// The agents of a scope, by name.
    ///
    /// # Errors
    /// `closed`.
    pub fn list_agents(&self, scope: Scope) -> Result<Vec<Found>> {
        let inner = self.open()?;
        let (hosted, client) = match scope {
            Scope::Global => (Some(registry::Scope::Global), false),
            Scope::Local => (Some(registry::Scope::Local), false),
            Scope::Client => (None, true),
            Scope::All => (Some(registry::Scope::Local), true),
        };
        let mut known = Vec::new();
        {
            let registry = lock(&inner.engine.registry);
            let own = inner.mesh.node_key();
            if let Some(scope) = hosted {
                known.extend(registry.list(scope).map(|agent| Known::hosted(&agent.value, own)));
            }
        }
        if client {
            known.extend(inner.listed(&Query::default()));
        }
        let mut agents: Vec<Found> = known.iter().map(|known| inner.view(known)).collect();
        if client {
            let elsewhere = Query { limit: usize::MAX, ..Query::default() };
            let own = Some(inner.mesh.node_key());
            let found = inner.world.find(&elsewhere).into_iter();
            let found = found.map(|found| inner.found(found, false));
            agents.extend(found.filter(|found| found.node_key != own));
        }
        agents.sort_by(|a, b| (&a.name, a.agent_id).cmp(&(&b.name, b.agent_id)));
        agents.dedup_by_key(|found| (found.agent_id, found.name.clone()));
        Ok(agents)
    }

    /// The agents of the mesh that allow external connections, by name; at most `FIND_LIMIT`.
    /// What a gateway may show to strangers.
    ///
    /// # Errors
    /// `closed`.
    pub fn external_agents(&self) -> Result<Vec<Found>> {
        let inner = self.open()?;
        let all = Query { limit: usize::MAX, ..Query::default() };
        let elsewhere = inner.world.find(&all).into_iter().map(Known::found);
        let own = inner.mesh.node_key();
        let hosted = inner.hosted();
        let hosted = hosted.iter().map(|hosted| Known::hosted(hosted, own));
        let known = hosted.chain(elsewhere.filter(|known| known.node != Some(own)));
        let open = known.filter(|known| Sight::External.takes(&known.descriptor));
        let mut agents: Vec<Found> = open.map(|known| inner.view(&known)).collect();
        agents.sort_by(|a, b| (&a.name, a.agent_id).cmp(&(&b.name, b.agent_id)));
        agents.dedup_by_key(|found| (found.agent_id, found.name.clone()));
        agents.truncate(limits::FIND_LIMIT);
        Ok(agents)
    }

    /// Imports a static catalogue: descriptors in their JSON form with `agentId` and, if known,
    /// `nodeKey`.
    ///
    /// # Errors
    /// `closed`; what is wrong with single entries is in the result.
    pub fn load_agents(&self, descriptors: Vec<Value>) -> Result<Loaded> {
        let inner = self.open()?;
        let (loaded, refused) = lock(&inner.engine.registry).load_agents(descriptors);
        if loaded > 0 {
            inner.world.touch();
        }
        Ok(Loaded { loaded, refused })
    }
}

impl Inner {
    pub(super) fn find_now(&self, query: &Query, explain: bool) -> Vec<Found> {
        let found = self.world.find(query).into_iter();
        let mut found: Vec<Found> = found.map(|found| self.found(found, explain)).collect();
        if found.len() < query.limit {
            let listed = self.listed(query);
            found.extend(listed.iter().map(|known| self.shown(known, explain)));
            found.truncate(query.limit);
        }
        found
    }

    /// Agents that only a catalogue knows, as asked: none that was announced, or whose name or key
    /// an agent of this node has. Nobody ranks them, since nobody has met them.
    pub(super) fn listed(&self, query: &Query) -> Vec<Known> {
        let mut listed: Vec<Known> = {
            let registry = lock(&self.engine.registry);
            let found = registry.catalogue().find(query, now_ms()).into_iter();
            let foreign = found.filter(|agent| {
                registry.by_name(&agent.name).is_none() && registry.by_id(&agent.id).is_none()
            });
            foreign.map(Known::listed).collect()
        };
        listed.retain(|known| self.world.by_id(&known.agent).is_none());
        listed
    }

    /// An agent that was not ranked.
    pub(super) fn shown(&self, known: &Known, explain: bool) -> Found {
        Found { explain: explain.then(Vec::new), ..self.view(known) }
    }
}
