//! `call`: one request to one agent.

use super::answer;
use super::run::{Context, GRACE};
use crate::args::Call;
use crate::{input, output};
use hubless::call::content::{part_text, part_value};
use hubless::node::{EndSignals, FindOptions};
use hubless::{Content, Error, Kind, Node, Reply, RequestOptions, Result, StreamItem};
use hubless_proto::identity::Target;
use hubless_proto::limits;
use hubless_proto::query::Query;
use hubless_proto::wire::v1::{self, part};
use serde_json::{Value, json};
use std::time::Duration;

/// Calls the agent and prints its answer.
///
/// # Errors
/// Its refusal, or what kept the call from it; `cancelled` when a signal came before the end.
pub(super) async fn run(context: &Context, options: Call) -> Result<()> {
    let mut request = RequestOptions::new(options.agent.as_str(), Content::default());
    request.skill = options.skill.clone().unwrap_or_default();
    request.total_ms = options.timeout.map(milliseconds).transpose()?;
    // From its own thread: a terminal may take its time.
    let given = options.content.clone();
    let content = tokio::task::spawn_blocking(move || content(given.as_deref())).await;
    let broken = |_| Err(Error::new(Kind::Internal, "reading the content panicked"));
    request.content = content.unwrap_or_else(broken)?;
    let mut signals = EndSignals::listen()?;
    let node = context.node().await?;
    let done = tokio::select! {
        done = ask(context, &node, &options, request) => done,
        // The call is given up, and the callee told, when its future is dropped.
        () = signals.next() => {
            let message = "the call was given up: a signal came";
            Err(Error::new(Kind::Cancelled, message).with_code(output::INTERRUPTED))
        }
    };
    tokio::select! {
        () = node.close(GRACE) => {}
        () = signals.next() => node.close(Duration::ZERO).await,
    }
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
        let reply = node.request(request).await?;
        say_trace(context, options, &reply);
        return answer::print(context, reply).await;
    }
    let mut items = node.stream(request)?;
    let mut line_open = false;
    while let Some(item) = items.next().await {
        match item? {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, fraction } if context.json => {
                output::object("progress", &json!({ "note": note, "fraction": fraction }))?;
            }
            StreamItem::Progress { note, fraction: None } => output::say(&note),
            StreamItem::Progress { note, fraction: Some(done) } => {
                output::say(&format!("{:>3.0} % {note}", done * 100.0));
            }
            StreamItem::Chunk { content, append } => {
                let message = content.inline(limits::REQUEST_BYTES).await?;
                let part = message.parts.into_iter().next().unwrap_or_default();
                line_open = chunk(context, &part, append, line_open)?;
            }
            StreamItem::Final(reply) => {
                if line_open {
                    output::line("")?;
                }
                say_trace(context, options, &reply);
                let all_came = !context.json && reply.content.message.parts.is_empty();
                if !all_came {
                    answer::print(context, *reply).await?;
                }
            }
        }
    }
    Ok(())
}

/// Says on stderr how to look at the call once more; with `--json` the answer names it.
fn say_trace(context: &Context, options: &Call, reply: &Reply) {
    if options.explain && !context.json {
        output::say(&format!("trace {}", reply.trace_id));
    }
}

/// Prints one piece; true: its line is open.
fn chunk(context: &Context, part: &v1::Part, append: bool, line_open: bool) -> Result<bool> {
    if context.json {
        let body = json!({ "value": part_value(part), "part": part, "append": append });
        return output::object("chunk", &body).map(|()| false);
    }
    if line_open && !append {
        output::line("")?;
    }
    match (&part.kind, part_text(part)) {
        (_, Some(text)) => {
            output::raw(text.as_bytes())?;
            Ok(if text.is_empty() { line_open && append } else { !text.ends_with('\n') })
        }
        (Some(part::Kind::Blob(blob)), None) if !output::is_terminal() => {
            output::raw(&blob.bytes).map(|()| false)
        }
        (_, None) => output::line(&answer::shown(part)).map(|()| false),
    }
}

/// Says on stderr whom the call is for, and why it stands where it stands.
async fn explain(context: &Context, node: &Node, agent: &str) -> Result<()> {
    let target: Target = agent.parse().map_err(|error: Error| error.with_field("to"))?;
    let is = |field: &str, value: String| json!({ "field": field, "op": "=", "value": value });
    let filter = match &target {
        Target::Id(id) | Target::At { agent: id, .. } => Some(is("agentId", id.to_string())),
        Target::Address(_) => None,
        Target::Name { name, .. } => {
            let pinned = node.pins().list()?.into_iter().find(|pin| pin.name == name.as_str());
            Some(pinned.map_or_else(
                || is("name", name.to_string()),
                |pin| is("agentId", pin.agent_id.to_string()),
            ))
        }
    };
    let how = FindOptions { explain: true, ..FindOptions::default() };
    let query = Query::read(json!({ "filter": filter, "limit": limits::FIND_LIMIT }))?;
    let mut all = node.find(query, how).await?;
    if let Target::Address(address) = &target {
        all.retain(|found| found.address == address.to_string());
    }
    for found in all {
        if context.json {
            output::say(&output::form("asked", &found).to_string());
            continue;
        }
        let parts = found.explain.iter().flatten();
        let parts: Vec<_> = parts
            .map(|part| format!("{} {:.3}×{:.2}", part.signal, part.value, part.weight))
            .collect();
        let (name, address) = (&found.name, &found.address);
        output::say(&format!("asks {name} at {address}, {}", found.agent_id));
        output::say(&format!("score {:.3} of {}", found.score, parts.join(", ")));
    }
    Ok(())
}

/// JSON if it reads as JSON, else text; bytes on stdin that are no text are one blob.
fn content(given: Option<&str>) -> Result<Content> {
    let text = match given {
        Some("-") => match String::from_utf8(input::bytes("content", limits::REQUEST_BYTES)?) {
            Ok(text) => text,
            Err(bytes) => return Ok(blob(bytes.into_bytes())),
        },
        given => given.unwrap_or_default().to_owned(),
    };
    let value = serde_json::from_str::<Value>(&text);
    Ok(value.map_or_else(|_| Content::text(text.trim_end_matches('\n')), Content::value))
}

fn blob(bytes: Vec<u8>) -> Content {
    let media_type = "application/octet-stream".to_owned();
    let blob = v1::Blob { media_type, filename: String::new(), bytes: bytes.into() };
    let part = v1::Part { kind: Some(part::Kind::Blob(blob)), ..v1::Part::default() };
    Content::from(v1::Content { parts: vec![part], ..v1::Content::default() })
}

fn milliseconds(seconds: f64) -> Result<u64> {
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    let wrong = || Error::invalid("timeout", "expected seconds above 0");
    u64::try_from(time.ok_or_else(wrong)?.as_millis()).map_err(|_| wrong())
}
