//! A ledger whose store fails at any of its writes, and what is still known afterwards.

use super::durable::recover;
use super::rows::{Rows, Written};
use super::treasury::now;
use super::{
    Allowance, Amount, BudgetId, Component, KillSwitch, OperatorStop, Terms, Treasury, TripReason,
};
use crate::chance;
use crate::engine::lock;
use crate::home::Home;
use crate::mesh::tests::hosts::Told;
use crate::mesh::{Mesh, MeshOptions};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{
    CallId, Ending, GrantId, Input, Keeping, Key, Ledger, Order, Owner, Reading, Row, Share, Write,
};
use hubless_proto::wire::words::{RefundPolicy, Spends};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const CEILING: u64 = 1_000;
/// Another node.
const FAR: NodeKey = NodeKey::from_bytes([2; 32]);

/// Keeps rows in memory, until it fails at one write and ever after.
struct Failing {
    rows: Arc<Mutex<BTreeMap<Key, Row>>>,
    /// The first write that fails.
    at: u64,
    /// True: it does not say by itself what is durable.
    is_late: bool,
    written: Arc<Written>,
}

impl Rows for Failing {
    fn keeping(&self) -> Keeping {
        Keeping::Durable
    }

    fn write(&self, seq: u64, writes: Vec<Write>) {
        if seq >= self.at {
            let full = Error::new(Kind::Configuration, "no space is left");
            return self.written.note(seq, Err(full.with_code("disk_full")));
        }
        let mut rows = lock(&self.rows);
        for write in writes {
            match write {
                Write::Put(row) => drop(rows.insert(row.key(), *row)),
                Write::Delete(key) => drop(rows.remove(&key)),
            }
        }
        if !self.is_late {
            self.written.note(seq, Ok(()));
        }
    }

    fn flush(&self) {}

    fn close(&self) {}
}

fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, count).unwrap()
}

fn order(audience: NodeKey) -> Order {
    Order {
        id: GrantId::from_bytes(chance::bytes()),
        audience,
        agent: AgentId::from_bytes([9; 32]),
        call_id: CallId::from_bytes(chance::bytes()),
        attempt: 1,
        max: Allowance::exactly(&tokens(50)).with(Component::Calls, None),
        hint: Allowance::UNLIMITED,
        spends: Spends::Tokens,
        share: Share::Quarter,
        refund: RefundPolicy::Signed,
        detached_until_ms: None,
    }
}

struct Node {
    treasury: Arc<Treasury>,
    rows: Arc<Mutex<BTreeMap<Key, Row>>>,
    switch: KillSwitch,
    /// What was seen outside: spent here, and granted to another node.
    spent: u64,
    abroad: u64,
    mesh: Mesh,
}

impl Node {
    async fn new(at: u64) -> Self {
        Self::with(at, false).await
    }

    async fn with(at: u64, is_late: bool) -> Self {
        let options = MeshOptions::new(Home::memory());
        let mesh = Mesh::start(options, Told::nothing()).await.unwrap();
        let (rows, written) = (Arc::default(), Arc::<Written>::default());
        let (kept, told) = (Arc::clone(&rows), Arc::clone(&written));
        let failing = Failing { rows: kept, at, is_late, written: told };
        let node = mesh.node_key();
        let owner = Owner { node, instance: mesh.instance(), keeping: Keeping::Durable };
        let ledger = Ledger::recover(owner, [], now()).unwrap();
        let treasury =
            Treasury::with(mesh.clone(), Box::new(failing), ledger, (written, Arc::default()));
        treasury.clock(FAR, Reading { instance: 1, clock_ms: 1 });
        let running = Arc::clone(&treasury);
        tokio::spawn(running.run());
        let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(CEILING));
        let switch = KillSwitch::new(Terms::of(ceiling));
        Self { treasury, rows, switch, spent: 0, abroad: 0, mesh }
    }

    /// Does everything once.
    async fn live(&mut self) -> Result<()> {
        let root = self.switch.open(&self.treasury).await?;
        for _ in 0..3 {
            let inside = self.treasury.cut(root, order(self.treasury.node())).await?;
            let far = self.treasury.cut(root, order(FAR)).await?;
            self.abroad += 50;
            std::mem::forget(far);
            for grant in [root, inside.grant().id] {
                let reserved = self.treasury.reserve(grant, tokens(10)).await?.begin();
                self.spent += 7;
                reserved.used(tokens(7));
            }
        }
        Ok(())
    }

    /// What the rows that are durable do not know of what was seen; none: nothing.
    fn forgotten(&self) -> Option<String> {
        let node = self.treasury.node();
        let owner = Owner { node, instance: 1, keeping: Keeping::Durable };
        let rows: Vec<Row> = lock(&self.rows).values().cloned().collect();
        let ledger = Ledger::recover(owner, rows, now()).unwrap();
        let charged: u64 = ledger
            .roots()
            .iter()
            .filter_map(|root| ledger.view(root))
            .map(|view| view.used.plus_at_most(&view.held).of(Component::OutputTokens))
            .sum();
        let seen = self.spent + self.abroad;
        (charged < seen).then(|| format!("{seen} was seen, {charged} is charged"))
    }
}

#[tokio::test]
async fn a_store_that_fails_at_any_write_refuses_what_comes_and_forgets_nothing() {
    let mut at = 1;
    loop {
        let mut node = Node::new(at).await;
        let lived = node.live().await;
        assert_eq!(node.forgotten(), None, "failed at write {at}");
        let Err(error) = lived else { break };
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "disk_full"));
        assert!(error.message.contains("start the node anew"), "{error}");
        // Refused before it is asked of the ledger, and the program's own stop still works.
        let again = node.live().await.unwrap_err();
        assert_eq!(again.code, "disk_full", "{again}");
        if node.switch.tree().is_some() {
            node.switch.trip(TripReason::Operator);
            assert_eq!(node.switch.stop().map(|stop| stop.reason), Some(TripReason::Operator));
        }
        node.mesh.close(std::time::Duration::ZERO).await;
        at += 1;
    }
    assert!(at > 15, "only {at} writes");
}

#[tokio::test]
async fn an_opening_that_nobody_waits_for_is_ended() {
    let node = Node::new(u64::MAX).await;
    let switch = node.switch.clone();
    let weak = Arc::downgrade(&switch.0);
    {
        let opening = switch.open(&node.treasury);
        // Polled once, so that it has begun.
        tokio::select! {
            biased;
            opened = opening => drop(opened),
            () = std::future::ready(()) => {}
        }
    }
    drop(switch);
    let Node { treasury, rows, switch, .. } = node;
    drop(switch);
    let ended = async {
        while weak.strong_count() > 0 || !lock(&rows).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.is_ok());
    assert!(lock(&treasury.state).ledger.roots().is_empty());
}

/// What a store holds of the grants that were cut from a budget, as its next process finds it: by
/// then the switch is gone, so the budget is finished.
fn found_again(node: &Treasury, rows: &Mutex<BTreeMap<Key, Row>>, root: GrantId) -> Vec<String> {
    let owner = Owner { node: node.node(), instance: u64::MAX, keeping: Keeping::Durable };
    let rows: Vec<Row> = lock(rows).values().cloned().collect();
    let mut ledger = Ledger::recover(owner, rows, now()).unwrap();
    ledger.handle(Input::Finish { grant: root, ending: Ending::Ran }, now());
    ledger.cuts(&root).into_iter().map(|cut| cut.state.to_owned()).collect()
}

#[tokio::test]
async fn a_detached_grant_outlives_its_call_its_switch_and_its_process() {
    let node = Node::new(u64::MAX).await;
    let root = node.switch.open(&node.treasury).await.unwrap();
    let far = FAR;
    let until_ms = Some(chance::now_ms() + 600_000);
    let detached = Order { detached_until_ms: until_ms, ..order(far) };
    let (kept, leased) = (detached.id, order(far));
    let given_up = leased.id;
    for order in [detached, leased] {
        // Dropped unanswered.
        drop(node.treasury.cut(root, order).await.unwrap());
    }
    let Node { treasury, rows, switch, mesh, .. } = node;
    let state = |wanted: GrantId| {
        let cuts = lock(&treasury.state).ledger.cuts(&root);
        cuts.into_iter().find(|cut| cut.grant == wanted).map(|cut| cut.state)
    };
    assert_eq!([state(kept), state(given_up)], [Some("open"), Some("recalled")]);
    drop(switch);
    assert_eq!(state(kept), Some("open"));
    let mut found = found_again(&treasury, &rows, root);
    found.sort();
    assert_eq!(found, ["open", "recalled"]);
    mesh.close(std::time::Duration::ZERO).await;
}

/// It is over before anything else is done, and told of by its name.
#[tokio::test]
async fn a_stopped_budget_in_which_nothing_is_open_has_its_name_at_the_next_start() {
    let node = Node::new(u64::MAX).await;
    let root = node.switch.open(&node.treasury).await.unwrap();
    let budget = lock(&node.treasury.state).ledger.origin(&root).unwrap().budget_id();
    node.switch.trip(TripReason::Operator);
    let owner = Owner { node: node.treasury.node(), instance: u64::MAX, keeping: Keeping::Durable };
    let rows: Vec<Row> = lock(&node.rows).values().cloned().collect();
    let found = recover(owner, rows, 0).unwrap();
    assert!(found.ledger.roots().is_empty(), "it is over");
    assert_eq!(found.budgets, BTreeMap::from([(root, budget)]));
    node.mesh.close(std::time::Duration::ZERO).await;
}

#[tokio::test]
async fn a_stop_of_the_operator_is_answered_once_it_is_durable() {
    let budget = BudgetId::from_bytes([7; 32]);
    for (at, is_late, kept) in [(u64::MAX, false, true), (u64::MAX, true, true), (1, false, false)]
    {
        let node = Node::with(at, is_late).await;
        let by = node.mesh.node_key();
        let stop = OperatorStop::sign(node.mesh.root().unwrap(), &[budget], by, 1).unwrap();
        let mut answer = std::pin::pin!(node.treasury.show_stop(by, stop.signed()));
        if is_late {
            let early = tokio::select! {
                biased;
                _ = &mut answer => true,
                () = tokio::task::yield_now() => false,
            };
            assert!(!early, "it was answered before it was durable");
            let asked = lock(&node.treasury.state).asked;
            node.treasury.written.note(asked, Ok(()));
        }
        let told = tokio::time::timeout(std::time::Duration::from_secs(20), answer).await.unwrap();
        assert_eq!(
            told.map_err(|error| error.code),
            kept.then(Vec::new).ok_or_else(|| "store".to_owned())
        );
        assert_eq!(lock(&node.rows).contains_key(&Key::Stop(budget)), kept);
        node.mesh.close(std::time::Duration::ZERO).await;
    }
}
