//! How many tokens reach the model.

use crate::error::{Error, Kind, Result};
use crate::policy::{Policy, TokenCounter};
use crate::tokens::LONGEST_TOKEN_BYTES;
use crate::wire::v1::{self, context_entry, part};

/// What is left to do about tokens.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenPlan<'a> {
    /// Nothing: the agent sets no limit.
    None,
    /// Count these with `tokens::count_all` up to `most`; the sum goes to `tokens`.
    Count {
        /// All text that reaches the model.
        texts: Vec<&'a str>,
        /// The limit.
        most: u64,
    },
    /// The host's function counts these; its answer goes to `tokens`.
    AskHost(Vec<&'a str>),
}

/// Decides who counts what: prompt, context, schemas and tool definitions.
///
/// # Errors
/// `prompt` when no count is needed to see that there are too many.
pub fn token_plan<'a>(policy: &Policy, request: &'a v1::Request) -> Result<TokenPlan<'a>> {
    let rules = policy.requirements();
    let Some(most) = rules.max_tokens else { return Ok(TokenPlan::None) };
    if most == 0 {
        return Err(refused());
    }
    let texts = texts(request);
    match rules.token_counter {
        TokenCounter::Host => Ok(TokenPlan::AskHost(texts)),
        TokenCounter::Builtin => {
            let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
            if bytes > most.saturating_mul(LONGEST_TOKEN_BYTES) {
                return Err(refused());
            }
            Ok(TokenPlan::Count { texts, most })
        }
    }
}

/// Refuses a count above the limit.
///
/// # Errors
/// `prompt`, code `tokens`.
pub fn tokens(policy: &Policy, counted: u64) -> Result<()> {
    match policy.requirements().max_tokens {
        Some(most) if most == 0 || counted > most => Err(refused()),
        Some(_) | None => Ok(()),
    }
}

fn refused() -> Error {
    Error::refusal(Kind::Prompt, "tokens", "more tokens than the agent takes").with_field("content")
}

fn texts(request: &v1::Request) -> Vec<&str> {
    let mut texts: Vec<&str> = Vec::new();
    let content = request.content.iter().flat_map(|content| &content.parts);
    texts.extend(content.filter_map(part_text));
    if let Some(context) = &request.context {
        let pages = context.pages.iter().flat_map(|page| &page.entries);
        for entry in context.entries.iter().chain(pages) {
            texts.push(&entry.key);
            texts.extend(entry_text(entry));
        }
        texts.extend(context.pages.iter().map(|page| page.name.as_str()));
        texts.extend(context.history.iter().filter_map(part_text));
        texts.push(&context.explanation);
        texts.extend(context.descriptions.iter().flat_map(|(key, text)| [key.as_str(), text]));
    }
    texts.extend([request.input_schema_json.as_str(), request.output_schema_json.as_str()]);
    for tool in &request.tools {
        texts.extend([tool.name.as_str(), tool.description.as_str()]);
        texts.extend([tool.input_schema_json.as_str(), tool.output_schema_json.as_str()]);
    }
    texts.retain(|text| !text.is_empty());
    texts
}

fn part_text(part: &v1::Part) -> Option<&str> {
    match part.kind.as_ref()? {
        part::Kind::Text(text) => Some(text),
        part::Kind::DataJson(json) => Some(json),
        part::Kind::Uri(uri) => Some(&uri.uri),
        part::Kind::Blob(_) | part::Kind::Stream(_) => None,
    }
}

fn entry_text(entry: &v1::ContextEntry) -> Option<&str> {
    match entry.value.as_ref()? {
        context_entry::Value::Text(text) => Some(text),
        context_entry::Value::DataJson(json) => Some(json),
    }
}
