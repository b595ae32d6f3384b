//! What nodes tell a gateway: that a key ends, and that a budget was stopped.

use super::desk::Desk;
use super::fault::{fault, show};
use crate::http::{Client, Fault, json, json_only, read};
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use hubless::Kind;
use hubless_proto::metering::word;
use std::sync::Arc;

/// Ends the key that is shown, and says what it cost.
pub(super) async fn end(
    State(desk): State<Arc<Desk>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    ended(&desk, &client, request).await.unwrap_or_else(show)
}

/// Stops the keys of a budget, by the word of its root, whoever brings it that has a key, unless
/// that is of another budget.
pub(super) async fn trip(
    State(desk): State<Arc<Desk>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    tripped(&desk, &client, request).await.unwrap_or_else(show)
}

async fn ended(desk: &Desk, client: &Client, request: Request) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let (key, by) = desk.shown(&head, client)?;
    let chain = desk.till.known(key, &by).map_err(fault)?;
    json_only(&head)?;
    let body = read(body, client, desk.body_time).await?;
    let said = match word::read_end(&body).map_err(fault)? {
        None => word::paid(desk.till.end(&chain).await.map_err(fault)?),
        Some(purpose) => {
            let ended = desk.till.end_for(&chain, purpose).await;
            let (paid, receipt) = ended.map_err(fault)?;
            word::receipted(paid, &receipt)
        }
    };
    Ok(json(said))
}

async fn tripped(desk: &Desk, client: &Client, request: Request) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let teller = desk.key(&head, client)?;
    json_only(&head)?;
    let body = read(body, client, desk.body_time).await?;
    let trip = word::read_trip(&body).inspect_err(|error| {
        // What is no stop at all is a mistake, and no attempt.
        if error.kind != Kind::InvalidArgument {
            desk.till.note_holder(&teller, error);
        }
    });
    let trip = trip.map_err(fault)?;
    desk.till.trip(&teller, &trip).await.map_err(fault)?;
    Ok(json("{}"))
}
