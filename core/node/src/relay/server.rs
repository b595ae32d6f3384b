//! A running relay.

use super::admission::{Admission, reason};
use super::door::{Door, Guest};
use super::gate::{Coming, Gate};
use super::options::RelayOptions;
use super::tls;
use crate::engine::lock;
use crate::executor::blocking;
use crate::mesh::RelayUrl;
use bytes::Bytes;
use http_body_util::Empty;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use iroh::EndpointId;
use iroh_relay::KeyCache;
use iroh_relay::server::clients::Clients;
use iroh_relay::server::http_server::{
    BytesBody, Handlers, HyperError, RelayService, RelayServiceWithNotify,
};
use iroh_relay::server::streams::MaybeTlsStream;
use iroh_relay::server::{
    Access, AccessControl, ClientRateLimit, ClientRequest, ConnectionId, Metrics, QuicConfig,
    Server, ServerConfig,
};
use std::future::ready;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where nodes ask to be relayed.
const RELAY: &str = "/relay";
/// Where anybody asks whether the relay is there.
const PING: &str = "/ping";
/// How often it is looked whose time is over.
const ROUND: Duration = Duration::from_secs(10);
/// Pause after a connection could not be taken, such as for want of files.
const BREATH: Duration = Duration::from_millis(100);
/// The head of a request, in bytes: a token fits in.
const HEAD_BYTES: usize = 4 * limits::TOKEN_BYTES;
/// Keys of nodes that are kept as read.
const KEYS: usize = 1_024;

/// A relay; it ends when it is closed or dropped.
#[derive(Debug)]
pub(crate) struct RelayServer {
    url: RelayUrl,
    service: RelayService,
    /// Tells nodes their addresses over UDP.
    discovery: Option<Server>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl RelayServer {
    /// Opens a relay for those whom the mesh lets in.
    ///
    /// # Errors
    /// `invalid_argument` naming an option; `configuration` for an address, a certificate or a key
    /// that cannot be used.
    pub(crate) async fn start(options: &RelayOptions, door: Arc<dyn Door>) -> Result<Self> {
        options.check()?;
        let files = options.tls_cert.clone().zip(options.tls_key.clone());
        let tls = match files {
            None => None,
            Some((certificate, key)) => {
                Some(blocking(move || tls::config(&certificate, &key)).await?)
            }
        };
        let taken = |error: io::Error| unbound(options.listen, &error.to_string());
        let listener = TcpListener::bind(options.listen).await.map_err(taken)?;
        let bound = listener.local_addr().map_err(taken)?;
        let discovery = match &tls {
            None => None,
            Some(tls) => Some(discovery(bound, tls.clone()).await?),
        };
        let control = Arc::new(Control {
            door,
            gate: Mutex::new(Gate::new(options.connections)),
            clients: OnceLock::new(),
        });
        let service = service(options.bytes_per_s, Arc::clone(&control));
        // Set once: this control has one service.
        let _ = control.clients.set(service.clients().clone());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let accepting = accept(listener, service.clone(), acceptor, tasks.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(accepting));
        tasks.spawn(stop.clone().run_until_cancelled_owned(rounds(control)));
        let url = options.url(bound)?;
        tracing::info!(%url, "relay open");
        Ok(Self { url, service, discovery, stop, tasks })
    }

    /// Where it is.
    pub(crate) const fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// Ends every connection, and the relay.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        self.tasks.close();
        self.service.shutdown().await;
        if let Some(discovery) = self.discovery.take()
            && let Err(error) = discovery.shutdown().await
        {
            tracing::debug!(%error, "the discovery of addresses ended badly");
        }
        tracing::info!("relay closed");
    }
}

impl Drop for RelayServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn discovery(bound: SocketAddr, tls: rustls::ServerConfig) -> Result<Server> {
    let mut quic = QuicConfig::new(bound);
    quic.server_config = Some(tls);
    let mut config = ServerConfig::default();
    config.quic = Some(quic);
    Server::spawn(config).await.map_err(|error| unbound(bound, &format!("UDP: {error:#}")))
}

fn unbound(address: SocketAddr, why: &str) -> Error {
    let message = format!("the relay cannot listen at {address}: {why}");
    Error::new(Kind::Configuration, message).with_code("bind").with_field("listen")
}

fn service(bytes_per_s: u32, control: Arc<Control>) -> RelayService {
    let mut handlers = Handlers::default();
    handlers.insert(
        (Method::GET, PING),
        Box::new(|_, response| {
            let body: BytesBody = Box::new(Empty::<Bytes>::new());
            response.status(StatusCode::OK).body(body).map_err(HyperError::from)
        }),
    );
    let rate = NonZeroU32::new(bytes_per_s).map(|rate| {
        let mut limit = ClientRateLimit::new(rate);
        // What waited may come at once, up to one second's worth.
        limit.max_burst_bytes = Some(rate);
        limit
    });
    let (keys, metrics) = (KeyCache::new(KEYS), Arc::new(Metrics::default()));
    RelayService::new(handlers, HeaderMap::new(), rate, keys, control, metrics)
}

/// Takes connections; of those that have not proven whose they are, only so many at once.
async fn accept(
    listener: TcpListener,
    service: RelayService,
    tls: Option<TlsAcceptor>,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits::RELAY_HANDSHAKES));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the relay was not taken");
                sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!(%from, "too many connections introduce themselves");
            continue;
        };
        let (service, tls) = (service.clone(), tls.clone());
        tasks.spawn(async move {
            if let Err(error) = introduced(stream, service, tls).await {
                tracing::debug!(%from, %error, "a connection to the relay ended early");
            }
            drop(place);
        });
    }
}

/// Waits until a connection has proven whose it is, and cuts it off when that takes too long. From
/// then on it is carried by tasks of the service.
async fn introduced(
    stream: TcpStream,
    service: RelayService,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    let stream = TcpStream::from_std(stream)?;
    let known = Arc::new(Notify::new());
    let established = known.notified();
    let mut established = std::pin::pin!(established);
    established.as_mut().enable();
    let spoken = async {
        let asks = spoken(stream, (service, Arc::clone(&known)), tls).await?;
        if asks {
            established.await;
        }
        Ok(())
    };
    match timeout(limits::RELAY_HANDSHAKE, spoken).await {
        Ok(outcome) => outcome,
        Err(_) => {
            // Whoever carries it by now sees its end.
            let _ = socket.shutdown(Shutdown::Both);
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// Speaks HTTP until the connection ends, or becomes one that is relayed: then true.
async fn spoken(
    stream: TcpStream,
    (service, known): (RelayService, Arc<Notify>),
    tls: Option<TlsAcceptor>,
) -> io::Result<bool> {
    let stream = match tls {
        None => MaybeTlsStream::Plain(stream),
        Some(tls) => MaybeTlsStream::Tls(tls.accept(stream).await?),
    };
    let asks = Arc::new(AtomicBool::new(false));
    let (asked, inner) = (Arc::clone(&asks), RelayServiceWithNotify::new(service, known));
    let answering = service_fn(move |request: Request<Incoming>| {
        if request.uri().path() == RELAY {
            asked.store(true, Ordering::Relaxed);
        }
        ready(inner.call(request).into_inner().map_err(io::Error::other))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::RELAY_HANDSHAKE)
        .max_headers(limits::HTTP_HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answering)
        .with_upgrades()
        .await
        .map_err(io::Error::other)?;
    Ok(asks.load(Ordering::Relaxed))
}

/// Ends the connections whose time is over.
async fn rounds(control: Arc<Control>) {
    let mut ticks = tokio::time::interval(ROUND);
    loop {
        ticks.tick().await;
        control.end_those_over(Instant::now());
    }
}

/// Lets connections in.
#[derive(Debug)]
struct Control {
    door: Arc<dyn Door>,
    gate: Mutex<Gate<(EndpointId, ConnectionId)>>,
    clients: OnceLock<Clients>,
}

impl Control {
    fn admit(&self, request: &ClientRequest) -> Result<Guest> {
        let node = node_of(request.endpoint_id());
        let shown = request.auth_token();
        let admission = Admission::read(shown.as_deref())?;
        let guest = admission.guest(node, &*self.door)?;
        let id = (request.endpoint_id(), request.connection_id());
        let coming = Coming { node, id, time_ms: admission.time_ms, guest: guest.clone() };
        let before = lock(&self.gate).enter(coming, Instant::now())?;
        before.into_iter().for_each(|id| self.end(id));
        Ok(guest)
    }

    fn end_those_over(&self, now: Instant) {
        let over = lock(&self.gate).over(now, |keys| self.door.is_revoked(keys));
        over.into_iter().for_each(|(_, id)| self.end(id));
    }

    fn end(&self, (endpoint, connection): (EndpointId, ConnectionId)) {
        if let Some(clients) = self.clients.get() {
            clients.disconnect(endpoint, Some(connection));
        }
    }
}

impl AccessControl for Control {
    async fn on_connect(&self, request: &ClientRequest) -> Access {
        let node = node_of(request.endpoint_id());
        match self.admit(request) {
            Ok(guest) => {
                let role = if guest.role.is_empty() { "ticket" } else { &guest.role };
                self.door.noted(Entry::of(Event::RelayAccepted).node(node).because(role));
                Access::Allow
            }
            Err(error) => {
                self.door.noted(Entry::of(Event::RelayRefused).node(node).refused(&error));
                Access::Deny { reason: Some(reason(&error)) }
            }
        }
    }

    fn on_disconnect(&self, endpoint: EndpointId, connection: ConnectionId) {
        lock(&self.gate).left(node_of(endpoint), (endpoint, connection));
    }
}

fn node_of(endpoint: EndpointId) -> NodeKey {
    NodeKey::from_bytes(*endpoint.as_bytes())
}
