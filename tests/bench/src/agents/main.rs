//! The measuring program in Rust: agent, caller, or both in one process.
//!
//! Owns: what `tests/bench/BENCH.md` says of such a program. Must not know: how calls travel.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a program that measures ends where it cannot")]

mod crowd;
mod lookups;
mod sight;
mod stages;

use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
use hubless_bench::command::Command;
use hubless_bench::measure::{self, Ask};
use hubless_bench::speak;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The agent that is called.
const NAME: &str = "bench";

/// Asks the agent.
#[derive(Clone)]
struct Caller(Node);

impl Caller {
    async fn reply(&self, body: &str) -> hubless::Reply {
        let content = Content::value(json!({ "body": body }));
        self.0.request(RequestOptions::new(NAME, content)).await.unwrap()
    }
}

impl Ask for Caller {
    async fn ask(&self, body: &str) -> String {
        match self.reply(body).await.content.decoded() {
            Some(Value::Object(mut said)) => match said.remove("body") {
                Some(Value::String(body)) => body,
                _ => String::new(),
            },
            _ => String::new(),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let role = std::env::args().nth(1).unwrap_or_default();
    let began = Instant::now();
    let node = Node::start(NodeOptions::default()).await.unwrap();
    if role != "caller" {
        register(&node).await;
    }
    let mut ready = json!({ "ready": true });
    if role != "agent" {
        measure::once(&Caller(node.clone()), &measure::body(64)).await;
        ready["cold_ms"] = json!(began.elapsed().as_secs_f64() * 1e3);
    }
    speak::say(&ready);
    while let Some(command) = speak::next().await {
        let said = answer(&node, command).await;
        speak::say(&said);
    }
    node.close(Duration::from_secs(1)).await;
    ExitCode::SUCCESS
}

/// The agent: gets the decoded value, makes one trip through its event loop, and gives it back.
async fn register(node: &Node) {
    let echo = handler(|_, content: Content| async move {
        let value = content.decoded().unwrap_or_default();
        tokio::task::yield_now().await;
        Ok(Content::value(value))
    });
    let options = AgentOptions { name: NAME.to_owned(), ..AgentOptions::default() };
    node.register(options, echo).await.unwrap();
}

async fn answer(node: &Node, command: Command) -> Value {
    let caller = Caller(node.clone());
    match command {
        Command::Rtt { size, count, warm } => {
            measure::round_trips(&caller, size, count, warm).await
        }
        Command::Stages { size, count } => stages::run(&caller, size, count).await,
        Command::Load { size, in_flight, window_ms } => {
            measure::load(&caller, size, in_flight, Duration::from_millis(window_ms)).await
        }
        Command::Arrivals { size, per_second, window_ms } => {
            let window = Duration::from_millis(window_ms);
            measure::arrivals(&caller, size, per_second, window).await
        }
        Command::Big { size } => measure::big(&caller, size).await,
        Command::Agents { count } => crowd::register(node, count).await,
        Command::Lookups { count } => lookups::run(count),
        Command::Find { by, count } => crowd::find(node, by, count).await,
        Command::Register { name } => sight::register(node, &name).await,
        Command::Await { name } => sight::wait(node, &name).await,
    }
}
