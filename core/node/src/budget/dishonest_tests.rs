//! A node in the middle that goes on after the stop of a budget and keeps what is below it going:
//! three nodes, of which the one in the middle says by hand what its ledger would not.

use super::{Allowance, Amount, Component, KillSwitch, Terms, Treasury};
use crate::call::body::Bodies;
use crate::call::handle::Call;
use crate::call::pipe::{CallerEnd, pipe};
use crate::chance;
use crate::engine::lock;
use crate::node::{AgentOptions, Node, NodeOptions, RequestOptions, handler};
use crate::{Agent, Content};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{CallId, Grant, GrantId, Message, Proof, Reading};
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::wire::words::TripReason;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Lease of the budgets here.
const LEASE: Duration = Duration::from_millis(1_500);
/// For what comes within moments.
const LONG: Duration = Duration::from_secs(20);

/// What became of a holder below the one that lies.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It did not come to spend for longer than a lease: the machine stood still.
    NeverBegan,
    /// It spent three leases after the stop.
    GoesOn,
    /// Its call was stopped before that, with this code.
    Stopped(String),
}

/// The node in the middle.
struct Liar {
    treasury: Weak<Treasury>,
    /// What it holds.
    own: Grant,
    /// What it cut by hand, of which its ledger knows nothing.
    below: Grant,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// What the holder below asked with.
    folds: BTreeSet<Digest>,
    /// What the root answered.
    proofs: Vec<Proof>,
}

impl Liar {
    /// Takes what is about its lie, and stops for nobody.
    fn hear(&self, from: NodeKey, message: Message) -> Option<Message> {
        if let Message::RenewAsk { grant, reading, fold } = &message
            && *grant == self.below.id
        {
            self.renew(*reading, *fold);
            return None;
        }
        if let Message::Beacon(proof) = &message
            && lock(&self.heard).folds.contains(&proof.fold)
        {
            lock(&self.heard).proofs.push((**proof).clone());
            self.show((**proof).clone());
            return None;
        }
        let stops = matches!(message, Message::Trip(_) | Message::Recall { .. });
        (!stops || from != self.own.issuer).then_some(message)
    }

    /// Renews by itself, asks the root with what it was asked with, and says again what the root
    /// said before.
    fn renew(&self, reading: Reading, fold: Option<Digest>) {
        let (grant, epoch) = (self.below.id, self.below.epoch);
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
        self.tell(self.below.audience, &Message::Renew { grant, reading, lease_ms, epoch });
        let Some(fold) = fold else { return };
        let old = {
            let mut heard = lock(&self.heard);
            heard.folds.insert(fold);
            heard.proofs.clone()
        };
        for proof in old {
            self.show(Proof { fold, ..proof.clone() });
            self.show(proof);
        }
        let Some(treasury) = self.treasury.upgrade() else { return };
        let reading = Reading { instance: treasury.mesh.instance(), clock_ms: chance::clock_ms() };
        let ask = Message::RenewAsk { grant: self.own.id, reading, fold: Some(fold) };
        self.tell(self.own.issuer, &ask);
    }

    fn show(&self, proof: Proof) {
        let proof = Proof { grant: self.below.id, ..proof };
        self.tell(self.below.audience, &Message::Beacon(Box::new(proof)));
    }

    fn tell(&self, to: NodeKey, message: &Message) {
        if let Some(treasury) = self.treasury.upgrade() {
            treasury.mesh.tell(to, message);
        }
    }
}

async fn node_in(home: &TempDir) -> Node {
    let options = NodeOptions { home: Some(home.path().to_owned()), ..NodeOptions::default() };
    Node::start(options).await.unwrap()
}

fn named(name: &str) -> AgentOptions {
    AgentOptions::read(json!({"name": name})).unwrap()
}

/// When an agent spent first, and last.
type Spent = Arc<Mutex<Option<(Instant, Instant)>>>;

/// An agent that spends for ever, and says when it did.
async fn spends(node: &Node, spent: &Spent) -> Agent {
    let spent = Arc::clone(spent);
    let spends = handler(move |call: Call, _| {
        let spent = Arc::clone(&spent);
        async move {
            let one = Amount::ZERO.with(Component::OutputTokens, 1)?;
            loop {
                let Ok(spend) = call.spend(one).await else {
                    // Its grant is over: the word of its end, which says why, is on its way.
                    return std::future::pending::<crate::Result<Content>>().await;
                };
                let now = Instant::now();
                lock(&spent).get_or_insert((now, now)).1 = now;
                spend.used(one);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    node.register(named("spends"), spends).await.unwrap()
}

/// An agent that does nothing under its grant, and hands it out.
async fn holds(node: &Node) -> mpsc::UnboundedReceiver<(Arc<Treasury>, Grant)> {
    let (said, heard) = mpsc::unbounded_channel();
    let holds = handler(move |call: Call, _| {
        let said = said.clone();
        async move {
            let held = call.shared_core().held().unwrap();
            said.send((Arc::clone(held.treasury()), held.grant().clone())).unwrap();
            std::future::pending::<()>().await;
            Ok(Content::default())
        }
    });
    node.register(named("holds"), holds).await.unwrap();
    heard
}

/// Begins a call of an agent under a grant that is made by hand, and lies to its node from now on.
async fn begin(treasury: &Arc<Treasury>, own: Grant, node: NodeKey, agent: &Agent) -> CallerEnd {
    let call_id = CallId::from_bytes(chance::bytes());
    let below = Grant {
        id: GrantId::from_bytes(chance::bytes()),
        parent: own.id,
        issuer: treasury.node(),
        audience: node,
        agent: agent.id(),
        depth: own.depth + 1,
        call_id,
        // A new store takes what was cut for no earlier process of its node.
        reading: Some(Reading { instance: u64::MAX, clock_ms: 0 }),
        ..own.clone()
    };
    let request = v1::Request {
        id: call_id.to_wire(),
        to: agent.id().to_wire(),
        content: Some(v1::Content::default()),
        deadline_ms: 60_000,
        attempt: 1,
        grant: below.encode(),
        ..v1::Request::default()
    };
    let heard = Mutex::default();
    let liar = Liar { treasury: Arc::downgrade(treasury), own, below, heard };
    let lies = treasury.ear.set(Box::new(move |from, message| liar.hear(from, message)));
    assert!(lies.is_ok(), "it lies once");
    let (end, callee) = pipe();
    // Before it was seen, nobody would know where it is.
    let seen = async {
        while !treasury.mesh.known().contains(&node) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, seen).await.expect("the node is seen");
    treasury.mesh.call(node, request, Bodies::none(), callee).await.unwrap();
    end
}

/// What becomes of a holder that was told of no stop, under a budget of these terms.
async fn fate(terms: Terms) -> Fate {
    let home = tempfile::tempdir().unwrap();
    let (root, middle, leaf) = (node_in(&home).await, node_in(&home).await, node_in(&home).await);
    let spent = Spent::default();
    let spends = spends(&leaf, &spent).await;
    let mut held = holds(&middle).await;
    let switch = KillSwitch::new(terms);
    let asked = RequestOptions {
        kill_switch: Some(switch.clone()),
        wait_ms: Some(20_000),
        ..RequestOptions::new("holds", Content::default())
    };
    let asking = root.clone();
    let call = tokio::spawn(async move { asking.request(asked).await });
    let (treasury, own) = timeout(LONG, held.recv()).await.expect("a grant").unwrap();
    let mut end = begin(&treasury, own, leaf.key(), &spends).await;
    // Longer than a lease: it was renewed by then, whoever did it.
    let spending = async {
        while !lock(&spent).is_some_and(|(first, last)| last > first + LEASE) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if timeout(LONG, spending).await.is_err() {
        return Fate::NeverBegan;
    }
    switch.trip(TripReason::Operator);
    let stopped = Instant::now();
    assert!(call.await.unwrap().is_err());
    loop {
        tokio::select! {
            down = end.events.recv() => {
                if let Some(event::Kind::Rejection(refused)) = down.unwrap().event.kind {
                    return Fate::Stopped(refused.code);
                }
            }
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                assert!(stopped.elapsed() < LONG, "it neither spends nor ends");
                if lock(&spent).is_some_and(|(_, last)| last > stopped + 3 * LEASE) {
                    return Fate::GoesOn;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_renews_by_itself_keeps_what_is_below_going_unless_the_budget_is_strict() {
    let limit = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1 << 40));
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
    let usual = Terms { lease_ms, ..Terms::of(limit) };
    // A machine that stands still for a second may cost a lease, not each time.
    for (strict, wanted) in [(false, Fate::GoesOn), (true, Fate::Stopped("lease_lost".to_owned()))]
    {
        let mut tries = 0..3;
        loop {
            let fate = fate(Terms { strict, ..usual.clone() }).await;
            if fate == wanted {
                break;
            }
            assert!(!strict || fate == Fate::NeverBegan, "under a strict budget: {fate:?}");
            assert!(tries.next().is_some(), "strict: {strict}: {fate:?} instead of {wanted:?}");
        }
    }
}
