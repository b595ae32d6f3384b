//! A hundred processes at once.

use super::{spawn, spread};
use hubless_mesh_tests::now_us;
use serde_json::json;

/// Processes.
const CROWD: usize = 100;
/// All see each other within this time of the moment when the last had its node.
const ALL_US: u64 = 2_000_000;
/// A killed one is gone from every other's view within this time.
const GONE_US: u64 = 200_000;

#[test]
fn a_hundred_processes_see_each_other_and_the_death_of_one() {
    let home = tempfile::tempdir().unwrap();
    let name = |number: usize| format!("agent-{number}");
    let mut crowd: Vec<_> = (0..CROWD).map(|number| spawn(home.path(), &name(number))).collect();
    let began = now_us();
    crowd.iter_mut().for_each(|one| one.tell(&json!({"do": "start"})));
    let last = crowd.iter_mut().map(|one| one.event("ready")["at_us"].as_u64().unwrap()).max();
    let last = last.unwrap();
    let mut complete = Vec::new();
    for (place, one) in crowd.iter_mut().enumerate() {
        let others = (0..CROWD).filter(|number| *number != place);
        complete.push(others.map(|number| one.sees(&name(number))).max().unwrap());
    }
    let mut since_start: Vec<_> = complete.iter().map(|at| at - began).collect();
    let all = complete.iter().max().unwrap().saturating_sub(last);
    let (middle, longest) = spread(&mut since_start);
    eprintln!(
        "{CROWD} processes: nodes up after {:.0} ms; a process sees all after {middle:.0} ms, the \
         last after {longest:.0} ms of the start, {:.0} ms after the last node was up",
        (last - began) as f64 / 1_000.0,
        all as f64 / 1_000.0
    );
    assert!(all < ALL_US, "all see each other only {all} us after the last was there");

    let mut victim = crowd.pop().unwrap();
    let killed = victim.kill();
    let mut gone: Vec<_> =
        crowd.iter_mut().map(|one| one.misses(&victim.name).saturating_sub(killed)).collect();
    let (middle, longest) = spread(&mut gone);
    eprintln!("kill -9 among {CROWD}: gone after {middle:.1} ms, everywhere after {longest:.1} ms");
    assert!(gone.iter().all(|us| *us < GONE_US), "{gone:?}");
    crowd[0].tell(&json!({"do": "call", "to": name(50), "text": "still there"}));
    assert_eq!(crowd[0].event("reply")["text"], "still there");
}
