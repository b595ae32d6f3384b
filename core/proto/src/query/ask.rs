//! What an agent must be like.

use super::{Candidate, Filter, VersionRange, cost};
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::identity::{AgentId, MeshId};
use crate::limits;
use crate::policy::MediaRule;
use crate::schema;
use crate::wire::v1;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What an agent must be like: every part that is given must hold. The same object everywhere.
///
/// ```
/// use hubless_proto::query::Query;
/// use serde_json::json;
///
/// let query = Query::read(json!({"skill": "render", "tags": ["svg"], "limit": 3})).unwrap();
/// assert_eq!(query.limit, 3);
/// assert_eq!(Query::read(json!("draws charts")).unwrap().text, "draws charts");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Words to be found by; ranks, and leaves out who has none of them. Empty: not asked.
    pub text: String,
    /// Id of a skill; empty: any.
    pub skill: String,
    /// Tags, all of them, of the agent or of the skill.
    pub tags: Vec<String>,
    /// Group it must be in; empty: any.
    pub group: String,
    /// Zone it must be in; empty: any.
    pub zone: String,
    /// Content types that it must take, all of them.
    pub content_types_in: Vec<MediaRule>,
    /// Content types that it must give, one of them.
    pub content_types_out: Vec<MediaRule>,
    /// Values of this schema must be taken by the skill's input schema.
    pub accepts: Option<Arc<Value>>,
    /// Context protocol it must speak; empty: any.
    pub context_protocol: String,
    /// Models, of which it must be able to use one.
    pub models: Vec<String>,
    /// Auth scheme that it must take (`none`: it asks for none); empty: any.
    pub auth: String,
    /// Mesh it must be in.
    pub mesh: Option<MeshId>,
    /// Versions that will do.
    pub version: Option<VersionRange>,
    /// Longest round trip, in microseconds; a path that was never measured passes.
    pub max_latency_us: Option<u64>,
    /// Highest cost of a call, in the units of the agents' own hints; who says none is left out.
    pub cost: Option<f64>,
    /// Oldest descriptor, in milliseconds.
    pub fresh_ms: Option<u64>,
    /// Tools that it must offer, all of them.
    pub tools: Vec<String>,
    /// Agents that are not meant.
    pub exclude: Vec<AgentId>,
    /// Anything else.
    pub filter: Option<Filter>,
    /// Most answers; default 20.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            text: String::new(),
            skill: String::new(),
            tags: Vec::new(),
            group: String::new(),
            zone: String::new(),
            content_types_in: Vec::new(),
            content_types_out: Vec::new(),
            accepts: None,
            context_protocol: String::new(),
            models: Vec::new(),
            auth: String::new(),
            mesh: None,
            version: None,
            max_latency_us: None,
            cost: None,
            fresh_ms: None,
            tools: Vec::new(),
            exclude: Vec::new(),
            filter: None,
            limit: limits::FIND_ANSWERS,
        }
    }
}

impl Query {
    /// Reads the JSON form; a string stands for `{"text": …}`, null for everything.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, as `query.<field>`: an unknown field, a wrong type, or
    /// a bound (`QUERY_TEXT_BYTES`, `QUERY_ENTRIES`, `FIND_LIMIT`, those of a filter).
    /// `unsupported`, code `not_served`, for `trustDomain` and `claims`: who asked for them must
    /// not get agents that nobody looked at.
    pub fn read(value: Value) -> Result<Self> {
        let value = match value {
            Value::String(text) => serde_json::json!({"text": text}),
            Value::Null => Value::Object(Map::new()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value,
        };
        let mut fields = Fields::of("query", value)?;
        let query = Self {
            text: text(&mut fields, "text")?,
            skill: text(&mut fields, "skill")?,
            tags: list(&mut fields, "tags")?,
            group: text(&mut fields, "group")?,
            zone: text(&mut fields, "zone")?,
            content_types_in: rules(&mut fields, "contentTypesIn")?,
            content_types_out: rules(&mut fields, "contentTypesOut")?,
            accepts: accepts(&mut fields)?,
            context_protocol: text(&mut fields, "contextProtocol")?,
            models: list(&mut fields, "models")?,
            auth: text(&mut fields, "auth")?,
            mesh: fields.take("mesh")?,
            version: version(&mut fields)?,
            max_latency_us: fields.take("maxLatencyUs")?,
            cost: highest_cost(&mut fields)?,
            fresh_ms: fields.take("freshMs")?,
            tools: list(&mut fields, "tools")?,
            exclude: list(&mut fields, "exclude")?,
            filter: fields.value("filter").map(Filter::read).transpose()?,
            limit: limit(&mut fields)?,
        };
        not_served(&mut fields)?;
        fields.end()?;
        Ok(query)
    }

    /// True when the agent is as asked, but for its text; some skill of it must be.
    pub fn matches(&self, agent: &Candidate<'_>, now_ms: u64) -> bool {
        if !self.matches_agent(agent, now_ms) {
            return false;
        }
        let skills = &agent.descriptor.skills;
        if skills.is_empty() {
            return self.matches_skill(agent, None);
        }
        skills.iter().any(|skill| self.matches_skill(agent, Some(skill)))
    }

    fn matches_agent(&self, agent: &Candidate<'_>, now_ms: u64) -> bool {
        let of = agent.descriptor;
        let too_old = |fresh_ms: u64| now_ms.saturating_sub(agent.issued_at_ms) > fresh_ms;
        let too_slow = |most: u64| agent.latency_us.is_some_and(|latency| latency > most);
        let says_less = |most: f64| cost(&of.cost_hint_json).is_some_and(|cost| cost <= most);
        let uses =
            |model: &String| of.allowed_models.values().any(|models| models.names.contains(model));
        !self.exclude.contains(&agent.id)
            && (self.group.is_empty() || of.groups.contains(&self.group))
            && (self.zone.is_empty() || of.zones.contains(&self.zone))
            && (self.mesh.is_none() || self.mesh == agent.mesh)
            && (self.models.is_empty() || self.models.iter().any(uses))
            && self.tools.iter().all(|tool| of.tools.contains(tool))
            && self.version.as_ref().is_none_or(|range| range.takes(&of.version))
            && !self.fresh_ms.is_some_and(too_old)
            && !self.max_latency_us.is_some_and(too_slow)
            && self.cost.is_none_or(says_less)
            && self.matches_auth(of)
            && self.matches_protocol(of)
            && self.matches_content(of)
    }

    fn matches_auth(&self, of: &v1::Descriptor) -> bool {
        let schemes = of.needs.as_ref().map(|needs| needs.auth_schemes.as_slice());
        match self.auth.as_str() {
            "" => true,
            "none" => !of.requires_auth,
            scheme => schemes.unwrap_or_default().iter().any(|known| known == scheme),
        }
    }

    fn matches_protocol(&self, of: &v1::Descriptor) -> bool {
        let own = if of.context_protocol.is_empty() { "none" } else { &of.context_protocol };
        self.context_protocol.is_empty() || self.context_protocol == own
    }

    /// An agent that names no content types takes and gives text and JSON.
    fn matches_content(&self, of: &v1::Descriptor) -> bool {
        let known = |named: &[String]| -> Vec<MediaRule> {
            if named.is_empty() {
                let usual = ["text/plain", "application/json"];
                return usual.map(|text| MediaRule::Exact(text.to_owned())).to_vec();
            }
            named.iter().filter_map(|text| text.parse().ok()).collect()
        };
        let (takes, gives) = (known(&of.content_types_in), known(&of.content_types_out));
        let meets = |own: &[MediaRule], rule: &MediaRule| own.iter().any(|own| own.meets(rule));
        self.content_types_in.iter().all(|rule| meets(&takes, rule))
            && (self.content_types_out.is_empty()
                || self.content_types_out.iter().any(|rule| meets(&gives, rule)))
    }

    fn matches_skill(&self, agent: &Candidate<'_>, skill: Option<&v1::Skill>) -> bool {
        let tagged = |tag: &String| {
            agent.descriptor.tags.contains(tag)
                || skill.is_some_and(|skill| skill.tags.contains(tag))
        };
        let takes = |offered: &Arc<Value>| {
            let digest = skill.map(|skill| skill.document_digest.as_ref()).unwrap_or_default();
            (agent.input_schema)(digest).is_some_and(|own| schema::accepts(own, offered))
        };
        (self.skill.is_empty() || skill.is_some_and(|skill| skill.id == self.skill))
            && self.tags.iter().all(tagged)
            && self.accepts.as_ref().is_none_or(takes)
            && self.filter.as_ref().is_none_or(|filter| filter.holds(agent, skill))
    }
}

fn text(fields: &mut Fields, name: &str) -> Result<String> {
    let text: String = fields.take(name)?.unwrap_or_default();
    if text.len() <= limits::QUERY_TEXT_BYTES {
        return Ok(text);
    }
    let message = format!("expected at most {} bytes", limits::QUERY_TEXT_BYTES);
    Err(fields.wrong(name, message).with_limit("QUERY_TEXT_BYTES", limits::QUERY_TEXT_BYTES as u64))
}

fn list<T: serde::de::DeserializeOwned>(fields: &mut Fields, name: &str) -> Result<Vec<T>> {
    let list: Vec<T> = fields.take(name)?.unwrap_or_default();
    if list.len() <= limits::QUERY_ENTRIES {
        return Ok(list);
    }
    let message = format!("expected at most {} entries", limits::QUERY_ENTRIES);
    Err(fields.wrong(name, message).with_limit("QUERY_ENTRIES", limits::QUERY_ENTRIES as u64))
}

fn rules(fields: &mut Fields, name: &str) -> Result<Vec<MediaRule>> {
    let texts: Vec<String> = list(fields, name)?;
    let read = texts.iter().map(|text| text.parse()).collect::<Result<_>>();
    read.map_err(|error: Error| fields.wrong(name, error.message))
}

fn accepts(fields: &mut Fields) -> Result<Option<Arc<Value>>> {
    let Some(value) = fields.value("accepts") else { return Ok(None) };
    // A schema that cannot be compiled would silently match nothing.
    let wrong = |error: Error| fields.wrong("accepts", error.message);
    schema::Schema::compile(&value.to_string()).map_err(wrong)?;
    Ok(Some(Arc::new(value)))
}

fn version(fields: &mut Fields) -> Result<Option<VersionRange>> {
    let Some(text) = fields.take::<String>("version")? else { return Ok(None) };
    text.parse().map(Some).map_err(|error: Error| fields.wrong("version", error.message))
}

fn limit(fields: &mut Fields) -> Result<usize> {
    let limit = fields.take("limit")?.unwrap_or(limits::FIND_ANSWERS);
    if (1..=limits::FIND_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("expected 1 to {}", limits::FIND_LIMIT);
    Err(fields.wrong("limit", message).with_limit("FIND_LIMIT", limits::FIND_LIMIT as u64))
}

/// The highest cost, of at least 0.
fn highest_cost(fields: &mut Fields) -> Result<Option<f64>> {
    let most = fields.take::<f64>("cost")?;
    if most.is_some_and(|most| most < 0.0) {
        return Err(fields.wrong("cost", "expected a number of at least 0"));
    }
    Ok(most)
}

/// Conditions that nothing of an agent can answer: read as the others are, then refused.
fn not_served(fields: &mut Fields) -> Result<()> {
    let domain = !text(fields, "trustDomain")?.is_empty();
    let claims = !list::<Map<String, Value>>(fields, "claims")?.is_empty();
    let mut given = [("trustDomain", domain), ("claims", claims)].into_iter();
    match given.find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((name, _)) => Err(fields.not_served(name)),
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
