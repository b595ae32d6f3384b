//! Calls within one process, and many agents in one node.

use super::calls::{take, warm};
use super::contestant::Contestant;
use super::figures::{Metric, Samples, Table};
use super::install::{Programs, Role};
use super::options::{Options, Scale};
use super::pair::{Side, home};
use super::report::Report;
use super::{about, plot, targets};
use crate::house::Result;
use crate::language::Language;
use crate::package::empty;

const CALLS: [Metric; 6] = [
    Metric { key: "rtt_100_us", title: "1 in flight, 100 B µs" },
    Metric { key: "rtt_1k_us", title: "1 in flight, 1 KiB µs" },
    Metric { key: "rtt_1m_us", title: "1 in flight, 1 MiB µs" },
    Metric { key: "load_100", title: "64 in flight, 100 B calls/s" },
    Metric { key: "load_1k", title: "64 in flight, 1 KiB calls/s" },
    Metric { key: "load_1m", title: "16 in flight, 1 MiB calls/s" },
];

const CROWD: [Metric; 7] = [
    Metric { key: "registered", title: "registrations/s" },
    Metric { key: "agent_bytes", title: "resident bytes per agent, descriptor included" },
    Metric { key: "by_name_ns", title: "look-up by name ns" },
    Metric { key: "by_address_ns", title: "by address ns" },
    Metric { key: "by_id_ns", title: "by id ns" },
    Metric { key: "find_text_p99_us", title: "find by skill and text, p99 µs" },
    Metric { key: "find_filter_p99_us", title: "by skill, tag and filter, p99 µs" },
];

/// Why there are fewer large calls at once.
const LARGE_NOTE: &str = "64 calls of 1 MiB at once, and their answers, are more than the \
                          events of a session may hold (64 MiB): some would be refused, busy \
                          (host_behind).";

/// How much of each.
struct Plan {
    small: usize,
    large: usize,
    window_ms: u64,
    agents: usize,
    finds: usize,
}

impl Plan {
    const fn of(scale: Scale) -> Self {
        match scale {
            Scale::Whole => {
                Self { small: 2_000, large: 50, window_ms: 1_500, agents: 10_000, finds: 1_000 }
            }
            Scale::Quick => Self { small: 20, large: 2, window_ms: 100, agents: 200, finds: 20 },
        }
    }
}

/// Those whose program knows of crowds.
pub(super) const CROWDED: [Contestant; 2] =
    [Contestant::Rust, Contestant::Package(Language::Python)];

/// Measures, and writes the report.
pub(super) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let about = about::lines(Some(programs));
    let mut calls = Table::new("Calls in one process", &CALLS);
    let mut crowd = Table::new("Agents in one node", &CROWD);
    let plan = Plan::of(options.scale());
    calls.notes.push(LARGE_NOTE.to_owned());
    crowd.notes.push(format!("{} agents.", plan.agents));
    let mut order: Vec<_> = Contestant::with_agents().collect();
    let mut crowds = CROWDED;
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        for contestant in &order {
            calls.add(round, contestant.row(), called(programs, *contestant, options.scale()));
        }
        for contestant in crowds {
            crowd.add(round, contestant.row(), crowded(programs, contestant, &plan));
        }
        order.reverse();
        crowds.reverse();
    }
    let judge = || [targets::local(&calls), targets::crowd(&crowd)].concat();
    let verdicts = options.judged(judge);
    let (tables, folder) = (vec![calls, crowd], options.folder());
    let report = Report { name: "local", folder, about, tables, verdicts };
    plot::points(&report.tables, &report.file("svg"))?;
    report.write(options.scale())
}

/// One run of calls.
fn called(programs: &Programs, contestant: Contestant, scale: Scale) -> Result<Samples> {
    let plan = Plan::of(scale);
    empty(&home())?;
    let (mut side, _) = Side::start(programs, contestant, &Role::Local)?;
    let mut samples = Samples::default();
    for (key, (load, in_flight), size, count) in [
        ("rtt_100_us", ("load_100", 64), 100, plan.small),
        ("rtt_1k_us", ("load_1k", 64), 1_024, plan.small),
        ("rtt_1m_us", ("load_1m", 16), 1 << 20, plan.large),
    ] {
        let warm = warm(contestant, scale, count);
        let said = side.ask(&format!("rtt {size} {count} {warm}"))?;
        take(&mut samples, key, &said, "median_us");
        let said = side.ask(&format!("load {size} {in_flight} {}", plan.window_ms))?;
        take(&mut samples, load, &said, "per_second");
    }
    side.end();
    Ok(samples)
}

/// One run of many agents.
fn crowded(programs: &Programs, contestant: Contestant, plan: &Plan) -> Result<Samples> {
    empty(&home())?;
    let (mut side, _) = Side::start(programs, contestant, &Role::Agent)?;
    let mut samples = Samples::default();
    let before = side.memory_kib();
    let said = side.ask(&format!("agents {}", plan.agents))?;
    take(&mut samples, "registered", &said, "per_second");
    if let (Some(before), Some(after)) = (before, side.memory_kib()) {
        let bytes = after.saturating_sub(before) * 1_024;
        samples.add("agent_bytes", bytes as f64 / plan.agents as f64);
    }
    for (by, key) in [("text", "find_text_p99_us"), ("filter", "find_filter_p99_us")] {
        let said = side.ask(&format!("find {by} {}", plan.finds))?;
        take(&mut samples, key, &said, "p99_us");
    }
    if contestant == Contestant::Rust {
        let said = side.ask(&format!("lookups {}", plan.agents))?;
        for key in ["by_name_ns", "by_address_ns", "by_id_ns"] {
            take(&mut samples, key, &said, key);
        }
    }
    side.end();
    Ok(samples)
}
