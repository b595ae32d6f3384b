//! `trace`: the calls that one request caused, on all nodes, as a tree.

use super::run::{Context, GRACE};
use crate::output;
use hubless::budget::Component;
use hubless::node::FindOptions;
use hubless::spans::{CallBudget, Trace, TraceCall, TraceId};
use hubless::{Error, Result};
use hubless_proto::query::Query;
use hubless_proto::wire::text::escape;
use serde_json::json;

/// Gathers the trace and draws it.
///
/// # Errors
/// `invalid_argument` for what is no id; `not_found` when no node remembers a call of it.
pub(super) async fn run(context: &Context, trace: &str) -> Result<()> {
    let id: TraceId = trace.parse().map_err(|error: Error| error.with_operation("trace"))?;
    let node = context.node().await?;
    // The first look at the runtime folder is over when a search has been answered.
    let looked = node.find(Query::read(json!({}))?, FindOptions::default()).await;
    let trace = match looked {
        Ok(_) => node.trace(id).await,
        Err(error) => Err(error),
    };
    node.close(GRACE).await;
    let trace = trace?;
    if context.json {
        return output::object("trace", &trace);
    }
    draw(&trace)
}

fn draw(trace: &Trace) -> Result<()> {
    let (calls, nodes) = (trace.calls.iter().map(count).sum::<usize>(), trace.nodes.len());
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    output::line(&format!(
        "trace {}  {calls} call{}, {nodes} node{}",
        trace.trace_id,
        plural(calls),
        plural(nodes)
    ))?;
    let mut rows = Vec::new();
    for call in &trace.calls {
        row(call, ("", ""), &mut rows);
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, rest) in rows {
        output::line(&format!("{name:<width$}  {rest}"))?;
    }
    for node in &trace.missing {
        output::line(&format!("node {node} took part and tells nothing: it ended or forgot"))?;
    }
    if trace.more {
        output::line("more calls were remembered than are shown")?;
    }
    Ok(())
}

fn count(call: &TraceCall) -> usize {
    1 + call.calls.iter().map(count).sum::<usize>()
}

/// One line a call: its branch and name, and what is known of it.
fn row(call: &TraceCall, (branch, below): (&str, &str), rows: &mut Vec<(String, String)>) {
    rows.push((format!("{branch}{}", escape(&call.name)), about(call)));
    let last = call.calls.len().saturating_sub(1);
    for (index, inner) in call.calls.iter().enumerate() {
        let (sign, line) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        row(inner, (&format!("{below}{sign}"), &format!("{below}{line}")), rows);
    }
}

fn about(call: &TraceCall) -> String {
    let outcome = match (call.kind.as_str(), call.code.as_str()) {
        ("", _) => "ok".to_owned(),
        (kind, "") => escape(kind),
        (kind, code) => format!("{} ({})", escape(kind), escape(code)),
    };
    let mut parts = vec![format!("{:>9}", millis(call.duration_us)), outcome];
    parts.extend((!call.language.is_empty()).then(|| escape(&call.language)));
    parts.extend(call.path.map(|path| path.name().to_owned()));
    parts.extend((call.attempt > 1).then(|| format!("attempt {}", call.attempt)));
    parts
        .extend(call.queue_us.filter(|us| *us >= 1_000).map(|us| format!("queued {}", millis(us))));
    let usage = &call.usage;
    if usage.input_tokens.max(usage.output_tokens) > 0 {
        parts.push(format!("tokens {} in, {} out", usage.input_tokens, usage.output_tokens));
    }
    if usage.cost_micros > 0 {
        parts.push(format!("cost {:.6}", usage.cost_micros as f64 / 1e6));
    }
    parts.extend(call.budget.as_ref().map(paid));
    parts.join("  ")
}

/// The budget that paid, by the beginning of its id, and what was spent of each limit.
fn paid(budget: &CallBudget) -> String {
    let id = budget.id.to_string();
    let mut words = vec![format!("budget {}", id.get(..8).unwrap_or(&id))];
    for component in Component::ALL {
        let Some(limit) = budget.limit.of(component) else { continue };
        let spent = budget.spent.map(|spent| format!("{} of ", spent.of(component)));
        words.push(format!("{}{limit} {}", spent.unwrap_or_default(), component.name()));
    }
    words.join(", ")
}

fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}
