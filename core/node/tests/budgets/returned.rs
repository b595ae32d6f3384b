//! Answers that go to another agent: the grant of the call pays for their delivery.

use super::support::{Pair, memory_node, node_in, pair, soon};
use super::*;
use hubless::Agent;
use hubless::budget::TripReason;

/// An agent that spends nothing and answers with what it got.
async fn maker(node: &Node) -> Agent {
    register(node, json!({"name": "maker"}), |call, content| async move {
        says(&call).await?;
        Ok(content)
    })
    .await
}

/// A request whose answer has the desk spend so much.
fn returned(switch: &KillSwitch, desk: &str, tokens: u64) -> RequestOptions {
    let asked = paid(switch, "maker", json!({"most": tokens, "tokens": tokens}));
    RequestOptions { return_to: desk.to_owned(), ..asked }
}

#[tokio::test]
async fn a_delivery_draws_on_the_grant_of_the_call() {
    let node = memory_node().await;
    let provider = Arc::default();
    maker(&node).await;
    spender(&node, "desk", &provider).await;
    let switch = tokens(1_600);
    // 400 for the maker, of which 100 for the delivery.
    let refused = node.request(returned(&switch, "desk", 101)).await.unwrap_err();
    assert_eq!(named(&refused), ("budget_exhausted", "return_failed"));
    assert_eq!(provider.spent(), 0);
    node.request(returned(&switch, "desk", 100)).await.unwrap();
    assert_eq!(provider.spent(), 100);
    let tree = switch.tree().unwrap();
    assert!(tree.children.iter().all(|child| child.state == "settled"), "{tree:?}");
    assert_eq!(tree.used.of(Component::Calls), 4);
    assert_eq!(tree.used.of(Component::OutputTokens), 100);
}

#[tokio::test]
async fn a_desk_that_does_not_say_what_it_spent_is_charged_with_its_part_of_the_grant() {
    let node = memory_node().await;
    maker(&node).await;
    register(&node, json!({"name": "desk"}), |_, c| async move { Ok(c) }).await;
    let switch = tokens(1_600);
    node.request(returned(&switch, "desk", 1)).await.unwrap();
    assert_eq!(switch.spent().of(Component::OutputTokens), 100);
}

#[tokio::test]
async fn what_is_delivered_to_another_node_is_charged_as_well() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let maker = maker(&one).await;
    let provider: Arc<Provider> = Arc::default();
    let accepts = json!({"acceptReturnsFrom": [maker.id().to_string()]});
    for (name, node) in [("own", &two), ("beside", &one), ("elsewhere", &three)] {
        let (options, counted) =
            (json!({"name": name, "requirements": accepts}), Arc::clone(&provider));
        let desk = register(node, options, move |call, _| {
            let counted = Arc::clone(&counted);
            async move {
                counted.write(&call, 100, 100).await?;
                Ok(Content::default())
            }
        });
        let desk = desk.await.id().to_string();
        // The maker's node must have heard of it.
        one.request(ask(name, json!(0))).await.unwrap();
        let before = provider.spent();
        let switch = tokens(1_600);
        two.request(returned(&switch, &desk, 100)).await.unwrap();
        assert_eq!(provider.spent() - before, 100, "{name}");
        until("nothing is stranded", || {
            let tree = switch.tree().unwrap();
            let sums = (tree.used.of(Component::Calls), tree.charged.of(Component::OutputTokens));
            sums == (2, 100)
        })
        .await;
    }
}

/// A call whose answer is at a desk that waits for ever.
struct Delivering {
    switch: KillSwitch,
    call: tokio::task::JoinHandle<Result<hubless::Reply>>,
    heard: mpsc::UnboundedReceiver<String>,
    _pair: Pair,
}

async fn delivering() -> Delivering {
    let pair = pair().await;
    maker(&pair.one).await;
    let mut heard = waiter(&pair.two, json!({"name": "desk"})).await;
    let switch = tokens(1_600);
    let (asking, asked) = (pair.two.clone(), returned(&switch, "desk", 1));
    let call = tokio::spawn(async move { asking.request(asked).await });
    assert_eq!(soon("the delivery", heard.recv()).await.unwrap(), "runs");
    Delivering { switch, call, heard, _pair: pair }
}

#[tokio::test]
async fn a_stop_ends_a_delivery() {
    let Delivering { switch, call, mut heard, _pair } = delivering().await;
    switch.trip(TripReason::Operator);
    assert_eq!(soon("the stop", heard.recv()).await.unwrap(), "killed operator");
    let error = soon("the end", call).await.unwrap().unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
}

#[tokio::test]
async fn what_a_caller_gives_up_during_a_delivery_comes_back() {
    let Delivering { switch, call, heard: _heard, _pair } = delivering().await;
    assert!(switch.remaining().of(Component::OutputTokens) < Some(1_600));
    call.abort();
    let all = || switch.remaining().of(Component::OutputTokens) == Some(1_600);
    until("the grant is settled", all).await;
}

#[tokio::test]
async fn an_answer_that_was_kept_is_not_delivered_without_a_grant() {
    let node = memory_node().await;
    let provider = Arc::default();
    maker(&node).await;
    spender(&node, "desk", &provider).await;
    let switch = tokens(1_600);
    let keyed =
        || RequestOptions { idempotency_key: "once".to_owned(), ..returned(&switch, "desk", 10) };
    node.request(keyed()).await.unwrap();
    let kept = node.request(keyed()).await.unwrap_err();
    assert_eq!(named(&kept), ("unsupported", "return_failed"));
    assert_eq!((provider.spent(), switch.spent().of(Component::OutputTokens)), (10, 10));
}

#[tokio::test]
async fn what_a_silent_maker_may_have_spent_is_not_spent_by_the_delivery() {
    let node = memory_node().await;
    let provider = Arc::default();
    maker(&node).await;
    register(&node, json!({"name": "silent"}), |_, c| async move { Ok(c) }).await;
    spender(&node, "desk", &provider).await;
    let switch = tokens(1_600);
    let asked = paid(&switch, "silent", json!({"most": 75, "tokens": 75}));
    let asked = RequestOptions { return_to: "desk".to_owned(), ..asked };
    let refused = node.request(asked).await.unwrap_err();
    assert_eq!(named(&refused), ("budget_exhausted", "return_failed"));
    assert_eq!((provider.spent(), switch.spent().of(Component::OutputTokens)), (0, 400));
    // The control: one that says that it spends nothing leaves a quarter of its 300.
    node.request(returned(&switch, "desk", 75)).await.unwrap();
    assert_eq!((provider.spent(), switch.spent().of(Component::OutputTokens)), (75, 475));
}

#[tokio::test]
async fn a_handler_spends_nothing_after_its_answer() {
    let node = memory_node().await;
    let (gives, mut calls) = mpsc::unbounded_channel();
    register(&node, json!({"name": "maker"}), move |call, content| {
        let gives = gives.clone();
        async move {
            says(&call).await?;
            gives.send(call).unwrap();
            Ok(content)
        }
    })
    .await;
    let mut heard = waiter(&node, json!({"name": "desk"})).await;
    let switch = tokens(1_600);
    let (asking, asked) = (node.clone(), returned(&switch, "desk", 1));
    let asked = tokio::spawn(async move { asking.request(asked).await });
    assert_eq!(soon("the delivery", heard.recv()).await.unwrap(), "runs");
    let call = soon("the call", calls.recv()).await.unwrap();
    let late = call.spend(output(1)).await.unwrap_err();
    assert_eq!(named(&late), ("killed", "finished"));
    assert!(!asked.is_finished(), "the delivery is paid for by then");
    switch.trip(TripReason::Operator);
    let error = soon("the end", asked).await.unwrap().unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
}
