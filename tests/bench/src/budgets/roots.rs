//! The process in which budgets begin is killed 100 ms after each of its starts, and the spender as
//! well: both come back with their own stores, and at the next start of the one its budgets are
//! over.
//!
//! This process is the provider. What was charged it reads from the store of the root.

use super::Scale;
use super::crash::{
    AGAIN, Bill, Figures, LAST_WORDS, LIFE, ROLE as SPENDER, asked, begin, ceiling, kills, lock,
    provide, switch,
};
use super::escrow::is_refusal;
use hubless::budget::{self, BudgetReport};
use hubless::home::Home;
use hubless::{Node, NodeOptions, RequestOptions, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

/// What the program is told to be the process in which budgets begin.
pub(crate) const ROLE: &str = "root";
/// Requests at once, and calls of each.
const LOAD: (u64, u32) = (64, 4);

/// Runs it; true when nothing was broken.
pub(crate) async fn run(scale: Scale) -> bool {
    let kills = kills(scale);
    let folder = tempfile::tempdir().unwrap();
    let (home, socket) = (folder.path().join("home"), folder.path().join("provider"));
    let bill = Bill::default();
    let serving = tokio::spawn(provide(UnixListener::bind(&socket).unwrap(), Arc::clone(&bill)));
    // The data folder is there before both use it.
    let first = Node::start(NodeOptions { home: Some(home.clone()), ..NodeOptions::default() });
    let first = first.await.unwrap();
    let mut spender = begin(SPENDER, &home, &socket).await;
    let mut root = begin(ROLE, &home, &socket).await;
    for turn in 0..kills {
        tokio::time::sleep(LIFE).await;
        root.kill().await.unwrap();
        // Every third time both are gone at once.
        if turn % 3 == 0 {
            spender.kill().await.unwrap();
            spender = begin(SPENDER, &home, &socket).await;
        }
        root = begin(ROLE, &home, &socket).await;
    }
    root.kill().await.unwrap();
    // Comes back once more, and asks for nothing.
    let quiet = NodeOptions {
        home: Some(home.clone()),
        name: Some(ROLE.to_owned()),
        ..NodeOptions::default()
    };
    let quiet = Node::start(quiet).await.unwrap();
    let data = Home::open(Some(&home)).unwrap();
    let until = Instant::now() + LAST_WORDS;
    let mut reports = of_root(&data, &quiet);
    while reports.iter().any(|report| !report.accounts.is_empty()) && Instant::now() < until {
        tokio::time::sleep(LIFE).await;
        reports = of_root(&data, &quiet);
    }
    let figures = figures(&reports, &bill);
    figures.tell("the root, and the spender every third time", kills);
    quiet.close(Duration::ZERO).await;
    first.close(Duration::ZERO).await;
    spender.kill().await.unwrap();
    serving.abort();
    let none = figures.overspent == 0 && figures.forgotten == 0 && figures.stranded == 0;
    none && figures.written > 0
}

/// The process that is killed: makes budgets and asks under them, one after the other.
pub(crate) async fn ask(home: &Path) -> Result<()> {
    let (home, name) = (Some(home.to_owned()), Some(ROLE.to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await?;
    let made = AtomicU64::new(0);
    let label = || format!("{}-{}", std::process::id(), made.fetch_add(1, Ordering::Relaxed));
    println!("ready");
    loop {
        let (switch, label) = (switch(LOAD.1), label());
        let mut askers = JoinSet::new();
        for _ in 0..LOAD.0 {
            let (node, switch, label) = (node.clone(), switch.clone(), label.clone());
            askers.spawn(async move {
                loop {
                    let kill_switch = Some(switch.clone());
                    let asked = RequestOptions { kill_switch, ..asked(&label, LOAD.1) };
                    match node.request(asked).await {
                        Ok(_) => {}
                        Err(error) if is_refusal(&error) => return,
                        Err(_) => tokio::time::sleep(AGAIN).await,
                    }
                }
            });
        }
        askers.join_all().await;
    }
}

/// The budgets that began at the root.
fn of_root(home: &Home, root: &Node) -> Vec<BudgetReport> {
    let mut all = budget::of_home(home, None).unwrap();
    // One that is over names no root: it was opened in the log of one, and only that opens any.
    all.retain(|report| report.opened_ms.is_some() || report.root == Some(root.key()));
    all
}

fn figures(reports: &[BudgetReport], bill: &Bill) -> Figures {
    let written: Vec<u64> = lock(bill).values().map(|one| one.written()).collect();
    let charged: u64 =
        reports.iter().filter_map(|report| report.spent).map(|spent| spent.output_tokens).sum();
    let tops = reports.iter().flat_map(|report| &report.accounts);
    let stranded: u64 = tops.map(|top| top.held.of(budget::Component::OutputTokens)).sum();
    let all: u64 = written.iter().sum();
    Figures {
        load: LOAD,
        budgets: reports.len() as u64,
        written: all,
        overspent: written.iter().map(|one| one.saturating_sub(ceiling(LOAD.1))).sum(),
        forgotten: all.saturating_sub(charged + stranded),
        lost: charged.saturating_sub(all),
        stranded,
        ..Figures::default()
    }
}
