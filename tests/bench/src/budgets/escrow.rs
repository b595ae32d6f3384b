//! The same workload under a kill switch: agents that call each other, each of which spends what it
//! does not pass on.

use super::{Figures, Load, Provider};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, RequestOptions, Result, handler,
};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// One workload. `said`: each request says what it needs at most; else it gets a quarter of what
/// is free.
pub(crate) async fn run(load: Load, said: bool) -> Figures {
    let provider = Arc::new(Provider::default());
    let node = node(&provider, said).await;
    let terms = Terms::of(Allowance::UNLIMITED.with(Component::OutputTokens, Some(load.ceiling)));
    let switch = KillSwitch::new(terms);
    let places = Arc::new(Semaphore::new(usize::try_from(load.concurrency).unwrap()));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..load.tasks {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (node, provider) = (node.clone(), Arc::clone(&provider));
        let asked = Content::value(json!(load.depth));
        let options = RequestOptions {
            kill_switch: Some(switch.clone()),
            max: said.then(|| need(load.depth)),
            ..RequestOptions::new("link", asked)
        };
        tasks.spawn(async move {
            let _place = place;
            match node.request(options).await {
                Ok(_) => None,
                Err(error) if is_refusal(&error) => Some(provider.written()),
                Err(error) => panic!("a task failed: {error}"),
            }
        });
    }
    let refusals: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    let seconds = started.elapsed().as_secs_f64();
    let spent = switch.spent().of(Component::OutputTokens);
    let free = switch.remaining().of(Component::OutputTokens).unwrap_or(0);
    node.close(std::time::Duration::ZERO).await;
    Figures {
        written: provider.written(),
        first_refusal: refusals.iter().min().copied(),
        refused: refusals.len() as u64,
        // A stopped budget has nothing free, and nothing set aside either.
        stranded: load.ceiling.saturating_sub(spent + free),
        seconds,
    }
}

/// True when a budget has nothing left for a request.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind, Kind::BudgetExhausted | Kind::Killed)
}

/// What a chain of so many calls needs: each passes on a quarter of what it has.
fn need(depth: u32) -> Allowance {
    Allowance::UNLIMITED.with(Component::OutputTokens, Some(super::need(depth)))
}

/// Output tokens that a call was granted.
pub(crate) fn granted(call: &Call) -> u64 {
    call.granted().and_then(|granted| granted.of(Component::OutputTokens)).unwrap_or_default()
}

async fn node(provider: &Arc<Provider>, said: bool) -> Node {
    let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() });
    let node = node.await.unwrap();
    let (own, provider): (Arc<OnceLock<Node>>, _) = (Arc::default(), Arc::clone(provider));
    let _ = own.set(node.clone());
    let link = handler(move |call: Call, content: Content| {
        let (own, provider) = (Arc::clone(&own), Arc::clone(&provider));
        async move { answer(&call, &content, (own.get().unwrap(), said), &provider).await }
    });
    let wide = json!({"name": "link", "requirements": {"maxConcurrency": 1024, "queue": 1024}});
    node.register(AgentOptions::read(wide).unwrap(), link).await.unwrap();
    node
}

/// Calls on until the depth is reached, and spends the rest.
async fn answer(
    call: &Call,
    content: &Content,
    (node, said): (&Node, bool),
    provider: &Provider,
) -> Result<Content> {
    let depth = content.decoded().as_ref().and_then(Value::as_u64).unwrap_or(1);
    let depth = u32::try_from(depth).unwrap_or(1);
    let mut most = granted(call);
    if depth > 1 {
        call.spend(Amount::ZERO).await?.used(Amount::ZERO);
        most -= most / 4;
        let options = RequestOptions {
            parent: Some(call.parent()),
            max: said.then(|| need(depth - 1)),
            ..RequestOptions::new("link", Content::value(json!(depth - 1)))
        };
        node.request(options).await?;
    }
    let tokens = |tokens| Amount::ZERO.with(Component::OutputTokens, tokens);
    let spend = call.spend(tokens(most)?).await?;
    spend.used(tokens(provider.write(most).await)?);
    Ok(Content::default())
}
