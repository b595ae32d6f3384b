//! Registering agents, and the handle of one.

use super::announce;
use super::lifecycle::{Inner, Node, closed};
use super::options::{AgentOptions, Concurrency, Identity};
use super::publish::{self, OfNode, Published};
use super::request::RequestOptions;
use crate::call::handle::Parent;
use crate::chance::now_ms;
use crate::engine::{Admission, Hosted, Parts, lock};
use crate::executor;
use crate::foreign::Handler;
use crate::home::Lock;
use crate::keys::{self, Body, StoredKey};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Address, AgentId, Name, NodeKey, SecretKey, Target};
use hubless_proto::limits;
use hubless_proto::policy::{AuthRule, Caller, Policy, TokenCounter};
use hubless_proto::query::Health;
use hubless_proto::registry::{self, Registry};
use hubless_proto::wire::record::{self, Digest};
use hubless_proto::wire::v1;
use prost::Message;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// An agent that lives in this node. Dropping the handle leaves it registered.
#[derive(Clone)]
pub struct Agent {
    node: Weak<Inner>,
    hosted: Weak<Hosted>,
    id: AgentId,
    name: Name,
    address: Address,
    at: NodeKey,
}

impl Node {
    /// Registers an agent; it can be found when this returns, a transient one beyond this node
    /// after a second.
    ///
    /// # Errors
    /// `conflict` (`name_taken`) for a name in use, or (`key_in_use`) a stored identity in use
    /// elsewhere; `configuration` when it needs what this version or its set-up lacks;
    /// `too_large` when its descriptor cannot fit, or at `HOSTED_AGENTS`; `invalid_argument`
    /// naming the field; `cancelled` when the call that it belongs to is over.
    ///
    /// # Cancellation
    /// Dropped before it is ready, nothing is registered.
    pub async fn register(
        &self,
        options: AgentOptions,
        handler: Arc<dyn Handler>,
    ) -> Result<Agent> {
        let registered = self.try_register(options, handler).await;
        registered.map_err(|error| error.with_operation("register"))
    }

    async fn try_register(
        &self,
        options: AgentOptions,
        handler: Arc<dyn Handler>,
    ) -> Result<Agent> {
        let inner = self.open()?;
        still_runs(options.parent.as_ref())?;
        check_functions(&options)?;
        let name: Name = options.name.parse()?;
        // A taken name is refused before a key is made for it.
        if lock(&inner.engine.registry).by_name(&name).is_some() {
            return Err(name_taken(&name));
        }
        let AgentKey { key, lock: key_lock, stored, body } = agent_key(inner, &options).await?;
        let id = key.agent_id();
        let Published { name, policy, documents } =
            publish::publish(id, &options, stored.is_some(), &inner.of_node())?;
        let body = match (&stored, body) {
            (Some(name), None) => Some(Arc::new(stand_by(inner, id, name, &policy).await?)),
            (_, body) => body,
        };
        if options.replica {
            check_replica(inner, id, policy.descriptor()).await?;
        }
        let hosted = Arc::new(Hosted::new(Parts {
            serial: inner.engine.serial(),
            name: name.clone(),
            key,
            stored,
            body,
            key_lock,
            policy,
            documents,
            isolated: options.concurrency == Concurrency::Isolated,
            handler,
            authenticator: options.authenticator.clone(),
            counter: options.counter.clone(),
        }));
        inner.own.follow(&hosted);
        announce::sign(&hosted, inner.engine.node(), now_ms())?;
        let rules = hosted.policy.requirements();
        let entry = registry::Hosted {
            name: name.clone(),
            id,
            external: rules.allow_external_connections,
            duplicates: rules.allow_agent_duplication == Some(true),
            child_of: None,
            value: Arc::clone(&hosted),
        };
        inner.announcer.expect(&hosted);
        if let Err(error) = lock(&inner.engine.registry).register(entry) {
            inner.announcer.forget(&hosted);
            return Err(error);
        }
        tracing::info!(agent = %name, %id, "agent registered");
        inner.note(Event::AgentRegistered, &hosted);
        inner.begins(&hosted, options.parent.as_ref())?;
        Ok(Agent {
            node: Arc::downgrade(inner),
            hosted: Arc::downgrade(&hosted),
            id,
            name,
            address: Address::new(&inner.mesh_id(), &id),
            at: inner.mesh.node_key(),
        })
    }

    /// Runs the checks of a hosted agent on a request, as a caller of this node, without calling
    /// it. Nothing is counted, so neither its rate nor its queue is asked.
    ///
    /// # Errors
    /// `not_found` when no such agent lives here; a refusal is the inner error.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn check(&self, agent: AgentId, request: RequestOptions) -> Result<Option<Error>> {
        let inner = self.open()?;
        let hosted = lock(&inner.engine.registry).by_id(&agent).map(|a| Arc::clone(&a.value));
        let hosted = hosted.ok_or_else(|| {
            Error::new(Kind::NotFound, "no such agent lives here").with_field("agent")
        })?;
        let funded = super::funds::is_funded(&request);
        let prepared = super::prepare::prepare(inner, request)?;
        let mut message = prepared.request.clone();
        prepared.fill_named(&mut message)?;
        message.to = agent.to_wire();
        hosted.name_skill(&mut message);
        let caller = Caller::local(inner.engine.node(), prepared.from);
        let admission = Admission {
            engine: &inner.engine,
            hosted: &hosted,
            caller: &caller,
            waited_ms: 0,
            call: None,
            funded,
        };
        let checked = admission.run(message, prepared.bodies).await;
        Ok(checked.err())
    }
}

impl Inner {
    /// Shows an agent that has just come into the registry, unless what it belongs to is over.
    fn begins(self: &Arc<Self>, hosted: &Arc<Hosted>, parent: Option<&Parent>) -> Result<()> {
        if let Some(parent) = parent {
            goes_with(parent, self, hosted);
        }
        if let Err(over) = still_runs(parent) {
            self.take_out(hosted);
            return Err(over);
        }
        if self.is_closing() {
            // It closed meanwhile, and may have told all of its agents to stop before this one.
            self.take_out(hosted);
            return Err(closed());
        }
        self.show(hosted.id());
        if self.announcer.tells_of(hosted) {
            self.announcer.changed();
        }
        Ok(())
    }

    /// What the node says for an agent.
    fn of_node(&self) -> OfNode<'_> {
        OfNode { auth: self.engine.auth().0, zones: self.mesh.zones() }
    }

    /// True for a transient agent that others were told of: nothing can take the place of what they
    /// were told.
    pub(super) fn is_told_for_good(&self, hosted: &Hosted) -> bool {
        hosted.is_transient() && self.announcer.tells_of(hosted)
    }

    /// Signs what an agent publishes by now, and shows it.
    pub(super) fn publish_anew(&self, hosted: &Hosted) -> Result<()> {
        announce::sign(hosted, self.engine.node(), now_ms())?;
        if self.announcer.tells_of(hosted) {
            self.announcer.changed();
        } else {
            self.world.hide(hosted.id());
        }
        self.show(hosted.id());
        Ok(())
    }

    /// Signs what the agents of this node publish under numbers above this one, which something has
    /// that an earlier process of the node said.
    pub(super) fn publish_above(&self, seq: u64) {
        for hosted in self.hosted() {
            let number = {
                let mut announced = lock(&hosted.announced);
                announced.seq = announced.seq.max(seq);
                announced.seq
            };
            if let Err(error) = self.publish_anew(&hosted) {
                tracing::error!(%error, number, agent = %hosted.name, "cannot sign a record");
            }
        }
    }

    /// Takes an agent out of the registry, so that new calls do not find it; true: it was there.
    pub(super) fn take_out(&self, hosted: &Arc<Hosted>) -> bool {
        let taken = {
            let mut registry = lock(&self.engine.registry);
            is_in(&registry, hosted) && registry.unregister(&hosted.name).is_some()
        };
        if taken {
            hosted.room.close();
            self.show(hosted.id());
            if self.announcer.forget(hosted) {
                self.announcer.changed();
            }
            tracing::info!(agent = %hosted.name, "agent taken out");
            self.note(Event::AgentRemoved, hosted);
        }
        taken
    }

    /// Writes down what became of an agent.
    fn note(&self, what: Event, hosted: &Hosted) {
        let entry = Entry::of(what).agent(hosted.id()).named(hosted.name.as_str());
        self.engine.audit().record(entry);
    }
}

/// A child of a call that is over would stay for ever.
fn still_runs(parent: Option<&Parent>) -> Result<()> {
    if parent.is_some_and(Parent::is_over) {
        let message = "the call that this agent belongs to is over";
        return Err(Error::new(Kind::Cancelled, message));
    }
    Ok(())
}

/// Takes a child out with the call that it was registered in.
fn goes_with(parent: &Parent, inner: &Arc<Inner>, child: &Arc<Hosted>) {
    let (node, child) = (Arc::downgrade(inner), Arc::downgrade(child));
    parent.core().at_end(Box::new(move |_| {
        if let (Some(node), Some(child)) = (node.upgrade(), child.upgrade()) {
            node.take_out(&child);
        }
    }));
}

fn is_in(registry: &Registry<Arc<Hosted>>, hosted: &Arc<Hosted>) -> bool {
    registry.by_name(&hosted.name).is_some_and(|entry| Arc::ptr_eq(&entry.value, hosted))
}

impl Agent {
    /// Its id.
    pub const fn id(&self) -> AgentId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its short address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its id with the node that it lives in: whoever is handed it reaches the agent at once, while
    /// [`Agent::id`] is known elsewhere once the agent is announced; for a transient one that is
    /// after its first second.
    pub const fn reach(&self) -> Target {
        Target::At { agent: self.id, node: self.at }
    }

    /// States how well it is, for the order in which others find it: one that is `Down` comes last,
    /// and is still called by who asks for it. `Up` takes the word back. It stands until the next
    /// one, or until the agent is taken out.
    ///
    /// # Errors
    /// `closed` when the node is closed; `not_found` when the agent is out already; `unsupported`
    /// for a transient one that others were told of.
    pub fn health(&self, health: Health) -> Result<()> {
        let told = || -> Result<()> {
            let node = self.node.upgrade().ok_or_else(closed)?;
            let hosted =
                self.hosted.upgrade().filter(|hosted| is_in(&lock(&node.engine.registry), hosted));
            let hosted = hosted.ok_or_else(|| self.out())?;
            if node.is_told_for_good(&hosted) {
                let message = "what others were told of a transient agent stands";
                return Err(Error::new(Kind::Unsupported, message).with_code("transient"));
            }
            let before = std::mem::replace(&mut lock(&hosted.announced).health, health);
            if before == health { Ok(()) } else { node.publish_anew(&hosted) }
        };
        told().map_err(|error| error.with_operation("health"))
    }

    fn out(&self) -> Error {
        Error::new(Kind::NotFound, "the agent is out already").with_agent(self.id)
    }

    /// Takes it out: new calls are refused at once, running ones may end within `grace` and are
    /// cancelled then.
    ///
    /// # Errors
    /// `closed` when the node is closed; `not_found` when it is out already.
    ///
    /// # Cancellation
    /// It is out; running calls are left alone.
    pub async fn unregister(&self, grace: Duration) -> Result<()> {
        let node = self.node.upgrade().ok_or_else(closed)?;
        let hosted = self.hosted.upgrade().filter(|hosted| node.take_out(hosted));
        let Some(hosted) = hosted else {
            return Err(self.out().with_operation("unregister"));
        };
        if tokio::time::timeout(grace, hosted.room.idle()).await.is_err() {
            hosted.stop.cancel();
        }
        Ok(())
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("name", &self.name).field("id", &self.id).finish()
    }
}

/// A rule that asks the host's function needs one.
fn check_functions(options: &AgentOptions) -> Result<()> {
    let missing = |field: &str| {
        Err(Error::new(Kind::Configuration, "the rule needs a function of the host")
            .with_code("no_function")
            .with_field(field))
    };
    let rules = &options.requirements;
    if matches!(rules.auth, Some(AuthRule::Host)) && options.authenticator.is_none() {
        return missing("requirements.auth");
    }
    if rules.token_counter == TokenCounter::Host && options.counter.is_none() {
        return missing("requirements.tokenCounter");
    }
    Ok(())
}

/// The key of an agent, and what keeps others from using it.
struct AgentKey {
    key: SecretKey,
    lock: Option<Arc<Lock>>,
    stored: Option<Name>,
    /// What a duplicate in this node has: its word for what they publish.
    body: Option<Arc<Body>>,
}

async fn agent_key(inner: &Arc<Inner>, options: &AgentOptions) -> Result<AgentKey> {
    let Identity::Stored(name) = &options.identity else {
        return Ok(AgentKey { key: keys::fresh()?, lock: None, stored: None, body: None });
    };
    let name: Name = name.parse().map_err(|error: Error| error.with_field("identity"))?;
    let stored = Some(name.clone());
    // A duplicate in this node; whether it may stand is decided by the registry.
    let twin = inner.hosted().into_iter().find(|hosted| hosted.stored == stored);
    if let Some(twin) = twin {
        let (key, lock, body) = (twin.key.clone(), twin.key_lock.clone(), twin.body.clone());
        return Ok(AgentKey { key, lock, stored, body });
    }
    let (home, replica) = (inner.home.clone(), options.replica);
    executor::blocking(move || {
        let StoredKey { key, lock } = if replica {
            keys::stored_agent_shared(&home, &name)?
        } else {
            keys::stored_agent(&home, &name)?
        };
        Ok(AgentKey { key, lock: Some(Arc::new(lock)), stored, body: None })
    })
    .await
}

/// Says on this machine what a stored identity publishes, before anyone is told: of two hosts that
/// register at once, neither knows of the other yet.
async fn stand_by(inner: &Inner, id: AgentId, name: &Name, policy: &Policy) -> Result<Body> {
    let (home, name, digest) = (inner.home.clone(), name.clone(), body_digest(policy.descriptor()));
    let stood = executor::blocking(move || Body::stand_by(&home, &name, &digest)).await?;
    stood.ok_or_else(|| another_body(id))
}

/// The digest of what an agent publishes.
pub(super) fn body_digest(descriptor: &v1::Descriptor) -> Digest {
    record::digest(&descriptor.encode_to_vec())
}

fn another_body(id: AgentId) -> Error {
    let message = "another host of this identity publishes another descriptor; \
                   publish the same one, or take an identity of its own";
    Error::new(Kind::Conflict, message).with_code("replica").with_agent(id)
}

/// A replica publishes what the other hosts of its key publish.
async fn check_replica(inner: &Inner, id: AgentId, own: &Arc<v1::Descriptor>) -> Result<()> {
    if !comes_within(limits::FIRST_LOOK, inner.mesh.looked()).await {
        tracing::warn!(agent = %id, "other hosts of a replica may be there that are not known yet");
    }
    match inner.world.by_id(&id) {
        Some(known) if known.descriptor != *own => Err(another_body(id)),
        Some(_) | None => Ok(()),
    }
}

/// Waits for what may not come; false: it did not in this time.
async fn comes_within(time: Duration, coming: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(time, coming).await.is_ok()
}

fn name_taken(name: &Name) -> Error {
    Error::new(Kind::Conflict, format!("an agent named {name} is registered here"))
        .with_code("name_taken")
        .with_field("name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replica_waits_for_the_first_look_and_not_for_ever() {
        // As much of the bound as fits a test.
        let short = limits::FIRST_LOOK / 500;
        assert!(!comes_within(short, std::future::pending()).await);
        assert!(comes_within(limits::FIRST_LOOK, std::future::ready(())).await);
    }
}
