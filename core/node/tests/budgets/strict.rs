//! Strict budgets over three nodes: the one in the middle passes on what the root says.

use super::support::{Pair, node_in, pair, soon};
use super::*;
use hubless::budget::TripReason;
use std::time::Instant;

/// Lease of the budgets here, in milliseconds.
const LEASE_MS: u64 = 1_500;

fn strict(most: u64) -> KillSwitch {
    let limits = limit(Component::OutputTokens, most);
    KillSwitch::new(Terms { lease_ms: LEASE_MS, strict: true, ..limits })
}

/// With the usual lease, where none is to be renewed.
fn strict_usual(most: u64) -> KillSwitch {
    KillSwitch::new(Terms { strict: true, ..limit(Component::OutputTokens, most) })
}

#[tokio::test]
async fn many_calls_through_the_same_node_are_settled_to_the_token() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let provider = Arc::default();
    spender(&three, "model", &provider).await;
    relay(&one, "middle", "model").await;
    let switch = strict_usual(1 << 40);
    let calls = (0..32).map(|n| {
        let (node, switch) = (two.clone(), switch.clone());
        let asked = json!({"most": 20, "tokens": n % 7});
        tokio::spawn(async move { node.request(paid(&switch, "middle", asked)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let all: u64 = (0..32).map(|n| n % 7).sum();
    assert_eq!(provider.spent(), all);
    until("everything is settled", || {
        switch.tree().unwrap().charged.of(Component::OutputTokens) == all
    })
    .await;
}

/// Spends a token every few milliseconds for so long; answers what ended it before.
async fn spend_for(call: &Call, provider: &Provider, time: Duration) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        provider.write(call, 1, 1).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_holder_at_depth_two_goes_on_for_leases_and_stops_with_the_root() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let provider = Arc::<Provider>::default();
    let spends = Arc::clone(&provider);
    register(&three, json!({"name": "model"}), move |call, content| {
        let spends = Arc::clone(&spends);
        async move {
            let ms = content.decoded().unwrap_or_default().as_u64().unwrap_or_default();
            spend_for(&call, &spends, Duration::from_millis(ms)).await?;
            Ok(Content::default())
        }
    })
    .await;
    relay(&one, "middle", "model").await;
    let mut tries = 0..3;
    loop {
        let switch = strict(1 << 40);
        // For more than one lease, each of which begins with the word of the root.
        let asked = paid(&switch, "middle", json!(2 * LEASE_MS + LEASE_MS / 2));
        match two.request(asked).await {
            Ok(_) => break,
            // A machine that stands still for a second may cost it a lease, not each time.
            Err(lost) => assert!(tries.next().is_some(), "{lost:?}"),
        }
    }
    assert!(provider.spent() > 100, "{}", provider.spent());
    let (switch, before) = (strict_usual(1 << 40), provider.spent());
    let (asking, asked) = (two.clone(), paid(&switch, "middle", json!(60_000)));
    let call = tokio::spawn(async move { asking.request(asked).await });
    until("it spends", || provider.spent() > before).await;
    switch.trip(TripReason::Operator);
    let error = soon("the stop", call).await.unwrap().unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
}
