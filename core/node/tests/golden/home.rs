//! What a data folder says, and that a node goes on in it.

use super::folder::Folder;
use super::{differs, key, make};
use hubless::audit::LogFile;
use hubless::budget::{self, AccountReport, BudgetReport};
use hubless::home::Home;
use hubless::membership::Membership;
use hubless::mesh::MeshChoice;
use hubless::node::{Credentials, Pins};
use hubless::usage::{self, By};
use hubless::{Kind, Result, keys, till};
use hubless_proto::audit::Row;
use hubless_proto::identity::Name;
use hubless_proto::killswitch::Component;
use hubless_proto::metering::till::AccountView;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The folder says what it said when it was made.
pub(super) async fn check(folder: &Folder) -> std::result::Result<(), String> {
    let kept = folder.json("home.json");
    let seen = seen(folder, kept["madeMs"].as_u64().unwrap()).await;
    let seen = seen.map_err(|error| format!("it is refused: {error}"))?;
    differs("home", &kept["seen"], &seen)
}

/// Everything that is read from the files of a data folder.
pub(super) async fn seen(folder: &Folder, made_ms: u64) -> Result<Value> {
    let home = Home::open(Some(&folder.path().join("home")))?;
    let [node, agent, gateway]: [Name; 3] =
        ["keeper", "weather", "front"].map(|name| name.parse().unwrap());
    let weather = keys::read_agent(&home, &agent)?.map(|key| key.agent_id());
    let budgets = budget::of_home(&home, None)?;
    let accounts = till::accounts(&home, &gateway).await?;
    let usage = By::ALL.map(|by| Ok(json!({by.name(): usage::of_home(&home, by)?})));
    let all = json!({
        "mesh": Membership::open(&home, MeshChoice::Own)?.mesh(),
        "node": keys::stored_node(&home, &node)?.key.node_key(),
        "agent": weather,
        "pins": Pins::of(home.clone()).list()?,
        "credentials": Credentials::open(home.clone()).list()?,
        "logs": logs(&home)?,
        "usage": usage.into_iter().collect::<Result<Vec<_>>>()?,
        "budgets": budgets.iter().map(budget_of).collect::<Vec<_>>(),
        "accounts": accounts.iter().map(account).collect::<Vec<_>>(),
        "guest": guest(&folder.path().join("guest"), made_ms)?,
    });
    Ok(all)
}

/// The logs with their rows; each chain holds.
fn logs(home: &Home) -> Result<Value> {
    let read = |log: LogFile| {
        let (checked, mut rows) = (log.check(None)?, Vec::<Row>::new());
        log.read(|row| rows.push(row))?;
        let (head, holds) = (checked.head.to_string(), checked.fault.is_none());
        Ok(json!({"name": log.to_string(), "head": head, "holds": holds, "rows": rows}))
    };
    LogFile::all(home)?.into_iter().map(read).collect()
}

fn budget_of(report: &BudgetReport) -> Value {
    json!({
        "budget": report.budget.to_string(),
        "root": report.root,
        "state": report.state,
        "openedMs": report.opened_ms,
        "closedMs": report.closed_ms,
        "spent": report.spent,
        "accounts": report.accounts.iter().map(granted).collect::<Vec<_>>(),
    })
}

fn granted(account: &AccountReport) -> Value {
    json!({
        "grant": account.grant.to_string(),
        "node": account.node,
        "agent": account.agent,
        "state": account.state,
        "amount": account.amount.to_json(),
        "used": account.used.to_json(),
        "held": account.held.to_json(),
        "reservations": account.reservations,
        "children": account.children.iter().map(granted).collect::<Vec<_>>(),
    })
}

fn account(view: &AccountView) -> Value {
    json!({
        "root": view.root.to_string(),
        "link": view.link.map(|link| link.to_string()),
        "label": view.label,
        "limitMicros": view.limit.of(Component::CostMicros),
        "spentMicros": view.spent.of(Component::CostMicros),
        "reservedMicros": view.reserved.of(Component::CostMicros),
        "untilMs": view.until_ms,
        "stopped": view.stopped,
    })
}

/// A folder that joined the mesh has its key and token: it proves a node with them.
fn guest(path: &Path, made_ms: u64) -> Result<Value> {
    let home = Home::open(Some(path))?;
    let member = Membership::open(&home, MeshChoice::Default)?;
    let node = key(18).node_key();
    let found = member.verify(&member.token_for(node, made_ms)?, node, made_ms)?;
    Ok(json!({
        "mesh": member.mesh(),
        "role": found.role,
        "groups": found.groups,
        "untilMs": found.until_ms,
        "logs": logs(&home)?,
    }))
}

/// A node starts in the folder as what it was, goes on with its stores, and still writes what the
/// trace file has.
pub(super) async fn goes_on(folder: &Folder) {
    let kept = folder.json("home.json");
    let (home, trace) = (folder.path().join("home"), folder.path().join("later.jsonl"));
    let node = make::start(&home, &trace).await;
    let weather = make::register(&node).await;
    let known = &kept["seen"];
    assert_eq!(known["node"], json!(node.key()));
    assert_eq!(known["agent"], json!(weather.id()));
    let refused = node.request(make::request(None)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Auth);
    let credential = kept["credential"].as_str().unwrap();
    let reply = node.request(make::request(Some(credential))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("Bern")));
    node.close(Duration::ZERO).await;
    let home = Home::open(Some(&home)).unwrap();
    let logs = logs(&home).unwrap();
    for (before, after) in known["logs"].as_array().unwrap().iter().zip(logs.as_array().unwrap()) {
        assert_eq!(after["holds"], json!(true), "{}", after["name"]);
        let (had, has) = (before["rows"].as_array().unwrap(), after["rows"].as_array().unwrap());
        let first = Value::Array(has.iter().take(had.len()).cloned().collect());
        assert_eq!(differs("rows", &before["rows"], &first), Ok(()), "{}", after["name"]);
    }
    let fields = |file: &Path| trace_fields(&std::fs::read_to_string(file).unwrap());
    let (before, after) = (fields(&folder.path().join("trace.jsonl")), fields(&trace));
    assert!(!before.is_empty());
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.is_empty(), "no longer in a trace file: {gone:?}");
}

/// Fields of spans and names of their attributes, by the side of the call.
fn trace_fields(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let all: Value = serde_json::from_str(line).unwrap();
        let span = &all["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let side = &span["kind"];
        found.extend(span.as_object().unwrap().keys().map(|field| format!("{side} {field}")));
        let named = span["attributes"].as_array().unwrap().iter();
        found.extend(named.map(|one| format!("{side} {}", one["key"])));
    }
    found
}
