//! `budget`: what the stores of this machine know of budgets.

use super::audit::moment;
use super::run::{Context, GRACE};
use crate::output;
use hubless::budget::{self, AccountReport, Allowance, Amount, BudgetId, BudgetReport, Component};
use hubless::home::Home;
use hubless::node::FindOptions;
use hubless::{Error, Kind, Result};
use hubless_proto::query::Query;
use serde_json::{Value, json};

/// Prints one budget with its grants, or a line for each.
///
/// # Errors
/// `not_found` for a budget that no named node of this data folder knows; `invalid_argument` for
/// what is no id; `configuration` for a store that cannot be read.
pub(super) fn run(context: &Context, id: Option<&str>) -> Result<()> {
    let wanted = id.map(str::parse).transpose()?;
    let all = budget::of_home(&Home::open(context.settings.home())?, wanted)?;
    if id.is_some() && all.is_empty() {
        let message = "no node with a name of this data folder knows that budget; a node without \
                       one keeps its budgets in memory";
        return Err(Error::new(Kind::NotFound, message).with_operation("budget"));
    }
    if all.is_empty() && !context.json {
        output::say("no node with a name has had a budget; see hubless help budget");
    }
    for report in &all {
        if context.json {
            output::object("budget", &shown(report))?;
            continue;
        }
        output::line(&heading(report))?;
        if id.is_some() {
            report.accounts.iter().try_for_each(|account| draw(account, ("", "")))?;
        }
    }
    Ok(())
}

/// Stops budgets of this mesh, at every node that is known and those that hold grants of them.
///
/// # Errors
/// `denied`, code `not_operator`, for a data folder that joined the mesh; `not_found` where no node
/// that took it has anything of them; `invalid_argument` for what is no id.
pub(super) async fn trip(context: &Context, ids: &[String]) -> Result<()> {
    let named = |error: Error| error.with_operation("budget");
    let budgets = ids.iter().map(|id| id.parse()).collect::<Result<Vec<BudgetId>>>()?;
    let node = context.node().await?;
    // The first look at the runtime folder is over when a search has been answered.
    let looked = node.find(Query::read(json!({}))?, FindOptions::default()).await;
    let report = match looked.and_then(|_| node.state_stop(&budgets)) {
        Ok(stop) => node.stop_budgets(&stop).await,
        Err(error) => Err(error),
    };
    node.close(GRACE).await;
    let report = report.map_err(named)?;
    if report.stopped.is_empty() {
        let message = format!(
            "of {} nodes that were told none has anything of these budgets, and {} were not \
             reached or refused",
            report.unconcerned,
            report.silent + report.refused.len()
        );
        return Err(named(Error::new(Kind::NotFound, message)));
    }
    for budget in &budgets {
        let nodes = report.stopped.iter().filter(|(_, of)| of.contains(budget));
        let nodes: Vec<_> = nodes.map(|(node, _)| *node).collect();
        if context.json {
            let shown = json!({ "budget": budget.to_string(), "nodes": nodes,
                "silent": report.silent, "refused": report.refused.len() });
            output::object("trip", &shown)?;
        } else {
            output::line(&format!("budget {budget}  stopped at {} nodes", nodes.len()))?;
        }
    }
    let left = report.silent + report.refused.len();
    if !context.json && left > 0 {
        output::say(&format!("{left} nodes gave no answer or refused; see hubless help budget"));
    }
    Ok(())
}

fn shown(report: &BudgetReport) -> Value {
    let stop = report
        .stop
        .map(|stop| json!({ "reason": stop.reason.name(), "by": stop.by, "atMs": stop.at_ms }));
    let accounts: Vec<_> = report.accounts.iter().map(account).collect();
    json!({
        "budget": report.budget.to_string(), "state": report.state, "root": report.root,
        "stop": stop, "openedMs": report.opened_ms, "closedMs": report.closed_ms,
        "spent": report.spent, "accounts": accounts,
    })
}

fn account(account: &AccountReport) -> Value {
    let children: Vec<_> = account.children.iter().map(self::account).collect();
    json!({
        "grant": account.grant.to_string(), "node": account.node, "agent": account.agent,
        "state": account.state, "amount": account.amount.to_json(),
        "used": account.used.to_json(), "held": account.held.to_json(),
        "reservations": account.reservations, "children": children,
    })
}

fn heading(report: &BudgetReport) -> String {
    let mut parts = vec![format!("budget {}  {}", report.budget, report.state)];
    if let Some(stop) = report.stop {
        let by = stop.by.map_or_else(|| "its program".to_owned(), |by| by.to_string());
        parts.push(format!("stopped {} by {by}: {}", moment(stop.at_ms), stop.reason.name()));
    }
    parts.extend(report.opened_ms.map(|at_ms| format!("opened {}", moment(at_ms))));
    parts.extend(report.closed_ms.map(|at_ms| format!("closed {}", moment(at_ms))));
    parts.extend(report.spent.map(|spent| {
        format!(
            "spent {} in, {} out, cost {}, calls {}",
            spent.input_tokens, spent.output_tokens, spent.cost_micros, spent.calls
        )
    }));
    parts.join("  ")
}

fn draw(account: &AccountReport, (branch, below): (&str, &str)) -> Result<()> {
    let who = account.agent.map_or_else(|| "all of it".to_owned(), |agent| agent.to_string());
    let node: String = account.node.to_string().chars().take(8).collect();
    let reserved = account.reservations.filter(|open| *open > 0);
    let reserved = reserved.map(|open| format!("  reservations {open}")).unwrap_or_default();
    output::line(&format!(
        "{branch}{who} at {node}…  {}  {}{reserved}",
        account.state,
        amounts(&account.amount, &account.used, &account.held)
    ))?;
    let last = account.children.len().saturating_sub(1);
    for (index, child) in account.children.iter().enumerate() {
        let (sign, line) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(child, (&format!("{below}{sign}"), &format!("{below}{line}")))?;
    }
    Ok(())
}

/// Of each component that is limited or used: used, set aside, and the most.
fn amounts(most: &Allowance, used: &Amount, held: &Amount) -> String {
    let said = |one: &Component| most.of(*one).is_some() || used.of(*one) > 0 || held.of(*one) > 0;
    let parts = Component::ALL.into_iter().filter(said).map(|one| {
        let most = most.of(one).map_or_else(|| "any".to_owned(), |most| most.to_string());
        format!("{} {}+{} of {most}", one.name(), used.of(one), held.of(one))
    });
    parts.collect::<Vec<_>>().join("  ")
}
