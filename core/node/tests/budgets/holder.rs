//! The handler of a call stops what its grant pays for, and nothing above or beside it.

use super::support::{Pair, memory_node, node_in, pair, soon};
use super::*;
use hubless::Kind;
use hubless::budget::TripReason;
use hubless_proto::audit::{Entry, Event, Outcome};
use tokio::sync::Notify;

/// Spends 60, asks `wait` twice, and stops all of it when it is let go; tells how everything that
/// it asked for ended.
struct Halts {
    node: Node,
    go: Arc<Notify>,
    told: mpsc::UnboundedSender<Vec<Error>>,
}

impl hubless::Handler for Halts {
    fn handle(&self, inbound: hubless::Inbound) {
        let (node, go, told) = (self.node.clone(), Arc::clone(&self.go), self.told.clone());
        let call = inbound.call;
        tokio::spawn(async move {
            call.spend(output(100)).await.unwrap().used(output(60));
            let below = || {
                let asked = RequestOptions { parent: Some(call.parent()), ..ask("wait", json!(0)) };
                let node = node.clone();
                tokio::spawn(async move { node.request(asked).await.map(drop) })
            };
            let both = [below(), below()];
            go.notified().await;
            // The first stop stands, and one more changes nothing.
            call.trip().await.unwrap();
            call.trip().await.unwrap();
            let mut ends = vec![call.spend(output(1)).await.map(drop).unwrap_err()];
            for asked in both {
                ends.push(asked.await.unwrap().unwrap_err());
            }
            assert!(below().await.unwrap().is_err(), "it began a call below");
            told.send(ends).unwrap();
        });
    }
}

/// Registers it as `halts`.
async fn halts(node: &Node) -> (Arc<Notify>, mpsc::UnboundedReceiver<Vec<Error>>) {
    let (told, ends) = mpsc::unbounded_channel();
    let go = Arc::<Notify>::default();
    let handler = Halts { node: node.clone(), go: Arc::clone(&go), told };
    node.register(support::agent(json!({"name": "halts"})), Arc::new(handler)).await.unwrap();
    (go, ends)
}

/// Stops of grants in the log of a node.
fn trips(node: &Node) -> Vec<Entry> {
    let rows = node.audit().rows.into_iter().map(|kept| kept.row.entry);
    rows.filter(|entry| entry.kind == Event::GrantTripped).collect()
}

async fn next(heard: &mut mpsc::UnboundedReceiver<String>) -> String {
    soon("a word", heard.recv()).await.expect("who tells is there")
}

fn begin(node: &Node, asked: RequestOptions) -> tokio::task::JoinHandle<Result<hubless::Reply>> {
    let node = node.clone();
    tokio::spawn(async move { node.request(asked).await })
}

#[tokio::test]
async fn a_handler_stops_what_is_below_it_and_nothing_else() {
    let node = memory_node().await;
    let one = json!({"name": "wait", "requirements": {"maxConcurrency": 1}});
    let mut below = waiter(&node, one).await;
    let mut beside = waiter(&node, json!({"name": "beside"})).await;
    let (go, mut ends) = halts(&node).await;
    let switch = tokens(1_600);
    let sibling = begin(&node, paid(&switch, "beside", json!(0)));
    assert_eq!(next(&mut beside).await, "runs");
    let halted = begin(&node, paid(&switch, "halts", json!(0)));
    assert_eq!(next(&mut below).await, "runs");
    let granted = || {
        let tree = switch.tree().unwrap();
        tree.children.iter().any(|child| child.children.len() == 2)
    };
    until("both of the calls below are granted", granted).await;
    go.notify_one();
    let error = halted.await.unwrap().unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
    assert_eq!(next(&mut below).await, "killed parent");
    for error in soon("the ends", ends.recv()).await.unwrap() {
        assert_eq!(error.kind, Kind::Killed, "{error}");
    }
    // What waited for its place never ran.
    assert!(below.try_recv().is_err());
    // Charged with what was used, and with nothing of what was granted to the one that never ran;
    // the rest, and the budget, are there for others.
    until("the grant is settled", || switch.spent().of(Component::OutputTokens) == 60).await;
    assert!(switch.stop().is_none());
    assert!(beside.try_recv().is_err() && !sibling.is_finished());
    let again = begin(&node, paid(&switch, "wait", json!(0)));
    assert_eq!(next(&mut below).await, "runs");
    // It is written down once, with who and why.
    let trips_here = trips(&node);
    let [entry] = &trips_here[..] else { panic!("{trips_here:?}") };
    assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Ok, "operator"));
    assert_eq!(entry.by, format!("mesh:{}", node.key()));
    assert_eq!(entry.by_agent, error.agent.unwrap());
    assert!(!entry.budget.is_empty());
    // The root reaches what the holder did not.
    switch.trip(TripReason::Operator);
    for (call, heard) in [(sibling, &mut beside), (again, &mut below)] {
        assert_eq!(named(&call.await.unwrap().unwrap_err()), ("killed", "operator"));
        assert_eq!(next(heard).await, "killed operator");
    }
    assert_eq!(trips(&node).len(), 1);
}

#[tokio::test]
async fn a_stop_of_a_holder_goes_down_to_other_nodes_and_not_up() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let mut below = waiter(&three, json!({"name": "wait"})).await;
    let (go, mut ends) = halts(&one).await;
    let terms = Terms { lease_ms: 60_000, ..limit(Component::OutputTokens, 1_600) };
    let switch = KillSwitch::new(terms);
    let halted = begin(&two, paid(&switch, "halts", json!(0)));
    assert_eq!(next(&mut below).await, "runs");
    assert_eq!(next(&mut below).await, "runs");
    go.notify_one();
    assert_eq!(named(&halted.await.unwrap().unwrap_err()), ("killed", "operator"));
    for _ in 0..2 {
        assert_eq!(next(&mut below).await, "killed parent");
    }
    for error in soon("the ends", ends.recv()).await.unwrap() {
        assert_eq!(error.kind, Kind::Killed, "{error}");
    }
    until("the grant is settled", || {
        let tree = switch.tree().unwrap();
        let settled = tree.children.iter().all(|child| child.state == "settled");
        settled && tree.charged.of(Component::OutputTokens) == 60
    })
    .await;
    assert!(switch.stop().is_none());
    assert_eq!((trips(&one).len(), trips(&two).len(), trips(&three).len()), (1, 0, 0));
    let again = begin(&two, paid(&switch, "wait", json!(0)));
    assert_eq!(next(&mut below).await, "runs");
    drop(switch);
    again.abort();
}

#[tokio::test]
async fn a_call_without_a_budget_holds_nothing_that_it_could_stop() {
    let node = memory_node().await;
    register(&node, json!({"name": "bare"}), |call: Call, content| async move {
        let error = call.trip().await.unwrap_err();
        assert_eq!(named(&error), ("not_found", "grant"));
        assert!(!call.is_cancelled());
        Ok(content)
    })
    .await;
    node.request(ask("bare", json!(0))).await.unwrap();
    assert!(trips(&node).is_empty());
}
