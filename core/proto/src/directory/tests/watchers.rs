//! What watchers are told.

use super::support::{NOW, Show, directory, id, node, query, show};
use crate::directory::{Source, WatchEvent};
use crate::error::Kind;
use crate::limits;
use crate::query::Query;
use serde_json::json;

fn told(event: Option<WatchEvent>) -> String {
    match event {
        None => "nothing".to_owned(),
        Some(WatchEvent::Snapshot(all)) => format!("snapshot {}", all.len()),
        Some(WatchEvent::Arrived(found)) => format!("arrived {}", found.descriptor.name),
        Some(WatchEvent::Changed(found)) => format!("changed {}", found.descriptor.version),
        Some(WatchEvent::Departed { name, .. }) => format!("departed {name}"),
        Some(WatchEvent::Lagged(missed)) => format!("lagged {missed}"),
    }
}

#[test]
fn watchers_are_told_what_comes_changes_and_goes() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::Member, NOW);
    let watch = all.watch(query(json!({"filter": {"field": "name", "op": "exists"}}))).unwrap();
    let tagged = all.watch(query(json!({"tags": ["x"]}))).unwrap();
    assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 1");
    assert_eq!(told(all.poll_watch(tagged, NOW)), "snapshot 0");
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    show(2, 1).to(&mut all, Source::Folder, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "arrived agent-2");
    // A renewal says nothing; a change does, and may be an arrival for another watcher.
    Show { seq: NOW + 1, ..show(2, 1) }.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
    let mut changed = Show { seq: NOW + 2, ..show(2, 1) };
    changed.descriptor.version = "2".to_owned();
    changed.descriptor.tags = vec!["x".to_owned()];
    changed.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "changed 2");
    assert_eq!(told(all.poll_watch(tagged, NOW)), "arrived agent-2");
    Show { seq: NOW + 3, ..show(2, 1) }.to(&mut all, Source::Member, NOW);
    assert_eq!(told(all.poll_watch(tagged, NOW)), "departed agent-2");
    all.gone(&node(1), NOW);
    let mut gone = vec![told(all.poll_watch(watch, NOW)), told(all.poll_watch(watch, NOW))];
    gone.push(told(all.poll_watch(watch, NOW)));
    assert_eq!(gone[0], "changed ");
    assert!(gone[1].starts_with("departed") && gone[2].starts_with("departed"));
    all.unwatch(watch);
    assert_eq!(told(all.poll_watch(watch, NOW)), "nothing");
}

#[test]
fn a_slow_watcher_is_told_that_it_lags_and_gets_a_snapshot() {
    let mut all = directory();
    let watch = all.watch(Query::default()).unwrap();
    all.poll_watch(watch, NOW);
    for n in 0..limits::WATCH_BACKLOG as u64 / 2 + 2 {
        show(1, 1).to(&mut all, Source::Member, NOW + n);
        all.hide(&node(1), &[id(1)], NOW + n);
    }
    show(2, 1).to(&mut all, Source::Member, NOW);
    let lagged = limits::WATCH_BACKLOG + 5;
    assert_eq!(told(all.poll_watch(watch, NOW)), format!("lagged {lagged}"));
    assert_eq!(told(all.poll_watch(watch, NOW)), "snapshot 1");
    all.gone(&node(1), NOW);
    assert_eq!(told(all.poll_watch(watch, NOW)), "departed agent-2");
    for _ in 1..limits::WATCHERS {
        all.watch(Query::default()).unwrap();
    }
    assert_eq!(all.watch(Query::default()).unwrap_err().kind, Kind::Busy);
}
