//! The listener: takes connections in, and lets go of them in good order.

use super::activity::Activity;
use super::connection::{Served, Spoken, serve};
use super::gate::Taken;
use super::names::{Hosts, Origins};
use super::options::HttpOptions;
use super::places::Places;
use super::rules::Rules;
use super::site::{Behind, Site};
use super::tls;
use hubless::{Error, Kind, Result, executor};
use hubless_proto::error::Form;
use hubless_proto::identity::NodeKey;
use hubless_proto::policy::Rates;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause when the system has nothing to take a connection with.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A socket with what answers there. Dropping it closes it at once, [`Listener::close`] in good
/// order.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    hosts: Vec<String>,
    tls: bool,
    closing: CancellationToken,
    connections: TaskTracker,
    /// Fires when nothing is waited for any more.
    cut: CancellationToken,
}

impl Listener {
    /// Binds and serves; the options were checked. Rates are counted for callers of `node`.
    ///
    /// # Errors
    /// `configuration`: code `tls`, `file`, or an address that cannot be bound; `invalid_argument`
    /// for names and origins that are none.
    ///
    /// # Cancellation
    /// Nothing is bound.
    pub(crate) async fn open(options: HttpOptions, node: NodeKey, behind: Behind) -> Result<Self> {
        let files = options.certificate.as_ref();
        let tls = files.map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
        let origins = Origins::new(&options.origins)?;
        let wrong = |error: std::io::Error| {
            let message = format!("cannot listen at {}: {error}", options.listen);
            Error::new(Kind::Configuration, message).with_code("bind")
        };
        let bound = options.listen;
        let socket = executor::spawn(async move { TcpListener::bind(bound).await })?.await;
        let socket = socket.map_err(|_| Error::new(Kind::Internal, "binding panicked"))?;
        let socket = socket.map_err(wrong)?;
        let address = socket.local_addr().map_err(wrong)?;
        let hosts = Hosts::new(address, &options.hosts, tls.is_some())?;
        let (names, has_tls) = (hosts.list(), tls.is_some());
        let rules = Rules {
            node,
            hosts,
            origins,
            tokens: options.tokens.clone(),
            rates: Mutex::new(Rates::new(options.rate)),
            began: Instant::now(),
        };
        let closing = CancellationToken::new();
        let places = Arc::new(Places::new(behind.per_local_address));
        let site = Arc::new(Site { rules, behind });
        let served = Served { site, times: options.times(), closing: closing.clone() };
        let door = Door {
            served,
            tls,
            places,
            connections: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        let (connections, cut) = (door.connections.clone(), door.cut.clone());
        executor::spawn(door.take(socket))?;
        tracing::info!(%address, tls = has_tls, "HTTP listener open");
        Ok(Self { address, hosts: names, tls: has_tls, closing, connections, cut })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names that it answers to, with their ports.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Its URL by its address.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Takes no more connections and requests, lets running ones end within `grace`, and cuts off
    /// what is left.
    ///
    /// # Cancellation
    /// What is left is cut off at once.
    pub(crate) async fn close(self, grace: Duration) {
        self.closing.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(grace, self.connections.wait()).await;
        self.cut.cancel();
        self.connections.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closing.cancel();
        self.cut.cancel();
    }
}

/// Takes connections.
struct Door {
    served: Served,
    tls: Option<TlsAcceptor>,
    places: Arc<Places>,
    connections: TaskTracker,
    cut: CancellationToken,
}

impl Door {
    async fn take(self, socket: TcpListener) {
        loop {
            let taken = tokio::select! {
                taken = socket.accept() => taken,
                () = self.served.closing.cancelled() => return,
            };
            match taken {
                Ok((stream, peer)) => self.let_in(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr) {
        let activity = Arc::new(Activity::default());
        let Some(place) = self.places.enter(peer.ip(), &activity) else {
            tracing::debug!("no place for another connection");
            if self.tls.is_none() {
                refuse(&stream);
            }
            return;
        };
        // Small answers are not to wait for more.
        let _ = stream.set_nodelay(true);
        let (served, tls, cut) = (self.served.clone(), self.tls.clone(), self.cut.clone());
        self.connections.spawn(async move {
            let _place = place;
            let spoken = converse(stream, tls, peer, activity, served);
            tokio::select! {
                () = spoken => {}
                () = cut.cancelled() => {}
            }
        });
    }
}

async fn converse(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    peer: SocketAddr,
    activity: Arc<Activity>,
    served: Served,
) {
    let address = peer.ip();
    let stream = Taken::within(served.times.idle, stream);
    let Some(tls) = tls else {
        return serve(stream, Spoken::Unknown, address, activity, served).await;
    };
    let handshake = tokio::time::timeout(served.times.header, tls.accept(stream));
    let handshake = activity.cut.run_until_cancelled(handshake).await;
    let Some(Ok(Ok(stream))) = handshake else {
        tracing::debug!("no TLS with a peer");
        return;
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    let spoken = if http2 { Spoken::Http2 } else { Spoken::Http1 };
    serve(stream, spoken, address, activity, served).await;
}

/// Says that there is no place, if the peer takes it at once.
fn refuse(stream: &TcpStream) {
    let error = Error::refusal(Kind::Busy, "connections", "there is no place for a connection");
    let body = serde_json::to_string(&Form(&error)).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.try_write(format!("{head}{body}").as_bytes());
}
