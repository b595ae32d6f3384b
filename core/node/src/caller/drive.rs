//! One attempt of a call from its first event to its last.

use super::questions::Questions;
use super::waiting::Waiting;
use crate::call::body::Bodies;
use crate::call::content::{Content, part_value};
use crate::call::core::micros;
use crate::call::judged::Judged;
use crate::call::pieces::Pieces;
use crate::call::pipe::{CallerEnd, CancelCode, Down};
use crate::call::split;
use crate::engine::lock;
use crate::node::{Answerer, Path, Reply, StreamItem};
use crate::schemas;
use crate::spans::TraceId;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::policy::Effect;
use hubless_proto::wire::text;
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
    /// JSON Schema that the answer must hold, as far as its callee has not checked that in this
    /// process; empty: none.
    pub(crate) output_schema: String,
    pub(crate) started: Instant,
    /// When the request left, with its callee found, reached and paid for.
    pub(crate) sent: Instant,
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
    /// The reader has not taken the item that is handed on.
    behind: AtomicBool,
}

impl Sink {
    /// Hands events on as they come.
    pub(crate) const fn to(items: mpsc::Sender<Result<StreamItem>>) -> Self {
        Self { items: Some(items), given: AtomicBool::new(false), behind: AtomicBool::new(false) }
    }

    /// True where events are handed on.
    pub(crate) const fn streams(&self) -> bool {
        self.items.is_some()
    }

    /// True once a piece of an answer was handed on.
    pub(crate) fn has_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }

    /// True while an item waits for the reader.
    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    async fn hand_on(&self, item: StreamItem) -> Result<()> {
        let Some(items) = &self.items else { return Ok(()) };
        if matches!(item, StreamItem::Chunk { .. }) {
            self.given.store(true, Ordering::Relaxed);
        }
        self.behind.store(true, Ordering::Relaxed);
        let sent = items.send(Ok(item)).await;
        self.behind.store(false, Ordering::Relaxed);
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
        let came = Arc::new(Mutex::new(self.started));
        let (pieces, judged) = (Pieces::default(), Judged::default());
        let mut answer = Answer { pieces, judged, came: Arc::clone(&came) };
        let mut waiting = Waiting::default();
        let mut heard_by = self.heard_by;
        loop {
            let down = match waiting.next() {
                Some(down) => down,
                None => self.next(&mut end, questions, (&*came, &mut heard_by)).await?,
            };
            let Some(down) = asked_of(questions, down) else { continue };
            waiting.note(&down);
            let is_own = counts(&down);
            let mut taken = std::pin::pin!(self.event(down, &mut answer, sink));
            let taken = loop {
                let patience = self.patience(&came, sink, (&waiting, &*questions));
                tokio::select! {
                    biased;
                    taken = &mut taken => break taken?,
                    () = until(self.total_deadline) => return Err(self.give_up(&end)),
                    down = end.events.recv(), if waiting.takes() => match down {
                        Some(down) => {
                            heard(&came, counts(&down));
                            if let Some(down) = asked_of(questions, down) {
                                waiting.add(down);
                            }
                        }
                        None => waiting.end(),
                    },
                    up = questions.next(), if questions.any() => {
                        let _ = end.control.send(up).await;
                        heard(&came, true);
                    }
                    () = until(patience) => {
                        // Bytes that came meanwhile are a sign of life.
                        let patience = self.patience(&came, sink, (&waiting, &*questions));
                        if patience.is_some_and(|at| at <= Instant::now()) {
                            return Err(self.give_up(&end));
                        }
                    }
                }
            };
            match taken {
                Taken::Handed => {}
                Taken::Asked(id, prompt, schema) => questions.input(id, prompt, &schema),
                Taken::Last(reply) => return Ok(*reply),
            }
            heard(&came, is_own);
        }
    }

    /// The next event, once all before it are handed on.
    async fn next(
        &self,
        end: &mut CallerEnd,
        questions: &mut Questions,
        (came, heard_by): (&Mutex<Instant>, &mut Option<Instant>),
    ) -> Result<Down> {
        loop {
            let silence = (!questions.input_open()).then(|| *lock(came) + self.timeout);
            let deadline = silence.into_iter().chain(self.total_deadline).min();
            tokio::select! {
                down = end.events.recv() => {
                    let Some(down) = down else { return Err(self.ended(end)) };
                    *heard_by = None;
                    heard(came, counts(&down));
                    return Ok(down);
                }
                up = questions.next(), if questions.any() => {
                    // A callee that ended meanwhile needs no answer: its last event is next.
                    let _ = end.control.send(up).await;
                    heard(came, true);
                }
                () = until(deadline) => return Err(self.give_up(end)),
                () = until(*heard_by) => {
                    *heard_by = None;
                    // What has come already is an answer, however late it is looked at.
                    if end.events.is_empty() {
                        end.cancel.cancel(CancelCode::Cancelled);
                        return Err(self.silent());
                    }
                }
            }
        }
    }

    /// Until when something of the callee is waited for while an event is handed on. A reader that
    /// is behind is no silence of the callee, unless it may wait for bytes that cannot come before
    /// it takes what waits for it.
    fn patience(
        &self,
        came: &Mutex<Instant>,
        sink: &Sink,
        (waiting, questions): (&Waiting, &Questions),
    ) -> Option<Instant> {
        let behind = sink.is_behind() && !waiting.comes();
        (!behind && !questions.input_open()).then(|| *lock(came) + self.timeout)
    }

    async fn event(&self, down: Down, answer: &mut Answer, sink: &Sink) -> Result<Taken> {
        let Down { event, bodies } = down;
        match event.kind {
            Some(event::Kind::Accepted(_)) => sink.hand_on(StreamItem::Accepted).await?,
            Some(event::Kind::Progress(v1::Progress { mut note, fraction })) => {
                // It is shown to people.
                text::clean(&mut note, limits::LONG_TEXT_BYTES);
                sink.hand_on(StreamItem::Progress { note, fraction }).await?;
            }
            Some(event::Kind::Chunk(chunk)) => {
                let parts = chunk.part.into_iter().collect();
                let message = v1::Content { parts, ..Default::default() };
                let content = answer.whole(Some(message), bodies).await?;
                if sink.streams() {
                    self.judge(answer, &content, chunk.append)?;
                    sink.hand_on(StreamItem::Chunk { content, append: chunk.append }).await?;
                } else {
                    answer.pieces.add(content, chunk.append)?;
                }
            }
            Some(event::Kind::InputRequired(asked)) => {
                let prompt = answer.whole(asked.prompt, bodies).await?;
                return Ok(Taken::Asked(asked.id, prompt, asked.schema_json));
            }
            Some(event::Kind::Final(last)) => {
                let reply = self.reply(last, bodies, answer).await?;
                return Ok(Taken::Last(Box::new(reply)));
            }
            Some(event::Kind::Rejection(rejection)) => {
                return Err(Error::from(rejection).with_agent(self.agent.agent_id));
            }
            // Run already; a newer callee may say what this version does not know.
            Some(event::Kind::ToolCall(_)) | None => {}
        }
        Ok(Taken::Handed)
    }

    async fn reply(&self, last: v1::Final, bodies: Bodies, answer: &mut Answer) -> Result<Reply> {
        let whole = answer.whole(last.content, bodies).await?;
        let content = std::mem::take(&mut answer.pieces).end(whole);
        self.check(answer, &content.message)?;
        let mut timing = last.timing.unwrap_or_default();
        timing.network_us = micros(self.sent.elapsed())
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

    /// Keeps what is to be checked of an answer in pieces.
    fn judge(&self, answer: &mut Answer, piece: &Content, append: bool) -> Result<()> {
        match piece.message.parts.as_slice() {
            [part] if !self.output_schema.is_empty() => answer.judged.take(part, append),
            _ => Ok(()),
        }
    }

    /// An answer of another node holds the caller's own schema, whatever that node checked.
    fn check(&self, answer: &mut Answer, last: &v1::Content) -> Result<()> {
        if self.output_schema.is_empty() {
            return Ok(());
        }
        let pieces = if last.parts.is_empty() { answer.judged.end() } else { Default::default() };
        let mut parts = last.parts.iter().chain(&pieces.parts);
        let value = parts.find_map(part_value).unwrap_or_default();
        schemas::check(&self.output_schema, &value, "output").map_err(|error| {
            let message = format!("the answer: {}", error.message);
            Error { message, ..error }.with_agent(self.agent.agent_id)
        })
    }

    /// The time is over.
    fn give_up(&self, end: &CallerEnd) -> Error {
        end.cancel.cancel(CancelCode::Deadline);
        self.late()
    }

    /// No more events come, and there was no last one.
    fn ended(&self, end: &CallerEnd) -> Error {
        // A callee in this process may have given the call up, without room for a last event.
        if end.cancel.is_cancelled() && end.cancel.code() == CancelCode::Deadline {
            let error = Error::refusal(Kind::Deadline, "", "the callee's time for it was over");
            return error.with_agent(self.agent.agent_id);
        }
        self.lost()
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

/// What came of an event.
enum Taken {
    /// It was handed on.
    Handed,
    /// The callee asks the caller.
    Asked(u64, Content, String),
    /// It was the last.
    Last(Box<Reply>),
}

/// What is known of an answer so far.
struct Answer {
    pieces: Pieces,
    judged: Judged,
    /// When the callee was last heard.
    came: Arc<Mutex<Instant>>,
}

impl Answer {
    /// A content with its streamed text and data in it; each piece of them counts as an event.
    async fn whole(&self, message: Option<v1::Content>, bodies: Bodies) -> Result<Content> {
        let content = Content { message: message.unwrap_or_default(), bodies };
        let came = Arc::clone(&self.came);
        let up_to = split::up_to(limits::REQUEST_BYTES);
        let count: split::Count = Arc::new(move |kind, bytes| {
            heard(&came, true);
            up_to(kind, bytes)
        });
        split::gather(content, &count).await
    }
}

/// Notes a sign of life.
fn heard(came: &Mutex<Instant>, counts: bool) {
    if counts {
        *lock(came) = Instant::now();
    }
}

/// True for what a callee says by itself, and not its node for it.
const fn counts(down: &Down) -> bool {
    !matches!(down.event.kind, Some(event::Kind::Accepted(_)))
}

/// Runs a tool that the callee calls, whatever else waits; gives every other event back.
fn asked_of(questions: &mut Questions, down: Down) -> Option<Down> {
    let Down { event, bodies } = down;
    if let Some(event::Kind::ToolCall(call)) = event.kind {
        questions.tool(call);
        return None;
    }
    Some(Down { event, bodies })
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
