//! The paths, and what is done at each.

use super::activity::Activity;
use super::ask;
use super::budgets::Allowed;
use super::codes::Codes;
use super::fault::Fault;
use super::form::{ErrorForm, ListForm};
use super::openapi;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hubless::Node;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What every path needs.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) node: Node,
    pub(super) body_time: Duration,
    pub(super) trust_traces: bool,
    /// What pays for requests without a code.
    pub(super) allowed: Arc<Allowed>,
    pub(super) codes: Arc<Codes>,
}

/// Who asks, over which connection.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(super) principal: String,
    pub(crate) address: IpAddr,
    pub(super) activity: Arc<Activity>,
}

/// The paths of a listener.
pub(super) fn router(desk: Desk) -> Router {
    let wrong = |allowed: &'static str| move || async move { Fault::method(allowed) };
    let asks = post(ask::ask).fallback(wrong("POST"));
    let lists = get(agents).fallback(wrong("GET, HEAD"));
    let describes =
        get(|| ready(json(openapi::document().to_owned()))).fallback(wrong("GET, HEAD"));
    Router::new()
        .route("/v1/agents/{name}/requests", asks)
        .route("/v1/agents", lists)
        .route("/openapi.json", describes)
        .fallback(|| async { Fault::path() })
        .with_state(Arc::new(desk))
}

/// List the agents that take requests from outside, by name; at most 1,000.
#[utoipa::path(
    get,
    path = "/v1/agents",
    tag = "agents",
    responses(
        (status = 200, description = "the agents", body = ListForm),
        (status = "default", description = "an error", body = ErrorForm),
    ),
)]
pub(super) fn agents(State(desk): State<Arc<Desk>>) -> Ready<Result<Response, Fault>> {
    let agents = desk.node.external_agents();
    ready(agents.map(|agents| json(ListForm::show(&agents).to_string())).map_err(Fault::from))
}

/// An answer in JSON.
pub(crate) fn json(text: impl Into<Body>) -> Response {
    let mut response = text.into().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
