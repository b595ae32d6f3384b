//! Calls under a budget: what they may spend, and what stops them. Spending is counted outside the
//! ledger, by the fake provider of these tests.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

#[path = "budgets/again.rs"]
mod again;
#[path = "budgets/attempts.rs"]
mod attempts;
#[path = "budgets/badly.rs"]
mod badly;
#[path = "budgets/crowd.rs"]
mod crowd;
#[path = "budgets/durable.rs"]
mod durable;
#[path = "budgets/elsewhere.rs"]
mod elsewhere;
#[path = "budgets/holder.rs"]
mod holder;
#[path = "budgets/hours.rs"]
mod hours;
#[path = "budgets/inside.rs"]
mod inside;
#[path = "budgets/operator.rs"]
mod operator;
#[path = "budgets/processes.rs"]
mod processes;
#[path = "budgets/redeem.rs"]
mod redeem;
#[path = "budgets/returned.rs"]
mod returned;
#[path = "budgets/stops.rs"]
mod stops;
#[path = "budgets/strict.rs"]
mod strict;
mod support;

use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::call::handle::Call;
use hubless::{Content, Error, Node, RequestOptions, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{ask, register};
use tokio::sync::mpsc;

/// Counts what is really spent.
#[derive(Default)]
struct Provider(AtomicU64);

impl Provider {
    fn spent(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A model that writes `tokens`, under a reservation of `most`.
    async fn write(&self, call: &Call, most: u64, tokens: u64) -> Result<()> {
        says(call).await?;
        let spend = call.spend(output(most)).await?;
        self.0.fetch_add(tokens, Ordering::SeqCst);
        spend.used(output(tokens));
        Ok(())
    }
}

/// Says that the handler tells what it spends; one that does not is charged in full.
async fn says(call: &Call) -> Result<()> {
    call.spend(Amount::ZERO).await?.used(Amount::ZERO);
    Ok(())
}

fn output(tokens: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, tokens).unwrap()
}

fn limit(component: Component, most: u64) -> Terms {
    Terms::of(Allowance::UNLIMITED.with(component, Some(most)))
}

fn tokens(most: u64) -> KillSwitch {
    KillSwitch::new(limit(Component::OutputTokens, most))
}

/// A request that a switch pays for.
fn paid(switch: &KillSwitch, to: &str, value: Value) -> RequestOptions {
    RequestOptions { kill_switch: Some(switch.clone()), ..ask(to, value) }
}

/// An agent that spends `{most, tokens}` as it is asked to.
async fn spender(node: &Node, name: &str, provider: &Arc<Provider>) {
    let provider = Arc::clone(provider);
    register(node, json!({"name": name}), move |call, content| {
        let provider = Arc::clone(&provider);
        async move {
            let asked = content.decoded().unwrap_or_default();
            let of = |field: &str| asked[field].as_u64().unwrap_or_default();
            provider.write(&call, of("most"), of("tokens")).await?;
            Ok(Content::default())
        }
    })
    .await;
}

/// An agent that passes what it gets on to another.
async fn relay(node: &Node, name: &'static str, to: &'static str) {
    let next = node.clone();
    register(node, json!({"name": name}), move |call, content| {
        let next = next.clone();
        async move {
            says(&call).await?;
            let asked =
                RequestOptions { wait_ms: Some(10_000), ..RequestOptions::new(to, content) };
            let asked = RequestOptions { parent: Some(call.parent()), ..asked };
            next.request(asked).await.map(|reply| reply.content)
        }
    })
    .await;
}

/// Runs until it is stopped.
struct Waits(mpsc::UnboundedSender<String>);

impl hubless::Handler for Waits {
    fn handle(&self, inbound: hubless::Inbound) {
        let (said, call) = (self.0.clone(), inbound.call);
        tokio::spawn(async move {
            says(&call).await.unwrap();
            said.send("runs".to_owned()).unwrap();
            let why = call.cancelled().await;
            said.send(format!("{} {}", why.kind.name(), why.code)).unwrap();
        });
    }
}

/// An agent that says when it runs, waits for ever, and tells why it was stopped.
async fn waiter(node: &Node, options: Value) -> mpsc::UnboundedReceiver<String> {
    let (said, heard) = mpsc::unbounded_channel();
    node.register(support::agent(options), Arc::new(Waits(said))).await.unwrap();
    heard
}

/// Waits for a state that comes by messages.
async fn until(what: &str, state: impl Fn() -> bool) {
    let reached = async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "{what}");
}

fn named(error: &Error) -> (&str, &str) {
    (error.kind.name(), error.code.as_str())
}
