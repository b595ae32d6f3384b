//! Grants that nobody may use: for someone else, repeated, altered, expired, from a stranger. Each
//! changes nothing in the ledger, and is written down.

use super::support::{agent, soon};
use super::*;
use bytes::Bytes;
use hubless::audit::LogFile;
use hubless::budget::{self, BudgetReport};
use hubless::call::body::Bodies;
use hubless::call::pipe::{CalleeEnd, CallerEnd, pipe};
use hubless::home::Home;
use hubless::mesh::{Mesh, MeshHost, MeshOptions, Source};
use hubless::{NodeOptions, handler};
use hubless_proto::audit::Event;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{CallId, Grant, GrantId, Life, Origin, Reading};
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1::{self, event, part};
use hubless_proto::wire::words::RefundPolicy;
use std::time::SystemTime;
use tokio::sync::Notify;

/// A peer without an engine, which says when it has heard of a node: what it sends is made by hand.
pub(super) struct Quiet(pub(super) Arc<Notify>);

impl MeshHost for Quiet {
    fn inbound(&self, _: Caller, _: v1::Request, _: Bodies, _: CalleeEnd) {}
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {
        self.0.notify_one();
    }
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn gone(&self, _: NodeKey) {}
    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}

#[derive(Clone)]
pub(super) struct Peer {
    pub(super) mesh: Mesh,
    pub(super) node: NodeKey,
    pub(super) agent: AgentId,
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

impl Peer {
    /// A grant for the call of this number, as an issuer of good faith cuts it.
    pub(super) fn grant(&self, call: u8) -> Grant {
        let origin = Origin { root: self.mesh.node_key(), nonce: [7; 16] };
        Grant {
            id: GrantId::from_bytes([call; 16]),
            origin,
            epoch: 0,
            parent: origin.account(),
            issuer: self.mesh.node_key(),
            audience: self.node,
            agent: self.agent,
            amount: Allowance::exactly(&output(100)),
            depth: 1,
            depth_max: 4,
            fan_out_max: 4,
            life: Life::Detached { not_after_ms: now_ms() + 600_000 },
            call_id: CallId::from_bytes([call; 16]),
            attempt: 1,
            refund: RefundPolicy::Signed,
            // A new store takes what was cut for no earlier process of its node.
            reading: Some(Reading { instance: u64::MAX, clock_ms: 0 }),
            chain: *origin.budget_id().as_bytes(),
            ends_at_ms: None,
        }
    }

    /// Makes the call of this number with the bytes of a grant; kind and code of its refusal.
    async fn ask(&self, call: u8, text: &str, grant: Bytes) -> Result<(), (String, String)> {
        end_of(&mut self.send(call, text, grant).await).await
    }

    /// Sends it.
    pub(super) async fn send(&self, call: u8, text: &str, grant: Bytes) -> CallerEnd {
        let text = part::Kind::Text(text.to_owned());
        let parts = vec![v1::Part { kind: Some(text), ..v1::Part::default() }];
        let request = v1::Request {
            id: vec![call; 16].into(),
            to: self.agent.to_wire(),
            content: Some(v1::Content { parts, ..v1::Content::default() }),
            deadline_ms: 60_000,
            attempt: 1,
            // For those that ask for one.
            auth: Some(v1::Auth { scheme: "shared_secret".to_owned(), secret: "s".to_owned() }),
            grant,
            ..v1::Request::default()
        };
        let (end, callee) = pipe();
        self.mesh.call(self.node, request, Bodies::none(), callee).await.unwrap();
        end
    }
}

/// Kind and code of the refusal that ends a call.
pub(super) async fn end_of(end: &mut CallerEnd) -> Result<(), (String, String)> {
    loop {
        let down = soon("an event", end.events.recv()).await.expect("a last event");
        if let Some(event::Kind::Rejection(refused)) = down.event.kind {
            return Err((refused.kind, refused.code));
        } else if let Some(event::Kind::Final(_)) = down.event.kind {
            return Ok(());
        }
    }
}

/// What the ledger and the log of the node have on disk.
pub(super) struct Disk(pub(super) Home);

impl Disk {
    pub(super) fn ledger(&self) -> Vec<BudgetReport> {
        budget::of_home(&self.0, None).unwrap()
    }

    /// How often something was refused for this reason.
    fn refused(&self, kind: Event, reason: &str) -> u64 {
        let log = LogFile::named(&self.0, "node:holder").unwrap();
        let mut count = 0;
        let is = |entry: &hubless_proto::audit::Entry| entry.kind == kind && entry.reason == reason;
        log.read(|row| count += if is(&row.entry) { row.entry.count } else { 0 }).unwrap();
        count
    }
}

#[tokio::test]
async fn a_bad_grant_changes_nothing_and_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let (home, name) = (Some(folder.path().to_owned()), Some("holder".to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await.unwrap();
    let (runs, go) = (Arc::<AtomicU64>::default(), Arc::<Notify>::default());
    let (counted, gate) = (Arc::clone(&runs), Arc::clone(&go));
    let works = handler(move |_: Call, content: Content| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            if content.joined_text() == "wait" {
                gate.notified().await;
            }
            Ok(Content::default())
        }
    });
    let works = node.register(agent(json!({"name": "works"})), works).await.unwrap();
    let opened = Home::open(Some(folder.path())).unwrap();
    let known = Arc::<Notify>::default();
    let quiet = Arc::new(Quiet(Arc::clone(&known)));
    let mesh = Mesh::start(MeshOptions::new(opened.clone()), quiet).await.unwrap();
    soon("the node", known.notified()).await;
    let peer = Peer { mesh, node: node.key(), agent: works.id() };
    let disk = Disk(opened);
    let (first, held) = (peer.clone(), peer.grant(1));
    let bytes = held.encode();
    let waits = tokio::spawn(async move { first.ask(1, "wait", bytes).await });
    until("the good one is held", || {
        let ledger = disk.ledger();
        runs.load(Ordering::SeqCst) == 1 && ledger.iter().any(|one| one.accounts.len() == 1)
    })
    .await;

    let stranger = NodeKey::from_bytes([9; 32]);
    let over = Life::Detached { not_after_ms: now_ms() - 1 };
    let more = Allowance::exactly(&output(9_000));
    let to_other = Grant { audience: stranger, ..peer.grant(2) };
    let altered = Grant { amount: more, call_id: CallId::from_bytes([4; 16]), ..held.clone() };
    let forged = Grant { issuer: stranger, ..peer.grant(6) };
    let rows = [
        ("for someone else", 2, to_other.encode(), ("denied", "grant")),
        ("repeated in another call", 3, held.encode(), ("denied", "grant")),
        ("altered", 4, altered.encode(), ("conflict", "grant")),
        ("expired", 5, Grant { life: over, ..peer.grant(5) }.encode(), ("expired", "not_after")),
        ("from a stranger", 6, forged.encode(), ("denied", "grant")),
        ("no grant at all", 7, Bytes::from_static(b"\xff\xff"), ("denied", "grant")),
    ];
    let ledger = disk.ledger();
    for (what, call, grant, (kind, code)) in rows {
        let reason = format!("{kind}/{code}");
        let before = disk.refused(Event::CallRefused, &reason);
        let refused = peer.ask(call, "go", grant).await;
        assert_eq!(refused, Err((kind.to_owned(), code.to_owned())), "{what}");
        let after = || disk.refused(Event::CallRefused, &reason);
        until(what, || after() == before + 1).await;
        assert_eq!(disk.ledger(), ledger, "{what} changed the ledger");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{what} ran");
    }
    let breach = || disk.refused(Event::BudgetBreach, "wrong_audience");
    until("the breach is written down", || breach() == 1).await;

    // The control: a good one runs and is charged, and the first was never touched.
    assert_eq!(peer.ask(8, "go", peer.grant(8).encode()).await, Ok(()));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    go.notify_one();
    assert_eq!(waits.await.unwrap(), Ok(()));
    until("nothing is held", || disk.ledger().iter().all(|one| one.accounts.is_empty())).await;
}
