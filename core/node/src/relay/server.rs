//! A running relay.

use super::control::Control;
use super::door::Door;
use super::entrance::Entrance;
use super::options::RelayOptions;
use super::places::Places;
use super::tls;
use crate::executor::blocking;
use crate::mesh::RelayUrl;
use bytes::Bytes;
use http_body_util::Empty;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hyper::{HeaderMap, Method, StatusCode};
use iroh_relay::KeyCache;
use iroh_relay::server::http_server::{BytesBody, Handlers, HyperError, RelayService};
use iroh_relay::server::{ClientRateLimit, Metrics, QuicConfig, Server, ServerConfig};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where anybody asks whether the relay is there.
const PING: &str = "/ping";
/// Keys of nodes that are kept as read.
const KEYS: usize = 1_024;
/// Connections that take nothing are not waited for longer than this at the end.
const PARTING: Duration = Duration::from_secs(2);

/// A relay. It ends when it is closed; when it is dropped, a moment later.
#[derive(Debug)]
pub(crate) struct RelayServer {
    url: RelayUrl,
    /// Tells nodes their addresses over UDP.
    discovery: Option<Server>,
    stop: CancellationToken,
    running: JoinHandle<()>,
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
        let url = options.url(bound)?;
        let discovery = match &tls {
            None => None,
            Some(tls) => Some(discovery(bound, tls.clone()).await?),
        };
        let stop = CancellationToken::new();
        let control = Arc::new(Control::new(door, options.connections, stop.clone()));
        let service = service(options.bytes_per_s, Arc::clone(&control));
        control.ends_by(service.clients());
        // Behind a proxy all connections have one source.
        let of_source = match &options.url {
            None => limits::RELAY_SOURCE_HANDSHAKES,
            Some(_) => limits::RELAY_HANDSHAKES,
        };
        let entrance = Entrance {
            service,
            tls: tls.map(|tls| TlsAcceptor::from(Arc::new(tls))),
            places: Mutex::new(Places::new(of_source)),
            stop: stop.clone(),
            introductions: TaskTracker::new(),
        };
        let running = tokio::spawn(run(listener, control, Arc::new(entrance)));
        tracing::info!(%url, "relay open");
        Ok(Self { url, discovery, stop, running })
    }

    /// Where it is.
    pub(crate) const fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// Ends every connection, and the relay: afterwards another one may have its port.
    ///
    /// # Cancellation
    /// When it is dropped, the relay ends all the same, a moment later.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        // It ends by itself, and whatever happened to it, it is over.
        let _ = (&mut self.running).await;
        if let Some(discovery) = self.discovery.take() {
            match timeout(PARTING, discovery.shutdown()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the discovery of addresses ended badly"),
                Err(_) => tracing::debug!("the discovery of addresses was cut off"),
            }
        }
        tracing::info!("relay closed");
    }
}

impl Drop for RelayServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs a relay until it is stopped, and ends what is left of it.
async fn run(listener: TcpListener, control: Arc<Control>, entrance: Arc<Entrance>) {
    let (service, stop) = (entrance.service.clone(), entrance.stop.clone());
    let introductions = entrance.introductions.clone();
    let open = async { tokio::join!(entrance.accept(listener), control.rounds()) };
    stop.run_until_cancelled(open).await;
    introductions.close();
    let parting = async {
        // First those that may still be let in: afterwards nobody comes.
        introductions.wait().await;
        service.shutdown().await;
    };
    if timeout(PARTING, parting).await.is_err() {
        tracing::debug!("connections to the relay were cut off");
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
