//! Agents known by hand: a static list that a user imports.

use crate::error::{Error, Kind, Result};
use crate::fields::Fields;
use crate::identity::{AgentId, Name, NodeKey};
use crate::limits;
use crate::query::{Candidate, Query, TextIndex};
use crate::wire::v1;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One agent known by hand. What is said of it is a claim until it answers with its own key.
#[derive(Debug, Clone)]
pub struct ClientAgent {
    /// Its key.
    pub id: AgentId,
    /// Its name.
    pub name: Name,
    /// Node that hosts it, if the list says so.
    pub node: Option<NodeKey>,
    /// What the list says of it.
    pub descriptor: Arc<v1::Descriptor>,
}

/// The imported agents; at most `CATALOGUE_AGENTS`.
#[derive(Debug, Default)]
pub struct Catalogue {
    agents: BTreeMap<Name, ClientAgent>,
    names: BTreeMap<AgentId, Name>,
    text: TextIndex,
}

impl Catalogue {
    /// Nothing is imported.
    pub const fn new() -> Self {
        Self { agents: BTreeMap::new(), names: BTreeMap::new(), text: TextIndex::new() }
    }

    /// The agent of this name.
    pub fn by_name(&self, name: &Name) -> Option<&ClientAgent> {
        self.agents.get(name)
    }

    /// The agent of this key.
    pub fn by_id(&self, id: &AgentId) -> Option<&ClientAgent> {
        self.names.get(id).and_then(|name| self.agents.get(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ClientAgent> {
        self.agents.values()
    }

    /// Those that are as asked, the best text first, then by name. When its list was made, and by
    /// which mesh, is not known of any.
    pub fn find(&self, query: &Query, now_ms: u64) -> Vec<&ClientAgent> {
        let matches = |agent: &&ClientAgent| {
            let candidate = Candidate {
                id: agent.id,
                descriptor: &agent.descriptor,
                mesh: None,
                issued_at_ms: 0,
                latency_us: None,
                input_schema: &|_| None,
            };
            query.matches(&candidate, now_ms)
        };
        if query.text.is_empty() {
            return self.agents.values().filter(matches).collect();
        }
        let scores = self.text.scores(&query.text);
        let scored = scores.iter().filter_map(|(id, score)| Some((*score, self.by_id(id)?)));
        let mut found: Vec<_> = scored.filter(|(_, agent)| matches(agent)).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
        found.into_iter().map(|(_, agent)| agent).collect()
    }

    /// Imports objects, each a descriptor in its JSON form with `agentId` and, if known,
    /// `nodeKey`; answers how many were taken, and why each other was not.
    pub(super) fn load(
        &mut self,
        objects: Vec<Value>,
        is_hosted: impl Fn(&Name) -> bool,
    ) -> (usize, Vec<Error>) {
        let mut refused = Vec::new();
        let mut loaded = 0;
        for (index, object) in objects.into_iter().enumerate() {
            let path = format!("descriptors.{index}");
            let read = read(&path, object).and_then(|agent| self.add(&path, agent, &is_hosted));
            match read {
                Ok(()) => loaded += 1,
                Err(error) => refused.push(error),
            }
        }
        (loaded, refused)
    }

    fn add(
        &mut self,
        path: &str,
        agent: ClientAgent,
        is_hosted: &impl Fn(&Name) -> bool,
    ) -> Result<()> {
        let known = self.names.contains_key(&agent.id) || self.agents.contains_key(&agent.name);
        if known || is_hosted(&agent.name) {
            let message = format!("an agent named {}, or of this key, is known here", agent.name);
            return Err(Error::new(Kind::Conflict, message)
                .with_code("name_taken")
                .with_field(path)
                .with_agent(agent.id));
        }
        if self.agents.len() >= limits::CATALOGUE_AGENTS {
            return Err(Error::new(Kind::TooLarge, "no more agents can be imported")
                .with_field(path)
                .with_limit("CATALOGUE_AGENTS", limits::CATALOGUE_AGENTS as u64));
        }
        self.names.insert(agent.id, agent.name.clone());
        self.text.insert(agent.id, &agent.descriptor);
        self.agents.insert(agent.name.clone(), agent);
        Ok(())
    }
}

fn read(path: &str, object: Value) -> Result<ClientAgent> {
    let mut fields = Fields::of(path, object.clone())?;
    let id: AgentId = fields.need("agentId")?;
    let node: Option<NodeKey> = fields.take("nodeKey")?;
    let text: String = fields.need("name")?;
    let name: Name = text.parse().map_err(|error: Error| fields.wrong("name", error.message))?;
    let mut descriptor: v1::Descriptor =
        serde_json::from_value(object).map_err(|_| Error::invalid(path, "not a descriptor"))?;
    name.as_str().clone_into(&mut descriptor.name);
    Ok(ClientAgent { id, name, node, descriptor: Arc::new(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, n: u8) -> Value {
        json!({"agentId": AgentId::from_bytes([n; 32]).to_string(), "name": name, "tags": ["t"]})
    }

    #[test]
    fn takes_each_object_for_itself_and_never_overwrites() {
        let mut all = Catalogue::new();
        let objects = vec![
            object("Good", 1),
            object("hosted", 2),
            object("good", 3),
            object("other", 1),
            json!({"name": "no-id"}),
            json!({"agentId": "did:key:zz", "name": "bad-id"}),
            object("bad name", 4),
            json!([]),
            json!({"agentId": AgentId::from_bytes([5; 32]).to_string(), "name": "x", "tags": 1}),
            object("last", 6),
        ];
        let (loaded, refused) = all.load(objects, |name| name.as_str() == "hosted");
        assert_eq!(loaded, 2);
        let fields: Vec<&str> =
            refused.iter().map(|error| error.field.as_deref().unwrap_or_default()).collect();
        assert_eq!(
            fields,
            [
                "descriptors.1",
                "descriptors.2",
                "descriptors.3",
                "descriptors.4.agentId",
                "descriptors.5.agentId",
                "descriptors.6.name",
                "descriptors.7",
                "descriptors.8"
            ]
        );
        let good = all.by_id(&AgentId::from_bytes([1; 32])).unwrap();
        assert_eq!((good.name.as_str(), good.descriptor.tags.len()), ("good", 1));
        assert_eq!(all.iter().count(), 2);
    }

    #[test]
    fn answers_queries_by_text_and_fields() {
        let mut all = Catalogue::new();
        let object = |name: &str, n: u8, description: &str, tag: &str| {
            json!({"agentId": AgentId::from_bytes([n; 32]).to_string(), "name": name,
                "description": description, "tags": [tag]})
        };
        let objects = vec![
            object("b", 1, "renders charts", "chart"),
            object("a", 2, "tells of charts and their makers and more", "text"),
            object("c", 3, "translates", "text"),
        ];
        assert_eq!(all.load(objects, |_| false).0, 3);
        let names = |query: Value| -> Vec<String> {
            let query = Query::read(query).unwrap();
            all.find(&query, 1_700_000_000_000).iter().map(|agent| agent.name.to_string()).collect()
        };
        assert_eq!(names(json!({})), ["a", "b", "c"]);
        assert_eq!(names(json!({"tags": ["text"]})), ["a", "c"]);
        assert_eq!(names(json!("charts")), ["b", "a"]);
        assert_eq!(names(json!({"text": "charts", "tags": ["text"]})), ["a"]);
        assert_eq!(names(json!({"freshMs": 1})), [""; 0], "nobody knows when it was made");
    }

    #[test]
    fn holds_a_bounded_number() {
        let mut all = Catalogue::new();
        for n in 0..limits::CATALOGUE_AGENTS {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let (id, name) = (AgentId::from_bytes(key), format!("n{n}"));
            let name: Name = name.parse().unwrap();
            let descriptor = Arc::default();
            all.names.insert(id, name.clone());
            all.agents.insert(name.clone(), ClientAgent { id, name, node: None, descriptor });
        }
        let (loaded, refused) = all.load(vec![object("one-more", 9)], |_| false);
        let limit = refused[0].limit.as_ref().map(|limit| limit.name.as_str());
        assert_eq!((loaded, limit), (0, Some("CATALOGUE_AGENTS")));
    }
}
