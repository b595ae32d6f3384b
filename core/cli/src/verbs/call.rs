//! `call`: one request to one agent.

use super::run::{Context, GRACE};
use crate::args::Call;
use crate::output;
use hubless::call::content::{part_text, part_value};
use hubless::node::FindOptions;
use hubless::{Content, Error, Kind, Node, Reply, RequestOptions, Result, StreamItem};
use hubless_proto::query::Query;
use hubless_proto::wire::v1::part;
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

/// Calls the agent and prints its answer.
///
/// # Errors
/// Its refusal, or what kept the call from it.
pub(super) async fn run(context: &Context, options: Call) -> Result<()> {
    let content = content(options.content.as_deref())?;
    let mut request = RequestOptions::new(options.agent.as_str(), content);
    request.skill = options.skill.clone().unwrap_or_default();
    request.total_ms = options.timeout.map(milliseconds).transpose()?;
    let node = context.node().await?;
    let done = ask(context, &node, &options, request).await;
    node.close(GRACE).await;
    done
}

async fn ask(
    context: &Context,
    node: &Node,
    options: &Call,
    request: RequestOptions,
) -> Result<()> {
    if options.explain {
        explain(context, node, &options.agent).await?;
    }
    if !options.stream {
        return print(context, &node.request(request).await?);
    }
    let mut items = node.stream(request)?;
    while let Some(item) = items.next().await {
        match item? {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, fraction } if context.json => {
                output::object("progress", &json!({ "note": note, "fraction": fraction }))?;
            }
            StreamItem::Progress { note, .. } => output::say(&note),
            StreamItem::Chunk { content, append } => {
                let part = content.message.parts.first();
                let value = part.and_then(part_value);
                if context.json {
                    output::object("chunk", &json!({ "value": value, "append": append }))?;
                } else {
                    output::raw(part.and_then(part_text).unwrap_or_default())?;
                }
            }
            StreamItem::Final(reply) => print(context, &reply)?,
        }
    }
    Ok(())
}

/// Says on stderr who goes by this name, and why.
async fn explain(context: &Context, node: &Node, agent: &str) -> Result<()> {
    let filter = json!({ "or": [
        { "field": "name", "op": "=", "value": agent },
        { "field": "agentId", "op": "=", "value": agent },
        { "field": "address", "op": "=", "value": agent },
    ] });
    let how = FindOptions { explain: true, ..FindOptions::default() };
    let query = Query::read(json!({ "filter": filter }))?;
    for found in node.find(query, how).await? {
        let parts = found.explain.iter().flatten();
        let parts: Vec<_> = parts
            .map(|part| format!("{} {:.3}×{:.2}", part.signal, part.value, part.weight))
            .collect();
        let shown = json!({ "agent": found.agent_id, "address": found.address, "score": found.score,
            "path": found.path, "signals": parts });
        output::say(&if context.json {
            shown.to_string()
        } else {
            format!("asks {} at {} ({})", found.name, found.address, parts.join(", "))
        });
    }
    Ok(())
}

fn print(context: &Context, reply: &Reply) -> Result<()> {
    let value = reply.content.decoded();
    if context.json {
        let body = json!({
            "value": value, "text": reply.content.joined_text(), "content": reply.content.message,
            "usage": reply.usage, "timing": reply.timing, "agent": reply.agent,
            "path": reply.path, "attempts": reply.attempts,
        });
        return output::object("reply", &body);
    }
    match value {
        Some(Value::String(text)) => output::line(&text),
        Some(value) => output::line(&format!("{value:#}")),
        None => reply.content.message.parts.iter().try_for_each(|part| {
            output::line(&match &part.kind {
                Some(part::Kind::Text(text) | part::Kind::DataJson(text)) => text.clone(),
                Some(part::Kind::Uri(uri)) => uri.uri.clone(),
                Some(part::Kind::Blob(blob)) => {
                    format!("[{} of {} bytes]", blob.media_type, blob.bytes.len())
                }
                Some(part::Kind::Stream(stream)) => format!("[{}, streamed]", stream.media_type),
                None => String::new(),
            })
        }),
    }
}

/// JSON if it reads as an object, list, number, bool or null; else text.
fn content(given: Option<&str>) -> Result<Content> {
    let text = match given {
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| {
                Error::new(Kind::InvalidArgument, format!("cannot read stdin: {error}"))
                    .with_field("content")
            })?;
            text
        }
        given => given.unwrap_or_default().to_owned(),
    };
    let value = serde_json::from_str::<Value>(&text);
    Ok(value.map_or_else(|_| Content::text(text.trim_end_matches('\n')), Content::value))
}

fn milliseconds(seconds: f64) -> Result<u64> {
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    let wrong = || Error::invalid("timeout", "expected seconds above 0");
    u64::try_from(time.ok_or_else(wrong)?.as_millis()).map_err(|_| wrong())
}
