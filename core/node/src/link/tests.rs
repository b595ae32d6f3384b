//! What a handshake chooses, read off the wire.
#![allow(clippy::disallowed_types, reason = "a proxy reads what the engine sends")]

use super::endpoint::patience;
use super::{ALPN, Bind, Link, Paths, Tunnel, crypto};
use crate::keys;
use crate::mesh::Listen;
use hubless_proto::identity::SecretKey;
use hubless_proto::limits;
use iroh::endpoint::presets;
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr};
use rustls::Side;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::quic::{Keys, Version};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

const TLS13_AES_256_GCM_SHA384: u16 = 0x1302;
const TLS13_CHACHA20_POLY1305_SHA256: u16 = 0x1303;
const X25519: u16 = 0x001d;
const TLS13: u16 = 0x0304;
const LONG: Duration = Duration::from_secs(60);

async fn link(key: &SecretKey) -> Link {
    let listen = &Listen::Loopback;
    let bind = Bind { key, listen, port: 0, relays: None, paths: Paths::All };
    Link::bind(bind).await.unwrap()
}

/// Takes every connection that comes.
fn serve(link: &Link) {
    let link = link.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Some(incoming) = link.accept().await {
            if let Ok(connection) = incoming.await {
                open.push(Tunnel::new(connection));
            }
        }
    });
}

/// Datagrams of both directions, in order; `true`: from the side that dials.
type Seen = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

/// Carries datagrams to `target` and back, and keeps them.
async fn proxy(target: SocketAddr) -> (SocketAddr, Seen) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut dialler = None;
        let mut buffer = vec![0; 65_536];
        while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
            let datagram = &buffer[..size];
            if from != target {
                dialler = Some(from);
            }
            kept.lock().unwrap().push((from != target, datagram.to_vec()));
            let to = if from == target { dialler } else { Some(target) };
            if let Some(to) = to {
                let _ = socket.send_to(datagram, to).await;
            }
        }
    });
    (address, seen)
}

/// Reads bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken
    }

    fn number(&mut self, size: usize) -> usize {
        self.take(size).iter().fold(0, |all, byte| all << 8 | usize::from(*byte))
    }

    /// A list of bytes after its length.
    fn list(&mut self, size: usize) -> Self {
        let length = self.number(size);
        Self(self.take(length))
    }

    /// RFC 9000 section 16.
    fn varint(&mut self) -> usize {
        let size = 1 << (self.0[0] >> 6);
        let mask = (1 << (size * 8 - 2)) - 1;
        self.number(size) & mask
    }
}

/// An Initial packet (RFC 9000 section 17.2.2): the id it is for, where its number begins, and
/// all of it.
fn initial(datagram: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    if datagram.first()? & 0xf0 != 0xc0 {
        return None;
    }
    let mut reader = Reader(datagram);
    reader.take(5);
    let destination = reader.list(1).0;
    reader.list(1);
    let token = reader.varint();
    reader.take(token);
    let length = reader.varint();
    let number_at = datagram.len() - reader.0.len();
    Some((destination, number_at, &datagram[..number_at + length]))
}

/// The plain payload of an Initial packet of the side that was dialled.
fn opened(keys: &Keys, packet: &[u8], number_at: usize) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (head, rest) = packet.split_at_mut(number_at);
    let (number, sampled) = rest.split_at_mut(4);
    let sample = sampled[..keys.remote.header.sample_len()].to_vec();
    keys.remote.header.decrypt_in_place(&sample, &mut head[0], number).unwrap();
    let size = usize::from(head[0] & 3) + 1;
    let value = Reader(&rest[..size]).number(size) as u64;
    let (header, payload) = packet.split_at_mut(number_at + size);
    keys.remote.packet.decrypt_in_place(value, header, payload).unwrap().to_vec()
}

/// The start of the handshake in the frames of an Initial packet (RFC 9000 section 19).
fn handshake(payload: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(payload);
    while !reader.0.is_empty() {
        match reader.varint() {
            0 | 1 => {}
            kind @ (2 | 3) => {
                reader.varint();
                reader.varint();
                let ranges = reader.varint();
                let counts = if kind == 3 { 3 } else { 0 };
                for _ in 0..1 + 2 * ranges + counts {
                    reader.varint();
                }
            }
            6 => {
                assert_eq!(reader.varint(), 0, "the first bytes of the handshake");
                let length = reader.varint();
                return Some(reader.take(length).to_vec());
            }
            other => panic!("a frame of type {other} in an Initial packet"),
        }
    }
    None
}

/// What a server chose: suite, group and version (RFC 8446 section 4.1.3).
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    suite: u16,
    group: u16,
    version: u16,
}

fn server_hello(message: &[u8]) -> Chosen {
    let mut reader = Reader(message);
    assert_eq!(reader.number(1), 2, "a ServerHello");
    let mut hello = reader.list(3);
    hello.take(2 + 32);
    hello.list(1);
    let suite = hello.number(2) as u16;
    hello.take(1);
    let (mut group, mut version) = (0, 0);
    let mut extensions = hello.list(2);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2);
        let mut body = extensions.list(2);
        match kind {
            43 => version = body.number(2) as u16,
            51 => group = body.number(2) as u16,
            _ => {}
        }
    }
    Chosen { suite, group, version }
}

/// What the dialled side chose in the connection that a proxy saw.
fn chosen(seen: &Seen) -> Chosen {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let seen = seen.lock().unwrap();
    let mut asked = seen.iter().filter(|(dials, _)| *dials);
    let first = asked.find_map(|(_, datagram)| initial(datagram)).unwrap();
    let keys = Keys::initial(Version::V1, suite, suite.quic.unwrap(), first.0, Side::Client);
    let mut answers = seen.iter().filter(|(dials, _)| !dials);
    let hello = answers.find_map(|(_, datagram)| {
        let (_, number_at, packet) = initial(datagram)?;
        handshake(&opened(&keys, packet, number_at))
    });
    server_hello(&hello.unwrap())
}

#[tokio::test]
async fn a_handshake_chooses_x25519_and_a_strong_aead_with_fresh_keys() {
    let (ours, theirs) = (keys::fresh().unwrap(), keys::fresh().unwrap());
    let (dials, serves) = (link(&ours).await, link(&theirs).await);
    serve(&serves);
    // One proxy for all: an endpoint tries every address that it ever had of a peer.
    let (address, seen) = proxy(serves.addresses()[0]).await;
    let mut exported = BTreeSet::new();
    for _ in 0..3 {
        // On a busy machine a handshake may take longer than a dial waits.
        let dialled = async {
            loop {
                seen.lock().unwrap().clear();
                if let Ok(tunnel) = dials.dial(theirs.node_key(), &[address], &[]).await {
                    return tunnel;
                }
            }
        };
        let tunnel = tokio::time::timeout(LONG, dialled).await.unwrap();
        let chosen = chosen(&seen);
        let strong = [TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
        assert!(strong.contains(&chosen.suite), "{chosen:x?}");
        assert_eq!((chosen.group, chosen.version), (X25519, TLS13));
        assert!(exported.insert(tunnel.exporter().unwrap()), "two connections share a secret");
        tunnel.close(super::CloseReason::Idle);
    }
}

/// Writes far more than anybody takes to so many streams that nobody reads, and says how many
/// bytes left, once there are `least` and no more follow.
async fn left_unread(streams: usize, least: u64) -> u64 {
    let (ours, theirs) = (keys::fresh().unwrap(), keys::fresh().unwrap());
    let (dials, serves) = (link(&ours).await, link(&theirs).await);
    serve(&serves);
    let dialled = async {
        loop {
            if let Ok(tunnel) = dials.dial(theirs.node_key(), &serves.addresses(), &[]).await {
                return tunnel;
            }
        }
    };
    let tunnel = tokio::time::timeout(LONG, dialled).await.unwrap();
    let before = tunnel.sent_bytes();
    for _ in 0..streams {
        let (mut send, recv) = tunnel.open().await.unwrap();
        tokio::spawn(async move {
            let _held = recv;
            let _ = send.write_all(&vec![7; 4_000_000]).await;
        });
    }
    // Nothing tells that it rests but that nothing comes, several times in a row: a busy machine
    // may stand still in between.
    let (mut seen, mut quiet) = (0_u64, 0);
    let until = Instant::now() + LONG;
    while (seen < least || quiet < 3) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = tunnel.sent_bytes().saturating_sub(before);
        quiet = if now.abs_diff(seen) < 5_000 { quiet + 1 } else { 0 };
        seen = now;
    }
    seen
}

#[tokio::test]
async fn a_peer_can_fill_no_more_than_the_windows() {
    let (stream, all) = (1_250_000, 8 << 20);
    let one = left_unread(1, stream).await;
    assert!((stream..1_500_000).contains(&one), "{one} bytes of one stream");
    let many = left_unread(16, all).await;
    assert!((all..all + (1 << 20)).contains(&many), "{many} bytes of all streams");
}

#[tokio::test]
async fn another_key_exchange_is_refused() {
    let theirs = keys::fresh().unwrap();
    let serves = link(&theirs).await;
    serve(&serves);
    let target = || {
        let key = PublicKey::from_bytes(theirs.node_key().as_bytes()).unwrap();
        EndpointAddr::from_parts(key, serves.addresses().into_iter().map(TransportAddr::Ip))
    };
    for (group, taken) in [(kx_group::SECP256R1, false), (kx_group::X25519, true)] {
        let mut provider = (*crypto::provider()).clone();
        provider.kx_groups = vec![group];
        let builder = Endpoint::builder(presets::Minimal).crypto_provider(Arc::new(provider));
        let foreign = builder.clear_ip_transports().bind_addr((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let foreign = foreign.bind().await.unwrap();
        let connected = tokio::time::timeout(LONG, foreign.connect(target(), ALPN)).await.unwrap();
        assert_eq!(connected.is_ok(), taken, "{:?}", group.name());
    }
    assert!(default_provider().kx_groups.len() > 1, "the engine's own list is longer");
}

#[tokio::test]
async fn a_dial_that_nobody_answers_ends_and_says_after_how_long() {
    // It takes everything and says nothing.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (own, other) = (keys::fresh().unwrap(), keys::fresh().unwrap());
    let dialler = link(&own).await;
    let began = Instant::now();
    let address = silent.local_addr().unwrap();
    let error = dialler.dial(other.node_key(), &[address], &[]).await.map(drop).unwrap_err();
    assert!(began.elapsed() >= limits::DIAL_LOOPBACK, "{:?}", began.elapsed());
    assert_eq!(error.kind, hubless_proto::Kind::Transport);
    assert_eq!(error.limit.map(|limit| limit.value), Some(500));
    let mut buffer = [0; 2048];
    assert!(silent.recv(&mut buffer).await.unwrap() > 1_000, "it was dialled");
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 9));
    assert_eq!(patience(&[elsewhere]), limits::DIAL);
    assert_eq!(patience(&[elsewhere, address]), limits::DIAL_LOOPBACK);
}
