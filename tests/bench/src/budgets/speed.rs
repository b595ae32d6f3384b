//! How many spendings a second one ledger takes.

use super::Scale;
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::{AgentOptions, Call, Content, Node, NodeOptions, RequestOptions, handler};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Spendings of one run.
const fn spendings(scale: Scale) -> u64 {
    match scale {
        Scale::Whole => 4_000,
        Scale::Quick => 128,
    }
}

/// Runs so many at once in one handler; with a home, the ledger is kept on its disk.
pub(crate) async fn run(home: Option<&Path>, concurrency: u64, scale: Scale) -> f64 {
    let spendings = spendings(scale);
    let options = NodeOptions {
        memory_only: home.is_none(),
        home: home.map(Path::to_owned),
        name: home.map(|_| "ledger".to_owned()),
        ..NodeOptions::default()
    };
    let node = Node::start(options).await.unwrap();
    let spending = handler(move |call: Call, _| async move {
        let one = Amount::ZERO.with(Component::OutputTokens, 1)?;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let call = call.clone();
            tasks.spawn(async move {
                for _ in 0..spendings / concurrency {
                    call.spend(one).await.unwrap().used(one);
                }
            });
        }
        let started = Instant::now();
        tasks.join_all().await;
        let done = spendings / concurrency * concurrency;
        Ok(Content::value(json!(done as f64 / started.elapsed().as_secs_f64())))
    });
    let spender = AgentOptions { name: "spender".to_owned(), ..AgentOptions::default() };
    node.register(spender, spending).await.unwrap();
    let enough = Allowance::UNLIMITED.with(Component::OutputTokens, Some(spendings * 8));
    let options = RequestOptions {
        kill_switch: Some(KillSwitch::new(Terms::of(enough))),
        ..RequestOptions::new("spender", Content::default())
    };
    let reply = node.request(options).await.unwrap();
    node.close(std::time::Duration::from_secs(5)).await;
    reply.content.decoded().as_ref().and_then(Value::as_f64).unwrap()
}
