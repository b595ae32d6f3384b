//! One attempt of a call from its first event to its last.

use super::questions::Questions;
use crate::call::body::Bodies;
use crate::call::content::Content;
use crate::call::core::micros;
use crate::call::pieces::Pieces;
use crate::call::pipe::{CallerEnd, CancelCode, Down};
use crate::call::split;
use crate::engine::lock;
use crate::node::{Answerer, Path, Reply, StreamItem};
use crate::spans::TraceId;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::policy::Effect;
use hubless_proto::wire::v1::{self, event};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Code of an attempt that was given up since nothing was heard of it.
pub(crate) const SILENT_PATH: &str = "silent_path";

/// What one attempt needs to know of its call.
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) trace_id: TraceId,
    pub(crate) agent: Answerer,
    pub(crate) path: Path,
    pub(crate) effect: Effect,
    /// To the first event, then between events.
    pub(crate) timeout: Duration,
    pub(crate) total_deadline: Option<Instant>,
    pub(crate) started: Instant,
    /// When an attempt of which nothing was heard makes room for one at another node; none: there
    /// is no other, or it may not be asked.
    pub(crate) heard_by: Option<Instant>,
}

/// Where events go as they come.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    /// None: they are collected.
    items: Option<mpsc::Sender<Result<StreamItem>>>,
    /// A piece of an answer was handed on and cannot be taken back.
    given: AtomicBool,
}

impl Sink {
    /// Hands events on as they come.
    pub(crate) const fn to(items: mpsc::Sender<Result<StreamItem>>) -> Self {
        Self { items: Some(items), given: AtomicBool::new(false) }
    }

    /// True where events are handed on.
    pub(crate) const fn streams(&self) -> bool {
        self.items.is_some()
    }

    /// True once a piece of an answer was handed on.
    pub(crate) fn has_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }

    async fn hand_on(&self, item: StreamItem) -> Result<()> {
        let Some(items) = &self.items else { return Ok(()) };
        if matches!(item, StreamItem::Chunk { .. }) {
            self.given.store(true, Ordering::Relaxed);
        }
        let sent = items.send(Ok(item)).await;
        sent.map_err(|_| Error::new(Kind::Cancelled, "the reader of the stream went away"))
    }
}

impl Attempt {
    /// Reads events until the last one.
    pub(crate) async fn drive(
        &self,
        mut end: CallerEnd,
        questions: &mut Questions,
        sink: &Sink,
    ) -> Result<Reply> {
        let mut pieces = Pieces::default();
        let mut last_event = self.started;
        let mut heard_by = self.heard_by;
        loop {
            let silence = (!questions.input_open()).then_some(last_event + self.timeout);
            let deadline = silence.into_iter().chain(self.total_deadline).min();
            tokio::select! {
                down = end.events.recv() => {
                    let Some(down) = down else { return Err(self.lost()) };
                    heard_by = None;
                    let counts = !matches!(down.event.kind, Some(event::Kind::Accepted(_)));
                    let event = self.event(down, questions, &mut pieces, sink);
                    let taken = self.in_total(event).await;
                    if taken.as_ref().is_err_and(|error| error.kind == Kind::Deadline) {
                        end.cancel.cancel(CancelCode::Deadline);
                    }
                    if let Some(reply) = taken? {
                        return Ok(reply);
                    }
                    if counts {
                        last_event = Instant::now();
                    }
                }
                up = questions.next(), if questions.any() => {
                    // A callee that ended meanwhile needs no answer: its last event is next.
                    let _ = end.control.send(up).await;
                    last_event = Instant::now();
                }
                () = until(deadline) => {
                    end.cancel.cancel(CancelCode::Deadline);
                    return Err(self.late());
                }
                () = until(heard_by) => {
                    heard_by = None;
                    // What has come already is an answer, however late it is looked at.
                    if end.events.is_empty() {
                        end.cancel.cancel(CancelCode::Cancelled);
                        return Err(self.silent());
                    }
                }
            }
        }
    }

    async fn event(
        &self,
        down: Down,
        questions: &mut Questions,
        pieces: &mut Pieces,
        sink: &Sink,
    ) -> Result<Option<Reply>> {
        let Down { event, bodies } = down;
        match event.kind {
            Some(event::Kind::Accepted(_)) => sink.hand_on(StreamItem::Accepted).await?,
            Some(event::Kind::Progress(v1::Progress { note, fraction })) => {
                sink.hand_on(StreamItem::Progress { note, fraction }).await?;
            }
            Some(event::Kind::Chunk(chunk)) => {
                let parts = chunk.part.into_iter().collect();
                let message = v1::Content { parts, ..Default::default() };
                let content = self.whole(Some(message), bodies).await?;
                if sink.streams() {
                    sink.hand_on(StreamItem::Chunk { content, append: chunk.append }).await?;
                } else {
                    pieces.add(content, chunk.append)?;
                }
            }
            Some(event::Kind::ToolCall(call)) => questions.tool(call),
            Some(event::Kind::InputRequired(asked)) => {
                let prompt = self.whole(asked.prompt, bodies).await?;
                questions.input(asked.id, prompt, &asked.schema_json);
            }
            Some(event::Kind::Final(last)) => {
                return self.reply(last, bodies, std::mem::take(pieces)).await.map(Some);
            }
            Some(event::Kind::Rejection(rejection)) => {
                return Err(Error::from(rejection).with_agent(self.agent.agent_id));
            }
            // A newer callee may say what this version does not know.
            None => {}
        }
        Ok(None)
    }

    async fn reply(&self, last: v1::Final, bodies: Bodies, pieces: Pieces) -> Result<Reply> {
        let content = pieces.end(self.whole(last.content, bodies).await?);
        let mut timing = last.timing.unwrap_or_default();
        timing.network_us = micros(self.started.elapsed())
            .saturating_sub(timing.queue_us)
            .saturating_sub(timing.handler_us);
        Ok(Reply {
            content,
            usage: last.usage.unwrap_or_default(),
            timing,
            agent: self.agent.clone(),
            path: self.path,
            attempts: self.number,
            trace_id: self.trace_id,
            load: last.load,
        })
    }

    /// A content with its streamed text and data in it; each piece of them counts as an event.
    async fn whole(&self, message: Option<v1::Content>, bodies: Bodies) -> Result<Content> {
        let content = Content { message: message.unwrap_or_default(), bodies };
        let came = Arc::new(Mutex::new(Instant::now()));
        let seen = Arc::clone(&came);
        let up_to = split::up_to(limits::REQUEST_BYTES);
        let count: split::Count = Arc::new(move |kind, bytes| {
            *lock(&seen) = Instant::now();
            up_to(kind, bytes)
        });
        let mut gathered = std::pin::pin!(split::gather(content, &count));
        loop {
            let patience = *lock(&came) + self.timeout;
            tokio::select! {
                biased;
                content = &mut gathered => return content,
                () = tokio::time::sleep_until(patience) => {
                    if *lock(&came) + self.timeout <= Instant::now() {
                        return Err(self.late());
                    }
                }
            }
        }
    }

    /// Waits within the total time of the call: a reader that is behind does not stretch it.
    async fn in_total<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = until(self.total_deadline) => Err(self.late()),
        }
    }

    fn lost(&self) -> Error {
        let message = if self.effect.repeatable() {
            "the connection was lost before the answer"
        } else {
            "the connection was lost; nobody can say whether it ran"
        };
        Error::new(self.effect.lost(), message).with_agent(self.agent.agent_id)
    }

    fn silent(&self) -> Error {
        let message =
            "nothing is heard of the node that was asked, and another one hosts the agent";
        let error = Error::new(Kind::Transport, message).with_code(SILENT_PATH);
        error.with_agent(self.agent.agent_id)
    }

    fn late(&self) -> Error {
        let total = self.total_deadline.is_some_and(|at| at <= Instant::now());
        let message = if total {
            "the total time of the call is over".to_owned()
        } else {
            format!("no event came within {} ms", self.timeout.as_millis())
        };
        Error::new(Kind::Deadline, message).with_agent(self.agent.agent_id)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
