//! The targets, in one place.

use super::contestant::Contestant;
use super::figures::Table;
use super::judged::{Bound, Verdict};
use crate::language::Language;

/// What a package in another language than Rust and C is to reach besides its peers.
const LIMITS_MS: [(Language, f64); 3] =
    [(Language::Python, 10.0), (Language::Node, 12.0), (Language::Kotlin, 300.0)];
/// The peer whose memory none is asked to be below: it has sockets only.
const SOCKETS: &str = "py-zmq";

/// Those of calls between two processes. `peers`: those that were measured.
pub(super) fn calls(table: &Table, peers: &[String]) -> Vec<Verdict> {
    let floor = Contestant::Floor.row();
    let mut verdicts = Vec::new();
    for (contestant, trips, rate, cold) in
        [(Contestant::Rust, 1.25, 0.7, 6.0), (Contestant::Package(Language::C), 1.4, 0.65, 7.0)]
    {
        let mut judge =
            |key, bound| verdicts.push(Verdict::of(table, contestant.row(), key, bound));
        judge("rtt_64_us", Bound::MostTimes(trips, floor));
        judge("rtt_1k_us", Bound::MostTimes(trips, floor));
        judge("per_second", Bound::LeastTimes(rate, floor));
        judge("cold_ms", Bound::Most(cold));
        judge("big_ms", Bound::Most(60.0));
    }
    for (language, cold) in LIMITS_MS {
        let contestant = Contestant::Package(language);
        let prefix = contestant.peers().unwrap_or_default();
        let own: Vec<_> = peers.iter().filter(|peer| peer.starts_with(prefix)).collect();
        // Both sides by the same code: where that gave no row of ours, nothing is claimed beside
        // theirs.
        let by_peers = contestant.row_by_peers();
        let row = if own.is_empty() { contestant.row() } else { by_peers.as_str() };
        let mut judge = |key, bound| verdicts.push(Verdict::of(table, row, key, bound));
        for key in ["rtt_64_us", "rtt_1k_us", "rtt_64k_us", "memory_mb"] {
            let spared = |peer: &str| key == "memory_mb" && peer.starts_with(SOCKETS);
            // One is lowest; who is below that one is below all, but for ranges that overlap.
            for peer in own.iter().filter(|peer| !spared(peer)) {
                judge(key, Bound::MostTimes(1.0, peer));
            }
        }
        for peer in own.iter().filter(|peer| peer.contains("nats")) {
            judge("per_second", Bound::LeastTimes(2.0, peer));
        }
        judge("cold_ms", Bound::Most(cold));
        judge("big_ms", Bound::Most(80.0));
    }
    verdicts
}

/// Those of calls in one process: within 1.5 times of what a prototype did without policy.
pub(super) fn local(table: &Table) -> Vec<Verdict> {
    let rates = [
        (Contestant::Rust, 924_000.0),
        (Contestant::Package(Language::C), 819_000.0),
        (Contestant::Package(Language::Kotlin), 196_000.0),
        (Contestant::Package(Language::Python), 181_000.0),
        (Contestant::Package(Language::Node), 102_000.0),
    ];
    let trips = [
        (Contestant::Package(Language::C), 1.6),
        (Contestant::Package(Language::Kotlin), 69.0),
        (Contestant::Package(Language::Node), 92.0),
        (Contestant::Package(Language::Python), 118.0),
    ];
    let rates = rates.iter().map(|(contestant, rate)| {
        Verdict::of(table, contestant.row(), "load_100", Bound::Least(rate / 1.5))
    });
    let trips = trips.iter().map(|(contestant, trip)| {
        Verdict::of(table, contestant.row(), "rtt_100_us", Bound::Most(trip * 1.5))
    });
    rates.chain(trips).collect()
}

/// Those of 10,000 agents in one node.
pub(super) fn crowd(table: &Table) -> Vec<Verdict> {
    let bounds = [
        ("registered", Bound::Least(50_000.0)),
        ("agent_bytes", Bound::Most(4_096.0)),
        ("by_name_ns", Bound::Most(2_000.0)),
        ("by_address_ns", Bound::Most(2_000.0)),
        ("by_id_ns", Bound::Most(2_000.0)),
        ("find_text_p99_us", Bound::Most(2_000.0)),
    ];
    let row = Contestant::Rust.row();
    bounds.into_iter().map(|(key, bound)| Verdict::of(table, row, key, bound)).collect()
}

/// Those of discovery.
pub(super) fn discovery(table: &Table) -> Vec<Verdict> {
    let bounds = [
        ("visible_p99_ms", Bound::Most(50.0)),
        ("visible_median_ms", Bound::Most(5.0)),
        ("find_ms", Bound::Most(2.0)),
    ];
    let row = Contestant::Rust.row();
    bounds.into_iter().map(|(key, bound)| Verdict::of(table, row, key, bound)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Metric, Samples};
    use super::super::judged::State;
    use super::*;

    #[test]
    fn a_language_is_judged_beside_each_of_its_own_peers_and_no_others() {
        let metric = |key| Metric { key, title: key };
        let mut table = Table::new("calls", &["rtt_64_us", "memory_mb"].map(metric));
        let by_peers = "hubless Python, by the peers' code";
        for (row, time) in [
            ("hubless Python", 9.0),
            (by_peers, 1.0),
            ("py-zmq+curve", 2.0),
            ("hubless Node.js", 0.1),
            ("node-x", 0.5),
        ] {
            for round in 0..5 {
                let mut samples = Samples::default();
                samples.add("rtt_64_us", time);
                table.add(round, row, Ok(samples));
            }
        }
        let peers = ["py-zmq+curve".to_owned(), "node-x".to_owned()];
        let verdicts = calls(&table, &peers);
        let of = |words: [&str; 2]| {
            let found = verdicts.iter().map(|one| (one.row(), one.state));
            let mut found = found.filter(|(row, _)| words.iter().all(|word| row.contains(word)));
            found.next().map(|(_, state)| state)
        };
        assert_eq!(of(["the peers' code | rtt_64_us", "py-zmq"]), Some(State::Met));
        assert_eq!(of(["hubless Python, ", "node-x"]), None);
        assert_eq!(of(["hubless Python | ", "py-zmq"]), None);
        assert_eq!(of(["hubless Python, by the peers' code | memory_mb", "py-zmq"]), None);
        // Their code gave no row of it: what ours measured is not set beside theirs.
        assert_eq!(of(["hubless Node.js, ", "node-x"]), Some(State::NotMeasured));
        assert_eq!(of(["hubless Node.js | ", "node-x"]), None);
    }

    #[test]
    fn a_language_without_peers_is_judged_by_what_our_own_code_measured() {
        let metrics = [Metric { key: "cold_ms", title: "cold ms" }];
        let mut table = Table::new("calls", &metrics);
        for round in 0..5 {
            let mut samples = Samples::default();
            samples.add("cold_ms", 9.0);
            table.add(round, "hubless Python", Ok(samples));
        }
        let verdicts = calls(&table, &["node-x".to_owned()]);
        let found = verdicts.iter().find(|one| one.row().contains("hubless Python | cold ms"));
        assert_eq!(found.map(|one| one.state), Some(State::Met));
    }
}
