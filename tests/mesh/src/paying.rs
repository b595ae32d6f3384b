//! The nodes of the test that kills nodes: the root of budgets, one in the middle, a leaf.
//!
//! Each pays by a line in a file, the bill, which it writes before the spending is answered.

use crate::spending::{NODE_CEILING, NODE_LEASE_MS, ONCE, tokens};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::{
    AgentOptions, Call, Content, Error, Node, NodeOptions, RequestOptions, Result, handler,
};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinSet;

/// Spendings of one handler at once.
const AT_ONCE: usize = 16;
/// Callers of the root.
const CALLERS: usize = 3;
/// Wait before what was refused, or did not reach anybody, is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// Where a node lives and where it pays.
#[derive(Clone)]
pub struct Place {
    /// Its home.
    pub home: PathBuf,
    /// The file of the bill.
    pub bill: PathBuf,
}

impl Place {
    async fn start(&self, name: &str) -> Result<Node> {
        let (home, name) = (Some(self.home.clone()), Some(name.to_owned()));
        Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await
    }

    /// Pays for one spending under the budget of this label.
    async fn pay(&self, label: &str) -> Result<()> {
        let (bill, line) = (self.bill.clone(), format!("{label}\n"));
        let paid = tokio::task::spawn_blocking(move || {
            let mut bill = OpenOptions::new().append(true).create(true).open(bill)?;
            bill.write_all(line.as_bytes())?;
            bill.sync_data()
        });
        let paid = paid.await.map_err(|error| fault(&error.to_string()))?;
        paid.map_err(|error| fault(&error.to_string()))
    }

    /// Spends until nothing is left of the call's grant.
    async fn spend(&self, call: &Call, label: &str) {
        let mut spenders = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (place, call, label) = (self.clone(), call.clone(), label.to_owned());
            spenders.spawn(async move {
                while let Ok(spend) = call.spend(tokens(ONCE)).await {
                    if place.pay(&label).await.is_err() {
                        return;
                    }
                    println!("paid");
                    spend.used(tokens(ONCE));
                }
            });
        }
        while spenders.join_next().await.is_some() {}
    }

    /// An agent that spends what it is granted, after what `next` leaves of it.
    async fn serve(&self, node: &Node, name: &str, next: Option<&'static str>) -> Result<()> {
        let (place, asking) = (self.clone(), node.clone());
        let spends = handler(move |call: Call, content: Content| {
            let (place, asking) = (place.clone(), asking.clone());
            async move {
                // It tells what it spends.
                call.spend(Amount::ZERO).await?.used(Amount::ZERO);
                let label = content.decoded().unwrap_or_default();
                if let Some(next) = next {
                    let parent = Some(call.parent());
                    let asked = RequestOptions { parent, ..ask(next, &label) };
                    // It may be dead, or there may be too little for it.
                    let _ = asking.request(asked).await;
                }
                place.spend(&call, label.as_str().unwrap_or_default()).await;
                Ok(Content::default())
            }
        });
        let options = AgentOptions { name: name.to_owned(), ..AgentOptions::default() };
        node.register(options, spends).await.map(drop)
    }
}

/// A leaf, until its input ends.
///
/// # Errors
/// What the node says.
pub async fn leaf(place: Place) -> Result<()> {
    let node = place.start("leaf").await?;
    place.serve(&node, "leaf", None).await?;
    println!("ready");
    std::future::pending().await
}

/// One in the middle, which asks the leaf.
///
/// # Errors
/// What the node says.
pub async fn middle(place: Place) -> Result<()> {
    let node = place.start("middle").await?;
    place.serve(&node, "middle", Some("leaf")).await?;
    println!("ready");
    std::future::pending().await
}

/// The root of one budget after the other; `life` is in their labels. With none, it only comes
/// back.
///
/// # Errors
/// What the node says.
pub async fn root(place: Place, life: Option<String>) -> Result<()> {
    let node = place.start("root").await?;
    println!("ready");
    let Some(life) = life else { return std::future::pending().await };
    for number in 0_u32.. {
        let label = format!("{life}-{number}");
        println!("begins {label}");
        let charged = use_up(&node, &label).await;
        println!("used {label} {charged}");
    }
    Ok(())
}

/// Spends a budget until nothing more can be granted from it; how much it is charged with, what is
/// still open included.
async fn use_up(node: &Node, label: &str) -> u64 {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(NODE_CEILING));
    let switch = KillSwitch::new(Terms { lease_ms: NODE_LEASE_MS, ..Terms::of(ceiling) });
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (node, switch, label) = (node.clone(), switch.clone(), json!(label));
        let to = if caller == 0 { "leaf" } else { "middle" };
        callers.spawn(async move {
            while !is_used_up(&switch) {
                let kill_switch = Some(switch.clone());
                let asked = RequestOptions { kill_switch, ..ask(to, &label) };
                match node.request(asked).await {
                    Ok(_) => println!("answered"),
                    Err(error) => {
                        println!("failed {} {}", error.kind.name(), error.code);
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        });
    }
    while callers.join_next().await.is_some() {}
    NODE_CEILING - switch.remaining().of(Component::OutputTokens).unwrap_or_default()
}

/// True when what is left is so little that of the grants of all callers at once none may pay for
/// one spending.
fn is_used_up(switch: &KillSwitch) -> bool {
    let spent = switch.spent().of(Component::OutputTokens);
    spent + 8 * ONCE > NODE_CEILING
}

fn ask(to: &str, label: &Value) -> RequestOptions {
    let asked = RequestOptions::new(to, Content::value(label.clone()));
    RequestOptions { wait_ms: Some(5_000), ..asked }
}

fn fault(message: &str) -> Error {
    Error::new(hubless::Kind::Internal, message)
}
