//! Limits of the transport.

use hubless_proto::limits;
use iroh::endpoint::{IdleTimeout, QuicTransportConfig, VarInt};
use std::sync::Arc;
use std::time::Duration;

/// Quiet paths carry a packet this often.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// A peer from which nothing came for this long is lost. The time begins anew with the first
/// packet of ours after the last of the peer's: a dead one is known after at most both together.
const SILENCE: Duration = Duration::from_secs(7);
/// First guess at a round trip beyond this machine: a lost first packet costs three times this.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Bytes of one stream in flight. Larger windows made the engine close connections under loss.
const STREAM_WINDOW: u32 = 1_250_000;
/// Bytes of all streams of one connection in flight.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Streams that a peer may open before its membership is known, its control stream included.
pub(super) const FIRST_STREAMS: u32 = limits::HELD_REQUESTS + 1;

/// Transport settings; `loopback`: nothing but this machine is ever reached.
pub(super) fn transport(loopback: bool) -> QuicTransportConfig {
    let mut builder = QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(FIRST_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(SILENCE)
        .max_idle_timeout(IdleTimeout::try_from(SILENCE).ok());
    if !loopback {
        // On a lossy path the default controller falls to a tenth of this one; on loopback it is
        // twice as fast.
        builder = builder
            .initial_rtt(INITIAL_RTT)
            .congestion_controller_factory(Arc::new(noq_proto::congestion::Bbr3Config::default()));
    }
    builder.build()
}

/// Settings of a peer that takes in so many bytes of each stream until it has read them.
#[cfg(test)]
pub(super) fn narrow_for_tests(window: u32) -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .stream_receive_window(VarInt::from_u32(window))
        .keep_alive_interval(KEEP_ALIVE)
        .build()
}
