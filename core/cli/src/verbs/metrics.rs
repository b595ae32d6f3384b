//! `--metrics` of `serve`: a listener beside the agent.

use hubless::{Error, Node, Result};
use hubless_edge::http::{HttpOptions, MetricsEdge};
use std::net::SocketAddr;
use std::time::Duration;

/// Where to listen, checked before anything is started; none: nowhere.
///
/// # Errors
/// `invalid_argument` for what is no address; `configuration`, code `insecure`, for one that other
/// machines reach.
pub(super) fn options(listen: Option<&str>) -> Result<Option<HttpOptions>> {
    let Some(listen) = listen else { return Ok(None) };
    let wrong = |_| Error::invalid("metrics", "expected an IP address and a port, IP:PORT");
    let listen = listen.parse::<SocketAddr>().map_err(wrong)?;
    let options = HttpOptions { listen, ..HttpOptions::default() };
    options.check()?;
    Ok(Some(options))
}

/// Opens the listener that was asked for; where that fails, the node is closed as well.
///
/// # Errors
/// As [`MetricsEdge::start`].
pub(super) async fn open(node: &Node, options: Option<HttpOptions>) -> Result<Option<MetricsEdge>> {
    let Some(options) = options else { return Ok(None) };
    let opened = MetricsEdge::start(node, options).await;
    if opened.is_err() {
        node.close(Duration::ZERO).await;
    }
    opened.map(Some)
}
