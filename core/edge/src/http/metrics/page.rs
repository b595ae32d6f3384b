//! The page that is read.

use super::calls::Calls;
use super::node::Numbers;
use super::process::started_s;
use crate::http::desk::Client;
use crate::http::fault::Fault;
use axum::Router;
use axum::extract::Extension;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hubless::{Error, Kind, Node, Result};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::future::ready;
use std::sync::Arc;

/// Where it is.
const PATH: &str = "/metrics";
/// Who may read it where clients of other things show tokens as well.
const READER: &str = "http:token:metrics";

/// Who may read the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Readers {
    /// Whoever the listener lets in.
    Admitted,
    /// The token of the name `metrics` alone: other clients are not to learn which agents there
    /// are that they cannot ask.
    Named,
}

/// What is counted of a node, from its making on.
#[derive(Debug)]
pub(in crate::http) struct Page {
    registry: Registry,
    readers: Readers,
    /// Who writes down whom it refused.
    node: Node,
    /// Counts as long as it is held here.
    _calls: Arc<Calls>,
}

impl Page {
    /// Begins to count.
    ///
    /// # Errors
    /// `too_large`: limit `CALL_WATCHERS`.
    pub(in crate::http) fn of(node: &Node, readers: Readers) -> Result<Self> {
        let calls = Arc::new(Calls::default());
        node.watch_calls(&calls)?;
        let mut registry = Registry::default();
        if let Some(started_s) = started_s() {
            let help = "Start of the process, in seconds of Unix time";
            registry.register("process_start_time_seconds", help, ConstGauge::new(started_s));
        }
        let own = registry.sub_registry_with_prefix("hubless");
        let version = Info::new([("version", node.status().version)]);
        own.register("build", "The version of the library", version);
        calls.register(own);
        own.register_collector(Box::new(Numbers::of(node)));
        Ok(Self { registry, readers, node: node.clone(), _calls: calls })
    }

    /// Adds its path to those of a listener.
    pub(in crate::http) fn at(self, router: Router) -> Router {
        let page = Arc::new(self);
        let read = move |Extension(client): Extension<Client>| ready(page.read(&client));
        router.route(PATH, get(read).fallback(|| async { Fault::method("GET, HEAD") }))
    }

    fn read(&self, client: &Client) -> std::result::Result<Response, Fault> {
        if self.readers == Readers::Named && client.principal != READER {
            let message = "expected the token of the name metrics";
            let error = Error::refusal(Kind::Denied, "", message);
            self.node.note_refused(&client.principal, "", &error);
            return Err(error.into());
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)
            .map_err(|_| Error::new(Kind::Internal, "what was counted cannot be written"))?;
        let mut response = text.into_response();
        let kind = HeaderValue::from_static(prometheus_text::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Ok(response)
    }
}
