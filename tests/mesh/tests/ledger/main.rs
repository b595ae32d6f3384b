//! A process that spends is killed at any moment; what it spent is counted by another one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod nodes;

use hubless::store::Store;
use hubless_mesh_tests::spending::{ABROAD, CEILING, NODE, budget};
use hubless_proto::killswitch::{Amount, Component, Keeping, Ledger, Now, Owner};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

const SPENDER: &str = env!("CARGO_BIN_EXE_spender");

/// Kills, unless `HUBLESS_TEST_ROUNDS` says otherwise.
const ROUNDS: u32 = 20;

struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(SPENDER).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, lines };
        assert_eq!(process.line().as_deref(), Some("ready"));
        process
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.lines.read_line(&mut line).unwrap();
        (count > 0 && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct World {
    folder: TempDir,
    _provider: Process,
    abroad: Vec<String>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let provider = Process::start(&["provider", &path("provider"), &path("bill")]);
        Self { folder, _provider: provider, abroad: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a process spend until it has said so many lines, and kills it there.
    fn spend(&mut self, round: u32, lines: u32, how: &str) {
        let (store, socket) = (self.path("store.db"), self.path("provider"));
        let (store, socket) = (store.to_str().unwrap(), socket.to_str().unwrap());
        let mut process = Process::start(&["spend", store, socket, &round.to_string(), how]);
        for _ in 0..lines {
            let line = process.line().expect("it spends until it is killed");
            self.abroad.extend(line.strip_prefix("abroad ").map(str::to_owned));
        }
        process.child.kill().unwrap();
        while let Some(line) = process.line() {
            self.abroad.extend(line.strip_prefix("abroad ").map(str::to_owned));
        }
    }

    /// What the provider was paid, after everything that was said to it was written down.
    fn bill(&self) -> u64 {
        let provider = UnixStream::connect(self.path("provider")).unwrap();
        let mut provider = BufReader::new(provider);
        // It hears one caller after the other, each to its end.
        writeln!(provider.get_mut(), "0").unwrap();
        let mut answer = String::new();
        provider.read_line(&mut answer).unwrap();
        assert_eq!(answer, "ok\n");
        let bill = std::fs::read_to_string(self.path("bill")).unwrap();
        bill.lines().map(|line| line.parse::<u64>().unwrap()).sum()
    }

    /// What the store does not know of it; none: nothing.
    fn forgotten(&self) -> Option<String> {
        let spent = self.bill();
        assert!(spent <= CEILING, "{spent} was spent of {CEILING}");
        let ledger = recovered(&self.path("store.db"));
        let root = budget().origin.account();
        let Some(view) = ledger.view(&root) else {
            return (spent > 0).then(|| "the budget".to_owned());
        };
        let cuts = ledger.cuts(&root);
        let far: Vec<_> = cuts.iter().filter(|cut| cut.audience == ABROAD).collect();
        let is_there = |id: &&String| {
            let cut = far.iter().find(|cut| cut.grant.to_string() == **id);
            cut.is_some_and(|cut| count(&cut.charged) == 200)
        };
        if let Some(lost) = self.abroad.iter().find(|id| !is_there(id)) {
            return Some(format!("grant {lost}"));
        }
        let far: u64 = far.iter().map(|cut| count(&cut.charged)).sum();
        let charged = count(&view.used) + count(&view.held) - far;
        (charged < spent).then(|| format!("{spent} was spent, {charged} is charged"))
    }
}

fn recovered(path: &Path) -> Ledger {
    let (_store, rows) = Store::open(path).unwrap();
    let owner = Owner { node: NODE, instance: u64::MAX, keeping: Keeping::Durable };
    Ledger::recover(owner, rows, Now::default()).unwrap()
}

fn count(amount: &Amount) -> u64 {
    amount.of(Component::OutputTokens)
}

/// Lines after which a round is killed: from the first to some hundreds, never in step.
const fn lines(round: u32) -> u32 {
    (round.wrapping_mul(2_654_435_761) >> 24) + 1
}

#[test]
fn a_process_that_is_killed_loses_no_grant_and_forgets_no_spending() {
    let rounds = std::env::var("HUBLESS_TEST_ROUNDS").ok();
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut world = World::new();
    for round in 1..=rounds {
        world.spend(round, lines(round), "patient");
        assert_eq!(world.forgotten(), None, "killed in round {round}");
    }
    let (spent, abroad) = (world.bill(), world.abroad.len());
    assert!(spent > 0 && abroad > 0, "nothing was at stake");
    println!("killed {rounds} times: {spent} spent and {abroad} grants abroad, all known");
}

#[test]
fn the_same_test_shows_what_a_process_forgets_that_does_not_wait_for_its_store() {
    let forgets = (1..=ROUNDS).any(|round| {
        let mut world = World::new();
        world.spend(round, lines(round) + 20, "hasty");
        world.forgotten().is_some()
    });
    assert!(forgets, "no kill of {ROUNDS} showed it");
}
