//! `relay serve`: a relay until a signal ends it.

use super::run::Context;
use crate::args::RelayServe;
use crate::output;
use hubless::mesh::RelayUrl;
use hubless::node::EndSignals;
use hubless::relay::RelayOptions;
use hubless::{Error, Kind, Node, NodeOptions, Result};
use hubless_proto::limits;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// Serves until a signal; a second one does not wait for the node to say good-bye.
///
/// # Errors
/// `invalid_argument` naming the flag; `configuration` for an address, a certificate or a key that
/// cannot be used.
pub(super) async fn serve(
    context: &Context,
    given: RelayServe,
    listen: Option<String>,
) -> Result<()> {
    let name = given.node.clone();
    let relay = Some(options(given, listen)?);
    let mut signals = EndSignals::listen()?;
    let options = NodeOptions { name, relay, ..context.settings.lasting_node()? };
    let node = Node::start(options).await?;
    let told = tell(context, &node);
    if told.is_ok() {
        signals.next().await;
    }
    tokio::select! {
        () = node.close(limits::CLOSE_GRACE) => {}
        () = signals.next() => node.close(Duration::ZERO).await,
    }
    told
}

fn options(given: RelayServe, listen: Option<String>) -> Result<RelayOptions> {
    let url = given.url.map(|url| url.parse::<RelayUrl>()).transpose();
    let mut options = RelayOptions {
        host: given.host,
        url: url.map_err(|error| error.with_field("url"))?,
        tls_cert: given.tls_cert,
        tls_key: given.tls_key,
        bytes_per_s: given.rate,
        connections: given.connections,
        ..RelayOptions::default()
    };
    if let Some(listen) = listen {
        let wrong = |_| Error::invalid("listen", "expected an IP address and a port, IP:PORT");
        options.listen = listen.parse::<SocketAddr>().map_err(wrong)?;
    }
    options.check().map_err(|error| match error.field.as_deref() {
        Some("bytesPerS") => error.with_field("rate"),
        _ => error,
    })?;
    Ok(options)
}

/// Says where it is.
fn tell(context: &Context, node: &Node) -> Result<()> {
    let missing = || Error::new(Kind::Internal, "the relay has no address");
    let url = node.relay_url().ok_or_else(missing)?;
    if context.json {
        let body = json!({ "url": url, "node": node.key(), "meshId": node.mesh_id() });
        return output::object("relay", &body);
    }
    output::say(&format!("HUBLESS_RELAYS={url}"));
    Ok(())
}
