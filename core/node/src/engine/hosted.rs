//! One agent that lives here: what it publishes, what it enforces, who answers for it.

use super::lock;
use super::room::Room;
use crate::call::kept::Kept;
use crate::foreign::{Authenticator, Handler, TokenCounter};
use crate::home::Lock;
use crate::keys::Body;
use hubless_proto::identity::{AgentId, Name, SecretKey};
use hubless_proto::limits;
use hubless_proto::memo::{Conversations, Idempotency};
use hubless_proto::policy::{AuthRule, AuthVerdicts, Policy, Rates};
use hubless_proto::query::Health;
use hubless_proto::wire::document::Sealed;
use hubless_proto::wire::v1;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// One hosted agent.
pub(crate) struct Hosted {
    /// Tells two registrations of the same key apart.
    pub(crate) serial: u64,
    pub(crate) name: Name,
    pub(crate) key: SecretKey,
    /// Name of its key file, for a stored identity.
    pub(crate) stored: Option<Name>,
    /// Its word for what it publishes, for a stored identity; shared by its duplicates in this
    /// node. Before the lock of the key: whoever has that alone finds no word of another host.
    pub(crate) body: Option<Arc<Body>>,
    /// Held while it lives, for a stored identity; shared by its duplicates in this node.
    pub(crate) key_lock: Option<Arc<Lock>>,
    pub(crate) policy: Policy,
    /// What it says of itself; the node's own mechanism of auth may come after it.
    published: Mutex<Arc<v1::Descriptor>>,
    pub(crate) documents: Vec<Sealed>,
    /// True: a fresh instance for each call.
    pub(crate) isolated: bool,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) counter: Option<Arc<dyn TokenCounter>>,
    pub(crate) rates: Mutex<Option<Rates>>,
    pub(crate) verdicts: Mutex<AuthVerdicts>,
    /// Room for checks by the user's auth function.
    pub(crate) auth_room: Arc<Semaphore>,
    pub(crate) room: Room,
    pub(crate) idempotency: Mutex<Idempotency<Arc<Kept>>>,
    pub(crate) conversations: Mutex<Conversations>,
    /// What it shows of itself.
    pub(crate) announced: Mutex<Announced>,
    /// Fires when running calls are to stop, after `unregister` and its grace.
    pub(crate) stop: CancellationToken,
}

/// The signed records of an agent.
#[derive(Default)]
pub(crate) struct Announced {
    pub(crate) records: v1::AgentAnnouncement,
    pub(crate) seq: u64,
    pub(crate) renew_at_ms: u64,
    /// What it says of itself.
    pub(crate) health: Health,
}

/// What is needed to make one.
pub(crate) struct Parts {
    pub(crate) serial: u64,
    pub(crate) name: Name,
    pub(crate) key: SecretKey,
    pub(crate) stored: Option<Name>,
    pub(crate) body: Option<Arc<Body>>,
    pub(crate) key_lock: Option<Arc<Lock>>,
    pub(crate) policy: Policy,
    pub(crate) documents: Vec<Sealed>,
    pub(crate) isolated: bool,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) counter: Option<Arc<dyn TokenCounter>>,
}

impl Hosted {
    pub(crate) fn new(parts: Parts) -> Self {
        let rules = parts.policy.requirements();
        let room = Room::new(rules.max_concurrency, rules.queue);
        let rates = rules.rate.map(Rates::new);
        Self {
            serial: parts.serial,
            name: parts.name,
            key: parts.key,
            stored: parts.stored,
            body: parts.body,
            key_lock: parts.key_lock,
            published: Mutex::new(Arc::clone(parts.policy.descriptor())),
            policy: parts.policy,
            documents: parts.documents,
            isolated: parts.isolated,
            handler: parts.handler,
            authenticator: parts.authenticator,
            counter: parts.counter,
            rates: Mutex::new(rates),
            verdicts: Mutex::new(AuthVerdicts::new()),
            auth_room: Arc::new(Semaphore::new(limits::AUTH_CHECKS)),
            room,
            idempotency: Mutex::new(Idempotency::new()),
            conversations: Mutex::new(Conversations::new()),
            announced: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) const fn id(&self) -> AgentId {
        self.policy.id()
    }

    /// Writes down which skill a request means, for all that look at it from here on; a skill
    /// that the agent does not have is left to the checks.
    pub(crate) fn name_skill(&self, request: &mut v1::Request) {
        if let Some(skill) = self.policy.descriptor().skill(&request.skill) {
            request.skill.clone_from(&skill.id);
        }
    }

    /// True for an agent that lives only moments.
    pub(crate) fn is_transient(&self) -> bool {
        self.policy.descriptor().transient
    }

    pub(crate) fn descriptor(&self) -> Arc<v1::Descriptor> {
        Arc::clone(&lock(&self.published))
    }

    /// Says that callers must prove themselves to the node's own mechanism, if the agent has none;
    /// true: it said otherwise before.
    pub(crate) fn publish_auth(&self, node_auth: &AuthRule) -> bool {
        let mut published = lock(&self.published);
        let mut descriptor = published.as_ref().clone();
        self.policy.requirements().publish(node_auth, &mut descriptor);
        let changed = !published.requires_auth && descriptor.requires_auth;
        if changed {
            *published = Arc::new(descriptor);
        }
        changed
    }
}
