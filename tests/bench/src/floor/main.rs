//! The floor under every language: streams of the QUIC engine alone, with the ciphers and windows
//! of a node, without frames, membership and policy.
//!
//! Owns: the roles `agent` and `caller` of `tests/bench/BENCH.md`, as far as bytes go. The agent
//! says its key and address when it is ready; the caller is given both.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a program that measures ends where it cannot")]

use hubless_bench::command::Command;
use hubless_bench::measure::{self, Ask};
use hubless_bench::speak;
use iroh::endpoint::{Connection, QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ALPN: &[u8] = b"hubless-bench/1";
/// Largest body.
const MOST: usize = 16 << 20;

/// Sends a body on a stream of its own and reads it back.
#[derive(Clone)]
struct Streams(Connection);

impl Ask for Streams {
    async fn ask(&self, body: &str) -> String {
        let (mut send, mut recv) = self.0.open_bi().await.unwrap();
        // Both at once: neither end keeps a whole body for the other.
        let write = async {
            send.write_all(body.as_bytes()).await.unwrap();
            send.finish().unwrap();
        };
        let ((), read) = tokio::join!(write, recv.read_to_end(MOST));
        String::from_utf8(read.unwrap()).unwrap()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["agent"] => serve().await,
        ["caller", key, address] => call(key.parse().unwrap(), address.parse().unwrap()).await,
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Gives back what comes, until standard input ends.
async fn serve() {
    let endpoint = bind().await;
    let address = endpoint.bound_sockets().into_iter().next().unwrap();
    speak::say(&json!({ "ready": true, "key": endpoint.id().to_string(), "address": address }));
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                    tokio::spawn(async move {
                        let Ok(body) = recv.read_to_end(MOST).await else { return };
                        // A caller that is gone wants no answer.
                        let _ = send.write_all(&body).await;
                        let _ = send.finish();
                    });
                }
            });
        }
    });
    while speak::next().await.is_some() {}
    endpoint.close().await;
}

async fn call(key: PublicKey, address: SocketAddr) {
    let began = Instant::now();
    let endpoint = bind().await;
    let target = EndpointAddr::from_parts(key, [TransportAddr::Ip(address)]);
    let streams = Streams(endpoint.connect(target, ALPN).await.unwrap());
    measure::once(&streams, &measure::body(64)).await;
    speak::say(&json!({ "ready": true, "cold_ms": began.elapsed().as_secs_f64() * 1e3 }));
    while let Some(command) = speak::next().await {
        let said = answer(&streams, command).await;
        speak::say(&said);
    }
    endpoint.close().await;
}

async fn answer(streams: &Streams, command: Command) -> Value {
    match command {
        Command::Rtt { size, count, warm } => {
            measure::round_trips(streams, size, count, warm).await
        }
        Command::Load { size, in_flight, window_ms } => {
            measure::load(streams, size, in_flight, Duration::from_millis(window_ms)).await
        }
        Command::Arrivals { size, per_second, window_ms } => {
            let window = Duration::from_millis(window_ms);
            measure::arrivals(streams, size, per_second, window).await
        }
        Command::Big { size } => measure::big(streams, size).await,
        Command::Stages { .. }
        | Command::Agents { .. }
        | Command::Lookups { .. }
        | Command::Find { .. }
        | Command::Register { .. }
        | Command::Await { .. } => json!({ "error": "streams have no agents" }),
    }
}

/// An endpoint on this machine, bound as that of a node is.
async fn bind() -> Endpoint {
    let provider = CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    };
    let transport = QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(1_024))
        .stream_receive_window(VarInt::from_u32(1_250_000))
        .receive_window(VarInt::from_u32(8 << 20))
        .build();
    let endpoint = Endpoint::builder(presets::Minimal)
        .alpns(vec![ALPN.to_vec()])
        .crypto_provider(Arc::new(provider))
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr((Ipv4Addr::LOCALHOST, 0))
        .unwrap();
    endpoint.bind().await.unwrap()
}
