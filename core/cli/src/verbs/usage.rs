//! `usage`: what the calls of this machine used.

use super::run::Context;
use crate::output;
use hubless::Result;
use hubless::home::Home;
use hubless::usage::{self, By};
use hubless_proto::wire::text::escape;
use serde_json::{Value, json};

/// Prints a row for each principal, agent or skill.
///
/// # Errors
/// `invalid_argument` for what nothing is summed by; `configuration` for a store that cannot be
/// read.
pub(super) fn run(context: &Context, by: &str) -> Result<()> {
    let by: By = by.parse()?;
    let rows = usage::of_home(&Home::open(context.settings.home())?, by)?;
    if rows.is_empty() && !context.json {
        output::say("no node with a name has handled a call; see hubless help usage");
    }
    for row in &rows {
        if context.json {
            let mut value = serde_json::to_value(row).unwrap_or_else(|_| json!({}));
            value["by"] = Value::from(by.name());
            output::object("usage", &value)?;
            continue;
        }
        let used = &row.used;
        let key = if row.key.is_empty() { "(none)".to_owned() } else { escape(&row.key) };
        output::line(&format!(
            "{key:<32} calls {} ({} failed, {} in full)  tokens {} in, {} out  cost {:.6}",
            used.calls,
            used.failed,
            used.in_full,
            used.input_tokens,
            used.output_tokens,
            used.cost_micros as f64 / 1e6
        ))?;
    }
    Ok(())
}
