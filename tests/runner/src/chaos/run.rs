//! The order of events: chains run, somebody is killed every second, and at the end everything is
//! counted.

use super::book::Book;
use super::cast::{Cast, ROOT};
use super::hosts::Hosts;
use super::judged::{self, Budgets};
use crate::count::Outcome;
use crate::house::Result;
use crate::language::Language;
use crate::prepare;
use clap::Args;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Chains that are kept in flight.
const CHAINS: u32 = 32;
/// Chains that come through all four languages from the restart of one to the next kill.
const WHOLE: usize = 5;
/// Budgets that limits stop before the end.
const USED_UP: usize = 3;
/// After the last restart, for what was set aside by who died: one lease, and the words that say
/// so, each of which may be lost a few times.
const SETTLED: Duration = Duration::from_secs(10);
/// Between two looks at the stores.
const LOOK: Duration = Duration::from_millis(100);
/// Kills of the form of every run: two of each language.
const FEW: u32 = 8;
/// Kills of the long form, with the root among those that die.
const MANY: u32 = 200;
/// The seed of both.
const SEED: u64 = 5;

/// What the command takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Kills.
    #[arg(long, default_value_t = FEW)]
    kills: u32,
    /// Seed of whom to kill when, of the weather and of what the provider takes.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Kills the root of the budgets as well.
    #[arg(long)]
    root: bool,
}

/// What a run came to, besides what it was judged by.
#[derive(Debug, Default)]
struct Seen {
    kills: u32,
    /// Kills of processes in which handlers ran.
    struck: u32,
    weather: [u64; 3],
    /// From the last word of the root to the last of everybody.
    settled: Duration,
    overspent: usize,
    stranded: usize,
    /// What was wrong on the way.
    wrong: Vec<String>,
}

/// One run, for who wants to try a seed.
///
/// # Errors
/// Something could not be built or started.
pub(crate) fn run(options: &Options) -> Result<bool> {
    prepare::everything()?;
    let outcome = outcome(options);
    outcome.notes.iter().for_each(|note| println!("{note}"));
    println!("{outcome}");
    Ok(outcome.failed == 0)
}

/// The form of every run.
pub(crate) fn everyday() -> Outcome {
    outcome(&Options { kills: FEW, seed: SEED, root: false })
}

/// The long form.
pub(crate) fn long() -> Outcome {
    outcome(&Options { kills: MANY, seed: SEED, root: true })
}

fn outcome(options: &Options) -> Outcome {
    if let Some(reason) = Hosts::missing() {
        return Outcome::skip(reason);
    }
    match play(options) {
        Ok((faults, summary)) => {
            let seed = options.seed;
            let mut outcome = Outcome::one(faults.is_empty(), || {
                format!("chaos, seed {seed}: {}", faults.join("\n"))
            });
            outcome.notes.push(summary);
            outcome
        }
        Err(message) => Outcome::failure(format!("chaos, seed {}: {message}", options.seed)),
    }
}

/// What is not as it must be, and what was counted.
fn play(options: &Options) -> Result<(Vec<String>, String)> {
    let mut cast = Cast::start(options.seed, CHAINS)?;
    cast.tell_root("spend")?;
    let mut seen = Seen::default();
    for victim in victims(options) {
        kill(&mut cast, victim, &mut seen)?;
    }
    while stopped_by_limits(&judged::told(&cast.heard)) < USED_UP {
        cast.until("used")?;
    }
    cast.tell_root("stop")?;
    cast.until("stopped")?;
    cast.tell_root("settle")?;
    let settled = cast.until("settled")?;
    let settled_ms = settled["took_ms"].as_f64().unwrap_or(f64::MAX);
    seen.settled = Duration::try_from_secs_f64(settled_ms / 1e3).unwrap_or(Duration::MAX);
    seen.weather = cast.weather()?;
    let budgets = judged::told(&cast.heard);
    let shown = quiet(&cast)?;
    let book = Book::read(&cast.book())?;
    let mut faults = std::mem::take(&mut seen.wrong);
    let over = judged::overspent(&book, &budgets);
    let set_aside = judged::set_aside(&budgets).into_iter();
    let stranded: Vec<_> = set_aside.chain(judged::stranded(&shown)).collect();
    (seen.overspent, seen.stranded) = (over.len(), stranded.len());
    faults.extend(over);
    faults.extend(judged::uncharged(&book, &budgets, &shown));
    faults.extend(stranded.into_iter().map(|one| format!("stranded: {one}")));
    faults.extend(judged::unsummed(&shown).iter().map(|one| format!("no sum: {one}")));
    faults.extend(book.twice.iter().map(|call| format!("ran twice: {call}")));
    faults.extend(controls(&seen, &book, &budgets));
    if seen.settled > SETTLED {
        faults.push(format!("settled only after {} ms", seen.settled.as_millis()));
    }
    let summary = summary(&seen, &book, &budgets);
    if faults.is_empty() {
        cast.finish()?;
    }
    Ok((faults, summary))
}

/// Whom to kill: each as often as the others, in an order that the seed says.
fn victims(options: &Options) -> Vec<&'static str> {
    let mut all: Vec<_> = Language::ALL.map(Language::name).to_vec();
    all.extend(options.root.then_some(ROOT));
    let mut state = options.seed;
    let mut order = Vec::new();
    while order.len() < options.kills as usize {
        let mut round = all.clone();
        while !round.is_empty() {
            order.push(round.swap_remove(chance(&mut state) as usize % round.len()));
        }
    }
    order.truncate(options.kills as usize);
    order
}

/// The next number (SplitMix64).
const fn chance(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 33) as u32
}

/// Kills somebody who is at work, and starts it again at once.
fn kill(cast: &mut Cast, victim: &'static str, seen: &mut Seen) -> Result<()> {
    for _ in 0..WHOLE {
        cast.until("whole")?;
    }
    cast.is_at_work(victim)?;
    seen.struck += u32::from(cast.running(victim)? > 0);
    cast.kill(victim)?;
    seen.kills += 1;
    // While it is dead: what its store says is what a crash left.
    let book = Book::read(&cast.book())?;
    let shown = cast.budgets()?;
    cast.listen(Duration::ZERO);
    let budgets = judged::told(&cast.heard);
    let wrong = judged::overspent(&book, &budgets).into_iter();
    let wrong = wrong.chain(judged::uncharged(&book, &budgets, &shown));
    seen.wrong.extend(wrong.map(|one| format!("after kill {} of {victim}: {one}", seen.kills)));
    cast.begin(victim)?;
    cast.ready(victim)?;
    if victim == ROOT {
        cast.tell_root("spend")?;
    }
    Ok(())
}

/// What the stores say once nothing is left in them, or at last.
fn quiet(cast: &Cast) -> Result<Vec<serde_json::Value>> {
    let end = Instant::now() + SETTLED;
    loop {
        let shown = cast.budgets()?;
        let left = judged::stranded(&shown).len() + judged::unsummed(&shown).len();
        if left == 0 || Instant::now() > end {
            return Ok(shown);
        }
        std::thread::sleep(LOOK);
    }
}

/// Chains, budgets and refusals, by what became of them.
fn count(budgets: &Budgets, of: impl Fn(&str) -> bool) -> u64 {
    let said = budgets.values().flat_map(|told| &told.said);
    said.filter(|(word, _)| of(word)).map(|(_, count)| count).sum()
}

fn stopped_by_limits(budgets: &Budgets) -> usize {
    budgets.values().filter(|told| told.reason.ends_with("_exceeded")).count()
}

/// Without these nothing that is absent would mean anything.
fn controls(seen: &Seen, book: &Book, budgets: &Budgets) -> Vec<String> {
    let mut missing = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            missing.push(format!("expected {what}"));
        }
    };
    let whole = count(budgets, |word| word == "whole");
    // Those of a budget whose root was killed are not among them.
    must(whole >= u64::from(seen.kills), format!("more whole chains than {whole}"));
    let refused = count(budgets, |word| word.starts_with("budget_exhausted"));
    must(refused > 0, "a chain that is refused by a limit".to_owned());
    let stopped = stopped_by_limits(budgets);
    must(stopped >= USED_UP, format!("more budgets that were used up than {stopped}"));
    must(seen.struck * 2 > seen.kills, format!("more kills at work than {}", seen.struck));
    let broken = count(budgets, |word| word.starts_with("unknown_outcome"));
    must(broken > 0, "a caller that hears of a death".to_owned());
    for (what, number) in ["lost", "repeated", "overtaken"].into_iter().zip(seen.weather) {
        must(number >= u64::from(seen.kills) * 10, format!("more datagrams {what} than {number}"));
    }
    for language in Language::ALL.map(Language::name) {
        let spent = book.spendings.get(language).copied().unwrap_or_default();
        must(spent >= u64::from(seen.kills) * 5, format!("more spendings in {language}: {spent}"));
    }
    missing
}

fn summary(seen: &Seen, book: &Book, budgets: &Budgets) -> String {
    let Seen { kills, struck, weather: [lost, twice, late], settled, overspent, stranded, .. } =
        seen;
    let (answered, whole) =
        (count(budgets, |word| word == "answered"), count(budgets, |word| word == "whole"));
    let spendings: u64 = book.spendings.values().sum();
    let mut others = BTreeMap::<&str, u64>::new();
    for (word, count) in budgets.values().flat_map(|told| &told.said) {
        if !["answered", "whole"].contains(&word.as_str()) {
            *others.entry(word.as_str()).or_default() += count;
        }
    }
    format!(
        "killed {kills} times, {struck} at work: {answered} chains answered, {whole} whole, \
         others {others:?}; \
         {spendings} spendings under {} budgets, {} of which were used up, {overspent} overspent; \
         datagrams {lost} lost, {twice} repeated, {late} overtaken; {stranded} stranded after {} \
         ms",
        budgets.len(),
        stopped_by_limits(budgets),
        settled.as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_killed_as_often_in_an_order_of_the_seed() {
        let order = |seed, root| victims(&Options { kills: 20, seed, root });
        for (root, each) in [(false, 5), (true, 4)] {
            let order = order(1, root);
            for name in Language::ALL.map(Language::name) {
                assert_eq!(order.iter().filter(|one| **one == name).count(), each, "{name}");
            }
            assert_eq!(order.contains(&ROOT), root);
        }
        assert_eq!(order(1, true), order(1, true));
        assert_ne!(order(1, true), order(2, true));
    }
}
