//! How soon another process sees an agent, and what it costs to ask among many.

use super::calls::take;
use super::contestant::Contestant;
use super::figures::{Metric, Samples, Spread, Table};
use super::install::Programs;
use super::local::CROWDED;
use super::options::{Options, Scale};
use super::pair::Pair;
use super::peers::Peers;
use super::report::Report;
use super::{about, plot, targets};
use crate::house::Result;
use serde_json::Value;
use std::time::Instant;

const METRICS: [Metric; 4] = [
    Metric { key: "visible_median_ms", title: "visible elsewhere, median ms" },
    Metric { key: "visible_p99_ms", title: "visible elsewhere, p99 ms" },
    Metric { key: "find_ms", title: "query by skill, tag and filter among all, median ms" },
    Metric { key: "registered_s", title: "registering all, s" },
];

/// How much of each.
struct Plan {
    sights: usize,
    agents: usize,
    finds: usize,
}

impl Plan {
    const fn of(scale: Scale) -> Self {
        match scale {
            Scale::Whole => Self { sights: 100, agents: 10_000, finds: 200 },
            Scale::Quick => Self { sights: 3, agents: 100, finds: 5 },
        }
    }
}

/// One that is run.
enum Runner {
    Ours(Contestant),
    /// The peers of this kind, with so many agents.
    Peer(&'static str, usize),
}

/// Measures, and writes the report.
pub(super) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let about = about::lines(Some(programs));
    let plan = Plan::of(options.scale());
    let mut table = Table::new("Discovery between two processes", &METRICS);
    table.notes.push(format!("{} agents; each run: {} sights.", plan.agents, plan.sights));
    let peers = options.peers.as_deref().map(Peers::find).transpose()?;
    if peers.is_none() {
        table.notes.push("The peers' rows are left out: no folder was given (--peers).".to_owned());
    }
    let mut order: Vec<_> = CROWDED.into_iter().map(Runner::Ours).collect();
    if peers.is_some() {
        // A tenth for cards that have to be fetched one by one.
        let kinds = [("nats", plan.agents), ("zenoh", plan.agents), ("a2a", plan.agents / 10)];
        order.extend(kinds.map(|(kind, agents)| Runner::Peer(kind, agents)));
    }
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        for runner in &order {
            match runner {
                Runner::Ours(contestant) => {
                    let measured = measure(programs, *contestant, &plan);
                    table.add(round, contestant.row(), measured);
                }
                Runner::Peer(kind, agents) => {
                    let row = format!("{kind}, {agents} agents, plain");
                    let measured = peers.iter().map(|peers| peers.discovery(kind, *agents));
                    measured.for_each(|measured| table.add(round, &row, measured));
                }
            }
        }
        // Nobody is always the one after somebody else.
        order.reverse();
    }
    let verdicts = options.judged(|| targets::discovery(&table));
    let (tables, folder) = (vec![table], options.folder());
    let report = Report { name: "discovery", folder, about, tables, verdicts };
    plot::points(&report.tables, &report.file("svg"))?;
    report.write(options.scale())
}

/// One run: single agents first, then all of them.
fn measure(programs: &Programs, contestant: Contestant, plan: &Plan) -> Result<Samples> {
    eprintln!("  {}", contestant.row());
    let mut pair = Pair::start(programs, contestant)?;
    let mut times = Vec::with_capacity(plan.sights);
    for number in 0..plan.sights {
        times.push(sight(&mut pair, &format!("late.{number}"))?);
    }
    times.sort_by(f64::total_cmp);
    let mut samples = Samples::default();
    let spread = Spread::of(&times);
    spread.iter().for_each(|spread| samples.add("visible_median_ms", spread.median));
    let late = times.get(times.len() * 99 / 100);
    late.iter().for_each(|late| samples.add("visible_p99_ms", **late));
    let began = Instant::now();
    pair.agent.ask(&format!("agents {}", plan.agents))?;
    samples.add("registered_s", began.elapsed().as_secs_f64());
    // What is registered after all of them is announced no earlier than any.
    sight(&mut pair, "late.last")?;
    let said = pair.caller.ask(&format!("find filter {}", plan.finds))?;
    // A hundredth of them has each skill; no answer has more than 20.
    let wanted = (plan.agents / 100).min(20) as u64;
    if said.get("hits").and_then(Value::as_u64) != Some(wanted) {
        return Err(format!("expected {wanted} agents of one skill, got {said}"));
    }
    let mut found = Samples::default();
    take(&mut found, "find_us", &said, "median_us");
    found.of("find_us").iter().for_each(|time| samples.add("find_ms", time / 1e3));
    pair.end();
    Ok(samples)
}

/// From the beginning of a registration to its sight in the other process, in milliseconds.
fn sight(pair: &mut Pair, name: &str) -> Result<f64> {
    pair.caller.ask(&format!("await {name}"))?;
    let registered = pair.agent.ask(&format!("register {name}"))?;
    let seen = pair.caller.hear()?;
    let at = |said: &Value, key: &str| said.get(key).and_then(Value::as_i64);
    let right = seen.get("name").and_then(Value::as_str) == Some(name);
    match (at(&registered, "began_us"), at(&seen, "seen_us")) {
        (Some(began), Some(ended)) if right => Ok((ended - began) as f64 / 1e3),
        _ => Err(format!("expected the sight of {name}, got {seen}")),
    }
}
