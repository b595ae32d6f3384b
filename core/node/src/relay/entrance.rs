//! Connections that come to a relay, until each has proven whose it is.

use super::places::Places;
use crate::engine::lock;
use hubless_proto::limits;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use iroh_relay::server::http_server::{RelayService, RelayServiceWithNotify};
use iroh_relay::server::streams::MaybeTlsStream;
use std::future::ready;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Pause after a connection could not be taken, such as for want of files.
const BREATH: Duration = Duration::from_millis(100);
/// The head of a request, in bytes: a token fits in.
const HEAD_BYTES: usize = 4 * limits::TOKEN_BYTES;

/// Where connections come in.
pub(super) struct Entrance {
    pub(super) service: RelayService,
    pub(super) tls: Option<TlsAcceptor>,
    /// What ends each connection that has not proven whose it is.
    pub(super) places: Mutex<Places<CancellationToken>>,
    /// Ends all of them.
    pub(super) stop: CancellationToken,
    /// One task for each.
    pub(super) introductions: TaskTracker,
}

impl Entrance {
    /// Takes connections, for ever.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the relay was not taken");
                    sleep(BREATH).await;
                    continue;
                }
            };
            let end = self.stop.child_token();
            let (number, displaced) = lock(&self.places).take(from.ip(), end.clone());
            if let Some(displaced) = displaced {
                tracing::debug!("too many connections introduce themselves: one gives way");
                displaced.cancel();
            }
            let entrance = Arc::clone(&self);
            self.introductions.spawn(async move {
                if let Err(error) = entrance.introduced(stream, end).await {
                    tracing::debug!(%from, %error, "a connection to the relay ended early");
                }
                lock(&entrance.places).left(number);
            });
        }
    }

    /// Waits until a connection has proven whose it is, was refused or had its answer, and cuts it
    /// off when that takes too long, or is ended. From then on a task of the service carries it.
    async fn introduced(&self, stream: TcpStream, end: CancellationToken) -> io::Result<()> {
        let stream = stream.into_std()?;
        // Dropped as soon as the relay knows who it is: what the service ends is to end at once.
        let socket = stream.try_clone()?;
        let stream = TcpStream::from_std(stream)?;
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        let spoken = async {
            self.spoken(stream, guard).await?;
            over.cancelled().await;
            Ok(())
        };
        let spoken = timeout(limits::RELAY_HANDSHAKE, spoken);
        match end.run_until_cancelled(spoken).await {
            Some(Ok(outcome)) => outcome,
            None | Some(Err(_)) => {
                // Whoever carries it by now sees its end.
                let _ = socket.shutdown(Shutdown::Both);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Speaks HTTP until one request is answered. Each that was made holds the guard, as long as
    /// the service has not decided on it: it tells of those that it lets in alone.
    async fn spoken(&self, stream: TcpStream, guard: DropGuard) -> io::Result<()> {
        let stream = match &self.tls {
            None => MaybeTlsStream::Plain(stream),
            Some(tls) => MaybeTlsStream::Tls(tls.accept(stream).await?),
        };
        let inner = RelayServiceWithNotify::new(self.service.clone(), Arc::default());
        let guard = Arc::new(guard);
        let answering = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&guard));
            let answered = inner.call(request).into_inner().map(|mut answer| {
                // Said here: the engine of HTTP would say it of what becomes a WebSocket as well.
                if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            });
            ready(answered.map_err(io::Error::other))
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::RELAY_HANDSHAKE)
            .max_headers(limits::HTTP_HEADERS)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), answering)
            .with_upgrades()
            .await
            .map_err(io::Error::other)
    }
}
