//! Peers of another make: tunnels driven by hand against a node of ours.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::frames::{End, FrameReader, FrameWriter};
use super::hello;
use super::local::Local;
use super::tests::support::Echo;
use crate::call::body::Bodies;
use crate::call::pipe::{CallerEnd, pipe};
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::{Bind, CloseReason, Link, Paths, Tunnel, close_reason};
use crate::membership::Membership;
use crate::mesh::{Listen, Mesh, MeshChoice, MeshOptions};
use crate::node::{AgentOptions, Node, NodeOptions, handler};
use crate::{Agent, Content, Kind};
use bytes::Bytes;
use hubless_proto::audit::Event;
use hubless_proto::error::Error;
use hubless_proto::identity::{AgentId, Domain, MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType, encode_frame};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, event, part};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// A node with an agent for everybody and one for members; their handlers wait at a gate when
/// they are asked to, and are counted.
struct House {
    node: Node,
    open: Agent,
    shut: Agent,
    starts: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn house() -> House {
    let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() });
    let node = node.await.unwrap();
    let (starts, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let echo = {
        let (starts, gate) = (Arc::clone(&starts), Arc::clone(&gate));
        handler(move |_, content: Content| {
            starts.fetch_add(1, Ordering::Release);
            let gate = Arc::clone(&gate);
            async move {
                if content.joined_text() == "wait" {
                    gate.acquire().await.unwrap().forget();
                }
                Ok(content)
            }
        })
    };
    let options = |value: Value| AgentOptions::read(value).unwrap();
    let open = json!({"name": "open", "requirements": {"allowExternalConnections": true}});
    let open = node.register(options(open), Arc::clone(&echo)).await.unwrap();
    let shut = node.register(options(json!({"name": "shut"})), echo).await.unwrap();
    House { node, open, shut, starts, gate }
}

impl House {
    fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.node.status().addresses;
        addresses.iter().map(|text| text.parse().unwrap()).collect()
    }
}

/// A peer without a token.
pub(super) struct Stranger {
    link: Link,
    local: Arc<Local>,
    pub(super) tunnel: Tunnel,
    writer: FrameWriter,
    reader: FrameReader,
}

/// On this machine, without relays.
const fn alone(key: &SecretKey) -> Bind<'_> {
    Bind { key, listen: &Listen::Loopback, port: 0, relays: None, paths: Paths::All }
}

impl Stranger {
    /// Dials, and opens the control stream without a word.
    async fn dial(house: &House) -> Self {
        Self::reach(house.node.key(), house.node.mesh_id(), &house.addresses()).await
    }

    /// The same, as one that lets itself be sent so many bytes until it has read them.
    async fn narrow(window: u32, (node, mesh): (NodeKey, MeshId), at: &[SocketAddr]) -> Self {
        let key = keys::fresh().unwrap();
        let link = Link::bind_narrow_for_tests(alone(&key), window).await.unwrap();
        let local = Local::new(key, Membership::outsider(mesh)).unwrap();
        Self::over(link, Arc::new(local), node, at).await
    }

    /// Another connection of this peer, which is taken as what it is.
    async fn again(&self, house: &House) -> Self {
        let (link, local) = (self.link.clone(), Arc::clone(&self.local));
        Self::over(link, local, house.node.key(), &house.addresses()).await.taken().await
    }

    pub(super) async fn reach(node: NodeKey, mesh: MeshId, addresses: &[SocketAddr]) -> Self {
        let key = keys::fresh().unwrap();
        let link = Link::bind(alone(&key)).await.unwrap();
        let local = Local::new(key, Membership::outsider(mesh)).unwrap();
        Self::over(link, Arc::new(local), node, addresses).await
    }

    async fn over(link: Link, local: Arc<Local>, node: NodeKey, addresses: &[SocketAddr]) -> Self {
        // On a busy machine a handshake may take longer than a dial waits.
        let dialled = async {
            loop {
                if let Ok(tunnel) = link.dial(node, addresses, &[]).await {
                    return tunnel;
                }
            }
        };
        let tunnel = timeout(LONG, dialled).await.unwrap();
        let (send, recv) = tunnel.open().await.unwrap();
        let (writer, reader) = (FrameWriter::new(send), FrameReader::new(recv));
        Self { link, local, tunnel, writer, reader }
    }

    /// Dials and is taken as what it is.
    async fn introduced(house: &House) -> Self {
        Self::dial(house).await.taken().await
    }

    /// Dials a node without an engine and is taken as what it is.
    pub(super) async fn of(mesh: &Mesh) -> Self {
        Self::reach(mesh.node_key(), mesh.mesh_id(), &mesh.addresses()).await.taken().await
    }

    pub(super) async fn taken(self) -> Self {
        let mut stranger = self;
        hello::greet(&mut stranger.writer, &stranger.tunnel, &stranger.local).await.unwrap();
        let ack: v1::HelloAck = loop {
            let Frame { kind, body } = stranger.said().await.unwrap();
            if kind == FrameType::HelloAck {
                break decode(kind, body).unwrap();
            }
        };
        assert_eq!(ack.role, "", "an external node has no role");
        stranger
    }

    /// A HELLO of this tunnel that holds.
    fn hello(&self) -> v1::Hello {
        let clock_ms = now_ms();
        let statement = hello::statement(&self.tunnel, &[], clock_ms).unwrap();
        let signature = self.local.key().sign(Domain::Hello, &statement);
        v1::Hello {
            version_low: 1,
            version_high: 1,
            instance: self.local.instance(),
            node: Some(self.local.record(clock_ms).unwrap()),
            signature: signature.to_vec().into(),
            clock_ms,
            ..v1::Hello::default()
        }
    }

    /// The next frame of the control stream.
    async fn said(&mut self) -> Result<Frame, End> {
        timeout(LONG, self.reader.next()).await.expect("in time")
    }

    /// Why this HELLO is refused; none: it is taken.
    async fn refused(mut self, hello: &v1::Hello) -> Option<Error> {
        self.writer.message(FrameType::Hello, hello).await.unwrap();
        loop {
            let Frame { kind, body } = self.said().await.unwrap();
            match kind {
                FrameType::Refused => {
                    let refused: v1::Refused = decode(kind, body).unwrap();
                    let closed = timeout(LONG, self.tunnel.closed()).await.expect("in time");
                    assert_eq!(closed.and_then(close_reason), Some(CloseReason::Refused));
                    return Some(refused.rejection.unwrap().into());
                }
                FrameType::HelloAck => return None,
                _ => {}
            }
        }
    }

    /// Opens a stream with this request.
    async fn call(&self, request: &v1::Request) -> FrameReader {
        let (send, recv) = self.tunnel.open().await.unwrap();
        let mut writer = FrameWriter::new(send);
        writer.message(FrameType::Request, request).await.unwrap();
        FrameReader::new(recv)
    }
}

fn request(to: AgentId, id: u8, text: &str) -> v1::Request {
    let part = v1::Part { kind: Some(part::Kind::Text(text.to_owned())), ..Default::default() };
    v1::Request {
        id: Bytes::from(vec![id; 16]),
        attempt: 1,
        to: to.to_wire(),
        content: Some(v1::Content { parts: vec![part], ..Default::default() }),
        deadline_ms: 20_000,
        ..v1::Request::default()
    }
}

/// The kinds of the events of a call until its last: `accepted`, then the text of the answer or
/// kind and code of the refusal.
async fn events(mut reader: FrameReader) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let frame = timeout(LONG, reader.next()).await.expect("in time");
        let Frame { kind, body } = frame.unwrap();
        assert_eq!(kind, FrameType::Event);
        let event: v1::Event = decode(kind, body).unwrap();
        let (told, last) = told(event);
        seen.push(told);
        if last {
            return seen;
        }
    }
}

/// One event in that form; true: it is the last.
fn told(event: v1::Event) -> (String, bool) {
    match event.kind.unwrap() {
        event::Kind::Accepted(_) => ("accepted".to_owned(), false),
        event::Kind::Final(last) => (Content::from(last.content.unwrap()).joined_text(), true),
        event::Kind::Rejection(rejection) => {
            (format!("{}/{}", rejection.kind, rejection.code), true)
        }
        other => panic!("{other:?}"),
    }
}

/// The end of a call of ours, in that form.
async fn end_of(mut call: CallerEnd) -> String {
    loop {
        let down = timeout(LONG, call.events.recv()).await.expect("in time").unwrap();
        if let (told, true) = told(down.event) {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_no_hello_or_takes_none_is_left() {
    let house = house().await;
    let mut half = Stranger::dial(&house).await;
    let hello = encode_frame(FrameType::Hello, &half.hello()).unwrap();
    half.writer.raw(hello.slice(..hello.len() - 1)).await.unwrap();
    let silent = Stranger::dial(&house).await;
    let first = half.said().await.unwrap();
    let hello: v1::Hello = decode(first.kind, first.body).unwrap();
    let size = encode_frame(FrameType::Hello, &hello).unwrap().len();
    let node = (house.node.key(), house.node.mesh_id());
    let narrow = async |window| Stranger::narrow(window, node, &house.addresses()).await;
    let mut deaf = narrow(0).await;
    let hello = deaf.hello();
    deaf.writer.message(FrameType::Hello, &hello).await.unwrap();
    // The HELLO of the node goes to it, and nothing of its refusal.
    let mut full = narrow(u32::try_from(size).unwrap() + 4).await;
    let wrong = v1::Hello { clock_ms: 0, ..full.hello() };
    full.writer.message(FrameType::Hello, &wrong).await.unwrap();
    let began = Instant::now();
    for stranger in [&half, &silent, &deaf, &full] {
        let closed = timeout(LONG, stranger.tunnel.closed()).await.expect("in time");
        let reason = closed.and_then(close_reason);
        assert!(matches!(reason, Some(CloseReason::Refused | CloseReason::Protocol)), "{reason:?}");
    }
    assert!(began.elapsed() < limits::HELLO + LONG, "{:?}", began.elapsed());
    assert_eq!(Stranger::introduced(&house).await.tunnel.peer(), house.node.key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_does_not_hold_is_refused_with_its_reason() {
    let house = house().await;
    let other = Stranger::dial(&house).await;
    let foreign = other.hello();
    type Row<'a> = (&'a str, Option<(Kind, &'a str)>, &'a dyn Fn(&mut v1::Hello));
    let rows: [Row<'_>; 6] = [
        ("as it should be", None, &|_| {}),
        ("a later version", Some((Kind::Unsupported, "version")), &|hello| {
            (hello.version_low, hello.version_high) = (2, 3);
        }),
        ("versions with ours among them", None, &|hello| hello.version_high = 3),
        ("the signature of another connection", Some((Kind::Auth, "bad_signature")), &|hello| {
            hello.signature = foreign.signature.clone();
        }),
        ("another clock than was signed", Some((Kind::Auth, "bad_signature")), &|hello| {
            hello.clock_ms += 1;
        }),
        ("the record of another node", Some((Kind::Auth, "")), &|hello| {
            hello.node.clone_from(&foreign.node);
        }),
    ];
    for (what, wanted, change) in rows {
        let stranger = Stranger::dial(&house).await;
        let mut hello = stranger.hello();
        change(&mut hello);
        let refused = stranger.refused(&hello).await;
        let told = refused.as_ref().map(|error| (error.kind, error.code.as_str()));
        match wanted {
            Some((kind, "")) => assert_eq!(told.map(|told| told.0), Some(kind), "{what}: {told:?}"),
            wanted => assert_eq!(told, wanted, "{what}"),
        }
    }
    let audited = audited(&house.node);
    let refused: u64 =
        audited.iter().filter(|row| row.0 == Event::PeerRefused).map(|row| row.2).sum();
    let taken: u64 =
        audited.iter().filter(|row| row.0 == Event::PeerAccepted).map(|row| row.2).sum();
    assert_eq!((refused, taken), (4, 2), "{audited:?}");
    assert!(audited.iter().any(|row| row.1 == "auth/bad_signature"), "{audited:?}");
}

/// The rows of a node that others caused: kind, reason, count.
fn audited(node: &Node) -> Vec<(Event, String, u64)> {
    let rows = node.audit().rows.into_iter().map(|kept| kept.row.entry);
    rows.map(|entry| (entry.kind, entry.reason, entry.count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_token_reaches_only_agents_that_allow_it() {
    let house = house().await;
    let stranger = Stranger::introduced(&house).await;
    let unknown = AgentId::from_bytes([9; 32]);
    for (id, agent, told) in
        [(1, house.shut.id(), "denied/external"), (3, unknown, "not_found/agent")]
    {
        let answer = stranger.call(&request(agent, id, "hello")).await;
        assert_eq!(events(answer).await, [told]);
    }
    assert_eq!(house.starts.load(Ordering::Acquire), 0, "the handler did not run");
    let audited = audited(&house.node);
    for row in [
        (Event::PeerAccepted, "external"),
        (Event::CallRefused, "denied/external"),
        (Event::CallRefused, "not_found/agent"),
    ] {
        let found = audited.iter().filter(|one| (one.0, one.1.as_str()) == row);
        assert_eq!(found.count(), 1, "{row:?} {audited:?}");
    }
    let open = stranger.call(&request(house.open.id(), 2, "hello")).await;
    assert_eq!(events(open).await.last().map(String::as_str), Some("hello"));
    assert_eq!(house.starts.load(Ordering::Acquire), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_ours_outside_the_mesh_reaches_no_more() {
    let house = house().await;
    let mesh = MeshChoice::Outside(house.node.mesh_id());
    let options = MeshOptions { mesh, ..MeshOptions::new(Home::memory()) };
    let outside = Mesh::start(options, Echo::new().0).await.unwrap();
    assert!(!outside.is_own() && outside.mesh_id() == house.node.mesh_id());
    let asked = |agent: AgentId, id| {
        let (end, callee) = pipe();
        let (outside, node) = (outside.clone(), house.node.key());
        async move {
            let request = request(agent, id, "hello");
            outside.call(node, request, Bodies::none(), callee).await.map(|_| end)
        }
    };
    // Nothing tells it where the node is.
    assert_eq!(asked(house.open.id(), 1).await.unwrap_err().code, "unknown_node");
    outside.contact(house.node.key(), &house.addresses());
    let shut = asked(house.shut.id(), 2).await.unwrap();
    assert_eq!(end_of(shut).await, "denied/external");
    assert_eq!(house.starts.load(Ordering::Acquire), 0, "the handler did not run");
    let open = asked(house.open.id(), 3).await.unwrap();
    assert_eq!(end_of(open).await, "hello");
    let accepted = (Event::PeerAccepted, "external".to_owned(), 1);
    let audited = audited(&house.node);
    assert!(audited.contains(&accepted), "{audited:?}");
    outside.close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_token_learns_nothing_and_announces_nothing() {
    let house = house().await;
    let mut stranger = Stranger::introduced(&house).await;
    let (send, recv) = stranger.tunnel.open().await.unwrap();
    let (mut writer, mut reader) = (FrameWriter::new(send), FrameReader::new(recv));
    let question = v1::ask::Question::Descriptor(house.open.id().to_wire());
    writer.message(FrameType::Ask, &v1::Ask { question: Some(question) }).await.unwrap();
    let Frame { kind, body } = timeout(LONG, reader.next()).await.unwrap().unwrap();
    let answer: v1::Answer = decode(kind, body).unwrap();
    let Some(v1::answer::Answer::Rejection(rejection)) = answer.answer else { panic!("answered") };
    assert_eq!(rejection.kind, "denied");
    let term = Term::starting(now_ms(), Duration::from_secs(60));
    let agent = keys::fresh().unwrap();
    let body = v1::Descriptor { name: "intruder".to_owned(), ..v1::Descriptor::default() };
    let descriptor = record::sign(&agent, term, &body).unwrap();
    let hosting = v1::Hosting {
        node_key: stranger.local.node().to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&agent, term, &hosting).unwrap();
    let shown = v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
    let show = v1::Show { agents: vec![shown] };
    stranger.writer.message(FrameType::Show, &show).await.unwrap();
    let hide = v1::Hide { agents: vec![house.open.id().to_wire()], seqs: vec![] };
    stranger.writer.message(FrameType::Hide, &hide).await.unwrap();
    // Frames of the control stream are taken in order: the answer comes after both were heard.
    let redeem = v1::Redeem { invite: vec![1; 32].into(), member_key: vec![2; 32].into() };
    stranger.writer.message(FrameType::Redeem, &redeem).await.unwrap();
    loop {
        let Frame { kind, body } = stranger.said().await.unwrap();
        assert_ne!(kind, FrameType::Show, "the directory is for members");
        if kind == FrameType::Redeemed {
            let redeemed: v1::Redeemed = decode(kind, body).unwrap();
            assert!(redeemed.rejection.is_some() && redeemed.token.is_empty());
            // A node in memory has made no invites.
            let row = (Event::InviteRedeemed, "configuration/memory_only".to_owned(), 1);
            let audited = audited(&house.node);
            assert!(audited.contains(&row), "{audited:?}");
            break;
        }
    }
    let all = house.node.list_agents(crate::node::Scope::All).unwrap();
    let names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["open", "shut"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_token_is_told_nothing_of_a_trace_and_a_member_is() {
    let house = house().await;
    let reply = house.node.request(crate::RequestOptions::new("open", Content::text("hi"))).await;
    let trace = reply.unwrap().trace_id;
    let asked = || v1::Ask { question: Some(v1::ask::Question::Trace(trace.to_wire())) };
    let stranger = Stranger::introduced(&house).await;
    let (send, recv) = stranger.tunnel.open().await.unwrap();
    let (mut writer, mut reader) = (FrameWriter::new(send), FrameReader::new(recv));
    writer.message(FrameType::Ask, &asked()).await.unwrap();
    let Frame { kind, body } = timeout(LONG, reader.next()).await.unwrap().unwrap();
    let answer: v1::Answer = decode(kind, body).unwrap();
    let Some(v1::answer::Answer::Rejection(rejection)) = answer.answer else { panic!("told") };
    assert_eq!(rejection.kind, "denied");
    // What a member gets for the same question, from the same node.
    assert_eq!(house.node.trace(trace).await.unwrap().calls.len(), 1);
    let home = tempfile::tempdir().unwrap();
    let in_home = || NodeOptions { home: Some(home.path().to_owned()), ..NodeOptions::default() };
    let (one, two) = (Node::start(in_home()).await.unwrap(), Node::start(in_home()).await.unwrap());
    let echo = handler(|_, content: Content| async move { Ok(content) });
    let named = AgentOptions { name: "echo".to_owned(), ..AgentOptions::default() };
    one.register(named, echo).await.unwrap();
    let reply = two.request(crate::RequestOptions::new("echo", Content::text("hi"))).await.unwrap();
    let told = two.trace(reply.trace_id).await.unwrap();
    assert!(told.calls[0].handled.is_some() && told.missing.is_empty(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_token_has_few_streams() {
    let house = house().await;
    let stranger = Stranger::introduced(&house).await;
    let mut idle = Vec::new();
    let open = async |idle: &mut Vec<_>| {
        let (mut send, recv) = stranger.tunnel.open().await.unwrap();
        send.write_all(&[32]).await.unwrap();
        idle.push((send, recv));
    };
    for _ in 0..limits::EXTERNAL_STREAMS {
        timeout(LONG, open(&mut idle)).await.expect("within the bound");
    }
    let more = timeout(Duration::from_millis(300), open(&mut idle)).await;
    assert!(more.is_err(), "one stream more than the bound was opened");
    // The engine tells of room for several streams at once.
    for (mut send, mut recv) in idle.drain(idle.len() / 2..) {
        let _ = (send.reset(1_u32.into()), recv.stop(1_u32.into()));
    }
    timeout(LONG, open(&mut idle)).await.expect("room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_has_so_many_connections_and_loses_the_oldest_beyond_them() {
    let house = house().await;
    let served = async |stranger: &Stranger, id: usize| {
        let id = u8::try_from(id).unwrap();
        let call = stranger.call(&request(house.open.id(), id, "wait")).await;
        while house.starts.load(Ordering::Acquire) <= usize::from(id) {
            tokio::task::yield_now().await;
        }
        call
    };
    let connections = || house.node.status().peers.iter().map(|peer| peer.connections).sum();
    let mut strangers = vec![Stranger::introduced(&house).await];
    let mut calls = vec![served(&strangers[0], 0).await];
    for id in 1..limits::PEER_CONNECTIONS {
        strangers.push(strangers[0].again(&house).await);
        calls.push(served(&strangers[id], id).await);
    }
    // Each is left for the next one, and stays for what runs there.
    assert!(strangers.iter().all(|stranger| !stranger.tunnel.is_closed()));
    let open: usize = connections();
    assert_eq!(open, limits::PEER_CONNECTIONS);
    let more = strangers[0].again(&house).await;
    let closed = timeout(LONG, strangers[0].tunnel.closed()).await.expect("in time");
    assert_eq!(closed.and_then(close_reason), Some(CloseReason::Replaced));
    calls.push(served(&more, limits::PEER_CONNECTIONS).await);
    assert_eq!(connections(), limits::PEER_CONNECTIONS);
    house.gate.add_permits(calls.len());
    for call in calls.into_iter().skip(1) {
        assert_eq!(events(call).await.last().map(String::as_str), Some("wait"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_of_one_peer_are_taken_up_one_after_the_other() {
    const FLOOD: usize = 1_000;
    let mesh = Mesh::start(MeshOptions::new(Home::memory()), Echo::new().0).await.unwrap();
    let tasks = || mesh.shared_for_tests().tasks.len();
    let node = (mesh.node_key(), mesh.mesh_id());
    // Answers that it does not read fill a few hundred bytes of its window, and the queue.
    let mut stranger = Stranger::narrow(512, node, &mesh.addresses()).await.taken().await;
    let before = tasks();
    let redeem = v1::Redeem { invite: vec![1; 32].into(), member_key: vec![2; 32].into() };
    for _ in 0..FLOOD {
        stranger.writer.message(FrameType::Redeem, &redeem).await.unwrap();
    }
    let (mut most, mut answers) = (0, 0);
    while answers < FLOOD {
        let Frame { kind, body } = stranger.said().await.unwrap();
        if kind == FrameType::Redeemed {
            let redeemed: v1::Redeemed = decode(kind, body).unwrap();
            assert!(redeemed.rejection.is_some(), "a node in memory has made no invites");
            answers += 1;
        }
        most = most.max(tasks());
    }
    assert_eq!(most, before, "tasks of the node while {FLOOD} invites wait");
    mesh.close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_are_held_until_their_peer_is_known() {
    let house = house().await;
    let stranger = Stranger::dial(&house).await;
    let ask = async |id| stranger.call(&request(house.open.id(), id, "held")).await;
    let mut held = Vec::new();
    for id in 0..u8::try_from(limits::HELD_REQUESTS).unwrap() {
        held.push(timeout(LONG, ask(id)).await.expect("within the bound"));
    }
    let more = timeout(Duration::from_millis(300), ask(u8::MAX)).await;
    assert!(more.is_err(), "one request more than the bound was sent");
    assert_eq!(house.starts.load(Ordering::Acquire), 0, "nobody is known yet");
    let _known = stranger.taken().await;
    for reader in held {
        assert_eq!(events(reader).await.last().map(String::as_str), Some("held"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_joins_the_running_one_or_gets_its_end() {
    let house = house().await;
    let stranger = Stranger::introduced(&house).await;
    let asked = request(house.open.id(), 7, "wait");
    let first = stranger.call(&asked).await;
    while house.starts.load(Ordering::Acquire) == 0 {
        tokio::task::yield_now().await;
    }
    let mut joined = Vec::new();
    for _ in 1..limits::JOINED_STREAMS {
        joined.push(stranger.call(&asked).await);
    }
    let other = v1::Request { skill: "another".to_owned(), ..asked.clone() };
    let other = stranger.call(&other).await;
    assert_eq!(events(other).await.last().map(|last| last.starts_with("conflict/")), Some(true));
    // Each that joined has the log so far; only then is one more too many.
    for reader in &mut joined {
        let frame = timeout(LONG, reader.next()).await.unwrap().unwrap();
        let event: v1::Event = decode(frame.kind, frame.body).unwrap();
        assert!(matches!(event.kind, Some(event::Kind::Accepted(_))), "{event:?}");
    }
    let more = stranger.call(&asked).await;
    assert_eq!(events(more).await, ["conflict/running"]);
    house.gate.add_permits(1);
    assert_eq!(events(first).await, ["accepted", "wait"]);
    for reader in joined {
        assert_eq!(events(reader).await, ["wait"]);
    }
    let late = stranger.call(&asked).await;
    assert_eq!(events(late).await, ["wait"], "its kept end");
    let next = stranger.call(&v1::Request { attempt: 2, ..asked }).await;
    house.gate.add_permits(1);
    assert_eq!(events(next).await.last().map(String::as_str), Some("wait"));
    assert_eq!(house.starts.load(Ordering::Acquire), 2, "once an attempt");
}
