//! A till in a process that is killed while calls are open.

use super::*;
use crate::audit::LogFile;
use crate::home::Home;
use crate::meter::{Subject, obey, subject};
use hubless_proto::audit::{Event, Row};
use hubless_proto::error::Kind;
use hubless_proto::identity::{Name, SecretKey};
use hubless_proto::killswitch::{Amount, Component, Origin, Statement, Trip};
use hubless_proto::metering::Micros;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::till::{Committed, Root};
use hubless_proto::wire::words::TripReason;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn micros(value: u64) -> Micros {
    Micros::new(value).unwrap()
}

fn cost(amount: &Amount) -> u64 {
    amount.of(Component::CostMicros)
}

fn key() -> SpendKey {
    SpendKey::root(&SecretKey::from_seed([1; 32]))
}

fn name() -> Name {
    "front".parse().unwrap()
}

async fn with_root(folder: &Path, ceiling: u64) -> Home {
    let home = Home::open(Some(folder)).unwrap();
    let root =
        Root { key: key().chain().root, label: "r".to_owned(), ceiling: micros(ceiling).into() };
    add_root(&home, &name(), root).await.unwrap();
    home
}

fn rows(home: &Home) -> Vec<Row> {
    let log = LogFile::named(home, "gateway:front").unwrap();
    assert_eq!(log.check(None).unwrap().fault, None);
    let mut rows = Vec::new();
    log.read(|row| rows.push(row)).unwrap();
    rows
}

#[test]
fn what_was_open_when_the_process_was_killed_is_charged_in_full() {
    if let Some(home) = subject() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let home = Home::open(Some(&home)).unwrap();
        let till = runtime.block_on(GatewayTill::open(&home, &name())).unwrap();
        let mut open = Vec::new();
        obey(|line| {
            let (verb, amount) = line.split_once(' ').unwrap();
            let amount = micros(amount.parse().unwrap());
            match verb {
                "reserve" => match runtime.block_on(till.reserve(key().chain(), amount)) {
                    Ok(held) => {
                        open.push(held);
                        "reserved".to_owned()
                    }
                    Err(error) => error.code,
                },
                _ => {
                    let held = open.remove(0);
                    format!("{:?}", runtime.block_on(held.settle(amount)).unwrap())
                }
            }
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(with_root(folder.path(), 100));
    let test = "till::tests::what_was_open_when_the_process_was_killed_is_charged_in_full";
    let mut gateway = Subject::start(test, folder.path());
    assert_eq!(gateway.tell("reserve 10"), "reserved");
    assert_eq!(gateway.tell("reserve 30"), "reserved");
    assert_eq!(gateway.tell("settle 4"), "Within");
    assert_eq!(gateway.tell("reserve 70"), "budget_exhausted");
    // One process at a time, and anybody may look.
    let other = runtime.block_on(GatewayTill::open(&home, &name())).unwrap_err();
    assert_eq!((other.kind, other.code.as_str()), (Kind::Conflict, "locked"));
    let seen = runtime.block_on(accounts(&home, &name())).unwrap();
    assert_eq!((seen[0].spent, seen[0].reserved), (micros(4).into(), micros(30).into()));
    // Killed with a signal that it cannot see.
    drop(gateway);
    let till = runtime.block_on(GatewayTill::open(&home, &name())).unwrap();
    let seen = till.accounts();
    assert_eq!((seen[0].spent, seen[0].reserved), (micros(34).into(), micros(0).into()));
    assert!(runtime.block_on(till.reserve(key().chain(), micros(67))).is_err());
    assert!(runtime.block_on(till.reserve(key().chain(), micros(66))).is_ok(), "the rest is there");
    runtime.block_on(till.close()).unwrap();
}

#[tokio::test]
async fn the_store_is_private_and_what_is_dropped_is_charged() {
    let folder = tempfile::tempdir().unwrap();
    let home = with_root(folder.path(), 100).await;
    let path = folder.path().join("data/gateways/front.db");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let till = GatewayTill::open(&home, &name()).await.unwrap();
    let held = till.reserve(key().chain(), micros(40)).await.unwrap();
    assert_eq!(held.max(), micros(40).into());
    drop(held);
    assert_eq!(till.accounts()[0].spent, micros(40).into());
    let held = till.reserve(key().chain(), micros(60)).await.unwrap();
    held.settle(micros(0)).await.unwrap();
    till.close().await.unwrap();
    // A closed till pays nothing.
    assert_eq!(till.reserve(key().chain(), micros(1)).await.unwrap_err().kind, Kind::Closed);
    assert_eq!(accounts(&home, &name()).await.unwrap()[0].spent, micros(40).into());
    let none = accounts(&home, &"other".parse().unwrap()).await.unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
    let memory = GatewayTill::open(&Home::memory(), &name()).await.unwrap_err();
    assert_eq!(memory.code, "memory_only");
}

#[tokio::test]
async fn what_concerns_money_and_keys_is_in_the_audit_log_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let home = with_root(folder.path(), 100).await;
    let till = GatewayTill::open(&home, &name()).await.unwrap();
    let child = key().issue([9; 32], micros(50), (0, u64::MAX)).unwrap();
    let exhausted = till.reserve(child.chain(), micros(51)).await.unwrap_err();
    assert_eq!(exhausted.code, "budget_exhausted");
    assert_eq!(till.admit("hbl_x", "edge:127.0.0.1").unwrap_err().code, "bad_chain");
    let ended = key().issue([8; 32], micros(1), (1, 2)).unwrap();
    assert_eq!(till.admit(&ended.text(), "edge:127.0.0.1").unwrap_err().code, "expired");
    assert_eq!(till.admit(&child.text(), "edge:127.0.0.1").unwrap(), *child.chain());
    let held = till.reserve(child.chain(), micros(5)).await.unwrap();
    assert_eq!(held.settle(micros(7)).await.unwrap(), Committed::Overrun);
    assert_eq!(till.reserve(child.chain(), micros(1)).await.unwrap_err().code, "stopped");
    till.close().await.unwrap();
    remove_root(&home, &name(), &key().chain().root).await.unwrap();
    let rows = rows(&home);
    let count = |kind: Event| rows.iter().filter(|row| row.entry.kind == kind).count();
    for (kind, wanted) in [
        (Event::GatewayRootAdded, 1),
        (Event::NodeStarted, 1),
        (Event::KeyExhausted, 2),
        (Event::KeyRefused, 2),
        (Event::ProviderOverrun, 1),
        (Event::NodeEnded, 1),
        (Event::GatewayRootRemoved, 1),
    ] {
        assert_eq!(count(kind), wanted, "{kind}");
    }
    let overrun = rows.iter().find(|row| row.entry.kind == Event::ProviderOverrun).unwrap();
    assert_eq!(overrun.entry.spent.unwrap().cost_micros, 7);
    let link = format!("link:{}", child.chain().links[0].id);
    assert_eq!(overrun.entry.by, link);
    for secret in [child.text(), key().text()] {
        let written = serde_json::to_string(&rows).unwrap();
        assert!(written.contains(&link) && !written.contains(&secret[60..]));
    }
    assert!(accounts(&home, &name()).await.unwrap().is_empty());
}

#[test]
fn ends_of_keys_outlive_a_process_that_is_killed() {
    let budget_root = SecretKey::from_seed([3; 32]);
    let origin = Origin { root: budget_root.node_key(), nonce: [2; 16] };
    let by = budget_root.node_key();
    let statement = Statement { origin, epoch: 0, reason: TripReason::Operator, by, at_ms: 1 };
    if let Some(home) = subject() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let home = Home::open(Some(&home)).unwrap();
        let till = runtime.block_on(GatewayTill::open(&home, &name())).unwrap();
        let mut open = Vec::new();
        obey(|line| match line.split_once(' ').unwrap() {
            ("trip", _) => {
                let trip = Trip::sign(&budget_root, statement).unwrap();
                runtime.block_on(till.trip(key().chain(), &trip)).unwrap();
                runtime.block_on(open.last().map(Held::cut).unwrap());
                "stopped".to_owned()
            }
            ("end", shown) => {
                let chain = till.known(shown, "test").unwrap();
                let paid = runtime.block_on(till.end(&chain)).unwrap();
                format!("{} + {}", cost(&paid.spent), cost(&paid.reserved))
            }
            (_, shown) => {
                let chain = till.admit(shown, "test").unwrap();
                match runtime.block_on(till.reserve(&chain, micros(5))) {
                    Ok(held) => {
                        open.push(held);
                        "reserved".to_owned()
                    }
                    Err(error) => error.kind.name().to_owned(),
                }
            }
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(with_root(folder.path(), 100));
    let test = "till::tests::ends_of_keys_outlive_a_process_that_is_killed";
    let mut gateway = Subject::start(test, folder.path());
    let now_ms = crate::chance::now_ms();
    let of = |seed: u8| {
        let times = (now_ms, now_ms + 600_000);
        key().issue_for(origin.budget_id(), [seed; 32], micros(50), times).unwrap()
    };
    let (stopped, other) = (of(8), key().issue([9; 32], micros(50), (0, u64::MAX)).unwrap());
    let mut tell = |verb: &str, key: &SpendKey| gateway.tell(&format!("{verb} {}", *key.text()));
    assert_eq!(tell("reserve", &other), "reserved");
    assert_eq!(tell("end", &other), "0 + 5");
    assert_eq!(tell("reserve", &other), "killed");
    assert_eq!(tell("reserve", &stopped), "reserved");
    assert_eq!(tell("trip", &stopped), "stopped");
    assert_eq!(tell("reserve", &stopped), "killed");
    // Killed with a signal that it cannot see.
    drop(gateway);
    let till = runtime.block_on(GatewayTill::open(&home, &name())).unwrap();
    let root = till.accounts()[0].clone();
    assert_eq!(
        (root.spent, root.reserved),
        (micros(10).into(), micros(0).into()),
        "charged in full"
    );
    for refused in [&stopped, &other, &of(11)] {
        let again = runtime.block_on(till.reserve(refused.chain(), micros(1)));
        assert_eq!(again.unwrap_err().kind, Kind::Killed);
    }
    assert!(runtime.block_on(till.reserve(key().chain(), micros(1))).is_ok(), "the root goes on");
    runtime.block_on(till.close()).unwrap();
}
