//! Who takes places of a relay, who is ended by it, and that it ends.

use super::relays::*;
use super::support::*;
use crate::chance::now_ms;
use crate::keys;
use crate::membership::{InviteOptions, Membership, Minter, Ticket};
use crate::mesh::{MeshChoice, RelayUrl, invite, invite_beside, join};
use crate::relay::{RelayOptions, RelayServer};
use hubless_proto::identity::SecretKey;
use hubless_proto::limits::{self, ms};
use iroh_relay::client::Client;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Between two looks of a relay whose time is over, and some for a busy machine.
const ROUND: Duration = Duration::from_secs(13);
/// What happens at once, on a busy machine; far from any time that a relay waits.
const AT_ONCE: Duration = Duration::from_secs(4);

fn at(relay: &RelayServer) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, relay.url().port()))
}

async fn silent(relay: &RelayServer) -> TcpStream {
    TcpStream::connect(at(relay)).await.unwrap()
}

/// Whether the other side ended it within this time; what it said before is read.
async fn ended(stream: &mut TcpStream, wait: Duration) -> bool {
    let end = async { while !matches!(stream.read(&mut [0; 512]).await, Ok(0) | Err(_)) {} };
    timeout(wait, end).await.is_ok()
}

/// Token of a node of the owner's.
fn own_token(owner: &Owner, key: &SecretKey) -> Option<String> {
    let own = Membership::open(&owner.user.home, MeshChoice::Own).unwrap();
    shown(&own.token_for(key.node_key(), now_ms()).unwrap())
}

/// Somebody who joined the mesh of the owner by a relay.
async fn joined(owner: &Owner, relay: &RelayServer) -> Membership {
    let (minter, _sees) = owner.user.walled(&[relay.url()]).await;
    minter.at_relay(LONG).await.unwrap();
    let ticket = invite(&owner.user.home, &InviteOptions::default()).unwrap();
    let guest = User::new();
    join(&guest.home, &ticket).await.unwrap();
    minter.close(Duration::ZERO).await;
    Membership::open(&guest.home, MeshChoice::Default).unwrap()
}

/// A ticket that lets to the relay.
fn ticket(owner: &Owner, relay: &RelayServer) -> Ticket {
    let (addresses, relays) = (Vec::new(), vec![relay.url().clone()]);
    let minter = Minter { node: owner.node.node_key(), addresses, relays };
    invite_beside(&owner.user.home, minter, &InviteOptions::default()).unwrap()
}

/// A connection to a relay that is let in, by a way at which is seen that the relay ends it.
struct Held {
    _client: Client,
    ended: JoinHandle<()>,
}

impl Held {
    async fn open(relay: &RelayServer, key: &SecretKey, token: Option<String>) -> Self {
        let way = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url: RelayUrl = format!("http://{}", way.local_addr().unwrap()).parse().unwrap();
        let relay = at(relay);
        let ended = tokio::spawn(async move {
            let (mut near, _) = way.accept().await.unwrap();
            let (mut from, mut to) = near.split();
            let mut far = TcpStream::connect(relay).await.unwrap();
            let (mut far_from, mut far_to) = far.split();
            let (out, back) =
                (tokio::io::copy(&mut from, &mut far_to), tokio::io::copy(&mut far_from, &mut to));
            tokio::pin!(out, back);
            // The client is held, and ends nothing itself.
            tokio::select! { _ = &mut back => {}, _ = &mut out => {} }
        });
        let client = let_in(&url, key, token).await.unwrap();
        Self { _client: client, ended }
    }

    fn is_ended(&self) -> bool {
        self.ended.is_finished()
    }

    async fn ends(&mut self, wait: Duration) {
        timeout(wait, &mut self.ended).await.expect("the relay ends it").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_refused_or_had_its_answer_takes_no_place() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let key = keys::fresh().unwrap();
    // The first gives way as soon as all places of its source are taken.
    let mut first = silent(&relay).await;
    let mut open = Vec::new();
    for _ in 0..limits::RELAY_SOURCE_HANDSHAKES {
        let why = refused(relay.url(), &key, Some("nonsense!".to_owned())).await.unwrap();
        assert!(why.contains("bad_token"), "{why}");
        let mut asks = silent(&relay).await;
        asks.write_all(b"GET /ping HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        asks.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        open.push(asks);
    }
    for asks in &mut open {
        assert!(ended(asks, AT_ONCE).await, "it had its answer");
    }
    assert!(!ended(&mut first, Duration::from_millis(200)).await, "it has its place");
    // The control.
    for _ in 0..limits::RELAY_SOURCE_HANDSHAKES {
        open.push(silent(&relay).await);
    }
    assert!(ended(&mut first, AT_ONCE).await, "it gives way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_refused_is_closed_at_once() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let mut client = silent(&relay).await;
    let asks = "GET /relay HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                sec-websocket-version: 13\r\nsec-websocket-protocol: iroh-relay-v2, \
                iroh-relay-v1\r\n\r\n";
    client.write_all(asks.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    assert!(!ended(&mut client, Duration::from_millis(200)).await, "it may say who it is");
    // A frame that no client may send, since it is not masked: the relay gives it up.
    client.write_all(&[0x82, 0x01, 0x00]).await.unwrap();
    assert!(ended(&mut client, AT_ONCE).await, "it is refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_keep_no_member_out() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let key = keys::fresh().unwrap();
    let mut open = Vec::new();
    for _ in 0..2 * limits::RELAY_HANDSHAKES {
        open.push(silent(&relay).await);
    }
    assert_eq!(refused(relay.url(), &key, own_token(&owner, &key)).await, None);
    let (last, first) = (open.len() - 1, 0);
    assert!(ended(&mut open[first], AT_ONCE).await, "the first gave way");
    assert!(!ended(&mut open[last], Duration::from_millis(200)).await, "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_behind_a_proxy_says_its_url_and_takes_all_from_one_address() {
    let owner = Owner::new().await;
    let url: RelayUrl = "https://relay.example".parse().unwrap();
    let options = RelayOptions { url: Some(url.clone()), ..here(0) };
    let control = owner.relay(&here(0)).await;
    let port = control.url().port();
    control.close().await;
    let relay = owner.relay(&RelayOptions { listen: here(port).listen, ..options }).await;
    assert_eq!(*relay.url(), url);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut open = Vec::new();
    for _ in 0..limits::RELAY_HANDSHAKES {
        open.push(TcpStream::connect(at).await.unwrap());
    }
    assert!(!ended(&mut open[0], Duration::from_millis(200)).await, "all have a place");
    open.push(TcpStream::connect(at).await.unwrap());
    assert!(ended(&mut open[0], AT_ONCE).await, "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_stay_until_their_membership_ends_and_passes_until_their_own_end() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let member = joined(&owner, &relay).await;
    let (key, now) = (keys::fresh().unwrap(), now_ms());
    let node = key.node_key();
    let stays = |token: &[u8]| owner.node.door().opens(node, token).unwrap().stays;
    let own = Membership::open(&owner.user.home, MeshChoice::Own).unwrap();
    assert_eq!(stays(&own.token_for(node, now).unwrap()), None, "the owner is not counted");
    // The token of its node ends in an hour, and is renewed by the node itself.
    let left = stays(&member.token_for(node, now).unwrap()).unwrap();
    let life = limits::MEMBER_TOKEN_LIFE + limits::CLOCK_SKEW;
    assert!(left <= life && left > life - LONG, "{left:?}");
    let ticket = ticket(&owner, &relay);
    let pass = |life: Duration| ticket.pass(node, now + ms(life)).unwrap().unwrap();
    let left = stays(&pass(limits::BEARER_LIFE)).unwrap();
    assert!(left <= limits::BEARER_LIFE && left > limits::BEARER_LIFE - LONG, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_or_over_is_cut_off_and_let_in_no_more() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let (one, other) = (joined(&owner, &relay).await, joined(&owner, &relay).await);
    let [bad, good, late] = [(); 3].map(|()| keys::fresh().unwrap());
    let token =
        |of: &Membership, key: &SecretKey| shown(&of.token_for(key.node_key(), now_ms()).unwrap());
    let ticket = ticket(&owner, &relay);
    // Times of tokens are whole seconds.
    let until_ms = now_ms() + 3_000;
    let pass = shown(&ticket.pass(late.node_key(), until_ms).unwrap().unwrap());
    let mut revoked = Held::open(&relay, &bad, token(&one, &bad)).await;
    let stays = Held::open(&relay, &good, token(&other, &good)).await;
    let mut over = Held::open(&relay, &late, pass.clone()).await;
    assert!(!revoked.is_ended() && !over.is_ended(), "they are in");
    owner.node.revoke(&[bad.node_key()]).await.unwrap();
    revoked.ends(ROUND).await;
    over.ends(ROUND).await;
    assert!(!stays.is_ended(), "the control");
    let why = refused(relay.url(), &bad, token(&one, &bad)).await.expect("it is not let in");
    assert!(why.contains("auth/revoked"), "{why}");
    let why = refused(relay.url(), &late, pass).await.expect("it is not let in");
    assert!(why.contains("auth/expired"), "{why}");
    assert!(!stays.is_ended(), "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_closed_leaves_nothing_and_its_port_to_the_next() {
    let owner = Owner::new().await;
    let mut relay = owner.relay(&here(0)).await;
    let port = relay.url().port();
    let key = keys::fresh().unwrap();
    for _ in 0..3 {
        let mut held = Held::open(&relay, &key, own_token(&owner, &key)).await;
        let mut begins = silent(&relay).await;
        begins.write_all(b"GET /relay HTTP/1.1\r\n").await.unwrap();
        assert!(!ended(&mut begins, Duration::from_millis(50)).await && !held.is_ended());
        let began = Instant::now();
        relay.close().await;
        assert!(began.elapsed() < limits::RELAY_HANDSHAKE / 2, "{:?}", began.elapsed());
        // Nobody listens there.
        drop(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        held.ends(AT_ONCE).await;
        assert!(ended(&mut begins, AT_ONCE).await, "it is not waited for");
        relay = owner.relay(&here(port)).await;
    }
    assert_eq!(refused(relay.url(), &key, own_token(&owner, &key)).await, None, "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_dropped_ends_its_connections() {
    let owner = Owner::new().await;
    let relay = owner.relay(&here(0)).await;
    let key = keys::fresh().unwrap();
    let mut held = Held::open(&relay, &key, own_token(&owner, &key)).await;
    let mut begins = silent(&relay).await;
    assert!(!ended(&mut begins, Duration::from_millis(50)).await && !held.is_ended());
    drop(relay);
    held.ends(AT_ONCE).await;
    assert!(ended(&mut begins, AT_ONCE).await);
}
