//! A streamed answer as server-sent events.

use super::fault::outside;
use super::form;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use hubless::node::CallStream;
use hubless::{Result, StreamItem};
use hubless_proto::error::Form;
use hubless_proto::limits;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// What a streamed answer is.
pub(crate) const EVENTS: &str = "text/event-stream";
/// Says that the call goes on.
const STILL_THERE: &str = ": still there\n\n";

/// The body of a streamed answer. Dropping it cancels the call.
#[derive(Debug)]
pub(crate) struct EventBody {
    events: mpsc::Receiver<Bytes>,
    ended: bool,
    _pump: AbortOnDropHandle<()>,
}

impl EventBody {
    /// The body that a pump fills.
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(
        pump: impl FnOnce(mpsc::Sender<Bytes>) -> F,
    ) -> Self {
        let (sender, events) = mpsc::channel(limits::CALL_EVENTS);
        let pump = AbortOnDropHandle::new(tokio::spawn(pump(sender)));
        Self { events, ended: false, _pump: pump }
    }
}

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        let next = std::task::ready!(self.events.poll_recv(context));
        self.ended = next.is_none();
        Poll::Ready(next.map(|event| Ok(Frame::data(event))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl IntoResponse for EventBody {
    fn into_response(self) -> Response {
        let mut response = Body::new(self).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
        response
    }
}

/// Writes the items of a call until its end, or until nobody reads.
pub(super) fn pump(
    first: StreamItem,
    mut items: CallStream,
) -> impl FnOnce(mpsc::Sender<Bytes>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    move |events| {
        Box::pin(async move {
            let mut next = Some(Ok(first));
            while let Some(item) = next {
                if events.send(event(item).await).await.is_err() {
                    return;
                }
                next = loop {
                    match tokio::time::timeout(limits::HTTP_STILL_THERE, items.next()).await {
                        Ok(next) => break next,
                        Err(_) => {
                            if events
                                .send(Bytes::from_static(STILL_THERE.as_bytes()))
                                .await
                                .is_err()
                            {
                                return;
                            }
                        }
                    }
                };
            }
        })
    }
}

/// One event: its name and its JSON, which has no line ends.
async fn event(item: Result<StreamItem>) -> Bytes {
    let shown = match item {
        Ok(item) => form::item(item).await,
        Err(error) => Err(error),
    };
    let text = match shown {
        Ok((name, item)) => format!("event: {name}\ndata: {item}\n\n"),
        Err(error) => {
            let error = serde_json::to_string(&Form(&outside(error))).unwrap_or_default();
            format!("event: error\ndata: {error}\n\n")
        }
    };
    Bytes::from(text)
}
