//! From the options of an agent to what it publishes and enforces.

use super::options::{AgentOptions, SkillOptions};
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::{AgentId, Name};
use hubless_proto::limits;
use hubless_proto::policy::{AuthRule, Policy};
use hubless_proto::query::attribute_from_json;
use hubless_proto::template::Template;
use hubless_proto::wire::document::{self, Sealed};
use hubless_proto::wire::{descriptor, v1};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What registration makes of the options.
pub(super) struct Published {
    pub(super) name: Name,
    pub(super) policy: Policy,
    pub(super) documents: Vec<Sealed>,
}

/// What the node says for its agents.
pub(super) struct OfNode<'a> {
    /// How callers prove themselves to agents without a mechanism of their own.
    pub(super) auth: AuthRule,
    /// Where they are.
    pub(super) zones: &'a [String],
}

/// Builds descriptor, skill documents and rules.
pub(super) fn publish(
    id: AgentId,
    options: &AgentOptions,
    stored: bool,
    of_node: &OfNode<'_>,
) -> Result<Published> {
    let name: Name = options.name.parse()?;
    check_template(options.request_template.as_ref())?;
    let documents = options.skills.iter().map(skill_document).collect::<Result<Vec<_>>>()?;
    let sealed = document::seal_all(&documents)?;
    let mut whole = whole(&name, options, stored);
    whole.zones = of_node.zones.to_vec();
    for (skill, sealed) in options.skills.iter().zip(&sealed) {
        whole.skills.push(short_skill(skill, sealed)?);
    }
    options.requirements.publish(&of_node.auth, &mut whole);
    let fitted = Arc::new(descriptor::fit(whole)?);
    let requirements = options.requirements.clone();
    let policy = Policy::new(id, fitted, &documents, requirements, &of_node.auth)?;
    Ok(Published { name, policy, documents: sealed })
}

fn whole(name: &Name, options: &AgentOptions, stored: bool) -> v1::Descriptor {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    let models = |(case, names): (&String, &Vec<String>)| {
        (case.clone(), v1::Models { names: names.clone() })
    };
    v1::Descriptor {
        name: name.to_string(),
        title: options.title.clone(),
        description: options.description.clone(),
        version: options.version.clone(),
        tags: options.tags.clone(),
        groups: options.groups.clone(),
        uses_converse: options.flags.uses_converse,
        records_interaction_context: options.flags.records_interaction_context,
        records_prompt_content: options.flags.records_prompt_content,
        stored,
        context_protocol: options.context_protocol.clone(),
        input_schema_kind: options.input_schema_kind.clone(),
        context_window_tokens: options
            .context_window_tokens
            .unwrap_or(limits::CONTEXT_WINDOW_TOKENS),
        content_types_in: options.content_types_in.clone(),
        content_types_out: options.content_types_out.clone(),
        allowed_models: options.allowed_models.iter().map(models).collect(),
        streaming: options.streaming,
        cost_hint_json: text(&options.cost_hint),
        tools: options.tools.clone(),
        request_template_json: text(&options.request_template),
        needs: options.needs.clone(),
        transient: options.transient,
        ..v1::Descriptor::default()
    }
}

fn short_skill(skill: &SkillOptions, sealed: &Sealed) -> Result<v1::Skill> {
    let field = format!("skills.{}", skill.id);
    if skill.attributes.len() > limits::SKILL_ATTRIBUTES {
        let message = format!("expected at most {} attributes", limits::SKILL_ATTRIBUTES);
        return Err(Error::invalid(&format!("{field}.attributes"), message)
            .with_limit("SKILL_ATTRIBUTES", limits::SKILL_ATTRIBUTES as u64));
    }
    let attributes = skill
        .attributes
        .iter()
        .map(|(name, value)| {
            let field = format!("{field}.attributes.{name}");
            Ok((name.clone(), attribute_from_json(&field, value)?))
        })
        .collect::<Result<BTreeMap<_, _>>>()?;
    let word = |name: &str, value: &Option<String>, allowed: &[&str]| match value.as_deref() {
        None => Ok(allowed.first().copied().unwrap_or_default().to_owned()),
        Some(word) if allowed.contains(&word) => Ok(word.to_owned()),
        Some(_) => {
            let message = format!("expected one of {}", allowed.join(", "));
            Err(Error::invalid(&format!("{field}.{name}"), message))
        }
    };
    Ok(v1::Skill {
        id: skill.id.clone(),
        title: skill.title.clone(),
        description: skill.description.clone(),
        tags: skill.tags.clone(),
        attributes,
        effect: word("effect", &skill.effect, &["AT_MOST_ONCE", "IDEMPOTENT", "PURE"])?,
        spends: word("spends", &skill.spends, &["tokens", "none"])?,
        share: word("share", &skill.share, &["no", "mesh", "public"])?,
        document_digest: bytes::Bytes::copy_from_slice(&sealed.digest),
    })
}

fn skill_document(skill: &SkillOptions) -> Result<v1::SkillDocument> {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    Ok(v1::SkillDocument {
        id: skill.id.clone(),
        description: skill.description.clone(),
        input_schema_json: text(&skill.input_schema),
        output_schema_json: text(&skill.output_schema),
        examples: skill.examples.clone(),
        modes_in: skill.modes_in.clone(),
        modes_out: skill.modes_out.clone(),
        cost_hint_json: text(&skill.cost_hint),
    })
}

/// A descriptor's template may hold content, context and schemas only.
fn check_template(template: Option<&Value>) -> Result<()> {
    let Some(template) = template else { return Ok(()) };
    Template::read_of_callee(template.clone()).map(drop).map_err(|error| {
        let field = error.field.as_deref().unwrap_or("template");
        let field = field.replacen("template", "requestTemplate", 1);
        error.with_field(&field)
    })
}
