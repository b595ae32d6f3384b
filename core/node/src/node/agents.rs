//! Registering agents, and the handle of one.

use super::announce;
use super::lifecycle::{Inner, Node, closed};
use super::options::{AgentOptions, Concurrency, Identity};
use super::publish::{self, Published};
use super::request::RequestOptions;
use crate::chance::now_ms;
use crate::engine::{Admission, Hosted, Parts, lock};
use crate::executor;
use crate::foreign::Handler;
use crate::home::Lock;
use crate::keys;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Address, AgentId, Name, SecretKey};
use hubless_proto::policy::{AuthRule, Caller, TokenCounter};
use hubless_proto::registry;
use hubless_proto::wire::v1;
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
}

impl Node {
    /// Registers an agent; it can be found when this returns.
    ///
    /// # Errors
    /// `conflict` (`name_taken`) for a name in use, or (`key_in_use`) a stored identity in use
    /// elsewhere; `configuration` when it needs what this version or its set-up lacks;
    /// `too_large` when its descriptor cannot fit; `invalid_argument` naming the field.
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
        check_functions(&options)?;
        let name: Name = options.name.parse()?;
        // A taken name is refused before a key is made for it.
        if lock(&inner.engine.registry).by_name(&name).is_some() {
            return Err(name_taken(&name));
        }
        let AgentKey { key, lock: key_lock, stored } = agent_key(inner, &options).await?;
        let id = key.agent_id();
        let (node_auth, _) = inner.engine.auth();
        let Published { name, policy, documents } =
            publish::publish(id, &options, stored.is_some(), &node_auth)?;
        if options.replica {
            check_replica(inner, id, policy.descriptor())?;
        }
        let hosted = Arc::new(Hosted::new(Parts {
            serial: inner.engine.serial(),
            name: name.clone(),
            key,
            stored,
            key_lock,
            policy,
            documents,
            isolated: options.concurrency == Concurrency::Isolated,
            handler,
            authenticator: options.authenticator.clone(),
            counter: options.counter.clone(),
        }));
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
        lock(&inner.engine.registry).register(entry)?;
        if let Some(parent) = &options.parent {
            let (node, child) = (Arc::downgrade(inner), Arc::downgrade(&hosted));
            parent.core().at_end(Box::new(move |_| {
                if let (Some(node), Some(child)) = (node.upgrade(), child.upgrade()) {
                    node.take_out(&child);
                }
            }));
        }
        if inner.is_closing() {
            // It closed meanwhile, and may have told all of its agents to stop before this one.
            inner.take_out(&hosted);
            return Err(closed());
        }
        inner.world.show(&hosted);
        inner.agents_changed();
        tracing::info!(agent = %name, %id, "agent registered");
        Ok(Agent {
            node: Arc::downgrade(inner),
            hosted: Arc::downgrade(&hosted),
            id,
            name,
            address: Address::new(&inner.mesh_id(), &id),
        })
    }

    /// Runs the checks of a hosted agent on a request, as a caller of this node, without calling
    /// it; nothing is counted.
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
    /// Takes an agent out of the registry, so that new calls do not find it; true: it was there.
    pub(super) fn take_out(&self, hosted: &Arc<Hosted>) -> bool {
        let taken = {
            let mut registry = lock(&self.engine.registry);
            let ours = registry
                .by_name(&hosted.name)
                .is_some_and(|entry| Arc::ptr_eq(&entry.value, hosted));
            ours && registry.unregister(&hosted.name).is_some()
        };
        if taken {
            hosted.room.close();
            if lock(&self.engine.registry).by_id(&hosted.id()).is_none() {
                self.world.hide(hosted.id());
            }
            self.agents_changed();
            tracing::info!(agent = %hosted.name, "agent taken out");
        }
        taken
    }
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
            return Err(Error::new(Kind::NotFound, "the agent is out already")
                .with_operation("unregister")
                .with_agent(self.id));
        };
        let idle = node.engine.until(|| hosted.room.running() == 0);
        if tokio::time::timeout(grace, idle).await.is_err() {
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
}

async fn agent_key(inner: &Arc<Inner>, options: &AgentOptions) -> Result<AgentKey> {
    let Identity::Stored(name) = &options.identity else {
        return Ok(AgentKey { key: keys::fresh()?, lock: None, stored: None });
    };
    let name: Name = name.parse().map_err(|error: Error| error.with_field("identity"))?;
    let stored = Some(name.clone());
    // A duplicate in this node; whether it may stand is decided by the registry.
    let twin = inner.hosted().into_iter().find(|hosted| hosted.stored == stored);
    if let Some(twin) = twin {
        let (key, lock) = (twin.key.clone(), twin.key_lock.clone());
        return Ok(AgentKey { key, lock, stored });
    }
    let (home, replica) = (inner.home.clone(), options.replica);
    executor::blocking(move || {
        if replica {
            let key = keys::stored_agent_shared(&home, &name)?;
            return Ok(AgentKey { key, lock: None, stored });
        }
        let found = keys::stored_agent(&home, &name)?;
        Ok(AgentKey { key: found.key, lock: Some(Arc::new(found.lock)), stored })
    })
    .await
}

/// A replica publishes what the other hosts of its key publish.
fn check_replica(inner: &Inner, id: AgentId, own: &Arc<v1::Descriptor>) -> Result<()> {
    match inner.world.by_id(&id) {
        Some(known) if known.descriptor != *own => {
            let message = "another host of this identity publishes another descriptor";
            Err(Error::new(Kind::Conflict, message).with_code("replica").with_agent(id))
        }
        Some(_) | None => Ok(()),
    }
}

fn name_taken(name: &Name) -> Error {
    Error::new(Kind::Conflict, format!("an agent named {name} is registered here"))
        .with_code("name_taken")
        .with_field("name")
}
