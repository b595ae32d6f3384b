//! Between two nodes.

use super::support::{Pair, node_in, pair, soon};
use super::*;
use hubless::budget::TripReason;
use hubless::node::Path;
use hubless_proto::audit::Event;

#[tokio::test]
async fn spending_elsewhere_is_settled_to_the_token() {
    let Pair { one, two, _home } = pair().await;
    let provider = Arc::default();
    spender(&one, "model", &provider).await;
    relay(&two, "front", "model").await;
    relay(&one, "back", "front").await;
    let switch = tokens(6_400);
    let ask = |tokens: u64| json!({"most": tokens, "tokens": tokens});
    let reply = two.request(paid(&switch, "model", ask(1_600))).await.unwrap();
    assert_eq!((reply.path, reply.usage.output_tokens), (Path::Direct, 1_600));
    until("the grant is settled", || switch.spent().of(Component::OutputTokens) == 1_600).await;
    let over = two.request(paid(&switch, "model", ask(1_201))).await.unwrap_err();
    assert_eq!(named(&over), ("budget_exhausted", "output_exceeded"));
    let left = || switch.remaining().of(Component::OutputTokens);
    until("what was refused is given back", || left() == Some(4_800)).await;
    // From two to one, back to two, and to one again.
    let deep = paid(&switch, "back", ask(75));
    two.request(deep).await.unwrap();
    let all = 1_675;
    assert_eq!(provider.spent(), all);
    until("everything is settled", || {
        let tree = switch.tree().unwrap();
        let settled = tree.children.iter().all(|child| child.state == "settled");
        settled && tree.charged.of(Component::OutputTokens) == all
    })
    .await;
}

#[tokio::test]
async fn one_call_after_the_other_is_paid_from_the_same_money() {
    let Pair { one, two, _home } = pair().await;
    let provider = Arc::default();
    spender(&one, "model", &provider).await;
    let asked = |switch: &KillSwitch| paid(switch, "model", json!({"most": 1, "tokens": 1}));
    for _ in 0..50 {
        let switch = KillSwitch::new(limit(Component::Calls, 2));
        // The first holds all that is left until its last word, which its answer may overtake.
        two.request(asked(&switch)).await.unwrap();
        two.request(asked(&switch)).await.unwrap();
        let over = two.request(asked(&switch)).await.unwrap_err();
        assert_eq!(named(&over), ("budget_exhausted", "calls_exceeded"));
    }
    assert_eq!(provider.spent(), 100);
}

#[tokio::test]
async fn many_calls_to_another_node_never_spend_more_than_the_budget() {
    let Pair { one, two, _home } = pair().await;
    let provider = Arc::default();
    spender(&one, "model", &provider).await;
    let switch = tokens(2_000);
    let calls = (0..256).map(|n| {
        let (node, switch) = (two.clone(), switch.clone());
        tokio::spawn(async move {
            let asked = json!({"most": 20, "tokens": 10 + n % 11});
            node.request(paid(&switch, "model", asked)).await.is_ok()
        })
    });
    let mut done = 0;
    for call in calls.collect::<Vec<_>>() {
        done += usize::from(call.await.unwrap());
    }
    assert!(done > 0, "{done}");
    assert!(provider.spent() <= 2_000, "{}", provider.spent());
    until("nothing is stranded", || {
        switch.tree().unwrap().charged.of(Component::OutputTokens) == provider.spent()
    })
    .await;
}

#[tokio::test]
async fn a_trip_reaches_every_node_below() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let mut heard = waiter(&three, json!({"name": "wait"})).await;
    relay(&one, "middle", "wait").await;
    let terms = Terms { lease_ms: 60_000, ..limit(Component::OutputTokens, 1_000) };
    let switch = KillSwitch::new(terms);
    let asked = paid(&switch, "middle", json!(0));
    let asking = two.clone();
    let call = tokio::spawn(async move { asking.request(asked).await });
    assert_eq!(soon("the call", heard.recv()).await.unwrap(), "runs");
    let began = std::time::Instant::now();
    switch.trip(TripReason::Operator);
    assert_eq!(soon("the stop", heard.recv()).await.unwrap(), "killed operator");
    // Pushed, not the end of a lease.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(named(&call.await.unwrap().unwrap_err()), ("killed", "operator"));
}

/// K2 across nodes: an honest holder whose provider writes fifty times its cap.
#[tokio::test]
async fn a_provider_that_takes_too_much_elsewhere_stops_the_budget() {
    let Pair { one, two, _home } = pair().await;
    let provider = Arc::default();
    spender(&one, "model", &provider).await;
    relay(&one, "front", "model").await;
    for (to, calls) in [("model", 1), ("front", 2)] {
        let before = provider.spent();
        let switch = tokens(16_000);
        let max = Some(Allowance::UNLIMITED.with(Component::OutputTokens, Some(40)));
        let over = json!({"most": 10, "tokens": 500});
        // The handler may have ended before it heard of the stop.
        let _ = two.request(RequestOptions { max, ..paid(&switch, to, over.clone()) }).await;
        until("the budget is stopped", || switch.stop().is_some()).await;
        assert_eq!(switch.stop().unwrap().reason, TripReason::OutputExceeded);
        until("all of it is charged", || switch.spent() == spent(500, calls)).await;
        assert_eq!((switch.overrun(), provider.spent() - before), (output(490), 500));
        let again = two.request(paid(&switch, to, over)).await.unwrap_err();
        assert_eq!(named(&again), ("killed", "output_exceeded"));
        assert_eq!(provider.spent() - before, 500);
    }
    // Told where it was spent and where it was paid, with how much it was.
    for node in [&one, &two] {
        let rows = node.audit().rows.into_iter().map(|kept| kept.row);
        let told: Vec<_> = rows.filter(|row| row.entry.kind == Event::ProviderOverrun).collect();
        let over: u64 = told.iter().map(|row| row.entry.spent.unwrap().output_tokens).sum();
        assert!(over >= 490 && told[0].entry.by == format!("mesh:{}", one.key()), "{told:?}");
        assert_eq!(node.counts().budgets.overruns, 2);
    }
}

fn spent(tokens: u64, calls: u64) -> Amount {
    output(tokens).with(Component::Calls, calls).unwrap()
}

#[tokio::test]
async fn what_a_caller_gives_up_comes_back() {
    let Pair { one, two, _home } = pair().await;
    let mut heard = waiter(&one, json!({"name": "wait"})).await;
    let switch = KillSwitch::new(limit(Component::Calls, 100));
    let asked = paid(&switch, "wait", json!(0));
    let asking = two.clone();
    let call = tokio::spawn(async move { asking.request(asked).await });
    assert_eq!(soon("the call", heard.recv()).await.unwrap(), "runs");
    assert!(switch.remaining().of(Component::Calls) < Some(99));
    call.abort();
    until("the grant is settled", || switch.remaining().of(Component::Calls) == Some(99)).await;
}

#[tokio::test]
async fn an_answer_that_was_kept_costs_a_call_and_nothing_else() {
    let Pair { one, two, _home } = pair().await;
    let provider = Arc::default();
    for (node, name) in [(&one, "there"), (&two, "here")] {
        spender(node, name, &provider).await;
    }
    for name in ["there", "here"] {
        let before = provider.spent();
        let switch = tokens(400);
        for _ in 0..3 {
            let asked = paid(&switch, name, json!({"most": 10, "tokens": 10}));
            let idempotency_key = "once".to_owned();
            let asked = RequestOptions { idempotency_key, ..asked };
            two.request(asked).await.unwrap();
        }
        assert_eq!(provider.spent() - before, 10);
        until("nothing is stranded", || {
            let tree = switch.tree().unwrap();
            tree.charged.of(Component::OutputTokens) == 10
        })
        .await;
        assert_eq!(switch.spent().of(Component::Calls), 3);
    }
}
