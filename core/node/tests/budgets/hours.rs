//! What somebody who is not of the mesh may spend in an hour.

use super::support::{Pair, pair};
use super::*;
use hubless::Kind;
use hubless_proto::error::Retry;
use hubless_proto::limits::HOUR_NAME_BYTES;

/// So many tokens an hour.
fn hour(most: u64) -> Allowance {
    Allowance::UNLIMITED.with(Component::OutputTokens, Some(most))
}

async fn of_call(node: &Node, call: u64, most: u64) -> Result<KillSwitch> {
    node.hourly_switch("alice", limit(Component::OutputTokens, call), hour(most)).await
}

#[tokio::test]
async fn a_switch_of_an_hour_pays_for_what_fits_and_counts_what_was_used() {
    let node = support::memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    let ask = |tokens: u64| json!({"most": tokens, "tokens": tokens});
    for _ in 0..2 {
        let switch = of_call(&node, 40, 100).await.unwrap();
        node.request(paid(&switch, "model", ask(30))).await.unwrap();
        assert!(node.request(paid(&switch, "model", ask(11))).await.is_err(), "of this call");
        drop(switch);
    }
    assert_eq!(provider.spent(), 60, "forty are left, and the most of a call is forty");
    let over = of_call(&node, 41, 100).await.unwrap_err();
    assert_eq!((over.kind, over.code.as_str()), (Kind::BudgetExhausted, "hour"));
    assert!(matches!(over.retry, Retry::AfterMs(_)), "{over:?}");
    // An unused one gives everything back, and so does one that nobody waits for.
    for _ in 0..2 {
        drop(of_call(&node, 40, 100).await.unwrap());
        drop(of_call(&node, 40, 100));
    }
    let last = of_call(&node, 40, 100).await.unwrap();
    node.request(paid(&last, "model", ask(40))).await.unwrap();
    drop(last);
    assert!(of_call(&node, 1, 100).await.is_err());
    assert!(of_call(&node, 0, 100).await.is_ok(), "what spends nothing fits");
}

#[tokio::test]
async fn what_a_provider_takes_beyond_is_counted_too() {
    let node = support::memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    let switch = of_call(&node, 40, 100).await.unwrap();
    // It breaks its cap, which stops the budget of the call.
    let asked = paid(&switch, "model", json!({"most": 40, "tokens": 70}));
    let _ = node.request(asked).await;
    drop(switch);
    assert_eq!(provider.spent(), 70);
    assert!(of_call(&node, 31, 100).await.is_err());
    assert!(of_call(&node, 30, 100).await.is_ok());
}

#[tokio::test]
async fn a_switch_of_an_hour_is_of_its_node_and_a_name_has_a_bound() {
    let Pair { one, two, _home } = pair().await;
    spender(&two, "model", &Arc::default()).await;
    let switch = of_call(&one, 40, 100).await.unwrap();
    let error = two.request(paid(&switch, "model", json!({}))).await.unwrap_err();
    assert_eq!(named(&error), ("configuration", "other_node"));
    assert!(of_call(&one, 61, 100).await.is_err(), "it is set aside");
    drop(switch);
    assert!(of_call(&one, 61, 100).await.is_ok());
    let call = || limit(Component::OutputTokens, 1);
    let longest = "n".repeat(HOUR_NAME_BYTES);
    assert!(one.hourly_switch(&longest, call(), hour(1)).await.is_ok());
    let longer = format!("{longest}n");
    let error = one.hourly_switch(&longer, call(), hour(1)).await.unwrap_err();
    assert_eq!(error.limit.unwrap().name, "HOUR_NAME_BYTES");
}
