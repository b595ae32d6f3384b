//! Deadline, then sizes, content types, form, schemas, context, duplication: stages 4
//! to 10, without the grant.

use super::forms;
use super::size::Sizes;
use crate::error::{Error, Kind, Result};
use crate::policy::content_type::media_type;
use crate::policy::{MediaRule, Policy};
use crate::schema::{Schema, SchemaCache};
use crate::wire::v1::{self, part};
use crate::wire::words::Role;
use serde_json::Value;

/// Refuses what there is no time for, before a byte of a streamed part is waited for; `waited_ms`
/// is how long the request has been here.
///
/// # Errors
/// `deadline`.
pub fn deadline(request: &v1::Request, waited_ms: u64) -> Result<()> {
    let left = request.total_ms.unwrap_or(u64::MAX).min(request.deadline_ms);
    if left > waited_ms {
        return Ok(());
    }
    let message = "no time was left when the request came";
    Err(Error::refusal(Kind::Deadline, "", message).with_field("deadline"))
}

/// Refuses what is asked, or how. Streamed text and data have been gathered before.
///
/// # Errors
/// In this order: `too_large`; `content`, or `unsupported` where the agent cannot meet `accept`;
/// `prompt`; `not_found` (skill) and `json`; `context`; `json` (duplication).
pub fn content(policy: &Policy, request: &v1::Request, schemas: &mut SchemaCache) -> Result<()> {
    Sizes::of(request).check(policy)?;
    types(policy, request)?;
    accept(policy.descriptor(), request)?;
    form(policy, request)?;
    custom_json(policy, request)?;
    schema(policy, request, schemas)?;
    context(policy, request)?;
    duplication(policy, request)
}

fn parts(request: &v1::Request) -> impl Iterator<Item = &v1::Part> {
    request.content.iter().flat_map(|content| &content.parts)
}

fn types(policy: &Policy, request: &v1::Request) -> Result<()> {
    let Some(rules) = &policy.requirements().accepted_content else { return Ok(()) };
    let taken = |part: &v1::Part| rules.iter().any(|rule| rule.takes(media_type(part)));
    match parts(request).position(|part| !taken(part)) {
        None => Ok(()),
        Some(index) => {
            let message = "the agent does not take a part of this content type";
            Err(Error::refusal(Kind::Content, "content_type", message)
                .with_field(&format!("content.parts.{index}")))
        }
    }
}

fn accept(descriptor: &v1::Descriptor, request: &v1::Request) -> Result<()> {
    let Some(accept) = &request.accept else { return Ok(()) };
    let cannot = |field: &str| {
        let message = "the agent cannot answer in a way that is accepted";
        Err(Error::refusal(Kind::Unsupported, "accept", message)
            .with_field(&format!("accept.{field}")))
    };
    if !accept.media_types.is_empty() && !answers_in(descriptor, &accept.media_types) {
        return cannot("mediaTypes");
    }
    if accept.streaming == Some(true) && !descriptor.streaming {
        return cannot("streaming");
    }
    let protocol = match descriptor.context_protocol.as_str() {
        "" => "none",
        named => named,
    };
    let protocols = &accept.context_protocols;
    if !protocols.is_empty() && !protocols.iter().any(|accepted| accepted == protocol) {
        return cannot("contextProtocols");
    }
    let models = &accept.models;
    let uses = |model: &String| {
        descriptor.allowed_models.values().any(|allowed| allowed.names.contains(model))
    };
    if !models.is_empty() && !models.iter().any(uses) {
        return cannot("models");
    }
    Ok(())
}

/// An agent that does not say what it answers in answers in text and JSON.
fn answers_in(descriptor: &v1::Descriptor, accepted: &[String]) -> bool {
    let named = &descriptor.content_types_out;
    let own: Vec<MediaRule> = if named.is_empty() {
        vec![
            MediaRule::Exact("text/plain".to_owned()),
            MediaRule::Exact("application/json".to_owned()),
        ]
    } else {
        named.iter().filter_map(|text| text.parse().ok()).collect()
    };
    let rules = accepted.iter().filter_map(|text| text.parse::<MediaRule>().ok());
    rules.into_iter().any(|rule| own.iter().any(|own| own.meets(&rule)))
}

/// A dialogue, where the agent wants one, and the tools it cannot do without.
fn form(policy: &Policy, request: &v1::Request) -> Result<()> {
    let is_turn = |part: &v1::Part| match &part.kind {
        Some(part::Kind::Text(_) | part::Kind::DataJson(_)) => {
            Some(part.role.parse::<Role>().is_ok())
        }
        Some(part::Kind::Blob(_) | part::Kind::Uri(_) | part::Kind::Stream(_)) | None => None,
    };
    if policy.requirements().require_converse {
        let mut turns = parts(request).filter_map(is_turn).peekable();
        if turns.peek().is_none() || turns.any(|turn| !turn) {
            let message = "the agent takes a dialogue: each text and data part with a role";
            return Err(Error::refusal(Kind::Prompt, "converse", message).with_field("content"));
        }
    }
    let needs = policy.descriptor().needs.as_ref();
    let wanted = needs.map(|needs| needs.tools.as_slice()).unwrap_or_default();
    let offered = |name: &String| request.tools.iter().any(|tool| tool.name == *name);
    match wanted.iter().find(|name| !offered(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("the agent needs the caller's tool {name:?}");
            Err(Error::refusal(Kind::Prompt, "tool_missing", message).with_field("tools"))
        }
    }
}

fn custom_json(policy: &Policy, request: &v1::Request) -> Result<()> {
    if policy.requirements().allow_custom_json {
        return Ok(());
    }
    let custom = [
        ("inputSchema", &request.input_schema_json),
        ("outputSchema", &request.output_schema_json),
    ];
    match custom.into_iter().find(|(_, text)| !text.is_empty()) {
        None => Ok(()),
        Some((field, _)) => {
            let message = "the agent takes no schemas of the caller's own";
            Err(Error::refusal(Kind::Json, "custom_json", message).with_field(field))
        }
    }
}

fn schema(policy: &Policy, request: &v1::Request, schemas: &mut SchemaCache) -> Result<()> {
    let skill = policy.skill(&request.skill)?;
    let mut custom = |text: &str, field: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        schemas.compiled(text).map(Some).map_err(|error| error.with_field(field))
    };
    let own = custom(&request.input_schema_json, "inputSchema")?;
    custom(&request.output_schema_json, "outputSchema")?;
    let of_skill = skill.and_then(|skill| skill.input.clone());
    if own.is_none() && of_skill.is_none() {
        return Ok(());
    }
    let value: Value = forms::value(request.content.as_ref())?;
    let check = |schema: &Schema| schema.check(&value, "content");
    of_skill.as_deref().map_or(Ok(()), check)?;
    own.as_deref().map_or(Ok(()), check)
}

fn context(policy: &Policy, request: &v1::Request) -> Result<()> {
    let Some(context) = &request.context else { return Ok(()) };
    let rules = policy.requirements();
    let refused = |code: &str, message: &str| {
        Err(Error::refusal(Kind::Context, code, message).with_field("context"))
    };
    if !rules.allow_custom_context {
        return refused("custom_context", "the agent takes no context of the caller's own");
    }
    if !rules.allow_multi_page_context && !context.pages.is_empty() {
        return refused("multi_page", "the agent takes no context with pages");
    }
    if context.reference.is_some() {
        let message = "context by reference is not served by this version";
        return Err(
            Error::refusal(Kind::Unsupported, "context_reference", message).with_field("context")
        );
    }
    Ok(())
}

/// Custom schemas and an explanation of the context reshape the agent for one call, as a duplicate
/// of its own would be; an agent that says it is not to be duplicated takes none of them.
fn duplication(policy: &Policy, request: &v1::Request) -> Result<()> {
    if policy.requirements().allow_agent_duplication != Some(false) {
        return Ok(());
    }
    let explained = request.context.as_ref().is_some_and(|context| !context.explanation.is_empty());
    let reshaping = [
        ("inputSchema", !request.input_schema_json.is_empty()),
        ("outputSchema", !request.output_schema_json.is_empty()),
        ("context.explanation", explained),
    ];
    match reshaping.into_iter().find(|(_, present)| *present) {
        None => Ok(()),
        Some((field, _)) => {
            let message = "the agent is not duplicated for a call";
            Err(Error::refusal(Kind::Json, "duplication", message).with_field(field))
        }
    }
}
