//! A stop while a thousand calls at depth four are in flight, over four nodes (K4). Their providers
//! write down when each call of a model begins: nothing of that is in a ledger of ours.

use super::support::{agent, node_in, pair};
use super::*;
use hubless::budget::TripReason;
use hubless_proto::limits;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// Calls that each step of the way makes at once: three steps lead to a thousand workers.
const WIDE: usize = 10;
const WORKERS: usize = WIDE * WIDE * WIDE;

/// A provider with a clock: when its last call began, and how many there were.
#[derive(Default)]
struct Clocked {
    last: Mutex<Option<Instant>>,
    begun: AtomicUsize,
    /// Workers that have begun a first call, and those whose handler is over.
    at_work: AtomicUsize,
    over: AtomicUsize,
}

impl Clocked {
    /// Calls of a model one after the other, for as long as the budget pays for them.
    async fn work(&self, call: &Call) -> Result<()> {
        let mut first = true;
        loop {
            let spend = call.spend(output(1)).await?;
            {
                let mut last = self.last.lock().unwrap();
                *last = Some(Instant::now());
            }
            self.begun.fetch_add(1, Ordering::SeqCst);
            if std::mem::replace(&mut first, false) {
                self.at_work.fetch_add(1, Ordering::SeqCst);
            }
            // How long the model takes to write.
            tokio::time::sleep(Duration::from_secs(1)).await;
            spend.used(output(1));
        }
    }

    fn count(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// The handler of a worker, of which its end is noted, however it ends.
struct Counted(Arc<Clocked>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.over.fetch_add(1, Ordering::SeqCst);
    }
}

fn wide(name: &str) -> Value {
    json!({"name": name, "requirements": {"maxConcurrency": WORKERS}})
}

/// Waits as long as a busy machine takes to begin all of them.
fn patient(asked: RequestOptions) -> RequestOptions {
    RequestOptions { wait_ms: Some(20_000), timeout_ms: Some(600_000), ..asked }
}

/// An agent that makes so many calls of the next one at once, and waits for all.
async fn fan(node: &Node, name: &'static str, to: &'static str, calls: usize) {
    let next = node.clone();
    register(node, wide(name), move |call, _| {
        let next = next.clone();
        async move {
            says(&call).await?;
            let asked = (0..calls).map(|n| {
                let asked = patient(ask(to, json!(n)));
                let asked = RequestOptions { parent: Some(call.parent()), ..asked };
                let next = next.clone();
                tokio::spawn(async move { next.request(asked).await.map(drop) })
            });
            for call in asked.collect::<Vec<_>>() {
                call.await.unwrap()?;
            }
            Ok(Content::default())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_a_thousand_calls_at_depth_four_and_none_begins_later() {
    let support::Pair { one, two, _home } = pair().await;
    let (three, four) = (node_in(&_home).await, node_in(&_home).await);
    let provider: Arc<Clocked> = Arc::default();
    let clocked = Arc::clone(&provider);
    let worker = hubless::handler(move |call: Call, _| {
        let counted = Counted(Arc::clone(&clocked));
        async move {
            counted.0.work(&call).await?;
            Ok(Content::default())
        }
    });
    two.register(agent(wide("worker")), worker).await.unwrap();
    fan(&four, "third", "worker", WIDE).await;
    fan(&three, "second", "third", WIDE).await;
    fan(&one, "first", "second", WIDE).await;
    // The lease is kept far longer than the bound: what ends them is the word of the stop.
    let lease_ms = 120_000;
    let terms = Terms { lease_ms, ..limit(Component::OutputTokens, limits::AMOUNT_MAX) };
    let switch = KillSwitch::new(terms);
    let (asking, asked) = (two.clone(), patient(paid(&switch, "first", json!(0))));
    let call = tokio::spawn(async move { asking.request(asked).await });
    let at_work = || provider.at_work.load(Ordering::SeqCst);
    let all = async {
        while at_work() < WORKERS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let began = tokio::time::timeout(Duration::from_secs(120), all).await;
    assert!(began.is_ok(), "{} of {WORKERS} work", at_work());
    // The control: they go on for as long as nothing stops them.
    let before = provider.count();
    until("they go on", || provider.count() >= before + WORKERS).await;
    assert_eq!(provider.over.load(Ordering::SeqCst), 0);

    // L (1 + rho) of the usual lease.
    let bound = limits::LEASE * 101 / 100;
    let stopped = Instant::now();
    switch.trip(TripReason::Operator);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(named(&error), ("killed", "operator"));
    let over = || provider.over.load(Ordering::SeqCst) == WORKERS;
    until("every handler is over", over).await;
    let ended = stopped.elapsed();
    let last = provider.last.lock().unwrap().unwrap();
    let latest = last.saturating_duration_since(stopped);
    assert!(ended <= bound && latest <= bound, "over after {ended:?}, the last began {latest:?}");
    // Nobody is left who could begin another.
    assert_eq!(provider.over.load(Ordering::SeqCst), WORKERS);
    let tree = || switch.tree().unwrap().charged.of(Component::OutputTokens);
    until("everything is settled", || tree() == provider.count() as u64).await;
}
