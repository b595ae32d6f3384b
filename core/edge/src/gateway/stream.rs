//! An answer that comes piece by piece.

use super::charge::charge;
use super::events::{Events, data};
use super::fault;
use crate::http::EventBody;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use hubless::till::Held;
use hubless::web;
use hubless::{Error, Kind};
use hubless_proto::metering::Usage;
use hubless_proto::metering::bound::{Answer, Bounded};
use hubless_proto::metering::till::over;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// Data of the event after which nothing comes.
const DONE: &str = "[DONE]";
/// Fields of a piece that hold what the model wrote.
const TEXTS: [&str; 2] = ["content", "refusal"];
/// Names of what it thought; servers that have both say the same twice.
const THOUGHTS: [&str; 2] = ["reasoning_content", "reasoning"];

/// Passes a stream on. A client that goes away drops it, and with it the provider's: then all that
/// was set aside is charged, unless the provider had said what was used. One that is cut is told
/// why.
pub(super) fn pass(response: web::Response, held: Held, bounded: Bounded) -> Response {
    let cut = held.cut();
    let carried = Carried::new(held, bounded);
    EventBody::new(|sender| async move {
        tokio::select! {
            biased;
            () = cut => say(&sender, &over()).await,
            () = carry(response, carried, sender.clone()) => {}
        }
    })
    .into_response()
}

/// Carries events until their end, or until nobody reads.
async fn carry(mut response: web::Response, mut carried: Carried, sender: mpsc::Sender<Bytes>) {
    let mut events = Events::default();
    loop {
        let Ok(next) = events.next() else { return lost(&sender).await };
        let Some(event) = next else {
            match response.chunk().await {
                Ok(Some(bytes)) => events.push(&bytes),
                Ok(None) if carried.end().await => return,
                Ok(None) | Err(_) => return lost(&sender).await,
            }
            continue;
        };
        let shown = match carried.take(&event).await {
            Next::Pass => event,
            Next::Skip => continue,
            Next::End(last) => {
                // Nothing more is read, and who waited may have gone.
                drop(response);
                let _ = sender.send(last).await;
                return;
            }
        };
        if sender.send(shown).await.is_err() {
            return;
        }
    }
}

/// Says that the answer broke off.
async fn lost(sender: &mpsc::Sender<Bytes>) {
    let message = "the provider's answer broke off";
    say(sender, &Error::refusal(Kind::Transport, "provider_lost", message)).await;
}

/// Says why nothing more comes.
async fn say(sender: &mpsc::Sender<Bytes>, error: &Error) {
    let error = fault::body(error);
    // Who waited may have gone.
    let _ = sender.send(Bytes::from(format!("data: {error}\n\n"))).await;
}

/// What becomes of an event.
enum Next {
    /// It goes on to the client.
    Pass,
    /// The client did not ask for it.
    Skip,
    /// The stream ends with this.
    End(Bytes),
}

/// A stream on its way.
struct Carried {
    /// None once it is charged.
    held: Option<Held>,
    bounded: Bounded,
    /// Tokens that came, at least.
    written: u64,
    /// What the provider said of them so far.
    usage: Option<Usage>,
    /// True once the model said why it ended.
    finished: bool,
}

impl Carried {
    fn new(held: Held, bounded: Bounded) -> Self {
        Self { held: Some(held), bounded, written: 0, usage: None, finished: false }
    }

    async fn take(&mut self, event: &Bytes) -> Next {
        let Some(data) = data(event) else { return Next::Pass };
        if data.trim() == DONE {
            self.charge(self.usage).await;
            return Next::End(event.clone());
        }
        let Ok(Value::Object(piece)) = serde_json::from_str(&data) else { return Next::Pass };
        let choices = piece.get("choices").and_then(Value::as_array);
        let choices = choices.map(Vec::as_slice).unwrap_or_default();
        let written: u64 = choices.iter().map(|choice| self.count(choice)).sum();
        self.written = self.written.saturating_add(written);
        self.finished |= choices.iter().any(|choice| choice["finish_reason"].is_string());
        let usage = piece.get("usage").and_then(Usage::of_chat);
        // What was said before more was written says nothing of that.
        self.usage = usage.or_else(|| self.usage.filter(|_| written == 0));
        // The piece with the usage alone is the provider's last word; that of others may be of
        // what came so far.
        let last_word = usage.is_some() && choices.is_empty();
        if self.written > self.bounded.output_tokens {
            tracing::warn!("a provider wrote beyond the cap; its stream was cut");
            self.charge(None).await;
            return Next::End(cut(piece));
        }
        if last_word {
            self.charge(usage).await;
            if self.bounded.answer == Answer::Stream {
                return Next::Skip;
            }
        }
        Next::Pass
    }

    /// The provider hung up without `[DONE]`, as some do; true: what it used is known all the
    /// same.
    async fn end(&mut self) -> bool {
        if self.finished && self.usage.is_some() {
            self.charge(self.usage).await;
        }
        self.held.is_none()
    }

    /// Charges once; all that was set aside where nothing was said.
    async fn charge(&mut self, usage: Option<Usage>) {
        if let Some(held) = self.held.take()
            && charge(held, &self.bounded.model, usage).await.is_err()
        {
            tracing::warn!("what a call used cannot be written; all of it is charged later");
        }
    }

    /// Tokens that a choice brings, at least.
    fn count(&self, choice: &Value) -> u64 {
        let Some(delta) = choice.get("delta") else { return 0 };
        let text = |name: &&str| delta.get(*name).and_then(Value::as_str);
        let texts = TEXTS.iter().filter_map(text).chain(THOUGHTS.iter().find_map(text));
        let calls = delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        let parts = calls.flat_map(|call| {
            let named = ["/function/name", "/function/arguments", "/custom/name", "/custom/input"];
            named.into_iter().filter_map(|path| call.pointer(path)?.as_str())
        });
        let all = texts.chain(parts).filter(|text| !text.is_empty());
        all.map(|text| self.bounded.model.count_least(text)).sum()
    }
}

/// The end of a stream that was cut at this piece: as a model ends that has reached its cap.
fn cut(mut piece: Map<String, Value>) -> Bytes {
    piece.retain(|name, _| ["id", "created", "model"].contains(&name.as_str()));
    piece.insert("object".to_owned(), json!("chat.completion.chunk"));
    let choice = json!({ "index": 0, "delta": {}, "finish_reason": "length" });
    piece.insert("choices".to_owned(), json!([choice]));
    Bytes::from(format!("data: {}\n\ndata: {DONE}\n\n", Value::Object(piece)))
}
