//! One encrypted connection to one node.

use super::RelayUrl;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use iroh::TransportAddr;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, Side, VarInt};
use std::net::IpAddr;
use std::time::Duration;

/// Label of the exported keying material (RFC 8446 section 7.5).
const EXPORTER: &[u8] = b"hubless membership v1";

/// Why a connection is closed on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CloseReason {
    /// The node says good-bye.
    Goodbye = 0,
    /// The other one of two simultaneous connections is used.
    Drained = 3,
    /// Nothing was said for a long time.
    Idle = 5,
    /// Broken frames, or no HELLO.
    Protocol = 6,
    /// Not a member, or a proof that does not hold.
    Refused = 7,
    /// A newer instance of the same node is there.
    Replaced = 8,
    /// The process of the peer ceased to exist.
    Gone = 9,
}

/// The path in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Round trip.
    pub(crate) rtt: Duration,
    pub(crate) relayed: bool,
    /// Where the peer is; none: behind a relay.
    pub(crate) ip: Option<IpAddr>,
}

/// An open connection; cheap to clone. The peer's key is proven by the handshake.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    connection: Connection,
}

impl Tunnel {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The peer.
    pub(crate) fn peer(&self) -> NodeKey {
        NodeKey::from_bytes(*self.connection.remote_id().as_bytes())
    }

    /// True when this end made the connection.
    pub(crate) fn dialled(&self) -> bool {
        self.connection.side() == Side::Client
    }

    /// 32 bytes that only the two ends of this connection can compute (RFC 5705).
    pub(crate) fn exporter(&self) -> Result<[u8; 32]> {
        let mut bytes = [0; 32];
        self.connection
            .export_keying_material(&mut bytes, EXPORTER, b"")
            .map_err(|_| Error::new(Kind::Internal, "the connection exports no keying material"))?;
        Ok(bytes)
    }

    /// The group that the handshake's keys come from, as TLS names it (RFC 8446 section 4.2.7).
    #[cfg(test)]
    pub(crate) fn key_exchange(&self) -> Option<String> {
        let data = self.connection.handshake_data()?;
        let data = data.downcast::<noq_proto::crypto::rustls::HandshakeData>().ok()?;
        data.negotiated_key_exchange_group.map(|group| format!("{group:?}"))
    }

    /// Bytes that this end has sent, packets around them included, without those that it holds for
    /// lost and sends again.
    #[cfg(test)]
    pub(crate) fn sent_bytes(&self) -> u64 {
        let stats = self.connection.stats();
        stats.udp_tx.bytes.saturating_sub(stats.lost_bytes)
    }

    /// Bytes of the packets that this end has sent, and of those that came.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        let stats = self.connection.stats();
        (stats.udp_tx.bytes, stats.udp_rx.bytes)
    }

    /// Times that the peer said what has arrived of this end's packets. Each packet of a call is
    /// answered so by the machinery below, however busy the program there is.
    pub(crate) fn acknowledgements(&self) -> u64 {
        let frames = self.connection.stats().frame_rx;
        frames.acks.saturating_add(frames.path_acks)
    }

    /// Opens a stream; waits while the peer allows no more of them.
    pub(crate) async fn open(&self) -> Result<(SendStream, RecvStream)> {
        self.connection.open_bi().await.map_err(|error| lost(&error))
    }

    /// The next stream that the peer opened.
    pub(crate) async fn accept(&self) -> Result<(SendStream, RecvStream)> {
        self.connection.accept_bi().await.map_err(|error| lost(&error))
    }

    /// Streams that the peer may have open at once.
    pub(crate) fn allow_streams(&self, streams: u32) {
        self.connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
    }

    /// Waits for the end of the connection and says why; none: by this end.
    pub(crate) async fn closed(&self) -> Option<u64> {
        close_code(&self.connection.closed().await)
    }

    /// True once it ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Ends the connection with every stream in it.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.connection.close(VarInt::from_u32(reason as u32), b"");
    }

    /// Where the peer is, on the path in use; none: behind a relay.
    pub(crate) fn remote_ip(&self) -> Option<IpAddr> {
        self.way().ip
    }

    /// The relay that the path in use goes by; none: it is direct.
    pub(crate) fn relay(&self) -> Option<RelayUrl> {
        self.spelled_relay().map(|url| RelayUrl::plain((*url).clone()))
    }

    /// The same, as the engine was told of it.
    pub(super) fn spelled_relay(&self) -> Option<iroh::RelayUrl> {
        let paths = self.connection.paths();
        let chosen = paths.iter().find(|path| path.is_selected())?;
        if let TransportAddr::Relay(url) = chosen.remote_addr() { Some(url.clone()) } else { None }
    }

    /// Round trip of the path in use, and whether it is relayed.
    pub(crate) fn path(&self) -> (Duration, bool) {
        let Way { rtt, relayed, .. } = self.way();
        (rtt, relayed)
    }

    /// The path in use.
    pub(crate) fn way(&self) -> Way {
        let paths = self.connection.paths();
        let Some(chosen) = paths.iter().find(|path| path.is_selected()) else {
            return Way { rtt: Duration::ZERO, relayed: false, ip: None };
        };
        let ip = if let TransportAddr::Ip(address) = chosen.remote_addr() {
            Some(address.ip())
        } else {
            None
        };
        Way { rtt: chosen.rtt(), relayed: chosen.is_relay(), ip }
    }
}

/// Reads the code of a close by the peer.
pub(crate) const fn close_reason(code: u64) -> Option<CloseReason> {
    Some(match code {
        0 => CloseReason::Goodbye,
        3 => CloseReason::Drained,
        5 => CloseReason::Idle,
        6 => CloseReason::Protocol,
        7 => CloseReason::Refused,
        8 => CloseReason::Replaced,
        9 => CloseReason::Gone,
        _ => return None,
    })
}

fn close_code(error: &ConnectionError) -> Option<u64> {
    match error {
        ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        ConnectionError::LocallyClosed
        | ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::CidsExhausted => None,
    }
}

fn lost(error: &ConnectionError) -> Error {
    Error::new(Kind::Transport, format!("the connection ended: {error}")).with_code("lost")
}
