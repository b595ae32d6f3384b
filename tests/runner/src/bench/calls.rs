//! Calls between two processes: ours, those of the peers and raw streams, in turn in one sitting.

use super::contestant::Contestant;
use super::figures::{Metric, Samples, Table};
use super::install::Programs;
use super::options::{FEWEST, Options, Scale};
use super::pair::Pair;
use super::peers::Peers;
use super::report::Report;
use super::{about, plot, targets};
use crate::house::Result;
use crate::language::Language;
use serde_json::Value;

/// The figures of a row; the last three are ours alone.
const METRICS: [Metric; 10] = [
    Metric { key: "rtt_64_us", title: "RTT 64 B µs" },
    Metric { key: "rtt_1k_us", title: "RTT 1 KiB µs" },
    Metric { key: "rtt_64k_us", title: "RTT 64 KiB µs" },
    Metric { key: "per_second", title: "req/s, 64 in flight, 1 KiB" },
    Metric { key: "cold_ms", title: "cold ms" },
    Metric { key: "big_ms", title: "8 MiB ms" },
    Metric { key: "memory_mb", title: "RSS MB, A + B + broker" },
    Metric { key: "open_median_us", title: "open loop 1 KiB, median µs" },
    Metric { key: "open_p99_us", title: "open loop 1 KiB, p99 µs" },
    Metric { key: "open_late_us", title: "of that sent late, median µs" },
];

/// How much of each.
struct Plan {
    /// Round trips of 64 B and 1 KiB, and of 64 KiB.
    trips: [usize; 2],
    window_ms: u64,
    /// Calls a second of the open loop: below what every language can do.
    arrivals: u64,
    big: usize,
}

impl Plan {
    /// As the peers are measured: on the JVM fewer, after more that are not counted, since it
    /// compiles while it runs.
    const fn of(contestant: Contestant, scale: Scale) -> Self {
        match (scale, contestant) {
            (Scale::Quick, _) => {
                Self { trips: [20, 5], window_ms: 100, arrivals: 50, big: 1 << 20 }
            }
            (Scale::Whole, Contestant::Package(Language::Kotlin)) => {
                Self { trips: [800, 150], window_ms: 1_500, arrivals: 1_000, big: 8 << 20 }
            }
            (Scale::Whole, _) => {
                Self { trips: [1_500, 300], window_ms: 1_500, arrivals: 1_000, big: 8 << 20 }
            }
        }
    }
}

/// Round trips that are not counted, before those that are.
pub(super) const fn warm(contestant: Contestant, scale: Scale, count: usize) -> usize {
    match (scale, contestant) {
        (Scale::Whole, Contestant::Package(Language::Kotlin)) => 800,
        (Scale::Whole | Scale::Quick, _) => count / 10,
    }
}

/// One that is run.
enum Runner {
    Ours(Contestant),
    /// Measured by the code that measures the peers.
    ByPeers(Contestant),
    Peer(String),
}

/// Measures, and writes the report.
pub(super) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let about = about::lines(Some(programs));
    let mut table = Table::new("Calls between two processes", &METRICS);
    let peers = options.peers.as_deref().map(Peers::find).transpose()?;
    let names = peers.as_ref().map(|peers| peers.names.clone()).unwrap_or_default();
    if peers.is_none() {
        let note = "The peers' rows are left out: no folder of them was given (--peers).";
        table.notes.push(note.to_owned());
    }
    let mut order: Vec<_> = Contestant::ALL.into_iter().map(Runner::Ours).collect();
    let of_peers = |contestant: &Contestant| peers.is_some() && contestant.peers().is_some();
    order.extend(Contestant::ALL.into_iter().filter(of_peers).map(Runner::ByPeers));
    order.extend(names.iter().cloned().map(Runner::Peer));
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        for runner in &order {
            match runner {
                Runner::Ours(contestant) => {
                    let measured = measure(programs, *contestant, options.scale());
                    table.add(round, contestant.row(), measured);
                }
                Runner::ByPeers(contestant) => {
                    let (one, scale) = (*contestant, options.scale());
                    let measured = peers.iter().map(|peers| peers.measure(programs, one, scale));
                    measured.for_each(|measured| table.add(round, &one.row_by_peers(), measured));
                }
                Runner::Peer(name) => {
                    let measured = peers.iter().map(|peers| peers.run(name, options.scale()));
                    measured.for_each(|measured| table.add(round, name, measured));
                }
            }
        }
        // Nobody is always the one after somebody else.
        order.reverse();
    }
    if options.rounds() < FEWEST {
        table.notes.push(format!("Fewer than {FEWEST} runs: no row counts as met."));
    }
    let verdicts = options.judged(|| targets::calls(&table, &names));
    let (tables, folder) = (vec![table], options.folder());
    let report = Report { name: "calls", folder, about, tables, verdicts };
    plot::points(&report.tables, &report.file("svg"))?;
    report.write(options.scale())
}

/// One run of ours.
fn measure(programs: &Programs, contestant: Contestant, scale: Scale) -> Result<Samples> {
    eprintln!("  {}", contestant.row());
    let plan = Plan::of(contestant, scale);
    let mut pair = Pair::start(programs, contestant)?;
    let mut samples = Samples::default();
    pair.cold_ms.into_iter().for_each(|cold| samples.add("cold_ms", cold));
    let [small, large] = plan.trips;
    for (key, size, count) in
        [("rtt_64_us", 64, small), ("rtt_1k_us", 1_024, small), ("rtt_64k_us", 65_536, large)]
    {
        let warm = warm(contestant, scale, count);
        let said = pair.caller.ask(&format!("rtt {size} {count} {warm}"))?;
        take(&mut samples, key, &said, "median_us");
    }
    let said = pair.caller.ask(&format!("load 1024 64 {}", plan.window_ms))?;
    take(&mut samples, "per_second", &said, "per_second");
    // Before the large call, as the peers' is read.
    if let (Some(one), Some(other)) = (pair.agent.memory_kib(), pair.caller.memory_kib()) {
        samples.add("memory_mb", (one / 1_024 + other / 1_024) as f64);
    }
    let said = pair.caller.ask(&format!("big {}", plan.big))?;
    take(&mut samples, "big_ms", &said, "ms");
    let said = pair.caller.ask(&format!("arrivals 1024 {} {}", plan.arrivals, plan.window_ms))?;
    take(&mut samples, "open_median_us", &said, "median_us");
    take(&mut samples, "open_p99_us", &said, "p99_us");
    take(&mut samples, "open_late_us", &said, "late_us");
    pair.end();
    Ok(samples)
}

/// One figure of what a program said.
pub(super) fn take(samples: &mut Samples, key: &str, said: &Value, member: &str) {
    if let Some(value) = said.get(member).and_then(Value::as_f64) {
        samples.add(key, value);
    }
}
