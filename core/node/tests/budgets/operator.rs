//! The operator of a mesh stops budgets from any of its nodes, and nobody else does.

use super::support::{Pair, memory_node, node_in, pair, patient, register, soon};
use super::*;
use hubless::budget::{BudgetId, OperatorStop, TripReason};
use hubless::node::{InviteOptions, join};
use hubless::{Kind, NodeOptions};
use hubless_proto::audit::{Entry, Event, Outcome};
use hubless_proto::identity::SecretKey;
use hubless_proto::query::Query;

fn entries(node: &Node, kind: Event) -> Vec<Entry> {
    let rows = node.audit().rows.into_iter().map(|kept| kept.row.entry);
    rows.filter(|entry| entry.kind == kind).collect()
}

/// Statements in the log of a node, with how they ended.
fn stated(node: &Node) -> Vec<(Outcome, String)> {
    let entries = entries(node, Event::OperatorStop).into_iter();
    entries.map(|entry| (entry.outcome, entry.reason)).collect()
}

/// A call from `two` that waits at `one`, under a budget of `two`.
async fn waiting(one: &Node, two: &Node) -> (KillSwitch, BudgetId, Waiting) {
    let mut heard = waiter(one, json!({"name": "wait"})).await;
    let switch = KillSwitch::new(Terms { lease_ms: 60_000, ..limit(Component::Calls, 100) });
    let (node, asked) = (two.clone(), paid(&switch, "wait", json!(0)));
    let call = tokio::spawn(async move { node.request(asked).await.map(drop) });
    assert_eq!(soon("the call", heard.recv()).await.unwrap(), "runs");
    let opened = entries(two, Event::BudgetOpened).remove(0).budget;
    (switch, opened.parse().unwrap(), Waiting { call, heard })
}

struct Waiting {
    call: tokio::task::JoinHandle<Result<()>>,
    heard: mpsc::UnboundedReceiver<String>,
}

#[tokio::test]
async fn the_operator_stops_a_budget_from_another_node() {
    let Pair { one, two, _home } = pair().await;
    let third = node_in(&_home).await;
    let (switch, budget, mut waiting) = waiting(&one, &two).await;
    let stop = third.state_stop(&[budget]).unwrap();
    register(&two, json!({"name": "asks"}), |_, c| async move { Ok(c) }).await;
    for name in ["wait", "asks"] {
        // It may not know of both nodes yet.
        let named = json!({"filter": {"field": "name", "op": "=", "value": name}});
        third.peer(Query::read(named).unwrap(), patient()).await.unwrap();
    }
    let report = third.stop_budgets(&stop).await.unwrap();
    let root = (two.key(), vec![budget]);
    assert!(report.stopped.contains(&root), "{report:?}");
    assert_eq!((report.refused.len(), report.silent), (0, 0), "{report:?}");
    assert_eq!(soon("the stop", waiting.heard.recv()).await.unwrap(), "killed operator");
    assert_eq!(named(&waiting.call.await.unwrap().unwrap_err()), ("killed", "operator"));
    until("the switch shows it", || switch.stop().is_some()).await;
    let shown = switch.stop().unwrap();
    assert_eq!((shown.reason, shown.by), (TripReason::Operator, Some(third.key())));
    let late = two.request(paid(&switch, "wait", json!(0))).await.unwrap_err();
    assert_eq!(named(&late), ("killed", "operator"));
    for node in [&one, &two, &third] {
        until("it is written down", || !stated(node).is_empty()).await;
        assert!(stated(node).iter().all(|(outcome, _)| *outcome == Outcome::Ok));
    }
    let trips = entries(&two, Event::BudgetTripped);
    let [tripped] = &trips[..] else { panic!("{trips:?}") };
    assert_eq!(tripped.by, format!("mesh:{}", third.key()));
    // A second time nothing is left to stop, and it does no harm.
    third.stop_budgets(&stop).await.unwrap();
    assert_eq!(entries(&two, Event::BudgetTripped).len(), 1);
    // Another budget is as free as before.
    let other = KillSwitch::new(limit(Component::Calls, 100));
    let (node, asked) = (two.clone(), paid(&other, "wait", json!(0)));
    let again = tokio::spawn(async move { node.request(asked).await });
    assert_eq!(soon("the call", waiting.heard.recv()).await.unwrap(), "runs");
    again.abort();
}

#[tokio::test]
async fn nobody_else_does_and_it_is_written_down_on_both_sides() {
    let Pair { one, two, _home } = pair().await;
    let (switch, budget, mut waiting) = waiting(&one, &two).await;
    // By a stranger, and by the operator of another mesh: each holds in a mesh of its own alone.
    let stranger = SecretKey::from_seed([9; 32]);
    let forged = OperatorStop::sign(&stranger, &[budget], one.key(), 1).unwrap();
    let elsewhere = memory_node().await.state_stop(&[budget]).unwrap();
    for wrong in [&forged, &elsewhere] {
        let error = one.stop_budgets(wrong).await.unwrap_err();
        assert_eq!(named(&error), ("denied", "not_operator"));
    }
    let denied = (Outcome::Refused, "denied/not_operator".to_owned());
    for node in [&one, &two] {
        until("it is written down", || !stated(node).is_empty()).await;
        assert!(stated(node).iter().all(|entry| *entry == denied), "{:?}", stated(node));
    }
    for entry in entries(&two, Event::OperatorStop) {
        assert_eq!(entry.by, format!("mesh:{}", one.key()));
    }
    assert!(switch.stop().is_none() && !waiting.call.is_finished());
    assert!(waiting.heard.try_recv().is_err());
    assert!(entries(&two, Event::BudgetTripped).is_empty());
    // The control: the right one is taken.
    let right = one.state_stop(&[budget]).unwrap();
    one.stop_budgets(&right).await.unwrap();
    assert_eq!(named(&waiting.call.await.unwrap().unwrap_err()), ("killed", "operator"));
}

#[tokio::test]
async fn a_member_of_the_mesh_is_not_its_operator() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = node_in(&ours).await;
    let options = InviteOptions { local: true, ..InviteOptions::default() };
    let ticket = node.invite(options).await.unwrap();
    join(Some(theirs.path()), &ticket).await.unwrap();
    let home = Some(theirs.path().to_owned());
    let member = Node::start(NodeOptions { home, ..NodeOptions::default() }).await.unwrap();
    assert_eq!(member.mesh_id(), node.mesh_id());
    let budget = BudgetId::from_bytes([7; 32]);
    let error = member.state_stop(&[budget]).unwrap_err();
    assert_eq!(named(&error), ("denied", "not_operator"));
    until("it is written down", || !stated(&member).is_empty()).await;
    assert_eq!(stated(&member), [(Outcome::Refused, "denied/not_operator".to_owned())]);
    // It may show what the operator stated.
    let stop = node.state_stop(&[budget]).unwrap();
    let report = member.stop_budgets(&stop).await.unwrap();
    assert!(report.unconcerned > 0 && report.refused.is_empty(), "{report:?}");
    let none = node.state_stop(&[]).unwrap_err();
    assert_eq!((none.kind, none.field.as_deref()), (Kind::InvalidArgument, Some("budgets")));
}
