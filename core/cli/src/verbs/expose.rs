//! `expose`: agents of the mesh for programs outside it, until a signal ends it.

use super::run::Context;
use crate::args::Http;
use crate::output;
use hubless::budget::Terms;
use hubless::node::EndSignals;
use hubless::{Error, Result};
use hubless_edge::http::{Budgets, HttpEdge, HttpOptions, Tokens};
use hubless_proto::limits;
use hubless_proto::policy::read_hour;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Listens until a signal, then lets running calls end; a second signal does not wait for them.
///
/// # Errors
/// `configuration` for files, addresses and names that cannot be used, or that would let anybody
/// ask; `invalid_argument` naming the flag.
pub(super) async fn http(context: &Context, given: Http, listen: Option<String>) -> Result<()> {
    let name = given.node.clone();
    let options = options(given, listen)?;
    options.check()?;
    let mut signals = EndSignals::listen()?;
    let node = context.lasting_node(name).await?;
    let started = HttpEdge::start(&node, options).await;
    let told = match &started {
        Ok(edge) => tell(context, edge),
        Err(_) => Ok(()),
    };
    if started.is_ok() && told.is_ok() {
        signals.next().await;
    }
    let ended = async {
        let closed = match started {
            Ok(edge) => {
                edge.close(limits::CLOSE_GRACE).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        node.close(limits::CLOSE_GRACE).await;
        closed
    };
    tokio::select! {
        closed = ended => closed?,
        () = signals.next() => node.close(Duration::ZERO).await,
    }
    told
}

fn options(given: Http, listen: Option<String>) -> Result<HttpOptions> {
    let mut options = HttpOptions {
        hosts: given.host,
        origins: given.origin,
        certificate: given.tls_cert.zip(given.tls_key),
        insecure: given.insecure,
        trust_traces: given.trust_traces,
        #[cfg(feature = "metrics")]
        metrics: given.metrics,
        ..HttpOptions::default()
    };
    if let Some(listen) = listen {
        let wrong = |_| Error::invalid("listen", "expected an IP address and a port, IP:PORT");
        options.listen = listen.parse::<SocketAddr>().map_err(wrong)?;
    }
    if let Some(budget) = &given.budget {
        options.budget = Some(Terms::read("budget", &object("budget", budget)?)?);
    }
    if let Some(hour) = &given.budget_per_hour {
        let field = "budget-per-hour";
        options.budget_per_hour = Some(read_hour(field, &object(field, hour)?)?);
    }
    if let Some(file) = &given.budget_file {
        options.budgets = Budgets::open(file)?;
    }
    if let Some(file) = &given.token_file {
        options.tokens = Tokens::open(file)?;
    }
    Ok(options)
}

fn object(field: &str, text: &str) -> Result<Value> {
    let wrong = |_| Error::invalid(field, "expected limits as a JSON object");
    serde_json::from_str(text).map_err(wrong)
}

/// Says where to ask.
fn tell(context: &Context, edge: &HttpEdge) -> Result<()> {
    if context.json {
        let address = edge.address().to_string();
        let body = json!({ "url": edge.url(), "address": address, "hosts": edge.hosts() });
        return output::object("exposing", &body);
    }
    output::say(&format!("agents that allow external connections: {}/v1/agents", edge.url()));
    Ok(())
}
