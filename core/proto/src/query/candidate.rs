//! One agent as queries and filters see it.

use super::fact::Fact;
use crate::error::{Error, Result};
use crate::identity::{AgentId, MeshId};
use crate::wire::v1;
use serde_json::Value;

/// What is known of an agent that may match.
///
/// ```
/// use hubless_proto::identity::AgentId;
/// use hubless_proto::query::{Candidate, Query};
/// use hubless_proto::wire::v1::Descriptor;
///
/// let descriptor = Descriptor { tags: vec!["chart".into()], ..Descriptor::default() };
/// let candidate = Candidate {
///     id: AgentId::from_bytes([1; 32]),
///     descriptor: &descriptor,
///     mesh: None,
///     issued_at_ms: 0,
///     latency_us: None,
///     input_schema: &|_| None,
/// };
/// let asks = |tag: &str| Query { tags: vec![tag.into()], ..Query::default() };
/// assert!(asks("chart").matches(&candidate, 0) && !asks("table").matches(&candidate, 0));
/// ```
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: AgentId,
    /// What it publishes.
    pub descriptor: &'a v1::Descriptor,
    /// Mesh it was found in; none: outside any.
    pub mesh: Option<MeshId>,
    /// When its descriptor was issued, Unix time in milliseconds.
    pub issued_at_ms: u64,
    /// Smoothed round trip to the node that hosts it, in microseconds; none: not known.
    pub latency_us: Option<u64>,
    /// The input schema in a skill document, by the digest of the document; none: not fetched, or
    /// without one.
    pub input_schema: &'a dyn Fn(&[u8]) -> Option<&'a Value>,
}

/// A field that a filter may ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Agent(AgentField),
    Skill(SkillField),
    Attribute(String),
}

macro_rules! fields {
    ($name:ident { $($word:ident = $text:literal,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($word,)* }

        impl $name {
            fn of(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$word),)* _ => None }
            }
        }
    };
}

fields!(AgentField {
    AgentId = "agentId",
    Name = "name",
    Title = "title",
    Description = "description",
    Version = "version",
    Tags = "tags",
    Groups = "groups",
    Zones = "zones",
    RequiresAuth = "requiresAuth",
    UsesConverse = "usesConverse",
    Stored = "stored",
    Transient = "transient",
    Streaming = "streaming",
    ContextProtocol = "contextProtocol",
    InputSchemaKind = "inputSchemaKind",
    ContextWindowTokens = "contextWindowTokens",
    ContentTypesIn = "contentTypesIn",
    ContentTypesOut = "contentTypesOut",
    Models = "models",
    Tools = "tools",
    NeedsAuthSchemes = "needs.authSchemes",
    NeedsContextProtocols = "needs.contextProtocols",
    NeedsContent = "needs.content",
    NeedsModels = "needs.models",
    NeedsTools = "needs.tools",
    NeedsGrant = "needs.grant",
});

fields!(SkillField {
    Id = "id",
    Title = "title",
    Description = "description",
    Tags = "tags",
    Effect = "effect",
    Spends = "spends",
    Share = "share",
});

impl Field {
    /// Reads the name of a field: one of an agent, `skill.…`, `attributes.…` (also written
    /// `skill.attributes.…`).
    ///
    /// # Errors
    /// `invalid_argument` for a name that no descriptor has, since it would never match.
    pub(super) fn read(name: &str) -> Result<Self> {
        let of_skill = name.strip_prefix("skill.");
        let attribute = of_skill.unwrap_or(name).strip_prefix("attributes.");
        if let Some(attribute) = attribute.filter(|attribute| !attribute.is_empty()) {
            return Ok(Self::Attribute(attribute.to_owned()));
        }
        let field = match of_skill {
            Some(rest) => SkillField::of(rest).map(Self::Skill),
            None => AgentField::of(name).map(Self::Agent),
        };
        field
            .ok_or_else(|| Error::invalid("filter.field", "no descriptor has a field of this name"))
    }

    /// The value of the field; none: it is not there, or empty.
    pub(super) fn of(&self, agent: &Candidate<'_>, skill: Option<&v1::Skill>) -> Option<Fact> {
        match self {
            Self::Agent(field) => agent_fact(*field, agent),
            Self::Skill(field) => skill_fact(*field, skill?),
            Self::Attribute(name) => skill?.attributes.get(name).and_then(Fact::of),
        }
    }
}

fn agent_fact(field: AgentField, agent: &Candidate<'_>) -> Option<Fact> {
    let of = agent.descriptor;
    let needs = of.needs.as_ref();
    match field {
        AgentField::AgentId => Some(Fact::Text(agent.id.to_string())),
        AgentField::Name => text(&of.name),
        AgentField::Title => text(&of.title),
        AgentField::Description => text(&of.description),
        AgentField::Version => text(&of.version),
        AgentField::Tags => texts(&of.tags),
        AgentField::Groups => texts(&of.groups),
        AgentField::Zones => texts(&of.zones),
        AgentField::RequiresAuth => Some(Fact::Flag(of.requires_auth)),
        AgentField::UsesConverse => Some(Fact::Flag(of.uses_converse)),
        AgentField::Stored => Some(Fact::Flag(of.stored)),
        AgentField::Transient => Some(Fact::Flag(of.transient)),
        AgentField::Streaming => Some(Fact::Flag(of.streaming)),
        AgentField::ContextProtocol => text(&of.context_protocol),
        AgentField::InputSchemaKind => text(&of.input_schema_kind),
        AgentField::ContextWindowTokens => match of.context_window_tokens {
            0 => None,
            tokens => Some(Fact::Number(tokens as f64)),
        },
        AgentField::ContentTypesIn => texts(&of.content_types_in),
        AgentField::ContentTypesOut => texts(&of.content_types_out),
        AgentField::Models => {
            let names = of.allowed_models.values().flat_map(|models| &models.names);
            Some(Fact::texts(names)).filter(|_| !of.allowed_models.is_empty())
        }
        AgentField::Tools => texts(&of.tools),
        AgentField::NeedsAuthSchemes => texts(&needs?.auth_schemes),
        AgentField::NeedsContextProtocols => texts(&needs?.context_protocols),
        AgentField::NeedsContent => texts(&needs?.content),
        AgentField::NeedsModels => texts(&needs?.models),
        AgentField::NeedsTools => texts(&needs?.tools),
        AgentField::NeedsGrant => text(&needs?.grant),
    }
}

fn skill_fact(field: SkillField, skill: &v1::Skill) -> Option<Fact> {
    match field {
        SkillField::Id => text(&skill.id),
        SkillField::Title => text(&skill.title),
        SkillField::Description => text(&skill.description),
        SkillField::Tags => texts(&skill.tags),
        SkillField::Effect => text(&skill.effect),
        SkillField::Spends => text(&skill.spends),
        SkillField::Share => text(&skill.share),
    }
}

fn text(text: &str) -> Option<Fact> {
    (!text.is_empty()).then(|| Fact::Text(text.to_owned()))
}

fn texts(all: &[String]) -> Option<Fact> {
    (!all.is_empty()).then(|| Fact::texts(all))
}
