//! Nodes that have no way to each other but a relay, which runs in the same process.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::pipe;
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::Paths;
use crate::membership::{InviteOptions, Membership};
use crate::mesh::shared::Patience;
use crate::mesh::{CallPath, Mesh, MeshChoice, MeshOptions, RelayUrl, invite, join};
use crate::relay::{RelayOptions, RelayServer};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::limits::{self, ms};
use iroh_relay::client::{Client, ClientBuilder};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Calls go on within this time after their relay is back.
const RESUMED: Duration = Duration::from_secs(5);

pub(super) fn here(port: u16) -> RelayOptions {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    RelayOptions { listen, ..RelayOptions::default() }
}

/// A user with a mesh and a node of it.
pub(super) struct User {
    _folder: tempfile::TempDir,
    pub(super) home: Home,
}

impl User {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        Self { _folder: folder, home }
    }

    /// A node that has no way to others but relays; without names, those of the ticket.
    pub(super) async fn walled(&self, relays: &[&RelayUrl]) -> (Mesh, Seeing) {
        let relays = relays.iter().map(|relay| (*relay).clone()).collect();
        let options = MeshOptions { relays, ..MeshOptions::new(self.home.clone()) };
        let (host, sees) = Echo::new();
        let patience = Patience { paths: Paths::Relays, ..Patience::default() };
        (Mesh::start_with(options, host, patience).await.unwrap(), sees)
    }
}

/// The owner of a mesh, with a node that serves the relays.
pub(super) struct Owner {
    pub(super) user: User,
    pub(super) node: Mesh,
}

impl Owner {
    pub(super) async fn new() -> Self {
        let user = User::new();
        let (node, _sees) = node(&user.home).await;
        Self { user, node }
    }

    pub(super) async fn relay(&self, options: &RelayOptions) -> RelayServer {
        RelayServer::start(options, self.node.door()).await.unwrap()
    }
}

/// A node of the owner and one of somebody who joined, each behind a wall.
struct Pair {
    _guest: User,
    a: Mesh,
    b: Mesh,
}

/// Joins and meets by relays alone.
async fn pair(owner: &Owner, relays: &[&RelayUrl]) -> Pair {
    let (a, _sees) = owner.user.walled(relays).await;
    let ticket = invite(&owner.user.home, &InviteOptions::default()).unwrap();
    assert!(ticket.minters.iter().all(|minter| minter.addresses.is_empty()));
    let guest = User::new();
    join(&guest.home, &ticket).await.unwrap();
    let (b, mut sees) = guest.walled(&[]).await;
    let key = a.node_key();
    sees.until(|seen| match seen {
        Seen::Clock(node, _) => (node == key).then_some(()),
        _ => None,
    })
    .await;
    Pair { _guest: guest, a, b }
}

/// Calls until an answer comes, and says how it went.
async fn called(from: &Mesh, to: &Mesh, text: &str) -> CallPath {
    called_within(from, to, text, LONG).await
}

/// As [`called`]; each call waits so long.
async fn called_within(from: &Mesh, to: &Mesh, text: &str, wait: Duration) -> CallPath {
    let answered = async {
        loop {
            let (mut caller, end) = pipe();
            let request = text_request("", text);
            let Ok(path) = from.call(to.node_key(), request, Bodies::none(), end).await else {
                continue;
            };
            // A request that is sent once is lost with its connection.
            let answer = timeout(wait, final_text(&mut caller)).await;
            if answer.is_ok_and(|answer| answer.as_deref() == Some(text)) {
                return path;
            }
        }
    };
    timeout(LONG, answered).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_without_a_direct_way_join_and_call_by_a_relay() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let pair = pair(&owner, &[relay.url()]).await;
    for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
        let path = called(from, to, "by a relay").await;
        assert_eq!(path.name(), "relay");
    }
    assert_eq!(pair.a.relays(), [relay.url().clone()]);
    assert_eq!(pair.b.relays(), [relay.url().clone()], "it came with the ticket");
    // The control: on the same machine, without a wall.
    let (direct, _sees) = node(&owner.user.home).await;
    let (other, mut sees) = node(&owner.user.home).await;
    meet(&mut sees, &direct).await;
    assert_eq!(called(&other, &direct, "directly").await.name(), "direct");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_request_by_a_relay_takes_the_time_that_its_rate_allows() {
    let owner = Owner::new().await;
    let text = "x".repeat(400_000);
    let mut took = Vec::new();
    for bytes_per_s in [limits::RELAY_BYTES_PER_S, 64 * 1024] {
        let relay = owner.relay(&RelayOptions { bytes_per_s, ..here(0) }).await;
        let pair = pair(&owner, &[relay.url()]).await;
        called(&pair.b, &pair.a, "warm").await;
        let began = Instant::now();
        called(&pair.b, &pair.a, &text).await;
        took.push(began.elapsed());
        pair.b.close(Duration::ZERO).await;
        pair.a.close(Duration::ZERO).await;
        relay.close().await;
    }
    // One second's worth may come at once.
    let least = Duration::from_secs(400_000 / (64 * 1024) - 2);
    assert!(took[1] >= least, "{took:?}");
    assert!(took[0] < least, "the control: {took:?}");
}

/// Asks a relay to be let in with this text as the token; why it was refused.
pub(super) async fn refused(
    relay: &RelayUrl,
    key: &SecretKey,
    token: Option<String>,
) -> Option<String> {
    let_in(relay, key, token).await.err()
}

/// As [`refused`]; the connection, where it is let in.
pub(super) async fn let_in(
    relay: &RelayUrl,
    key: &SecretKey,
    token: Option<String>,
) -> Result<Client, String> {
    let url = iroh::RelayUrl::from(relay.url().clone());
    let tls = iroh::tls::CaTlsConfig::embedded().client_config(iroh::tls::default_provider());
    let secret = iroh::SecretKey::from_bytes(&key.seed());
    let client = ClientBuilder::new(url, secret, iroh::dns::DnsResolver::new());
    let client = client.tls_client_config(tls.unwrap());
    let client = match token {
        Some(token) => client.auth_token(token),
        None => client,
    };
    let connected = timeout(LONG, client.connect()).await.unwrap();
    connected.map_err(|error| format!("{error:#}"))
}

pub(super) fn shown(token: &[u8]) -> Option<String> {
    Some(format!("{}.{}", data_encoding::BASE64URL_NOPAD.encode(token), now_ms()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_are_let_in() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let own = Membership::open(&owner.user.home, MeshChoice::Own).unwrap();
    let foreign = Membership::open(&Home::memory(), MeshChoice::Own).unwrap();
    let (key, other) = (keys::fresh().unwrap(), keys::fresh().unwrap());
    let (node, now) = (key.node_key(), now_ms());
    let token = |of: &Membership, node: NodeKey, now| shown(&of.token_for(node, now).unwrap());
    let long_ago = now - 2 * ms(limits::NODE_TOKEN_LIFE);
    for (token, code) in [
        (None, "auth/no_token"),
        (Some("nonsense!".to_owned()), "auth/bad_token"),
        (token(&foreign, node, now), "auth/bad_signature"),
        (token(&own, node, long_ago), "auth/expired"),
        (token(&own, other.node_key(), now), "auth/wrong_node"),
    ] {
        let why = refused(relay.url(), &key, token).await.expect(code);
        assert!(why.contains(code), "{code}: {why}");
    }
    // The control.
    let member = token(&own, node, now);
    assert_eq!(refused(relay.url(), &key, member.clone()).await, None);
    owner.node.revoke(&[node]).await.unwrap();
    let why = refused(relay.url(), &key, member).await.expect("revoked");
    assert!(why.contains("auth/revoked"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_relay_refuses_and_takes_the_next_when_one_leaves() {
    let owner = Owner::new().await;
    let relay = owner.relay(&RelayOptions { connections: 1, ..here(0) }).await;
    let (a, _sees) = owner.user.walled(&[relay.url()]).await;
    let own = Membership::open(&owner.user.home, MeshChoice::Own).unwrap();
    let key = keys::fresh().unwrap();
    let member = || shown(&own.token_for(key.node_key(), now_ms()).unwrap());
    let wanted = async {
        loop {
            if let Some(why) = refused(relay.url(), &key, member()).await {
                return why;
            }
        }
    };
    let why = timeout(LONG, wanted).await.unwrap();
    assert!(why.contains("busy/relay_full"), "{why}");
    a.close(Duration::ZERO).await;
    let let_in = async { while refused(relay.url(), &key, member()).await.is_some() {} };
    timeout(LONG, let_in).await.expect("there is room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_is_cut_off() {
    use tokio::io::AsyncReadExt as _;
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, relay.url().port()));
    let began = Instant::now();
    let mut silent = tokio::net::TcpStream::connect(at).await.unwrap();
    let end = timeout(LONG, silent.read(&mut [0; 16])).await.expect("it is cut off");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert!(began.elapsed() >= limits::RELAY_HANDSHAKE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_when_their_relay_is_back() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let port = relay.url().port();
    let pair = pair(&owner, &[relay.url()]).await;
    called(&pair.b, &pair.a, "before").await;
    // Time enough for the engine to pause for long between its own tries.
    relay.close().await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let waiting = called(&pair.b, &pair.a, "meanwhile");
    let mut waiting = std::pin::pin!(waiting);
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err(), "the control");
    let _back = owner.relay(&here(port)).await;
    let back = Instant::now();
    assert_eq!(waiting.await.name(), "relay");
    let took = back.elapsed();
    assert!(took < RESUMED, "it took {took:?}");
    called(&pair.a, &pair.b, "the other way").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_relay_takes_over_at_once() {
    let owner = Owner::new().await;
    let (one, two) = (owner.relay(&here(0)).await, owner.relay(&here(0)).await);
    let pair = pair(&owner, &[one.url(), two.url()]).await;
    // Longer than two dials at once take, which is what a second connection is taken for.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        called(&pair.b, &pair.a, "before").await;
    }
    let first = pair.a.relays()[0].clone();
    let (gone, _stays) = if *one.url() == first { (one, two) } else { (two, one) };
    let began = Instant::now();
    gone.close().await;
    let path = called_within(&pair.b, &pair.a, "by the other", limits::SILENT_PATH).await;
    assert_eq!(path.name(), "relay");
    assert!(began.elapsed() < RESUMED, "{:?}", began.elapsed());
    called(&pair.a, &pair.b, "back").await;
    let renamed = async {
        while pair.a.relays()[0] == first {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, renamed).await.expect("its record says by which relay it is reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_reached_by_a_relay_that_only_it_was_told_of() {
    let owner = Owner::new().await;
    let (ours, theirs) = (owner.relay(&here(0)).await, owner.relay(&here(0)).await);
    let (a, _sees) = owner.user.walled(&[ours.url()]).await;
    let (b, _sees) = owner.user.walled(&[theirs.url()]).await;
    // As a ticket says it: of what a peer says itself, nothing leads to this machine.
    a.shared_for_tests().book.contact(b.node_key(), &[], &[theirs.url().clone()]);
    assert_eq!(called(&a, &b, "by its relay").await.name(), "relay");
}
