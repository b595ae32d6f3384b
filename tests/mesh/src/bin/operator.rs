//! The operator of the mesh in the conformance cases: a node of the data folder that holds the root
//! key of the mesh, and that stops, by its statement, the budget it is asked under.
//!
//! `operator --to <language>` prints one line `{"ready": "operator"}` and serves until standard
//! input is closed (`tests/conformance/SUBJECT.md`).
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports on standard output")]

use hubless::budget::{self, Amount, BudgetId, OperatorStop, Orphans};
use hubless::home::Home;
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, Parent, RequestOptions, Result,
    handler,
};
use hubless_proto::identity::NodeKey;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep, timeout};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same, as a request says it.
const PATIENCE_MS: u64 = 20_000;
/// Between two looks at what may have changed.
const PAUSE: Duration = Duration::from_millis(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    hubless::telemetry::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("operator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut arguments = std::env::args().skip_while(|one| one != "--to").skip(1);
    let missing = || Error::invalid("--to", "expected a value behind it");
    let to = arguments.next().ok_or_else(missing)?;
    // A node with a name keeps what it holds on disk, where it finds of which budgets that is.
    let name = Some("operator".to_owned());
    // It asks what was counted while it handles calls under budgets.
    let orphans = Orphans::Allow;
    let node = Node::start(NodeOptions { name, orphans, ..NodeOptions::default() }).await?;
    let operator = Arc::new(Operator { node: node.clone(), to, ended: Mutex::default() });
    operator.counts().await?;
    let stops = Arc::clone(&operator);
    serve(&node, "operator.stop", move |call, content| {
        let stops = Arc::clone(&stops);
        stops.stop(call, content)
    })
    .await?;
    serve(&node, "operator.told", move |_, _| {
        let told = Arc::clone(&operator);
        async move { told.told().await }
    })
    .await?;
    println!("{}", json!({"ready": "operator"}));
    // What comes is of no interest, only its end.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    node.close(Duration::from_secs(2)).await;
    Ok(())
}

async fn serve<F: Future<Output = Result<Content>> + Send + 'static>(
    node: &Node,
    name: &str,
    work: impl Fn(Call, Content) -> F + Send + Sync + 'static,
) -> Result<()> {
    let options = AgentOptions { name: name.into(), ..AgentOptions::default() };
    node.register(options, handler(work)).await.map(drop)
}

struct Operator {
    node: Node,
    /// The language that is called.
    to: String,
    ended: Mutex<Option<Ended>>,
}

/// The call of `slow` that was stopped last.
#[derive(Clone)]
struct Ended {
    /// How many handlers of it had been cancelled before.
    cancelled: u64,
    /// What its caller got.
    kind: String,
}

/// How often handlers of `slow` were started and cancelled.
struct Counts {
    runs: u64,
    cancelled: u64,
}

impl Operator {
    /// Has the budget of this call stopped, and waits for that.
    async fn stop(self: Arc<Self>, call: Call, content: Content) -> Result<Content> {
        call.spend(Amount::ZERO).await?.used(Amount::ZERO);
        *self.ended() = None;
        let slow = content.decoded().unwrap_or_default()["slow"].as_str().map(str::to_owned);
        let slow = slow.ok_or_else(|| Error::invalid("slow", "expected the name of an agent"))?;
        let (parent, above) = (call.parent(), call.caller().node);
        // Beside this handler, which the stop ends.
        tokio::spawn(async move {
            if let Err(error) = self.stop_below((parent, above), &slow).await {
                eprintln!("operator: {error}");
            }
        });
        std::future::pending().await
    }

    /// Asks `slow` under the budget of a call, and stops that budget once its handler runs.
    async fn stop_below(&self, (parent, above): (Parent, NodeKey), slow: &str) -> Result<()> {
        let before = self.counts().await?;
        let asked = RequestOptions {
            parent: Some(parent),
            wait_ms: Some(PATIENCE_MS),
            ..RequestOptions::new(slow, Content::value(json!({"ms": PATIENCE_MS})))
        };
        let asking = self.node.clone();
        let below = tokio::spawn(async move { asking.request(asked).await });
        self.until(|counts| counts.runs > before.runs).await?;
        self.show(&self.node.state_stop(&held()?)?, above).await?;
        let below = timeout(PATIENCE, below).await.map_err(|_| never("the call below ended"))?;
        let kind = match below {
            Ok(Err(error)) => error.kind.name(),
            Ok(Ok(_)) => "ok",
            Err(_) => "panic",
        };
        let kind = kind.to_owned();
        *self.ended() = Some(Ended { cancelled: before.cancelled, kind });
        Ok(())
    }

    /// Shows a statement until the node has heard it where the budget begins: one that was just
    /// started may be known here a moment later. The node `above` this one may have heard of the
    /// stop from there before it is asked, and have nothing left of the budget.
    async fn show(&self, stop: &OperatorStop, above: NodeKey) -> Result<()> {
        let between = [self.node.key(), above];
        let heard = async {
            loop {
                let report = self.node.stop_budgets(stop).await?;
                if report.stopped.iter().any(|(node, _)| !between.contains(node)) {
                    return Ok(());
                }
                sleep(PAUSE).await;
            }
        };
        timeout(PATIENCE, heard).await.unwrap_or_else(|_| Err(never("the root heard of the stop")))
    }

    /// What became of the call of `slow`: the kind of its error, and how many of its handlers were
    /// cancelled.
    async fn told(&self) -> Result<Content> {
        let ended = async {
            loop {
                if let Some(ended) = self.ended().clone() {
                    return ended;
                }
                sleep(PAUSE).await;
            }
        };
        let ended = timeout(PATIENCE, ended).await.map_err(|_| never("the call below ended"))?;
        let counts = self.until(|counts| counts.cancelled > ended.cancelled).await?;
        let cancelled = counts.cancelled - ended.cancelled;
        Ok(Content::value(json!({"below": ended.kind, "cancelled": cancelled})))
    }

    fn ended(&self) -> MutexGuard<'_, Option<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Result<Counts> {
        let counted = async {
            loop {
                let counts = self.counts().await?;
                if wanted(&counts) {
                    return Ok(counts);
                }
                sleep(PAUSE).await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| Err(never("a handler was counted")))
    }

    async fn counts(&self) -> Result<Counts> {
        let to = format!("{}.stats", self.to);
        let asked = RequestOptions::new(to.as_str(), Content::text("?"));
        let asked = RequestOptions { wait_ms: Some(PATIENCE_MS), ..asked };
        let stats: Value = self.node.request(asked).await?.content.decoded().unwrap_or_default();
        let of = |what: &str| stats[what]["slow"].as_u64().unwrap_or_default();
        Ok(Counts { runs: of("runs"), cancelled: of("cancelled") })
    }
}

/// The budgets of which this node holds something.
fn held() -> Result<Vec<BudgetId>> {
    let known = budget::of_home(&Home::open(None)?, None)?;
    let held = known.into_iter().filter(|one| !one.accounts.is_empty());
    Ok(held.map(|one| one.budget).collect())
}

fn never(what: &str) -> Error {
    Error::new(Kind::Deadline, format!("expected in time that {what}"))
}
