//! Inside one node.

use super::support::{agent, memory_node};
use super::*;
use hubless::budget::Orphans;
use hubless::{Kind, NodeOptions, handler};
use std::sync::atomic::AtomicUsize;

#[tokio::test]
async fn equal_to_the_limit_is_allowed_and_one_more_is_not() {
    let node = memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    // A call is granted a quarter of what is free.
    let ask = |most: u64| json!({"most": most, "tokens": most});
    let one_more = node.request(paid(&tokens(400), "model", ask(101))).await.unwrap_err();
    assert_eq!(named(&one_more), ("budget_exhausted", "output_exceeded"));
    assert_eq!(provider.spent(), 0);
    let switch = tokens(400);
    node.request(paid(&switch, "model", ask(100))).await.unwrap();
    assert_eq!(provider.spent(), 100);
    assert_eq!(switch.spent().of(Component::OutputTokens), 100);
    assert_eq!(switch.remaining().of(Component::OutputTokens), Some(300));
}

#[tokio::test]
async fn calls_are_counted_by_the_node() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let switch = KillSwitch::new(limit(Component::Calls, 3));
    for n in 0..3 {
        assert!(node.request(paid(&switch, "echo", json!(n))).await.is_ok());
    }
    let fourth = node.request(paid(&switch, "echo", json!(3))).await.unwrap_err();
    assert_eq!(named(&fourth), ("budget_exhausted", "calls_exceeded"));
    let fifth = node.request(paid(&switch, "echo", json!(4))).await.unwrap_err();
    assert_eq!(named(&fifth), ("killed", "calls_exceeded"));
}

#[tokio::test]
async fn a_limit_of_zero_refuses_everything() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    register(&node, json!({"name": "echo"}), move |_, c| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(c) }
    })
    .await;
    for component in Component::ALL {
        let switch = KillSwitch::new(limit(component, 0));
        let refused = node.request(paid(&switch, "echo", json!(0))).await.unwrap_err();
        assert_eq!(refused.kind, Kind::BudgetExhausted, "{}", component.name());
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    node.request(paid(&tokens(1), "echo", json!(0))).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn of_64_reservations_for_the_room_of_one_one_succeeds() {
    let node = memory_node().await;
    register(&node, json!({"name": "crowd"}), |call: Call, _| async move {
        let tries = (0..64).map(|_| {
            let call = call.clone();
            tokio::spawn(async move { call.spend(output(7)).await })
        });
        let tries: Vec<_> = tries.collect();
        let (mut held, mut refused) = (Vec::new(), 0);
        for tried in tries {
            match tried.await.unwrap() {
                Ok(spend) => held.push(spend),
                Err(error) if error.kind == Kind::BudgetExhausted => refused += 1,
                Err(error) => return Err(error),
            }
        }
        let first = held.len();
        held.into_iter().for_each(|spend| spend.used(output(0)));
        // What was given back can be had again.
        call.spend(output(7)).await?.used(output(7));
        Ok(Content::value(json!([first, refused])))
    })
    .await;
    let switch = tokens(31);
    let reply = node.request(paid(&switch, "crowd", json!(0))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!([1, 63])));
    assert_eq!(switch.spent().of(Component::OutputTokens), 7);
}

#[tokio::test]
async fn many_calls_at_once_never_spend_more_than_the_budget() {
    let node = memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    relay(&node, "front", "model").await;
    let switch = tokens(5_000);
    let calls = (0..512).map(|n| {
        let (node, switch) = (node.clone(), switch.clone());
        tokio::spawn(async move {
            let to = if n % 2 == 0 { "model" } else { "front" };
            let asked = json!({"most": 20, "tokens": 10 + n % 11});
            node.request(paid(&switch, to, asked)).await.is_ok()
        })
    });
    let mut done = 0;
    for call in calls.collect::<Vec<_>>() {
        done += usize::from(call.await.unwrap());
    }
    assert!(done > 0 && done < 512, "{done}");
    assert!(provider.spent() <= 5_000, "{}", provider.spent());
    let tree = switch.tree().unwrap();
    assert_eq!(tree.charged.of(Component::OutputTokens), provider.spent());
}

#[tokio::test]
async fn a_silent_handler_is_charged_in_full_and_one_that_spends_nothing_is_not() {
    let node = memory_node().await;
    let skill = |spends: &str| json!([{"id": "it", "spends": spends}]);
    let silent = json!({"name": "silent", "skills": skill("tokens")});
    register(&node, silent, |_, c| async move { Ok(c) }).await;
    let free = json!({"name": "free", "skills": skill("none")});
    register(&node, free, |call: Call, _| async move {
        let refused = call.spend(output(1)).await.unwrap_err();
        Ok(Content::text(refused.kind.name()))
    })
    .await;
    let switch = tokens(400);
    let reply = node.request(paid(&switch, "free", json!(0))).await.unwrap();
    assert_eq!(reply.content.joined_text(), "budget_exhausted");
    assert!(!reply.usage.charged_in_full);
    assert_eq!(switch.spent().of(Component::OutputTokens), 0);
    let reply = node.request(paid(&switch, "silent", json!(0))).await.unwrap();
    assert!(reply.usage.charged_in_full);
    assert_eq!(switch.spent().of(Component::OutputTokens), 100);
    let most = Some(Allowance::UNLIMITED.with(Component::OutputTokens, Some(5)));
    let capped = RequestOptions { max: most, ..paid(&switch, "silent", json!(0)) };
    node.request(capped).await.unwrap();
    assert_eq!(switch.spent().of(Component::OutputTokens), 105);
}

#[tokio::test]
async fn a_nested_call_draws_on_the_grant_of_its_parent() {
    let node = memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    relay(&node, "front", "model").await;
    let switch = tokens(1_600);
    // 400 for the front, of which 100 for the model.
    let ask = |tokens: u64| json!({"most": tokens, "tokens": tokens});
    let refused = node.request(paid(&switch, "front", ask(101))).await.unwrap_err();
    assert_eq!(refused.kind, Kind::BudgetExhausted);
    node.request(paid(&switch, "front", ask(100))).await.unwrap();
    assert_eq!(provider.spent(), 100);
    let tree = switch.tree().unwrap();
    assert!(tree.children.iter().all(|child| child.state == "settled"));
    assert_eq!(tree.used.of(Component::Calls), 4);
    assert_eq!(tree.used.of(Component::OutputTokens), 100);
}

#[tokio::test]
async fn a_request_that_lost_its_budget_is_refused() {
    for (orphans, wanted) in [
        (Orphans::Refuse, Err("orphan")),
        (Orphans::Allow, Ok(false)),
        (Orphans::OwnBudget(limit(Component::Calls, 10)), Ok(true)),
    ] {
        let options = NodeOptions { memory_only: true, orphans, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        register(&node, json!({"name": "funded"}), |call: Call, _| async move {
            Ok(Content::value(json!(!call.request().grant.is_empty())))
        })
        .await;
        let lost = node.clone();
        let forgetful = handler(move |_, _| {
            let lost = lost.clone();
            async move {
                let asked = lost.request(ask("funded", json!(0))).await;
                Ok(Content::value(match asked {
                    Ok(reply) => reply.content.decoded().unwrap(),
                    Err(error) => json!(error.code),
                }))
            }
        });
        node.register(agent(json!({"name": "forgetful"})), forgetful).await.unwrap();
        let answer = |reply: hubless::Reply| reply.content.decoded().unwrap();
        // Without a budget there is nothing to lose.
        let free = node.request(ask("forgetful", json!(0))).await.unwrap();
        assert_eq!(answer(free), json!(false));
        let reply = node.request(paid(&tokens(1_000), "forgetful", json!(0))).await.unwrap();
        assert_eq!(answer(reply), wanted.map_or_else(|code| json!(code), |paid| json!(paid)));
    }
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused() {
    let node = memory_node().await;
    let other = memory_node().await;
    let second = node.clone();
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    register(&node, json!({"name": "second"}), move |call: Call, content| {
        let (node, parent) = (second.clone(), Some(call.parent()));
        async move {
            let asked = paid(&tokens(5), "echo", json!(0));
            let error = node.request(RequestOptions { parent, ..asked }).await.unwrap_err();
            assert_eq!(named(&error), ("configuration", "second_budget"));
            Ok(content)
        }
    })
    .await;
    let switch = tokens(1_000);
    node.request(paid(&switch, "second", json!(0))).await.unwrap();
    let elsewhere = other.request(paid(&switch, "echo", json!(0))).await.unwrap_err();
    assert_eq!(named(&elsewhere), ("configuration", "other_node"));
    let max = Some(Allowance::NOTHING);
    let unpaid = RequestOptions { max, ..ask("echo", json!(0)) };
    let error = node.request(unpaid).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("max")));
}

#[tokio::test]
async fn an_agent_may_be_called_under_a_budget_only() {
    let node = memory_node().await;
    let options = json!({"name": "dear", "needs": {"grant": "required"}});
    let dear = register(&node, options, |_, c| async move { Ok(c) }).await;
    let refused = node.request(ask("dear", json!(0))).await.unwrap_err();
    assert_eq!(named(&refused), ("budget_exhausted", "grant_required"));
    let switch = tokens(100);
    let checked = node.check(dear.id(), paid(&switch, "dear", json!(0))).await.unwrap();
    assert!(checked.is_none());
    let checked = node.check(dear.id(), ask("dear", json!(0))).await.unwrap().unwrap();
    assert_eq!(checked.code, "grant_required");
    node.request(paid(&switch, "dear", json!(0))).await.unwrap();
}

#[tokio::test]
async fn without_a_budget_spending_is_only_told() {
    let node = memory_node().await;
    let provider = Arc::default();
    spender(&node, "model", &provider).await;
    let reply = node.request(ask("model", json!({"most": 9, "tokens": 5}))).await.unwrap();
    assert_eq!((reply.usage.output_tokens, reply.usage.charged_in_full), (5, false));
    register(&node, json!({"name": "counts"}), |call: Call, _| async move {
        call.spend(Amount::ZERO.with(Component::Calls, 1)?).await.map(|_| Content::default())
    })
    .await;
    let error = node.request(ask("counts", json!(0))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("calls")));
}

/// They are counted where the call is made: said again they would be taken by no reservation.
#[tokio::test]
async fn calls_that_a_handler_says_it_used_are_left_out() {
    let node = memory_node().await;
    register(&node, json!({"name": "says"}), |call: Call, _| async move {
        let used = output(5).with(Component::Calls, 3)?;
        call.spend(output(9)).await?.used(used);
        Ok(Content::default())
    })
    .await;
    let switch = KillSwitch::new(Terms::of(
        Allowance::UNLIMITED
            .with(Component::OutputTokens, Some(100))
            .with(Component::Calls, Some(10)),
    ));
    node.request(paid(&switch, "says", json!(0))).await.unwrap();
    let spent =
        || (switch.spent().of(Component::OutputTokens), switch.spent().of(Component::Calls));
    until("it is settled", || spent() == (5, 1)).await;
    assert_eq!(switch.stop().map(|stop| stop.reason), None);
}

/// What a handler of the same node spends is known as it is spent.
#[tokio::test]
async fn a_soft_limit_stops_a_call_of_the_own_node_once_more_is_spent() {
    let node = memory_node().await;
    let provider = Arc::<Provider>::default();
    let counted = Arc::clone(&provider);
    register(&node, json!({"name": "spends"}), move |call: Call, _| {
        let counted = Arc::clone(&counted);
        async move {
            loop {
                counted.write(&call, 1, 1).await?;
            }
        }
    })
    .await;
    let soft = Allowance::UNLIMITED.with(Component::OutputTokens, Some(10));
    let terms = Terms { soft, ..limit(Component::OutputTokens, 1_000) };
    let switch = KillSwitch::new(terms);
    let error = node.request(paid(&switch, "spends", json!(0))).await.unwrap_err();
    assert_eq!(named(&error), ("killed", "output_exceeded"));
    // One above is known to be spent; another may have begun meanwhile.
    assert!((11..=12).contains(&provider.spent()), "{}", provider.spent());
}
