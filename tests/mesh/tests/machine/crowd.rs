//! A hundred processes at once.

use super::{spawn, spread};
use hubless_mesh_tests::{Subject, now_us};
use serde_json::json;

/// Processes.
const CROWD: usize = 100;
/// All see each other within this time of the moment when the last had its node, not counting
/// what other programs took of the machine meanwhile.
const ALL_US: u64 = 2_000_000;
/// All see each other within this time of the moment when they were told to start, by the clock:
/// whatever the machine does meanwhile, in every crowd.
const SINCE_START_US: u64 = 10_000_000;
/// A killed one is gone from every other's view within this time.
const GONE_US: u64 = 200_000;
/// One tick of the kernel's accounts, in microseconds.
const TICK_US: u64 = 10_000;
/// Crowds, of which one must see itself in time: a machine that is slow for a while only adds time.
const CROWDS: usize = 3;

#[test]
fn a_hundred_processes_see_each_other_and_the_death_of_one() {
    let mut seen = Vec::new();
    for _ in 0..CROWDS {
        let all = crowd();
        seen.push(all);
        if all < ALL_US {
            return;
        }
    }
    panic!("no crowd saw all of itself in time; after us of their own: {seen:?}");
}

/// Starts a crowd and kills one of it, which nobody may see any more in time; gives the time of
/// their own, in microseconds, after which all saw all.
fn crowd() -> u64 {
    let home = tempfile::tempdir().unwrap();
    let mut crowd: Vec<_> = (0..CROWD).map(|number| spawn(home.path(), &name(number))).collect();
    let all = all_see_all(&mut crowd);
    let mut victim = crowd.pop().unwrap();
    let killed = victim.kill();
    let mut gone: Vec<_> =
        crowd.iter_mut().map(|one| one.misses(&victim.name).saturating_sub(killed)).collect();
    let (middle, longest) = spread(&mut gone);
    eprintln!("kill -9 among {CROWD}: gone after {middle:.1} ms, everywhere after {longest:.1} ms");
    assert!(gone.iter().all(|us| *us < GONE_US), "{gone:?}");
    crowd[0].tell(&json!({"do": "call", "to": name(50), "text": "still there"}));
    assert_eq!(crowd[0].event("reply")["text"], "still there");
    all
}

fn all_see_all(crowd: &mut [Subject]) -> u64 {
    let began = now_us();
    crowd.iter_mut().for_each(|one| one.tell(&json!({"do": "start"})));
    let last = crowd.iter_mut().map(|one| one.event("ready")["at_us"].as_u64().unwrap()).max();
    let (last, others) = (last.unwrap(), others_us(crowd));
    let mut complete = Vec::new();
    for (place, one) in crowd.iter_mut().enumerate() {
        let others = (0..CROWD).filter(|number| *number != place);
        complete.push(others.map(|number| one.sees(&name(number))).max().unwrap());
    }
    let others = others_us(crowd).saturating_sub(others);
    let all = complete.iter().max().unwrap().saturating_sub(last);
    let mut since_start: Vec<_> = complete.iter().map(|at| at - began).collect();
    let (middle, longest) = spread(&mut since_start);
    eprintln!(
        "{CROWD} processes: nodes up after {:.0} ms; a process sees all after {middle:.0} ms, the \
         last after {longest:.0} ms of the start, {:.0} ms after the last node was up, of which \
         other programs took {:.0} ms",
        (last - began) as f64 / 1_000.0,
        all as f64 / 1_000.0,
        others as f64 / 1_000.0
    );
    let whole = complete.iter().max().unwrap() - began;
    assert!(whole < SINCE_START_US, "the last saw all {whole} us after the start");
    all.saturating_sub(others)
}

fn name(number: usize) -> String {
    format!("agent-{number}")
}

/// Time of the machine, as one core of it, that went to anything but these processes, since some
/// fixed moment: 0 where the kernel keeps no such accounts.
fn others_us(crowd: &[Subject]) -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let cores = stat.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1);
    let all = stat.lines().next().unwrap_or_default();
    // user nice system (idle iowait) irq softirq steal
    let busy: u64 = ticks(all, &[1, 2, 3, 6, 7, 8]);
    let own: u64 = crowd
        .iter()
        .map(|one| std::fs::read_to_string(format!("/proc/{}/stat", one.id())).unwrap_or_default())
        // After the name, which may hold anything: state is field 1, utime and stime 12 and 13.
        .map(|stat| stat.rsplit_once(')').map_or(0, |(_, rest)| ticks(rest, &[11, 12])))
        .sum();
    busy.saturating_sub(own) * TICK_US / u64::try_from(cores.max(1)).unwrap_or(1)
}

/// The sum of some fields, by their place.
fn ticks(line: &str, places: &[usize]) -> u64 {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let at = |place: &usize| fields.get(*place).and_then(|field| field.parse::<u64>().ok());
    places.iter().filter_map(at).sum()
}
