//! The agents that live here.

use super::Catalogue;
use crate::directory::ambiguous;
use crate::error::{Error, Kind, Result};
use crate::identity::{Address, AgentId, MeshId, Name};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};

/// One agent that lives here; `T` is what the driver keeps of it.
#[derive(Debug)]
pub struct Hosted<T> {
    /// Its name, unique on this node.
    pub name: Name,
    /// Its key.
    pub id: AgentId,
    /// True when nodes outside the mesh may call it.
    pub external: bool,
    /// True when it may stand here more than once, under other names.
    pub duplicates: bool,
    /// Call during which it was registered, which it belongs to; none: the node.
    pub child_of: Option<u64>,
    /// What the driver keeps.
    pub value: T,
}

/// Which agents to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Hosted here and open to other meshes.
    Global,
    /// Hosted here.
    Local,
    /// Known from elsewhere.
    Client,
    /// Both.
    All,
}

impl std::str::FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "global" => Ok(Self::Global),
            "local" => Ok(Self::Local),
            "client" => Ok(Self::Client),
            "all" => Ok(Self::All),
            _ => Err(Error::invalid("scope", "expected global, local, client or all")),
        }
    }
}

/// The agents of one node; every look-up is O(log n).
#[derive(Debug)]
pub struct Registry<T> {
    mesh: MeshId,
    hosted: BTreeMap<Name, Hosted<T>>,
    ids: BTreeMap<AgentId, BTreeSet<Name>>,
    addresses: BTreeMap<Address, BTreeSet<AgentId>>,
    children: BTreeMap<u64, BTreeSet<Name>>,
    catalogue: Catalogue,
}

impl<T> Registry<T> {
    /// An empty registry in a mesh, which addresses are made for.
    pub const fn new(mesh: MeshId) -> Self {
        Self {
            mesh,
            hosted: BTreeMap::new(),
            ids: BTreeMap::new(),
            addresses: BTreeMap::new(),
            children: BTreeMap::new(),
            catalogue: Catalogue::new(),
        }
    }

    /// Adds an agent; nothing is ever overwritten.
    ///
    /// # Errors
    /// `conflict`, code `name_taken`: the name stands; code `agent_taken`: the same key stands
    /// under another name and one of the two is not to be duplicated. `too_large` at
    /// `HOSTED_AGENTS`.
    pub fn register(&mut self, agent: Hosted<T>) -> Result<()> {
        if self.hosted.contains_key(&agent.name) {
            let message = format!("an agent named {} is registered here", agent.name);
            return Err(conflict("name_taken", message, &agent).with_field("name"));
        }
        let twins = self.ids.get(&agent.id).into_iter().flatten();
        let mut twins = twins.filter_map(|name| self.hosted.get(name));
        if twins.any(|twin| !twin.duplicates || !agent.duplicates) {
            let message = "the same agent is registered here and may not be duplicated";
            return Err(conflict("agent_taken", message.to_owned(), &agent));
        }
        if self.hosted.len() >= limits::HOSTED_AGENTS {
            let message = "no more agents fit into one node; start another node for them";
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("HOSTED_AGENTS", limits::HOSTED_AGENTS as u64));
        }
        self.ids.entry(agent.id).or_default().insert(agent.name.clone());
        let address = Address::new(&self.mesh, &agent.id);
        self.addresses.entry(address).or_default().insert(agent.id);
        if let Some(call) = agent.child_of {
            self.children.entry(call).or_default().insert(agent.name.clone());
        }
        self.hosted.insert(agent.name.clone(), agent);
        Ok(())
    }

    /// Takes an agent out, so that new calls do not find it.
    pub fn unregister(&mut self, name: &Name) -> Option<Hosted<T>> {
        let agent = self.hosted.remove(name)?;
        remove(&mut self.ids, &agent.id, name);
        if !self.ids.contains_key(&agent.id) {
            remove(&mut self.addresses, &Address::new(&self.mesh, &agent.id), &agent.id);
        }
        if let Some(call) = agent.child_of {
            remove(&mut self.children, &call, name);
        }
        Some(agent)
    }

    /// Takes out the agents that were registered during a call that has ended.
    pub fn end_call(&mut self, call: u64) -> Vec<Hosted<T>> {
        let names = self.children.remove(&call).unwrap_or_default();
        names.iter().filter_map(|name| self.unregister(name)).collect()
    }

    /// The agent of this name.
    pub fn by_name(&self, name: &Name) -> Option<&Hosted<T>> {
        self.hosted.get(name)
    }

    /// The agent of this key; of duplicates the first by name.
    pub fn by_id(&self, id: &AgentId) -> Option<&Hosted<T>> {
        self.ids.get(id)?.first().and_then(|name| self.hosted.get(name))
    }

    /// The agent of this address; `0:` stands for the own mesh.
    ///
    /// # Errors
    /// `ambiguous` with the ids, when two keys have the same 48 bits.
    pub fn by_address(&self, address: Address) -> Result<Option<&Hosted<T>>> {
        let Some(ids) = self.addresses.get(&address.within(&self.mesh)) else { return Ok(None) };
        if ids.len() > 1 {
            return Err(ambiguous(ids.iter()));
        }
        Ok(ids.first().and_then(|id| self.by_id(id)))
    }

    /// The agents that live here, by name; `Client` lists none of them.
    pub fn list(&self, scope: Scope) -> impl Iterator<Item = &Hosted<T>> {
        self.hosted.values().filter(move |agent| match scope {
            Scope::Global => agent.external,
            Scope::Local | Scope::All => true,
            Scope::Client => false,
        })
    }

    /// Number of agents that live here.
    pub fn len(&self) -> usize {
        self.hosted.len()
    }

    /// True when none lives here.
    pub fn is_empty(&self) -> bool {
        self.hosted.is_empty()
    }

    /// The agents known by hand.
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Imports a static catalogue; each object is taken or refused for itself.
    pub fn load_agents(&mut self, descriptors: Vec<serde_json::Value>) -> (usize, Vec<Error>) {
        let hosted = &self.hosted;
        self.catalogue.load(descriptors, |name| hosted.contains_key(name))
    }
}

fn conflict<T>(code: &str, message: String, agent: &Hosted<T>) -> Error {
    Error::new(Kind::Conflict, message).with_code(code).with_agent(agent.id)
}

fn remove<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
