//! Many agents and many calls at once.

mod support;

use hubless::{AgentOptions, Content, handler};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{agent, ask, memory_node, register};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_come_and_go_while_isolated_calls_run_and_none_is_lost() {
    let node = memory_node().await;
    let running = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&running);
    let options = json!({"name": "mother", "concurrency": "isolated",
        "requirements": {"maxConcurrency": 1000, "queue": 4000}});
    let inner = node.clone();
    register(&node, options, move |call, content| {
        let (inner, counted) = (inner.clone(), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
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
    let changers = (0..64).map(|n| {
        let node = node.clone();
        tokio::spawn(async move {
            for round in 0..8 {
                let name = format!("come-{n}-{round}");
                let options = json!({"name": name});
                let one = register(&node, options, |_, c| async move { Ok(c) }).await;
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
    let mut busy = 0;
    for (n, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Ok(reply) => assert_eq!(reply.content.decoded(), Some(json!(format!("child-{n}")))),
            Err(error) if error.kind == hubless::Kind::Busy => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(running.load(Ordering::Relaxed) + busy, 1_000);
    // The mother and the last of each changer; no child came back.
    let left = node.list_agents(hubless::node::Scope::Local).unwrap();
    assert_eq!(left.len(), 65);
    assert!(left.iter().all(|found| !found.name.starts_with("child-")));
}

#[tokio::test]
async fn ten_thousand_agents_live_in_one_node() {
    let node = memory_node().await;
    let echo =
        handler(
            |call: hubless::Call, _: Content| async move { Ok(Content::text(call.agent_name())) },
        );
    let mut hundreds = Vec::new();
    let mut ids = Vec::new();
    for hundred in 0..100 {
        let began = Instant::now();
        for n in 0..100 {
            let options = agent(json!({"name": format!("agent-{hundred}-{n}")}));
            ids.push(node.register(options, Arc::clone(&echo)).await.unwrap());
        }
        hundreds.push(began.elapsed());
    }
    println!("first hundred {:?}, last hundred {:?}", hundreds[0], hundreds[99]);
    for one in ids.iter().step_by(997) {
        for to in [one.name().to_owned(), one.id().to_string(), one.address().to_string()] {
            let reply = node.request(ask(&to, json!(1))).await.unwrap();
            assert_eq!(reply.content.joined_text(), one.name());
        }
    }
    // The best of ten: a busy machine slows some of them down.
    let early = hundreds[1..11].iter().min().unwrap();
    let late = hundreds[90..].iter().min().unwrap();
    assert!(*late < *early * 4, "registration grows with the agents: {early:?} {late:?}");
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
