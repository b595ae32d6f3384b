//! Calls on their way to the child and back.

use super::line;
use super::route::{Events, Routes};
use super::stdin::Stdin;
use data_encoding::BASE64;
use hubless::call::handle::Call;
use hubless::{Content, Error, Kind, Result};
use hubless_proto::error::Retry;
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, event};
use std::collections::BTreeSet;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between the calls of an agent and the child that runs.
pub(super) struct Bridge {
    /// Which line is for which call.
    pub(super) routes: Routes,
    /// Fires when the agent is to end.
    pub(super) stop: CancellationToken,
    /// Of the child that runs; none between two.
    stdin: watch::Sender<Option<Stdin>>,
}

/// One call on its way.
struct Carried<'a> {
    call: &'a Call,
    id: String,
    stdin: Stdin,
    /// True once the child has said its last word.
    over: bool,
    /// Tool calls and questions that wait for their answer.
    asked: JoinSet<Result<()>>,
    /// Ids of the tool calls so far: a tool runs once for each.
    called: BTreeSet<u64>,
}

impl Bridge {
    /// A bridge to this child.
    pub(super) fn new(stdin: Stdin) -> Self {
        Self {
            routes: Routes::default(),
            stop: CancellationToken::new(),
            stdin: watch::Sender::new(Some(stdin)),
        }
    }

    /// Says which child runs.
    pub(super) fn set_stdin(&self, stdin: Option<Stdin>) {
        self.stdin.send_replace(stdin);
    }

    /// The child that runs; one that is being started again is waited for.
    async fn running(&self) -> Result<Stdin> {
        let mut stdin = self.stdin.subscribe();
        let next = timeout(limits::STDIO_RESTART, stdin.wait_for(Option::is_some)).await;
        let running = next.ok().and_then(|next| next.ok()?.clone());
        running.ok_or_else(|| gone().with_retry(Retry::Later))
    }

    /// Waits until this child is not the one that runs.
    async fn gone(&self, stdin: &Stdin) {
        let other = |now: &Option<Stdin>| !now.as_ref().is_some_and(|now| now.is(stdin));
        // The sender is part of the bridge: it is there.
        let _ = self.stdin.subscribe().wait_for(other).await;
    }

    /// Carries one call from its request to its end.
    ///
    /// # Errors
    /// What the child refused with; `handler_failed` when it ended; `too_large` for what fits no
    /// line; why the call is to be stopped.
    pub(super) async fn carry(&self, call: &Call, content: Content) -> Result<Content> {
        let mut request = call.request().clone();
        line::set_redeem(&mut request, call.redeem_code().await.as_ref());
        request.content = Some(content.inline(limits::STDIO_LINE_BYTES as u64).await?);
        let id = BASE64.encode(&request.id);
        let line = line::request(&request)?;
        let stdin = tokio::select! {
            stdin = self.running() => stdin?,
            reason = call.cancelled() => return Err(reason),
        };
        let Some(events) = self.routes.open(&id) else {
            return Err(Error::new(Kind::Conflict, "a call with this id is running"));
        };
        let (asked, called) = (JoinSet::new(), BTreeSet::new());
        let mut carried = Carried { call, id, stdin, over: false, asked, called };
        let answer = tokio::select! {
            answer = carried.answer(line, events) => answer,
            reason = call.cancelled() => Err(reason),
        };
        self.routes.close(&carried.id);
        if let Err(reason) = &answer
            && !carried.over
            && !carried.is_told(reason).await
        {
            carried.stdin.give_up();
            self.gone(&carried.stdin).await;
        }
        answer
    }
}

impl Carried<'_> {
    /// Tells the child that the call is given up; false: it takes no notice, and holds a place.
    /// A child that is busy with the call reads it when it is free.
    async fn is_told(&self, reason: &Error) -> bool {
        let told = async {
            self.stdin.send(line::cancel(&self.id, reason)).await;
            self.stdin.read().await;
        };
        timeout(limits::STDIO_UNREAD, told).await.is_ok()
    }

    async fn answer(&mut self, line: String, mut events: Events) -> Result<Content> {
        if !self.stdin.send(line).await {
            return Err(gone());
        }
        loop {
            tokio::select! {
                told = events.recv() => {
                    let event = told.map_or_else(|| Err(gone()), |told| told.event)?;
                    if let Some(answer) = self.event(event).await? {
                        return Ok(answer);
                    }
                }
                Some(told) = self.asked.join_next() => told.unwrap_or_else(|_| Err(gone()))?,
            }
        }
    }

    async fn event(&mut self, event: v1::Event) -> Result<Option<Content>> {
        match event.kind {
            Some(event::Kind::Final(end)) => {
                self.over = true;
                if let Some(usage) = &end.usage {
                    self.call.add_usage(usage)?;
                }
                return Ok(Some(Content::from(end.content.unwrap_or_default())));
            }
            Some(event::Kind::Rejection(rejection)) => {
                self.over = true;
                return Err(Error::from(rejection));
            }
            Some(event::Kind::Progress(progress)) => {
                self.call.progress(&progress.note, progress.fraction).await?;
            }
            Some(event::Kind::Chunk(chunk)) => {
                let parts = chunk.part.into_iter().collect();
                let message = v1::Content { parts, ..v1::Content::default() };
                self.call.chunk(Content::from(message), chunk.append).await?;
            }
            Some(event::Kind::ToolCall(asked)) => {
                let (call, stdin, id) = (self.call.clone(), self.stdin.clone(), self.id.clone());
                self.room()?;
                let fresh = self.called.insert(asked.id);
                self.asked.spawn(async move {
                    let line = if fresh {
                        tool(&call, &id, asked).await?
                    } else {
                        repeated(&id, asked.id)?
                    };
                    say(&stdin, line).await
                });
            }
            Some(event::Kind::InputRequired(asked)) => {
                let (call, stdin, id) = (self.call.clone(), self.stdin.clone(), self.id.clone());
                self.room()?;
                self.asked.spawn(async move { say(&stdin, input(&call, &id, asked).await?).await });
            }
            Some(event::Kind::Accepted(_)) | None => {}
        }
        Ok(None)
    }

    /// Whether one more question may wait for its answer. Of the tool calls, as many again may be
    /// refused where they are counted.
    fn room(&self) -> Result<()> {
        if self.asked.len().max(self.called.len() / 2) < limits::TOOL_CALLS {
            return Ok(());
        }
        Err(Error::refusal(Kind::Denied, "tool_calls", "too many tool calls of one call")
            .with_limit("TOOL_CALLS", limits::TOOL_CALLS as u64))
    }
}

/// Calls the caller's tool; the line that says what it answered.
async fn tool(call: &Call, id: &str, asked: v1::ToolCall) -> Result<String> {
    // Checked where it was read.
    let arguments = serde_json::from_str(&asked.arguments_json).unwrap_or_default();
    let line = |content, error| {
        let result = v1::ToolResult { id: asked.id, content, error };
        line::tool_result(id, &result)
    };
    let answer = answer(call.call_tool(&asked.name, &arguments).await).await;
    answer.and_then(|content| line(Some(content), None)).or_else(|error| line(None, refusal(error)))
}

/// The line that says that a tool call came under an id that was used before.
fn repeated(id: &str, call: u64) -> Result<String> {
    let message = "expected an id that no other tool call of this call has";
    let error = Error::refusal(Kind::Conflict, "tool_call_id", message);
    line::tool_result(id, &v1::ToolResult { id: call, content: None, error: refusal(error) })
}

/// Asks the caller; the line that says what it answered.
async fn input(call: &Call, id: &str, asked: v1::InputRequired) -> Result<String> {
    let schema = serde_json::from_str(&asked.schema_json).ok();
    let prompt = Content::from(asked.prompt.unwrap_or_default());
    let line = |content, error| {
        let result = v1::Input { id: asked.id, content, error };
        line::input(id, &result)
    };
    let answer = answer(call.input(prompt, schema.as_ref()).await).await;
    answer.and_then(|content| line(Some(content), None)).or_else(|error| line(None, refusal(error)))
}

async fn answer(answer: Result<Content>) -> Result<v1::Content> {
    answer?.inline(limits::STDIO_LINE_BYTES as u64).await
}

fn refusal(error: Error) -> Option<v1::Rejection> {
    Some(v1::Rejection::from(&error))
}

async fn say(stdin: &Stdin, line: String) -> Result<()> {
    if stdin.send(line).await { Ok(()) } else { Err(gone()) }
}

fn gone() -> Error {
    Error::new(Kind::HandlerFailed, "the program behind the agent is not running")
        .with_code("not_running")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use std::time::Instant;
    use tokio::process::Command;

    #[tokio::test]
    async fn a_call_waits_for_a_child_that_is_started_again_and_no_longer_than_the_bound() {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").stdin(Stdio::piped()).kill_on_drop(true);
        let mut child = sleep.spawn().unwrap();
        let stdin = Stdin::new(child.stdin.take().unwrap()).unwrap();
        let bridge = Bridge::new(stdin.clone());
        bridge.set_stdin(None);
        let (back, ()) = tokio::join!(bridge.running(), async {
            tokio::task::yield_now().await;
            bridge.set_stdin(Some(stdin.clone()));
        });
        assert!(back.unwrap().is(&stdin));
        bridge.set_stdin(None);
        let began = Instant::now();
        let error = bridge.running().await.map(drop).unwrap_err();
        assert!(began.elapsed() >= limits::STDIO_RESTART, "{:?}", began.elapsed());
        assert_eq!((error.kind, error.retry), (Kind::HandlerFailed, Retry::Later));
    }
}
