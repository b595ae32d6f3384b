//! Indexes, entries and watchers agree, whatever happens.

use super::support::{HOUR, NOW, Show, directory, id, node, show};
use crate::directory::{Found, Source, WatchEvent};
use crate::query::Query;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Show { seed: u64, at: u8, seq: u64, folder: bool },
    Hide { seed: u64, at: u8 },
    Gone { at: u8 },
    Later { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..4, 1u8..4, 0u64..4, any::<bool>())
            .prop_map(|(seed, at, seq, folder)| Step::Show { seed, at, seq, folder }),
        1 => (0u64..4, 1u8..4).prop_map(|(seed, at)| Step::Hide { seed, at }),
        1 => (1u8..4).prop_map(|at| Step::Gone { at }),
        1 => (0u64..2 * HOUR).prop_map(|ms| Step::Later { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every index agrees with the entries, numbers never fall while an agent is known, nothing is
    /// served beyond its end, and a watcher that follows the events sees what a query answers.
    #[test]
    fn indexes_and_watchers_agree_with_the_entries(steps in prop::collection::vec(step(), 0..40)) {
        let mut all = directory();
        let watch = all.watch(Query { limit: 1_000, ..Query::default() }).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut now = NOW;
        for step in steps {
            let before: Vec<_> =
                all.entries.iter().map(|(id, entry)| (*id, entry.stamp.seq)).collect();
            match step {
                Step::Show { seed, at, seq, folder } => {
                    let source = if folder { Source::Folder } else { Source::Member };
                    Show { seq: NOW + seq, ..show(seed, at) }.to(&mut all, source, now);
                }
                Step::Hide { seed, at } => all.hide(&node(at), &[(id(seed), u64::MAX)], now),
                Step::Gone { at } => all.gone(&node(at), now),
                Step::Later { ms } => {
                    now += ms;
                    all.handle_timeout(now);
                }
            }
            for (id, seq) in before {
                prop_assert!(all.entries.get(&id).is_none_or(|entry| entry.stamp.seq >= seq));
            }
            let hosts: usize = all.entries.values().map(|entry| entry.hosts.len()).sum();
            prop_assert_eq!(all.ends.len(), hosts);
            let rows: usize = all.nodes.values().map(|row| row.agents.len()).sum();
            prop_assert_eq!(rows, hosts);
            for entry in all.entries.values() {
                prop_assert!(!entry.hosts.is_empty());
                prop_assert!(all.by_name(&entry.name).contains(&entry.id));
            }
            while let Some(event) = all.poll_watch(watch, now) {
                match event {
                    WatchEvent::Snapshot(all) => seen = all.iter().map(|found| found.id).collect(),
                    WatchEvent::Arrived(found) => prop_assert!(seen.insert(found.id)),
                    WatchEvent::Changed(found) => prop_assert!(seen.contains(&found.id)),
                    WatchEvent::Departed { id, .. } => prop_assert!(seen.remove(&id)),
                    WatchEvent::Lagged(_) => (),
                }
            }
            let answer = all.find(&Query { limit: 1_000, ..Query::default() }, now);
            let is_live = |found: &Found| all.hosts(&found.id, now).contains(&found.node);
            prop_assert!(answer.iter().all(is_live));
            let answer: std::collections::BTreeSet<_> =
                answer.iter().map(|found| found.id).collect();
            prop_assert_eq!(&answer, &seen);
        }
    }
}
