//! This node as it shows itself: its record, its token, its agents.

use super::hostings::Hosting;
use crate::chance::now_ms;
use crate::keys::random;
use crate::link::RelayUrl;
use crate::membership::Membership;
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::announcement::agents_digest;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Low bits of an instance number that are random.
const RANDOM_BITS: u32 = 20;

/// Agents of this node, as announced.
pub(super) type Agents = Arc<Vec<v1::AgentAnnouncement>>;

/// What every connection and the runtime folder show of this node.
#[derive(Debug)]
pub(super) struct Local {
    key: SecretKey,
    instance: u64,
    membership: Membership,
    /// It holds records of nodes beyond the runtime folder: those of the folder hear of them here.
    beyond: watch::Sender<bool>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    addresses: Vec<SocketAddr>,
    /// The one first that it can be reached by.
    relays: Vec<RelayUrl>,
    agents: Agents,
    index: BTreeMap<AgentId, usize>,
    record: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    signed: v1::SignedRecord,
    token: Vec<u8>,
    renew_ms: u64,
    seq: u64,
}

impl Shown {
    /// The next reader makes the record anew.
    fn stale(&mut self) {
        if let Some(kept) = &mut self.record {
            kept.renew_ms = 0;
        }
    }
}

impl Local {
    pub(super) fn new(key: SecretKey, membership: Membership) -> Result<Self> {
        let random = u64::from(u32::from_be_bytes(random()?)) & ((1 << RANDOM_BITS) - 1);
        let instance = (now_ms() << RANDOM_BITS) | random;
        let shown = Mutex::new(Shown::default());
        Ok(Self { key, instance, membership, beyond: watch::Sender::new(false), shown })
    }

    pub(super) const fn key(&self) -> &SecretKey {
        &self.key
    }

    pub(super) fn node(&self) -> NodeKey {
        self.key.node_key()
    }

    pub(super) const fn mesh(&self) -> MeshId {
        self.membership.mesh()
    }

    pub(super) const fn instance(&self) -> u64 {
        self.instance
    }

    pub(super) const fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Agents that are announced.
    pub(super) fn agents(&self) -> Agents {
        Arc::clone(&self.lock().agents)
    }

    /// The announcement of one agent of ours.
    pub(super) fn agent(&self, id: AgentId) -> Option<v1::AgentAnnouncement> {
        let shown = self.lock();
        shown.index.get(&id).and_then(|place| shown.agents.get(*place)).cloned()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().addresses.clone()
    }

    /// Sets the addresses; true when they changed.
    pub(super) fn set_addresses(&self, addresses: Vec<SocketAddr>) -> bool {
        let mut shown = self.lock();
        let changed = shown.addresses != addresses;
        if changed {
            shown.addresses = addresses;
            shown.stale();
        }
        changed
    }

    pub(super) fn relays(&self) -> Vec<RelayUrl> {
        self.lock().relays.clone()
    }

    /// Sets the relays that it can be reached by, the likeliest first; true when they changed.
    pub(super) fn set_relays(&self, relays: Vec<RelayUrl>) -> bool {
        let mut shown = self.lock();
        let changed = shown.relays != relays;
        if changed {
            shown.relays = relays;
            shown.stale();
        }
        changed
    }

    /// Shows another token from now on: the one of the member key was renewed.
    pub(super) fn token_changed(&self) {
        self.lock().stale();
    }

    /// The node that a record is of, and its process; none: one of another mesh. What it says is
    /// believed when it is opened.
    pub(super) fn fellow(&self, record: &v1::SignedRecord) -> Option<(NodeKey, u64)> {
        let record = record::peek(record).ok()?;
        let node = NodeKey::from_slice(&record.key).ok()?;
        let said = v1::NodeRecord::decode(record.body).ok()?;
        (said.mesh == self.mesh().as_bytes().as_slice()).then_some((node, said.instance))
    }

    /// A later record than any before.
    pub(super) fn renewed(&self, now_ms: u64) -> Result<v1::SignedRecord> {
        let mut shown = self.lock();
        shown.stale();
        self.refresh(&mut shown, now_ms)
    }

    /// The same, and above this number.
    pub(super) fn renewed_above(&self, seq: u64, now_ms: u64) -> Result<v1::SignedRecord> {
        let mut shown = self.lock();
        self.refresh(&mut shown, now_ms)?;
        if let Some(kept) = &mut shown.record {
            kept.seq = kept.seq.max(seq);
        }
        shown.stale();
        self.refresh(&mut shown, now_ms)
    }

    /// The number of the record that was made last; 0: none was.
    pub(super) fn number(&self) -> u64 {
        self.lock().record.as_ref().map_or(0, |kept| kept.seq)
    }

    /// Says in the runtime folder whether records of nodes beyond it are held here.
    pub(super) fn set_beyond(&self, beyond: bool) {
        self.beyond.send_if_modified(|known| std::mem::replace(known, beyond) != beyond);
    }

    /// Whether it says so, and what it says next: its file is written anew then.
    pub(super) fn beyond(&self) -> watch::Receiver<bool> {
        self.beyond.subscribe()
    }

    pub(super) fn set_agents(&self, agents: Agents) {
        let places = agents.iter().enumerate();
        let index = places.filter_map(|(place, agent)| Some((agent_id(agent)?, place))).collect();
        let mut shown = self.lock();
        shown.index = index;
        shown.agents = agents;
        shown.stale();
    }

    /// The signed record of this node, made anew when something changed or a third of its life is
    /// over.
    pub(super) fn record(&self, now_ms: u64) -> Result<v1::SignedRecord> {
        let mut shown = self.lock();
        self.refresh(&mut shown, now_ms)
    }

    /// True when the record must be made anew.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.lock().record.as_ref().is_none_or(|kept| now_ms >= kept.renew_ms)
    }

    /// The membership token of this node; empty for an external one.
    pub(super) fn token(&self, now_ms: u64) -> Result<Vec<u8>> {
        let mut shown = self.lock();
        self.refresh(&mut shown, now_ms)?;
        Ok(shown.record.as_ref().map(|kept| kept.token.clone()).unwrap_or_default())
    }

    /// When a token of ours ends that was shown; never for a node that has none.
    ///
    /// # Errors
    /// `auth` for one that is over.
    pub(super) fn token_end(&self, token: &[u8], now_ms: u64) -> Result<u64> {
        if token.is_empty() {
            return Ok(u64::MAX);
        }
        self.membership.verify(token, self.node(), now_ms).map(|standing| standing.until_ms)
    }

    /// Everything that this node announces.
    pub(super) fn announcement(&self, now_ms: u64) -> Result<v1::NodeAnnouncement> {
        let mut shown = self.lock();
        let node = self.refresh(&mut shown, now_ms)?;
        let beyond = *self.beyond.borrow();
        Ok(v1::NodeAnnouncement { node: Some(node), agents: shown.agents.to_vec(), beyond })
    }

    fn refresh(&self, shown: &mut Shown, now: u64) -> Result<v1::SignedRecord> {
        if let Some(kept) = shown.record.as_ref().filter(|kept| now < kept.renew_ms) {
            return Ok(kept.signed.clone());
        }
        let token = self.membership.token_for(self.node(), now)?;
        let body = v1::NodeRecord {
            addresses: shown.addresses.iter().map(ToString::to_string).collect(),
            relays: shown.relays.iter().map(ToString::to_string).collect(),
            agents_digest: agents_digest(&shown.agents).to_vec().into(),
            token: token.clone().into(),
            mesh: self.mesh().to_wire(),
            instance: self.instance,
        };
        // Two records in one millisecond need two numbers.
        let seq = shown.record.as_ref().map_or(now, |kept| now.max(kept.seq.saturating_add(1)));
        let term = Term { seq, ..Term::starting(now, limits::RECORD_LIFE) };
        let signed = record::sign(&self.key, term, &body)?;
        let third = u64::try_from(limits::RECORD_LIFE.as_millis()).unwrap_or(u64::MAX) / 3;
        let renew_ms = now.saturating_add(third);
        shown.record = Some(Kept { signed: signed.clone(), token, renew_ms, seq });
        Ok(signed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix time in milliseconds at which a process with this instance number began.
pub(super) const fn began_ms(instance: u64) -> u64 {
    instance >> RANDOM_BITS
}

/// What a peer that sees this announcement may remember of it; none: of an agent that lives only
/// moments (the number of its records is 0) it remembers nothing.
pub(super) fn remembered(announcement: &v1::AgentAnnouncement) -> Option<Hosting> {
    let peeked = |record: &Option<v1::SignedRecord>| record::peek(record.as_ref()?).ok();
    let (hosting, descriptor) = (peeked(&announcement.hosting)?, peeked(&announcement.descriptor)?);
    let until_ms = hosting.expires_at_ms.min(descriptor.expires_at_ms);
    (hosting.seq > 0).then_some(Hosting { seq: hosting.seq, until_ms })
}

/// The number of the hosting of an announcement of ours.
pub(super) fn hosting_seq(announcement: &v1::AgentAnnouncement) -> u64 {
    let peeked = announcement.hosting.as_ref().and_then(|hosting| record::peek(hosting).ok());
    peeked.map_or(u64::MAX, |hosting| hosting.seq)
}

/// Whose announcement this is, as it says itself.
pub(super) fn agent_id(announcement: &v1::AgentAnnouncement) -> Option<AgentId> {
    let record = record::peek(announcement.hosting.as_ref()?).ok()?;
    AgentId::from_slice(&record.key).ok()
}
