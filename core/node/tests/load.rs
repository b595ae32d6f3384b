//! Many agents and many calls at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::{Agent, AgentOptions, Content, FindOptions, Node, handler};
use hubless_proto::limits;
use hubless_proto::query::Query;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{agent, ask, memory_node, register};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_come_and_go_while_isolated_calls_run_and_none_is_lost() {
    let node = memory_node().await;
    let running = Arc::new(watch::Sender::new(0));
    let counted = Arc::clone(&running);
    // Each call runs while every changer is at work: it goes on when all of them have begun.
    let begun = Arc::new(watch::Sender::new(0));
    let changing = begun.subscribe();
    let options = json!({"name": "mother", "concurrency": "isolated",
        "requirements": {"maxConcurrency": 1000, "queue": 4000}});
    let inner = node.clone();
    register(&node, options, move |call, content| {
        let (inner, counted) = (inner.clone(), Arc::clone(&counted));
        let mut changing = changing.clone();
        async move {
            counted.send_modify(|calls| *calls += 1);
            changing.wait_for(|changers| *changers == 64).await.expect("they begin");
            let name = format!("child-{}", content.decoded().unwrap_or_default());
            let child =
                AgentOptions { parent: Some(call.parent()), ..agent(json!({"name": name})) };
            inner.register(child, handler(|_, c| async move { Ok(c) })).await?;
            Ok(inner.request(ask(&name, json!(name))).await?.content)
        }
    })
    .await;
    let calls = (0..1_000).map(|n| {
        let node = node.clone();
        tokio::spawn(async move { node.request(ask("mother", json!(n))).await })
    });
    let calls: Vec<_> = calls.collect();
    running.subscribe().wait_for(|calls| *calls == 1_000).await.unwrap();
    let changers = (0..64).map(|n| {
        let (node, begun) = (node.clone(), Arc::clone(&begun));
        tokio::spawn(async move {
            for round in 0..8 {
                let name = format!("come-{n}-{round}");
                let options = json!({"name": name});
                let one = register(&node, options, |_, c| async move { Ok(c) }).await;
                if round == 0 {
                    begun.send_modify(|changers| *changers += 1);
                }
                assert!(node.request(ask(&name, json!(1))).await.is_ok());
                if round < 7 {
                    one.unregister(Duration::ZERO).await.unwrap();
                }
            }
        })
    });
    for changer in changers.collect::<Vec<_>>() {
        changer.await.unwrap();
    }
    for (n, call) in calls.into_iter().enumerate() {
        let reply = call.await.unwrap().unwrap();
        assert_eq!(reply.content.decoded(), Some(json!(format!("child-{n}"))));
    }
    assert_eq!(*running.borrow(), 1_000, "none ran twice");
    // The mother and the last of each changer; no child came back.
    let left = node.list_agents(hubless::node::Scope::Local).unwrap();
    assert_eq!(left.len(), 65);
    assert!(left.iter().all(|found| !found.name.starts_with("child-")));
    let all = Query { limit: limits::FIND_LIMIT, ..Query::default() };
    let found = node.find(all, FindOptions::default()).await.unwrap();
    assert_eq!(found.len(), 65, "what is found is what is registered");
    assert!(found.iter().all(|found| !found.name.starts_with("child-")));
}

/// How often a time is taken: a busy machine slows some of them down, and the best one counts.
const TIMES: usize = 10;

#[tokio::test]
async fn ten_thousand_agents_live_in_one_node() {
    let (many, few, least) = (memory_node().await, memory_node().await, memory_node().await);
    let (mut all, mut some, mut hundred) = (Vec::new(), Vec::new(), Vec::new());
    registering(&least, &mut hundred).await;
    registering(&few, &mut some).await;
    for _ in TIMES..100 {
        registering(&many, &mut all).await;
    }
    // Both in turns: a machine that is slower for a while is so for both.
    let (mut early, mut late) = (Duration::MAX, Duration::MAX);
    for _ in 0..TIMES {
        early = early.min(registering(&few, &mut some).await);
        late = late.min(registering(&many, &mut all).await);
    }
    println!("100 registered beside 1,000 in {early:?}, beside 9,000 in {late:?}");
    assert_eq!(many.status().agents, 10_000);
    for one in all.iter().step_by(997) {
        for to in [one.name().to_owned(), one.id().to_string(), one.address().to_string()] {
            let reply = many.request(ask(&to, json!(1))).await.unwrap();
            assert_eq!(reply.content.joined_text(), one.name());
        }
    }
    assert!(late < early * 4, "registration grows with the agents: {early:?} {late:?}");
    let (mut among_few, mut among_many) = (Duration::MAX, Duration::MAX);
    for _ in 0..TIMES {
        among_few = among_few.min(asking(&least, &hundred).await);
        among_many = among_many.min(asking(&many, &all).await);
    }
    println!("300 asked among 100 agents in {among_few:?}, among 10,000 in {among_many:?}");
    assert!(among_many < among_few * 4, "look-ups grow: {among_few:?} {among_many:?}");
}

/// How long it takes to register a hundred agents more.
async fn registering(node: &Node, agents: &mut Vec<Agent>) -> Duration {
    let echo =
        handler(
            |call: hubless::Call, _: Content| async move { Ok(Content::text(call.agent_name())) },
        );
    let began = Instant::now();
    for _ in 0..100 {
        let options = agent(json!({"name": format!("agent-{}", agents.len())}));
        agents.push(node.register(options, Arc::clone(&echo)).await.unwrap());
    }
    began.elapsed()
}

/// How long it takes to ask a hundred agents by name, id and address.
async fn asking(node: &Node, agents: &[Agent]) -> Duration {
    let began = Instant::now();
    for one in agents.iter().step_by(agents.len() / 100) {
        for to in [one.name().to_owned(), one.id().to_string(), one.address().to_string()] {
            node.request(ask(&to, json!(1))).await.unwrap();
        }
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_process_are_cheap() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let began = Instant::now();
    let workers = (0..32).map(|_| {
        let node = node.clone();
        tokio::spawn(async move {
            for n in 0..200 {
                node.request(ask("echo", json!(n))).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let each = began.elapsed() / 6_400;
    println!("{each:?} a call at 32 in flight");
    assert!(each < Duration::from_millis(2), "{each:?} a call");
}
