//! What stops a budget.

use super::support::{memory_node, soon};
use super::*;
use hubless::budget::TripReason;
use hubless::handler;
use hubless_proto::audit::Event;
use tokio::sync::mpsc;

/// What is told next.
async fn next<T>(told: &mut mpsc::UnboundedReceiver<T>) -> T {
    soon("a word", told.recv()).await.expect("who tells is there")
}

fn spawn_paid(
    node: &Node,
    switch: &KillSwitch,
    to: &str,
) -> tokio::task::JoinHandle<Result<hubless::Reply>> {
    let (node, asked) = (node.clone(), paid(switch, to, json!(0)));
    tokio::spawn(async move { node.request(asked).await })
}

#[tokio::test]
async fn a_trip_cancels_what_runs_and_refuses_what_waits() {
    let node = memory_node().await;
    let one = json!({"name": "wait", "requirements": {"maxConcurrency": 1}});
    let mut heard = waiter(&node, one).await;
    let (told, mut listened) = mpsc::unbounded_channel();
    let switch = tokens(1_000);
    switch.on_tripped(|_| panic!("a listener that fails"));
    let (_release, held) = std::sync::mpsc::channel::<()>();
    let (blocks, mut blocked) = mpsc::unbounded_channel();
    switch.on_tripped(move |_| {
        blocks.send(()).unwrap();
        let _ = held.recv();
    });
    let tell = told.clone();
    switch.on_tripped(move |stop| tell.send(stop.reason).unwrap());
    let running = spawn_paid(&node, &switch, "wait");
    assert_eq!(next(&mut heard).await, "runs");
    let waiting = spawn_paid(&node, &switch, "wait");
    let both = || switch.tree().is_some_and(|tree| tree.children.len() == 2);
    until("two calls are granted", both).await;
    assert!(switch.stop().is_none());
    switch.trip(TripReason::Operator);
    switch.trip(TripReason::WallTime);
    for call in [running, waiting] {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(named(&error), ("killed", "operator"));
    }
    assert_eq!(next(&mut heard).await, "killed operator");
    assert_eq!(next(&mut listened).await, TripReason::Operator);
    next(&mut blocked).await;
    let stop = switch.stop().unwrap();
    assert_eq!((stop.reason, stop.by), (TripReason::Operator, Some(node.key())));
    // Whoever listens late is told at once.
    switch.on_tripped(move |stop| told.send(stop.reason).unwrap());
    assert_eq!(next(&mut listened).await, TripReason::Operator);
    let late = node.request(paid(&switch, "wait", json!(0))).await.unwrap_err();
    assert_eq!(named(&late), ("killed", "operator"));
    // Another budget runs on.
    let other = tokens(1_000);
    let alive = spawn_paid(&node, &other, "wait");
    assert_eq!(next(&mut heard).await, "runs");
    drop(alive);
}

#[tokio::test]
async fn a_call_that_is_stopped_while_it_waits_is_not_one_that_was_refused() {
    let node = memory_node().await;
    let one = json!({"name": "wait", "requirements": {"maxConcurrency": 1}});
    let mut heard = waiter(&node, one).await;
    let closed = json!({"name": "closed", "requirements": {"auth": {"sharedSecret": "x"}}});
    register(&node, closed, |_, c| async move { Ok(c) }).await;
    let switch = KillSwitch::new(Terms { wall_time_ms: Some(60_000), ..Terms::default() });
    let calls: Vec<_> = (0..17).map(|_| spawn_paid(&node, &switch, "wait")).collect();
    assert_eq!(next(&mut heard).await, "runs");
    let counts = || (node.counts().running, node.counts().queued);
    until("the others wait", || counts() == (1, 16)).await;
    // The place of the one that runs is free for those that wait, at the moment of their stop.
    switch.trip(TripReason::Operator);
    for call in calls {
        assert_eq!(named(&call.await.unwrap().unwrap_err()), ("killed", "operator"));
    }
    let refused = || -> Vec<String> {
        let rows = node.audit().rows.into_iter().map(|kept| kept.row.entry);
        let refused = rows.filter(|entry| entry.kind == Event::CallRefused);
        refused.map(|entry| format!("{} {}", entry.name, entry.reason)).collect()
    };
    node.request(ask("closed", json!(0))).await.unwrap_err();
    until("what is refused is written down", || !refused().is_empty()).await;
    assert_eq!(refused(), ["closed auth/missing_credential"]);
}

#[tokio::test]
async fn a_switch_that_no_node_used_yet_stays_stopped() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let switch = tokens(1_000);
    switch.trip(TripReason::Operator);
    assert_eq!(switch.stop().unwrap().by, None);
    let error = node.request(paid(&switch, "echo", json!(0))).await.unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
    assert_eq!(switch.spent(), Amount::ZERO);
}

#[tokio::test]
async fn who_waits_hears_of_a_stop_after_which_the_switch_is_let_go_of_and_of_none_otherwise() {
    for stopped in [true, false] {
        let switch = tokens(1_000);
        let waits = switch.stopped();
        if stopped {
            switch.trip(TripReason::Operator);
        }
        drop(switch);
        assert_eq!(waits.await.map(|stop| stop.reason), stopped.then_some(TripReason::Operator));
    }
}

#[tokio::test]
async fn its_time_stops_it() {
    let node = memory_node().await;
    let mut heard = waiter(&node, json!({"name": "wait"})).await;
    let mut time_ms = 300;
    let (first, switch, error) = loop {
        let terms = Terms { wall_time_ms: Some(time_ms), ..Terms::default() };
        let switch = KillSwitch::new(terms);
        let error = spawn_paid(&node, &switch, "wait").await.unwrap().unwrap_err();
        if let Ok(first) = heard.try_recv() {
            break (first, switch, error);
        }
        // A busy machine had not come to the handler when the time was over.
        time_ms *= 2;
        assert!(time_ms < 60_000, "the handler did not run");
    };
    assert_eq!(named(&error), ("killed", "wall_time"));
    // The word may reach the caller of a handler before it reaches the switch.
    until("the budget is stopped", || switch.stop().is_some()).await;
    assert_eq!(switch.stop().unwrap().reason, TripReason::WallTime);
    assert_eq!(first, "runs");
    let mut last = next(&mut heard).await;
    while last == "runs" {
        // One that was late for its caller ran all the same.
        last = next(&mut heard).await;
    }
    assert_eq!(last, "killed wall_time");
}

#[tokio::test]
async fn depth_and_fan_out_stop_it() {
    let node = memory_node().await;
    register(&node, json!({"name": "end"}), |_, c| async move { Ok(c) }).await;
    relay(&node, "second", "end").await;
    relay(&node, "first", "second").await;
    let deep = |depth| KillSwitch::new(Terms { depth: Some(depth), ..Terms::default() });
    node.request(paid(&deep(3), "first", json!(0))).await.unwrap();
    let switch = deep(2);
    assert!(node.request(paid(&switch, "first", json!(0))).await.is_err());
    until("the budget is stopped", || switch.stop().is_some()).await;
    assert_eq!(switch.stop().unwrap().reason, TripReason::Depth);

    let mut heard = waiter(&node, json!({"name": "wait"})).await;
    let switch = KillSwitch::new(Terms { fan_out: Some(2), ..Terms::default() });
    let two = [spawn_paid(&node, &switch, "wait"), spawn_paid(&node, &switch, "wait")];
    assert_eq!(next(&mut heard).await, "runs");
    assert_eq!(next(&mut heard).await, "runs");
    let third = node.request(paid(&switch, "wait", json!(0))).await.unwrap_err();
    assert_eq!(named(&third), ("budget_exhausted", "fan_out"));
    for call in two {
        assert_eq!(named(&call.await.unwrap().unwrap_err()), ("killed", "fan_out"));
    }
}

#[tokio::test]
async fn a_spending_above_its_reservation_is_charged_and_stops_the_budget() {
    let node = memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    let switch = tokens(1_000);
    let over = json!({"most": 10, "tokens": 11});
    // The handler may have ended before it heard of the stop.
    let _ = node.request(paid(&switch, "model", over)).await;
    assert_eq!(switch.stop().unwrap().reason, TripReason::OutputExceeded);
    assert_eq!((provider.spent(), switch.spent().of(Component::OutputTokens)), (11, 11));
}

#[tokio::test]
async fn a_handler_that_is_dropped_leaves_its_reservation_charged() {
    let node = memory_node().await;
    let (said, mut heard) = mpsc::unbounded_channel();
    let spends = handler(move |call: Call, _| {
        let said = said.clone();
        async move {
            let _spend = call.spend(output(60)).await?;
            said.send(()).unwrap();
            std::future::pending::<()>().await;
            Ok(Content::default())
        }
    });
    node.register(support::agent(json!({"name": "cut"})), spends).await.unwrap();
    let switch = tokens(1_000);
    let call = spawn_paid(&node, &switch, "cut");
    next(&mut heard).await;
    call.abort();
    let charged = || switch.spent().of(Component::OutputTokens) == 60;
    until("the reservation is charged", charged).await;
    assert_eq!(switch.remaining().of(Component::OutputTokens), Some(940));
}
