//! Calls that run out of time, are tried again, or go to another node: each attempt is paid, and
//! nothing of it is stranded.

use super::support::{Pair, agent, node_in, pair, patient, soon};
use super::*;
use hubless::node::{Identity, RetryKind, RetryPolicy};
use hubless::{Agent, AgentOptions, Kind, handler};
use hubless_proto::query::Query;
use std::sync::{Mutex, OnceLock};

/// Nothing is open below the switch, and what it is charged with is what the provider counted.
fn is_settled(switch: &KillSwitch, provider: &Provider) -> bool {
    switch.tree().is_some_and(|tree| {
        let settled = tree.children.iter().all(|child| child.state == "settled");
        settled && tree.charged.of(Component::OutputTokens) == provider.spent()
    })
}

fn asks_again(options: RequestOptions, attempts: u32) -> RequestOptions {
    let on = vec![RetryKind(Kind::Busy)];
    let retry = RetryPolicy { attempts, on };
    RequestOptions { retry, effect: Some("IDEMPOTENT".to_owned()), ..options }
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_costs_what_it_spent_by_then() {
    let Pair { one, two, _home } = pair().await;
    let provider: Arc<Provider> = Arc::default();
    let (said, mut heard) = mpsc::unbounded_channel();
    let counted = Arc::clone(&provider);
    register(&one, json!({"name": "slow"}), move |call, _| {
        let (provider, said) = (Arc::clone(&counted), said.clone());
        async move {
            provider.write(&call, 60, 25).await?;
            // Begun, and no word of it comes: it costs all that was set aside.
            let _open = call.spend(output(30)).await?;
            provider.0.fetch_add(30, Ordering::SeqCst);
            said.send(()).unwrap();
            std::future::pending().await
        }
    })
    .await;
    let mut time_ms = 300;
    let switch = loop {
        let before = provider.spent();
        let switch = tokens(4_000);
        let timed = RequestOptions { timeout_ms: Some(time_ms), ..paid(&switch, "slow", json!(0)) };
        let error = two.request(timed).await.unwrap_err();
        assert_eq!(error.kind, Kind::Deadline, "{error}");
        if heard.try_recv().is_ok() && provider.spent() == before + 55 {
            break switch;
        }
        // A busy machine had not come so far.
        time_ms *= 2;
        assert!(time_ms < 60_000, "the handler did not run");
    };
    until("the grant is settled", || {
        let tree = switch.tree().unwrap();
        tree.charged.of(Component::OutputTokens) == 55 && tree.children[0].state == "settled"
    })
    .await;
    assert_eq!(switch.spent().of(Component::Calls), 1);
    assert!(switch.stop().is_none());
    // What it left is there for the next call.
    spender(&one, "model", &provider).await;
    let asked = json!({"most": 900, "tokens": 900});
    two.request(paid(&switch, "model", asked)).await.unwrap();
}

#[tokio::test]
async fn each_attempt_of_a_retried_call_is_paid() {
    let Pair { one, two, _home } = pair().await;
    let provider: Arc<Provider> = Arc::default();
    let counted = Arc::clone(&provider);
    let runs = Arc::new(AtomicU64::new(0));
    let ran = Arc::clone(&runs);
    register(&one, json!({"name": "third-time"}), move |call, _| {
        let (provider, ran) = (Arc::clone(&counted), Arc::clone(&ran));
        async move {
            provider.write(&call, 20, 10).await?;
            if ran.fetch_add(1, Ordering::SeqCst) < 2 {
                return Err(Error::refusal(Kind::Busy, "later", "expected another attempt"));
            }
            Ok(Content::default())
        }
    })
    .await;
    let switch = tokens(4_000);
    let asked = asks_again(paid(&switch, "third-time", json!(0)), 3);
    assert_eq!(two.request(asked).await.unwrap().attempts, 3);
    assert_eq!((runs.load(Ordering::SeqCst), provider.spent()), (3, 30));
    until("everything is settled", || is_settled(&switch, &provider)).await;
    assert_eq!(switch.spent().of(Component::Calls), 3);
    assert_eq!(switch.tree().unwrap().children.len(), 3);
    // Without room for the second attempt the outcome of the first stands.
    runs.store(0, Ordering::SeqCst);
    let switch = KillSwitch::new(limit(Component::Calls, 1));
    let asked = asks_again(paid(&switch, "third-time", json!(0)), 3);
    let error = two.request(asked).await.unwrap_err();
    // The stop of the budget may overtake it.
    assert!(matches!(named(&error), ("busy", "later") | ("killed", "calls_exceeded")), "{error}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// The first host that is asked spends, fails, and has the agent no more.
#[tokio::test]
async fn a_call_that_fails_over_takes_a_grant_for_each_node() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let provider: Arc<Provider> = Arc::default();
    let ran: Arc<Mutex<Vec<usize>>> = Arc::default();
    let agents: Arc<[OnceLock<Agent>; 2]> = Arc::default();
    for (index, node) in [&one, &three].into_iter().enumerate() {
        let (provider, ran, hosts) = (Arc::clone(&provider), Arc::clone(&ran), Arc::clone(&agents));
        let twin = handler(move |call: Call, _| {
            let (provider, ran) = (Arc::clone(&provider), Arc::clone(&ran));
            let hosts = Arc::clone(&hosts);
            async move {
                provider.write(&call, 20, 10).await?;
                let is_first = {
                    let mut ran = ran.lock().unwrap();
                    ran.push(index);
                    ran.len() == 1
                };
                if !is_first {
                    return Ok(Content::default());
                }
                tokio::spawn(async move {
                    let patience = Duration::from_secs(20);
                    hosts[index].get().unwrap().unregister(patience).await
                });
                Err(Error::refusal(Kind::Busy, "later", "expected another attempt"))
            }
        });
        let options = AgentOptions {
            identity: Identity::Stored("twin".into()),
            replica: true,
            ..agent(json!({"name": "twin"}))
        };
        let registered = node.register(options, twin).await.unwrap();
        assert!(agents[index].set(registered).is_ok());
    }
    let query = json!({"filter": {"field": "name", "op": "=", "value": "twin"}});
    two.peer(Query::read(query).unwrap(), patient()).await.unwrap();
    let switch = tokens(4_000);
    let asked = RequestOptions { wait_ms: Some(20_000), ..paid(&switch, "twin", json!(0)) };
    let asked = asks_again(asked, 10);
    soon("the other host", two.request(asked)).await.unwrap();
    let ran = ran.lock().unwrap().clone();
    assert!(ran.len() >= 2 && ran.first() != ran.last(), "{ran:?}");
    assert_eq!(provider.spent(), 10 * ran.len() as u64);
    until("everything is settled", || is_settled(&switch, &provider)).await;
    let tree = switch.tree().unwrap();
    let holders: std::collections::BTreeSet<_> =
        tree.children.iter().map(|child| child.node).collect();
    assert_eq!(holders, [one.key(), three.key()].into(), "{tree:?}");
    assert!(switch.stop().is_none());
}
