//! A spender that is killed ten times a second while it is asked from many sides, and comes back
//! with its own store.
//!
//! The budgets begin in this process, which is the provider as well: what was written is counted
//! outside the process that is killed and outside every ledger.

use super::escrow::is_refusal;
use super::{MOST, Provider, Scale};
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
/// Requests at once.
const AT_ONCE: u64 = 64;
/// How long the spender lives each time, from the moment when it can be called.
const LIFE: Duration = Duration::from_millis(100);
/// Limit of each budget; when it is used up the next one begins.
const CEILING: u64 = 20_000;
const LEASE: Duration = Duration::from_secs(1);
/// Longest wait of a request for a spender that is not there.
const COMES_BACK_MS: u64 = 5_000;
/// Before what reached nobody is asked again, and between two looks at the budgets.
const AGAIN: Duration = Duration::from_millis(5);
/// For the last words beyond the lease, once nobody is killed any more.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// How often it is killed.
const fn kills(scale: Scale) -> u32 {
    match scale {
        Scale::Whole => 100,
        Scale::Quick => 10,
    }
}

/// What came of it; amounts in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    kills: u32,
    budgets: u64,
    answered: u64,
    failed: u64,
    written: u64,
    /// Written above the limit of a budget.
    overspent: u64,
    /// Written and not charged.
    forgotten: u64,
    /// Charged and not written: set aside by a process that died.
    lost: u64,
    /// Neither spent nor free in the end.
    stranded: u64,
}

/// What was written under each budget.
type Bill = Arc<Mutex<BTreeMap<String, Arc<Provider>>>>;

/// The side that asks: every budget so far, the newest last.
struct Load {
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

    pub(crate) fn tell(&self) {
        let Self { kills, budgets, answered, failed, written, .. } = *self;
        let Self { overspent, forgotten, lost, stranded, .. } = *self;
        super::tell(
            "kills",
            &format!("a spender killed {kills} times, {AT_ONCE} at once"),
            json!({
                "budgets": budgets, "limit": CEILING, "answered": answered, "failed": failed,
                "written": written, "overspent": overspent, "forgotten": forgotten, "lost": lost,
                "stranded": stranded,
            }),
        );
    }
}

/// Runs it.
pub(crate) async fn run(scale: Scale) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let (home, socket) = (folder.path().join("home"), folder.path().join("provider"));
    let bill = Bill::default();
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = tokio::spawn(provide(listener, Arc::clone(&bill)));
    let node = Node::start(NodeOptions { home: Some(home.clone()), ..NodeOptions::default() });
    let first = Mutex::new(vec![switch()]);
    let is_over = AtomicBool::new(false);
    let load = Arc::new(Load { node: node.await.unwrap(), switches: first, is_over });
    let mut spender = begin(&home, &socket).await;
    let askers: JoinSet<_> = (0..AT_ONCE).map(|_| Arc::clone(&load).ask()).collect();
    let kills = kills(scale);
    for _ in 0..kills {
        tokio::time::sleep(LIFE).await;
        spender.kill().await.unwrap();
        spender = begin(&home, &socket).await;
    }
    load.is_over.store(true, Ordering::Relaxed);
    let counts = askers.join_all().await;
    load.settle().await;
    let figures = Figures { kills, ..load.figures(&counts, &bill) };
    load.node.close(Duration::ZERO).await;
    spender.kill().await.unwrap();
    serving.abort();
    figures
}

/// Starts the spender, and waits until it can be called.
async fn begin(home: &Path, socket: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).args([home, socket]).env_remove("HUBLESS_HOME");
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    assert_eq!(ready, "ready\n", "the spender starts");
    child
}

/// The process that is killed: each call lets the provider write once.
pub(crate) async fn spend(home: &Path, socket: &Path) -> Result<()> {
    let (home, name) = (Some(home.to_owned()), Some(ROLE.to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await?;
    let socket = Arc::new(socket.to_owned());
    let spending = handler(move |call: Call, content: Content| {
        let socket = Arc::clone(&socket);
        async move {
            let spend = call.spend(tokens(MOST)?).await?;
            let wrote = write(&socket, &content.joined_text()).await;
            let fault = |error: std::io::Error| Error::new(Kind::Internal, error.to_string());
            spend.used(tokens(wrote.map_err(fault)?)?);
            Ok(Content::default())
        }
    });
    let wide = json!({"name": ROLE, "requirements": {"maxConcurrency": 1024}});
    node.register(AgentOptions::read(wide)?, spending).await?;
    println!("ready");
    std::future::pending().await
}

/// Lets the provider write under a label, and gives how many tokens that were.
async fn write(socket: &Path, label: &str) -> std::io::Result<u64> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    stream.get_mut().write_all(format!("{label}\n").as_bytes()).await?;
    let mut wrote = String::new();
    stream.read_line(&mut wrote).await?;
    wrote.trim().parse().map_err(std::io::Error::other)
}

/// The provider, which counts before it answers.
async fn provide(listener: UnixListener, bill: Bill) {
    while let Ok((stream, _)) = listener.accept().await {
        let bill = Arc::clone(&bill);
        tokio::spawn(async move {
            let (mut stream, mut label) = (BufReader::new(stream), String::new());
            // Whoever died before it had said its line has asked for nothing.
            if stream.read_line(&mut label).await.is_ok() && label.ends_with('\n') {
                let provider = Arc::clone(lock(&bill).entry(label).or_default());
                let answer = format!("{}\n", provider.write(MOST).await);
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
            let options = RequestOptions {
                kill_switch: Some(switch),
                max: Some(Allowance::UNLIMITED.with(Component::OutputTokens, Some(MOST))),
                wait_ms: Some(COMES_BACK_MS),
                ..RequestOptions::new(ROLE, Content::text(number.to_string()))
            };
            match self.node.request(options).await {
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
            switches.push(switch());
        }
    }

    /// Waits until nothing is set aside any more, or for as long as that may take.
    async fn settle(&self) {
        let until = Instant::now() + LEASE + LAST_WORDS;
        while lock(&self.switches).iter().any(|one| held(one) > 0) && Instant::now() < until {
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
            let written = bill.get(&format!("{number}\n")).map_or(0, |one| one.written());
            let charged = spent(switch) + held(switch);
            all.budgets += 1;
            all.written += written;
            all.overspent += written.saturating_sub(CEILING);
            all.forgotten += written.saturating_sub(charged);
            all.lost += charged.saturating_sub(written);
            all.stranded += held(switch);
        }
        all
    }
}

fn switch() -> KillSwitch {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(CEILING));
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
    KillSwitch::new(Terms { lease_ms, ..Terms::of(ceiling) })
}

fn spent(switch: &KillSwitch) -> u64 {
    switch.spent().of(Component::OutputTokens)
}

/// What is set aside of it.
fn held(switch: &KillSwitch) -> u64 {
    let free = switch.remaining().of(Component::OutputTokens).unwrap_or(0);
    CEILING.saturating_sub(spent(switch) + free)
}

fn tokens(count: u64) -> Result<Amount> {
    Amount::ZERO.with(Component::OutputTokens, count)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
