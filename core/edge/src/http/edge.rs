//! The face of a node over plain HTTP.

use super::budgets::Allowed;
use super::desk::{self, Desk};
use super::listener::Listener;
#[cfg(feature = "metrics")]
use super::metrics::{Page, Readers};
use super::options::HttpOptions;
use super::rules::stranger;
use super::site::Behind;
use axum::Router;
use axum::response::IntoResponse as _;
use hubless::{Error, Node, Result};
use hubless_proto::limits;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Agents of the mesh over plain HTTP, for those outside it. Dropping it closes it at once,
/// [`HttpEdge::close`] in good order.
///
/// ```
/// use hubless::{AgentOptions, Content, Node, NodeOptions, handler};
/// use hubless_edge::http::{HttpEdge, HttpOptions};
/// use std::time::Duration;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let open = AgentOptions::read(serde_json::json!({"name": "shout",
///     "requirements": {"allowExternalConnections": true}}))?;
/// let shout = handler(|_call, content: Content| async move {
///     Ok(Content::text(content.joined_text().to_uppercase()))
/// });
/// node.register(open, shout).await?;
/// let any_port = HttpOptions { listen: "127.0.0.1:0".parse().unwrap(), ..HttpOptions::default() };
/// let edge = HttpEdge::start(&node, any_port).await?;
/// let body = r#"{"content":{"value":"hello"}}"#;
/// let mut socket = tokio::net::TcpStream::connect(edge.address()).await.unwrap();
/// let request = format!("POST /v1/agents/shout/requests HTTP/1.1\r\nHost: {}\r\n\
///     Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
///     edge.address(), body.len());
/// socket.write_all(request.as_bytes()).await.unwrap();
/// let mut answer = String::new();
/// socket.read_to_string(&mut answer).await.unwrap();
/// assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
/// assert!(answer.contains(r#""value":"HELLO""#), "{answer}");
/// edge.close(Duration::from_secs(1)).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct HttpEdge(Listener);

impl HttpEdge {
    /// Binds and serves.
    ///
    /// # Errors
    /// `configuration`: code `insecure` for what others could reach unprotected, `tls`, `file`, or
    /// an address that cannot be bound; `invalid_argument` for names and origins that are none;
    /// `too_large` (`CALL_WATCHERS`) where too many count calls already.
    ///
    /// # Cancellation
    /// Nothing is bound.
    pub async fn start(node: &Node, options: HttpOptions) -> Result<Self> {
        options.check()?;
        let desk = Desk {
            node: node.clone(),
            body_time: options.body_time,
            trust_traces: options.trust_traces,
            allowed: Arc::new(Allowed::by(&options)),
            codes: Arc::default(),
        };
        let router = desk::router(desk);
        #[cfg(feature = "metrics")]
        let router = with_metrics(node, &options, router)?;
        Listener::open(options, node.key(), behind(node, router)).await.map(Self)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The names that it answers to, with their ports.
    pub fn hosts(&self) -> &[String] {
        self.0.hosts()
    }

    /// Its URL by its address.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Takes no more connections and requests, lets running ones end within `grace`, and cuts off
    /// what is left.
    ///
    /// # Cancellation
    /// What is left is cut off at once.
    pub async fn close(self, grace: Duration) {
        self.0.close(grace).await;
    }
}

/// What stands behind a listener for a node.
pub(super) fn behind(node: &Node, router: Router) -> Behind {
    let node = node.clone();
    let note = move |address: IpAddr, error: &Error| {
        node.note_refused(&stranger(address), "", error);
    };
    Behind {
        router,
        note: Box::new(note),
        show: |fault| fault.into_response(),
        per_local_address: limits::HTTP_CONNECTIONS_PER_IP,
    }
}

/// Adds the metrics to the paths, where they are asked for.
#[cfg(feature = "metrics")]
fn with_metrics(node: &Node, options: &HttpOptions, router: Router) -> Result<Router> {
    if !options.metrics {
        return Ok(router);
    }
    let readers = if options.tokens.is_empty() { Readers::Admitted } else { Readers::Named };
    Ok(Page::of(node, readers)?.at(router))
}
