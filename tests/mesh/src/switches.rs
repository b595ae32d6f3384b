//! What a subject does with budgets: an agent that spends until it is stopped, and a switch.

use crate::spending::tokens;
use hubless::budget::{Allowance, Component, KillSwitch, Terms, TripReason};
use hubless::{
    Agent, AgentOptions, Call, Content, Error, Kind, Node, RequestOptions, Result, handler,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Pause of the spender between two spendings.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two looks at a budget.
const LOOK: Duration = Duration::from_millis(20);
/// Longest wait for the last words about a budget.
const PATIENCE: Duration = Duration::from_secs(20);

/// Registers an agent that spends one token after the other, each at the provider behind this
/// socket and under the label that it is asked with, until it is stopped.
///
/// # Errors
/// What the node says.
pub async fn spender(node: &Node, name: String, provider: PathBuf) -> Result<Agent> {
    let spends = handler(move |call: Call, content: Content| {
        let provider = provider.clone();
        async move {
            let provider = UnixStream::connect(&provider).await.map_err(|error| fault(&error))?;
            let mut provider = BufReader::new(provider);
            let line = format!("{}\n", content.joined_text());
            loop {
                let spend = call.spend(tokens(1)).await?;
                ask(&mut provider, &line).await.map_err(|error| fault(&error))?;
                spend.used(tokens(1));
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
    node.register(AgentOptions { name, ..AgentOptions::default() }, spends).await
}

/// Says a line to the provider and waits for its answer.
async fn ask(provider: &mut BufReader<UnixStream>, line: &str) -> std::io::Result<()> {
    provider.get_mut().write_all(line.as_bytes()).await?;
    provider.read_line(&mut String::new()).await.map(drop)
}

/// Calls a spender under a new switch with `ceiling` tokens and a lease of `lease_ms`, beside
/// everything else.
pub fn under(node: &Node, command: &Value) -> KillSwitch {
    let number = |field: &str| command[field].as_u64().unwrap_or_default();
    let text = |field: &str| command[field].as_str().unwrap_or_default().to_owned();
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(number("ceiling")));
    let terms = Terms { lease_ms: number("lease_ms"), ..Terms::of(ceiling) };
    let switch = KillSwitch::new(terms);
    let options = RequestOptions {
        kill_switch: Some(switch.clone()),
        ..RequestOptions::new(text("to"), Content::text(text("label")))
    };
    let node = node.clone();
    // It ends with the switch; whoever wants to know asks that.
    tokio::spawn(async move { drop(node.request(options).await) });
    switch
}

/// Stops it and waits until it is stopped.
pub async fn trip(switch: &KillSwitch) {
    switch.trip(TripReason::Operator);
    switch.stopped().await;
}

/// Waits until nothing of a stopped budget is set aside, or for as long as one may wait for that,
/// and says what became of it: the state of each grant of the root, what was spent, and what is
/// neither spent nor free.
pub async fn settled(switch: &KillSwitch, ceiling: u64) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let grants = switch.tree().map(|tree| tree.children).unwrap_or_default();
        let states: Vec<_> = grants.iter().map(|grant| grant.state).collect();
        let spent = switch.spent().of(Component::OutputTokens);
        let free = switch.remaining().of(Component::OutputTokens).unwrap_or_default();
        let stranded = ceiling.saturating_sub(spent + free);
        let is_over = |state: &&str| ["settled", "written_off"].contains(state);
        if stranded == 0 && states.iter().all(is_over) || Instant::now() > until {
            return json!({"states": states, "spent": spent, "stranded": stranded});
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn fault(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("provider: {error}"))
}
