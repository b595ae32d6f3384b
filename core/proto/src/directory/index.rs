//! Look-ups of agents by what they publish.

use super::entry::Entry;
use crate::identity::{Address, AgentId, MeshId, Name};
use crate::query::{Query, TextIndex};
use std::collections::{BTreeMap, BTreeSet};

/// Agents by name, address, skill, tag and word; kept in step with the entries.
#[derive(Debug)]
pub(super) struct Index {
    mesh: MeshId,
    names: BTreeMap<Name, BTreeSet<AgentId>>,
    addresses: BTreeMap<Address, BTreeSet<AgentId>>,
    skills: BTreeMap<String, BTreeSet<AgentId>>,
    tags: BTreeMap<String, BTreeSet<AgentId>>,
    text: TextIndex,
}

/// Where the answers of a query can be.
pub(super) enum Scope {
    /// Among these, with their text scores.
    Scored(BTreeMap<AgentId, f64>),
    /// Among these.
    Some(BTreeSet<AgentId>),
    /// Anywhere.
    All,
}

impl Index {
    pub(super) const fn new(mesh: MeshId) -> Self {
        Self {
            mesh,
            names: BTreeMap::new(),
            addresses: BTreeMap::new(),
            skills: BTreeMap::new(),
            tags: BTreeMap::new(),
            text: TextIndex::new(),
        }
    }

    pub(super) fn insert(&mut self, entry: &Entry) {
        let id = entry.id;
        self.names.entry(entry.name.clone()).or_default().insert(id);
        self.addresses.entry(Address::new(&self.mesh, &id)).or_default().insert(id);
        for skill in &entry.descriptor.skills {
            self.skills.entry(skill.id.clone()).or_default().insert(id);
        }
        for tag in tags(entry) {
            self.tags.entry(tag.clone()).or_default().insert(id);
        }
        self.text.insert(id, &entry.descriptor);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        let id = &entry.id;
        take(&mut self.names, &entry.name, id);
        take(&mut self.addresses, &Address::new(&self.mesh, id), id);
        for skill in &entry.descriptor.skills {
            take(&mut self.skills, &skill.id, id);
        }
        for tag in tags(entry) {
            take(&mut self.tags, tag, id);
        }
        self.text.remove(id);
    }

    pub(super) fn knows(&self, id: &AgentId) -> bool {
        self.addresses.get(&Address::new(&self.mesh, id)).is_some_and(|ids| ids.contains(id))
    }

    pub(super) fn by_name(&self, name: &Name) -> impl Iterator<Item = &AgentId> {
        self.names.get(name).into_iter().flatten()
    }

    pub(super) fn by_address(&self, address: Address) -> impl Iterator<Item = &AgentId> {
        self.addresses.get(&address.within(&self.mesh)).into_iter().flatten()
    }

    /// Pretends that an agent has this address.
    #[cfg(test)]
    pub(super) fn collide(&mut self, address: Address, id: AgentId) {
        self.addresses.entry(address).or_default().insert(id);
    }

    /// The smallest known set that holds every answer.
    pub(super) fn scope(&self, query: &Query) -> Scope {
        if !query.text.is_empty() {
            return Scope::Scored(self.text.scores(&query.text));
        }
        let of = |index: &BTreeMap<String, BTreeSet<AgentId>>, key: &String| {
            Scope::Some(index.get(key).cloned().unwrap_or_default())
        };
        match query.tags.first() {
            _ if !query.skill.is_empty() => of(&self.skills, &query.skill),
            Some(tag) => of(&self.tags, tag),
            None => Scope::All,
        }
    }

    /// True when the text of a query, if it has one, meets the agent's.
    pub(super) fn meets(&self, id: &AgentId, query: &Query) -> bool {
        query.text.is_empty() || self.text.meets(id, &query.text)
    }
}

fn tags(entry: &Entry) -> impl Iterator<Item = &String> {
    let descriptor = &entry.descriptor;
    descriptor.tags.iter().chain(descriptor.skills.iter().flat_map(|skill| &skill.tags))
}

fn take<K: Ord>(index: &mut BTreeMap<K, BTreeSet<AgentId>>, key: &K, id: &AgentId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
