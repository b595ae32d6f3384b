//! A spender that is killed 100 ms after each start while it is asked from many sides, and comes
//! back with its own store.
//!
//! The budgets begin in this process, which is the provider as well: what was written is counted
//! outside the process that is killed and outside every ledger. Where the process is killed in
//! which they begin, see `roots`.

use super::escrow::{granted, is_refusal};
use super::{Provider, Scale, need};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, RequestOptions, Result, handler,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// What the program is told to be the process that is killed.
pub(crate) const ROLE: &str = "spender";
/// Requests at once, and calls of each one below the other.
const LOADS: [(u64, u32); 12] = [
    (1, 1),
    (8, 1),
    (64, 1),
    (512, 1),
    (1, 4),
    (8, 4),
    (64, 4),
    (512, 4),
    (1, 16),
    (8, 16),
    (64, 16),
    (512, 16),
];
/// How long the spender lives each time, from the moment when it can be called.
pub(super) const LIFE: Duration = Duration::from_millis(100);
/// Requests that each budget pays for; when it is used up the next one begins.
const REQUESTS: u64 = 1_000;
const LEASE: Duration = Duration::from_secs(1);
/// Longest wait of a request for a spender that is not there.
const COMES_BACK_MS: u64 = 5_000;
/// Before what reached nobody is asked again, and between two looks at the budgets.
pub(super) const AGAIN: Duration = Duration::from_millis(5);
/// For the last words beyond the lease, once nobody is killed any more.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(20);

/// How often it is killed under each load.
pub(super) const fn kills(scale: Scale) -> u32 {
    match scale {
        Scale::Whole => 30,
        Scale::Quick => 3,
    }
}

/// What came of it; amounts in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Requests at once, and calls of each.
    pub(super) load: (u64, u32),
    pub(super) budgets: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) written: u64,
    /// Written above the limit of a budget.
    pub(super) overspent: u64,
    /// Written and not charged.
    pub(super) forgotten: u64,
    /// Charged and not written: set aside by a process that died.
    pub(super) lost: u64,
    /// Neither spent nor free in the end.
    pub(super) stranded: u64,
}

/// What was written under each budget.
pub(super) type Bill = Arc<Mutex<BTreeMap<String, Arc<Provider>>>>;

/// The side that asks: every budget so far, the newest last.
struct Load {
    depth: u32,
    node: Node,
    switches: Mutex<Vec<KillSwitch>>,
    is_over: AtomicBool,
}

impl Figures {
    /// True when nothing was spent beyond a limit, forgotten or left behind, and something was at
    /// stake.
    pub(crate) const fn hold(&self) -> bool {
        let none = self.overspent == 0 && self.forgotten == 0 && self.stranded == 0;
        none && self.answered > 0 && self.failed > 0
    }

    /// Says it as a row: who was killed, how often.
    pub(super) fn tell(&self, killed: &str, kills: u32) {
        let Self { load: (at_once, depth), budgets, answered, failed, written, .. } = *self;
        let Self { overspent, forgotten, lost, stranded, .. } = *self;
        super::tell(
            "kills",
            &format!("{killed}, {kills} times, depth {depth}, {at_once} at once"),
            json!({
                "budgets": budgets, "limit": ceiling(depth), "answered": answered,
                "failed": failed, "written": written, "overspent": overspent,
                "forgotten": forgotten, "lost": lost, "stranded": stranded,
            }),
        );
    }
}

/// Limit of each budget.
pub(super) const fn ceiling(depth: u32) -> u64 {
    REQUESTS * need(depth)
}

/// Runs all loads one after the other; true when nothing was broken.
pub(crate) async fn run(scale: Scale) -> bool {
    let (mut kept, kills) = (true, kills(scale));
    for load in LOADS {
        let figures = under(load, kills).await;
        figures.tell("the spender", kills);
        kept &= figures.hold();
    }
    kept
}

async fn under((at_once, depth): (u64, u32), kills: u32) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let (home, socket) = (folder.path().join("home"), folder.path().join("provider"));
    let bill = Bill::default();
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = tokio::spawn(provide(listener, Arc::clone(&bill)));
    let node = Node::start(NodeOptions { home: Some(home.clone()), ..NodeOptions::default() });
    let first = Mutex::new(vec![switch(depth)]);
    let is_over = AtomicBool::new(false);
    let load = Arc::new(Load { depth, node: node.await.unwrap(), switches: first, is_over });
    let mut spender = begin(ROLE, &home, &socket).await;
    let askers: JoinSet<_> = (0..at_once).map(|_| Arc::clone(&load).ask()).collect();
    for _ in 0..kills {
        tokio::time::sleep(LIFE).await;
        spender.kill().await.unwrap();
        spender = begin(ROLE, &home, &socket).await;
    }
    load.is_over.store(true, Ordering::Relaxed);
    let counts = askers.join_all().await;
    load.settle().await;
    let figures = Figures { load: (at_once, depth), ..load.figures(&counts, &bill) };
    load.node.close(Duration::ZERO).await;
    spender.kill().await.unwrap();
    serving.abort();
    figures
}

/// Starts this program in a role, and waits until it can be called, or calls.
pub(super) async fn begin(role: &str, home: &Path, socket: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(role).args([home, socket]).env_remove("HUBLESS_HOME");
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    assert_eq!(ready, "ready\n", "the {role} starts");
    child
}

/// The process that is killed: each call lets the provider write what it does not pass on. It is
/// asked with the label of its budget and the calls that are left, itself among them.
pub(crate) async fn spend(home: &Path, socket: &Path) -> Result<()> {
    let (home, name) = (Some(home.to_owned()), Some(ROLE.to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await?;
    let (socket, own) = (Arc::new(socket.to_owned()), node.clone());
    let spending = handler(move |call: Call, content: Content| {
        let (socket, own) = (Arc::clone(&socket), own.clone());
        async move {
            let said = content.joined_text();
            let (label, depth) = said.split_once(' ').unwrap_or((&said, "1"));
            let depth: u32 = depth.parse().unwrap_or(1);
            let mut most = granted(&call);
            if depth > 1 {
                call.spend(Amount::ZERO).await?.used(Amount::ZERO);
                most -= most / 4;
                let asked = asked(label, depth - 1);
                own.request(RequestOptions { parent: Some(call.parent()), ..asked }).await?;
            }
            let spend = call.spend(tokens(most)?).await?;
            let wrote = write(&socket, &format!("{label} {most}")).await;
            let fault = |error: std::io::Error| Error::new(Kind::Internal, error.to_string());
            spend.used(tokens(wrote.map_err(fault)?)?);
            Ok(Content::default())
        }
    });
    let wide = serde_json::json!({"name": ROLE, "requirements": {"maxConcurrency": 1024}});
    node.register(AgentOptions::read(wide)?, spending).await?;
    println!("ready");
    std::future::pending().await
}

/// A request of the spender for a chain of so many calls.
pub(super) fn asked(label: &str, depth: u32) -> RequestOptions {
    RequestOptions {
        max: Some(Allowance::UNLIMITED.with(Component::OutputTokens, Some(need(depth)))),
        wait_ms: Some(COMES_BACK_MS),
        ..RequestOptions::new(ROLE, Content::text(format!("{label} {depth}")))
    }
}

/// Lets the provider write so many at most under a label, and gives how many tokens that were.
async fn write(socket: &Path, label: &str) -> std::io::Result<u64> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    stream.get_mut().write_all(format!("{label}\n").as_bytes()).await?;
    let mut wrote = String::new();
    stream.read_line(&mut wrote).await?;
    wrote.trim().parse().map_err(std::io::Error::other)
}

/// The provider, which counts before it answers.
pub(super) async fn provide(listener: UnixListener, bill: Bill) {
    while let Ok((stream, _)) = listener.accept().await {
        let bill = Arc::clone(&bill);
        tokio::spawn(async move {
            let (mut stream, mut label) = (BufReader::new(stream), String::new());
            // Whoever died before it had said its line has asked for nothing.
            if stream.read_line(&mut label).await.is_ok() && label.ends_with('\n') {
                let (label, most) = label.trim_end().split_once(' ').unwrap_or_default();
                let provider = Arc::clone(lock(&bill).entry(label.to_owned()).or_default());
                let answer = format!("{}\n", provider.write(most.parse().unwrap_or(0)).await);
                // It may be dead by then.
                let _ = stream.get_mut().write_all(answer.as_bytes()).await;
            }
        });
    }
}

impl Load {
    /// Asks one time after the other until it is over; how many requests were answered, and how
    /// many were not.
    async fn ask(self: Arc<Self>) -> (u64, u64) {
        let (mut answered, mut failed) = (0, 0);
        while !self.is_over.load(Ordering::Relaxed) {
            let (number, switch) = self.newest();
            let asked = asked(&number.to_string(), self.depth);
            let asked = RequestOptions { kill_switch: Some(switch), ..asked };
            match self.node.request(asked).await {
                Ok(_) => answered += 1,
                Err(error) if is_refusal(&error) => self.follow(number),
                Err(_) => {
                    failed += 1;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        (answered, failed)
    }

    /// The newest budget and its number.
    fn newest(&self) -> (usize, KillSwitch) {
        let switches = lock(&self.switches);
        let newest = switches.last().expect("the first is there from the start").clone();
        (switches.len() - 1, newest)
    }

    /// Begins the budget after this one, unless somebody did.
    fn follow(&self, number: usize) {
        let mut switches = lock(&self.switches);
        if switches.len() == number + 1 {
            switches.push(switch(self.depth));
        }
    }

    /// Waits until nothing is set aside any more, or for as long as that may take.
    async fn settle(&self) {
        let until = Instant::now() + LEASE + LAST_WORDS;
        let is_open = |one: &KillSwitch| held(one, self.depth) > 0;
        while lock(&self.switches).iter().any(is_open) && Instant::now() < until {
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn figures(&self, counts: &[(u64, u64)], bill: &Bill) -> Figures {
        let mut all = Figures::default();
        for (answered, failed) in counts {
            all.answered += answered;
            all.failed += failed;
        }
        let bill = lock(bill);
        for (number, switch) in lock(&self.switches).iter().enumerate() {
            let written = bill.get(&number.to_string()).map_or(0, |one| one.written());
            let held = held(switch, self.depth);
            let charged = spent(switch) + held;
            all.budgets += 1;
            all.written += written;
            all.overspent += written.saturating_sub(ceiling(self.depth));
            all.forgotten += written.saturating_sub(charged);
            all.lost += charged.saturating_sub(written);
            all.stranded += held;
        }
        all
    }
}

pub(super) fn switch(depth: u32) -> KillSwitch {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(ceiling(depth)));
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
    KillSwitch::new(Terms { lease_ms, ..Terms::of(ceiling) })
}

fn spent(switch: &KillSwitch) -> u64 {
    switch.spent().of(Component::OutputTokens)
}

/// What is set aside of it.
fn held(switch: &KillSwitch, depth: u32) -> u64 {
    let free = switch.remaining().of(Component::OutputTokens).unwrap_or(0);
    ceiling(depth).saturating_sub(spent(switch) + free)
}

fn tokens(count: u64) -> Result<Amount> {
    Amount::ZERO.with(Component::OutputTokens, count)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
