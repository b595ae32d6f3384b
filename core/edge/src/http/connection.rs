//! One connection from its first byte to its end.

use super::activity::Activity;
use super::gate::{Gate, Times};
use super::site::{Running, Site};
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::BytesMut;
use hubless_proto::limits;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// What every HTTP/2 connection begins with (RFC 9113).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most that is kept of one connection for reading and writing, in bytes.
const BUFFER_BYTES: usize = 64 * limits::KIB;
/// How often a silent HTTP/2 peer is asked whether it is there.
const PING: Duration = Duration::from_secs(20);

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Its first bytes say so.
    Unknown,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a connection belongs to.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) site: Arc<Site>,
    pub(super) times: Times,
    /// Fires when the listener closes: what runs may end.
    pub(super) closing: CancellationToken,
}

/// Serves a connection until it ends, is idle for too long, or is cut off.
pub(super) async fn serve<S>(
    socket: S,
    spoken: Spoken,
    address: IpAddr,
    activity: Arc<Activity>,
    served: Served,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut = activity.cut.clone();
    let whole = async {
        let mut socket = socket;
        let begun = tokio::time::timeout(served.times.header, begin(&mut socket, spoken)).await;
        let Ok(Some((spoken, begun))) = begun else { return };
        let (kept, times) = (Arc::clone(&activity), served.times);
        if spoken == Spoken::Http2 {
            http2(Gate::open(socket, begun, kept, times), address, activity, served).await;
        } else {
            http1(Gate::strict(socket, begun, kept, times), address, activity, served).await;
        }
    };
    tokio::select! {
        () = whole => {}
        () = cut.cancelled() => tracing::debug!("a connection was cut off"),
    }
}

/// The first bytes, as far as they are needed to know what is spoken; none: the peer went away.
async fn begin<S: AsyncRead + Unpin>(socket: &mut S, spoken: Spoken) -> Option<(Spoken, BytesMut)> {
    let mut begun = BytesMut::new();
    if spoken != Spoken::Unknown {
        return Some((spoken, begun));
    }
    loop {
        if socket.read_buf(&mut begun).await.ok()? == 0 {
            return None;
        }
        if begun.starts_with(PREFACE) {
            return Some((Spoken::Http2, begun));
        }
        if !PREFACE.starts_with(&begun) {
            return Some((Spoken::Http1, begun));
        }
    }
}

async fn http1<S>(gate: Gate<S>, address: IpAddr, activity: Arc<Activity>, served: Served)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served { site, closing, .. } = served;
    let service = service_fn(move |request: Request<Incoming>| {
        let running = Running::begun(&activity);
        let site = Arc::clone(&site);
        async move {
            let answer = site.answer(request.map(Body::new), address, running).await;
            Ok::<Response<_>, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(gate), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    log(ended);
}

async fn http2<S>(gate: Gate<S>, address: IpAddr, activity: Arc<Activity>, served: Served)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served { site, closing, times } = served;
    let kept = Arc::clone(&activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let running = Running::stream(&activity);
        let site = Arc::clone(&site);
        async move {
            let answer = site.answer(request.map(Body::new), address, running).await;
            Ok::<Response<_>, Infallible>(answer)
        }
    });
    let resets = usize::try_from(limits::HTTP_RESETS).unwrap_or(usize::MAX);
    let headers = u32::try_from(limits::HTTP_HEADERS_BYTES + limits::HTTP_URL_BYTES);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(limits::HTTP_STREAMS)
        .max_local_error_reset_streams(resets)
        .max_header_list_size(headers.unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(gate), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = kept.idle(times.idle) => {
            connection.as_mut().graceful_shutdown();
            // A peer that does not say good-bye is not waited for.
            tokio::time::timeout(PING, connection).await.unwrap_or(Ok(()))
        }
        () = kept.left(times.idle) => {
            tracing::debug!("a peer does not take what it asked for");
            Ok(())
        }
    };
    log(ended);
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
