//! The paths, and one call from its key to its answer.

use super::fault::{self, show};
use super::provider::{Provider, Unanswered};
use super::{control, stream, whole};
use crate::http::{Client, EVENTS, Fault, bearer, json, json_only, read, stranger};
use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use hubless::till::{GatewayTill, Held};
use hubless::{Error, Kind};
use hubless_proto::killswitch::Amount;
use hubless_proto::metering::bound::{self, Answer, Bounded};
use hubless_proto::metering::chain::Chain;
use hubless_proto::metering::prices::Prices;
use hubless_proto::metering::till::over;
use hubless_proto::metering::{Usage, word};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What every path needs.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) till: Arc<GatewayTill>,
    pub(super) prices: Arc<Prices>,
    pub(super) provider: Provider,
    pub(super) body_time: Duration,
}

/// Header in which a provider names a call.
const REQUEST_ID: &str = "x-request-id";

/// What is read of a body that was checked.
#[derive(Default, Deserialize)]
struct Named {
    model: String,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Chat,
    Embeddings,
}

impl Service {
    /// Its path, at us and at the provider.
    const fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Embeddings => "embeddings",
        }
    }

    fn bound(self, prices: &Prices, body: &[u8]) -> hubless::Result<Bounded> {
        match self {
            Self::Chat => bound::chat(prices, body),
            Self::Embeddings => bound::embeddings(prices, body),
        }
    }

    const fn usage(self) -> whole::Read {
        match self {
            Self::Chat => Usage::of_chat,
            Self::Embeddings => Usage::of_embeddings,
        }
    }
}

/// The paths of a gateway.
pub(super) fn router(desk: Desk) -> Router {
    let wrong = |allowed: &'static str| move || async move { show(Fault::method(allowed)) };
    let at = |service: Service| format!("/v1/{}", service.path());
    let asks = |service: Service| {
        let ask = move |State(desk), Extension(client), request| async move {
            ask(desk, client, service, request).await.unwrap_or_else(show)
        };
        post(ask).fallback(wrong("POST"))
    };
    let models = |State(desk): State<Arc<Desk>>, Extension(client): Extension<Client>, request| {
        let listed = models(&desk, &client, request);
        async move { listed.unwrap_or_else(show) }
    };
    Router::new()
        .route(&at(Service::Chat), asks(Service::Chat))
        .route(&at(Service::Embeddings), asks(Service::Embeddings))
        .route("/v1/models", get(models).fallback(wrong("GET, HEAD")))
        .route(&format!("/v1/{}", word::END), post(control::end).fallback(wrong("POST")))
        .route(&format!("/v1/{}", word::TRIP), post(control::trip).fallback(wrong("POST")))
        .fallback(|| async { show(Fault::path()) })
        .with_state(Arc::new(desk))
}

async fn ask(
    desk: Arc<Desk>,
    client: Client,
    service: Service,
    request: Request,
) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let chain = desk.key(&head, &client)?;
    json_only(&head)?;
    let body = read(body, &client, desk.body_time).await?;
    let prices = Arc::clone(&desk.prices);
    // A large text is counted for many milliseconds.
    let bounded = tokio::task::spawn_blocking(move || {
        let bounded = service.bound(&prices, &body)?;
        let named: Named = serde_json::from_str(&bounded.body).unwrap_or_default();
        Ok::<_, Error>((bounded, named.model))
    });
    let bounded = bounded.await.map_err(|_| Error::new(Kind::Internal, "the count panicked"))?;
    let (bounded, model) = bounded.map_err(fault::fault)?;
    let most = bounded.most().map_err(fault::fault)?;
    let mut held = desk.till.reserve(&chain, most).await.map_err(fault::fault)?;
    held.serve(&model);
    pay(&desk, service, (held, bounded)).await
}

/// Asks the provider: from here on a call is charged, whatever becomes of it. One whose key is
/// ended, or the budget of its key stopped, is cut, and charged in full.
async fn pay(
    desk: &Desk,
    service: Service,
    (mut held, mut bounded): (Held, Bounded),
) -> Result<Response, Fault> {
    let accept = match bounded.answer {
        Answer::Whole => "application/json",
        Answer::Stream | Answer::StreamWithUsage => EVENTS,
    };
    let body = std::mem::take(&mut bounded.body);
    let mut cut = std::pin::pin!(held.cut());
    let asked = tokio::select! {
        biased;
        () = &mut cut => return Err(fault::fault(over())),
        asked = desk.provider.ask(service.path(), body, accept) => asked,
    };
    let response = match asked {
        Ok(response) => response,
        Err(why) => {
            if matches!(why, Unanswered::NeverSent) {
                held.settle(Amount::ZERO).await.map_err(fault::fault)?;
            }
            return Err(why.into());
        }
    };
    if let Some(id) = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
        held.called(id);
    }
    if !response.status().is_success() {
        return whole::refusal(&desk.provider, response, held).await;
    }
    match bounded.answer {
        Answer::Whole => tokio::select! {
            biased;
            () = cut => Err(fault::fault(over())),
            passed = whole::pass(response, held, (&bounded.model, service.usage())) => passed,
        },
        Answer::Stream | Answer::StreamWithUsage => Ok(stream::pass(response, held, bounded)),
    }
}

/// The models that have a price and are named in full.
fn models(desk: &Desk, client: &Client, request: Request) -> Result<Response, Fault> {
    desk.key(&request.into_parts().0, client)?;
    let owner = desk.till.name();
    let model =
        |name: &str| json!({ "id": name, "object": "model", "created": 0, "owned_by": owner });
    let all: Vec<_> = desk.prices.names().map(model).collect();
    Ok(json(json!({ "object": "list", "data": all }).to_string()))
}

impl Desk {
    /// The key that a request shows, if it may pay.
    pub(super) fn key(&self, head: &Parts, client: &Client) -> Result<Chain, Fault> {
        let (key, by) = self.shown(head, client)?;
        self.till.admit(key, &by).map_err(fault::fault)
    }

    /// The text of the key that a request shows, and who asks; that there is none is in the audit
    /// log.
    pub(super) fn shown<'a>(
        &self,
        head: &'a Parts,
        client: &Client,
    ) -> Result<(&'a str, String), Fault> {
        let by = stranger(client.address);
        let key = bearer(head).and_then(|key| key.ok_or_else(Fault::token));
        let key = key.inspect_err(|fault| self.till.note_key(&by, fault.error()))?;
        Ok((key, by))
    }
}
