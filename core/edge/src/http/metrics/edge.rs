//! A listener for nothing but metrics.

use super::page::{Page, Readers};
use crate::http::edge::behind;
use crate::http::fault::Fault;
use crate::http::listener::Listener;
use crate::http::options::HttpOptions;
use axum::Router;
use hubless::{Node, Result};
use std::net::SocketAddr;
use std::time::Duration;

/// The metrics of a node at `/metrics` of a listener of their own, as Prometheus reads them; for
/// nodes whose agents are not over HTTP. Dropping it closes it at once, [`MetricsEdge::close`] in
/// good order.
///
/// ```
/// use hubless::{Node, NodeOptions};
/// use hubless_edge::http::{HttpOptions, MetricsEdge};
/// use std::time::Duration;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let any_port = HttpOptions { listen: "127.0.0.1:0".parse().unwrap(), ..HttpOptions::default() };
/// let metrics = MetricsEdge::start(&node, any_port).await?;
/// let mut socket = tokio::net::TcpStream::connect(metrics.address()).await.unwrap();
/// let host = metrics.address();
/// let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
/// socket.write_all(request.as_bytes()).await.unwrap();
/// let mut answer = String::new();
/// socket.read_to_string(&mut answer).await.unwrap();
/// assert!(answer.contains("# TYPE hubless_calls_running gauge"), "{answer}");
/// metrics.close(Duration::from_secs(1)).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MetricsEdge(Listener);

impl MetricsEdge {
    /// Binds and serves; calls are counted from now on. Whoever the listener lets in may read.
    ///
    /// # Errors
    /// As [`crate::http::HttpEdge::start`]; `too_large` (`CALL_WATCHERS`) where too many count
    /// already.
    ///
    /// # Cancellation
    /// Nothing is bound.
    pub async fn start(node: &Node, options: HttpOptions) -> Result<Self> {
        options.check()?;
        let nothing_else = Router::new().fallback(|| async { Fault::path() });
        let router = Page::of(node, Readers::Admitted)?.at(nothing_else);
        Listener::open(options, node.key(), behind(node, router)).await.map(Self)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The URL of the metrics, by its address.
    pub fn url(&self) -> String {
        format!("{}/metrics", self.0.url())
    }

    /// Takes no more requests, lets running ones end within `grace`, and cuts off what is left.
    ///
    /// # Cancellation
    /// What is left is cut off at once.
    pub async fn close(self, grace: Duration) {
        self.0.close(grace).await;
    }
}
