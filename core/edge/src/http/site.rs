//! One request from its head to the end of its answer.

use super::activity::Activity;
use super::desk::Client;
use super::fault::Fault;
use super::rules::{Admitted, Rules, single};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONNECTION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http_body::{Frame, SizeHint};
use hubless::Error;
use hubless_proto::limits;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// Most of an answer that is given at once, in bytes: what the library was given it keeps, and
/// whether the peer takes it is not seen.
const PIECE_BYTES: usize = 16 * limits::KIB;
/// Name of the header by which a client tells its requests apart.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that a page of an allowed origin may send.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, hubless-budget, x-request-id, x-timeout-ms";

/// What answers the requests of a listener.
pub(super) struct Site {
    pub(super) rules: Rules,
    pub(super) behind: Behind,
}

/// Writes down whom a listener refused.
pub(crate) type Note = Box<dyn Fn(IpAddr, &Error) + Send + Sync>;

/// What a listener is a face of.
pub(crate) struct Behind {
    /// Its paths.
    pub(crate) router: Router,
    /// Writes down whom the listener refused, before a path was looked at.
    pub(crate) note: Note,
    /// How a refusal by the listener is shown.
    pub(crate) show: fn(Fault) -> Response,
    /// Connections that one address of this machine may have; another one has
    /// `HTTP_CONNECTIONS_PER_IP`.
    pub(crate) per_local_address: usize,
}

impl Site {
    /// Answers one request; `running` counts until the answer is out, or nobody waits for it.
    pub(super) async fn answer(
        &self,
        request: Request<Body>,
        address: IpAddr,
        running: Running,
    ) -> Response<Counted> {
        let (head, body) = request.into_parts();
        let id = request_id(&head);
        let mut response = match running.activity.refusal() {
            Some(refusal) => (self.behind.show)(Fault::from(refusal)),
            None => self.admitted(&head, body, address, &running).await,
        };
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            tracing::debug!(status = status.as_u16(), id = ?id, "a request was refused");
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        if running.activity.is_refused() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(Some(origin)) = self.rules.origin(&head) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        let mut running = running;
        response.map(|body| {
            running.answered = body.is_end_stream();
            running.activity.offer(running.number);
            Counted { body, rest: Bytes::new(), running }
        })
    }

    async fn admitted(
        &self,
        head: &Parts,
        body: Body,
        address: IpAddr,
        running: &Running,
    ) -> Response {
        let principal = match self.rules.admit(head, address) {
            Ok(Admitted::Principal(principal)) => principal,
            Ok(Admitted::Preflight) => return preflight(),
            Err(fault) => {
                (self.behind.note)(address, fault.error());
                return (self.behind.show)(fault);
            }
        };
        let mut request = Request::from_parts(head.clone(), body);
        let activity = Arc::clone(&running.activity);
        request.extensions_mut().insert(Client { principal, address, activity });
        match self.behind.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The answer to a browser that asks whether a page of an allowed origin may ask.
fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The id that the client gave, if it is a plain one, else a new one.
fn request_id(head: &Parts) -> HeaderValue {
    let given = single(head, &REQUEST_ID, Fault::path).ok().flatten();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let given = given.filter(|id| {
        (1..=limits::HTTP_REQUEST_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(plain)
    });
    given.cloned().unwrap_or_else(|| {
        let mut bytes = [0; 16];
        // Without chance it is an id all the same, only not a good one.
        let _ = getrandom::fill(&mut bytes);
        let text = HEXLOWER.encode(&bytes);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// A request that runs on a connection.
#[derive(Debug)]
pub(super) struct Running {
    activity: Arc<Activity>,
    /// Its number among those of its connection.
    number: u64,
    /// True for one stream among others, which can be given up alone.
    stream: bool,
    /// True once its answer is out.
    answered: bool,
}

impl Running {
    /// The request that the gate let through.
    pub(super) fn begun(activity: &Arc<Activity>) -> Self {
        Self::new(activity, false)
    }

    /// A stream that begins.
    pub(super) fn stream(activity: &Arc<Activity>) -> Self {
        activity.begin();
        Self::new(activity, true)
    }

    fn new(activity: &Arc<Activity>, stream: bool) -> Self {
        let (activity, number) = (Arc::clone(activity), activity.number());
        Self { activity, number, stream, answered: false }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.taken(self.number);
        self.activity.end();
        if self.stream && !self.answered {
            self.activity.reset();
        }
    }
}

/// The body of an answer, which keeps its request running until it is out.
#[derive(Debug)]
pub(super) struct Counted {
    body: Body,
    /// What came of the body and was not given yet.
    rest: Bytes,
    running: Running,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let rest = std::mem::take(&mut this.rest);
        let frame = if rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                this.running.activity.taken(this.running.number);
                return Poll::Pending;
            };
            frame
        } else {
            Some(Ok(Frame::data(rest)))
        };
        this.running.activity.offer(this.running.number);
        let frame = frame.map(|frame| frame.map(|frame| this.cut(frame)));
        this.running.answered = frame.is_none() || this.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl Counted {
    /// A frame as it is given; what is too much of it at once is kept.
    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut bytes) => {
                self.rest = bytes.split_off(PIECE_BYTES.min(bytes.len()));
                Frame::data(bytes)
            }
            Err(trailers) => trailers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn an_answer_is_given_in_pieces_on_every_kind_of_connection() {
        let activity = Arc::new(Activity::default());
        activity.begin();
        for running in [Running::begun(&activity), Running::stream(&activity)] {
            let body = Body::from(vec![7; 5 * PIECE_BYTES + 1]);
            let mut counted = Counted { body, rest: Bytes::new(), running };
            let mut pieces = Vec::new();
            while let Some(frame) = counted.frame().await {
                pieces.push(frame.unwrap().into_data().unwrap().len());
            }
            assert_eq!(pieces, [vec![PIECE_BYTES; 5], vec![1]].concat());
        }
    }
}
