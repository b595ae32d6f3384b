//! One inbound call as its handler holds it.

use super::content::Content;
use super::core::CallCore;
use super::question::Question;
use crate::budget::{Allowance, Held};
use crate::engine::room::Place;
use crate::schemas;
use hubless_proto::error::Result;
use hubless_proto::identity::AgentId;
use hubless_proto::policy::Caller;
use hubless_proto::wire::decode::Checked as _;
use hubless_proto::wire::json_text::check_json;
use hubless_proto::wire::text::check_id;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::{Error, Kind, limits};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A call that passed every check, on its way to its handler.
///
/// ```
/// use hubless::{AgentOptions, Content, Handler, Inbound, Node, NodeOptions, Parent};
/// use hubless::{RequestOptions, handler};
/// use std::sync::Arc;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// /// Asks another agent for the answer; what it asks ends with its own call.
/// struct Front(Node);
///
/// impl Handler for Front {
///     fn handle(&self, inbound: Inbound) {
///         let Inbound { call, content, .. } = inbound;
///         let (node, parent): (Node, Parent) = (self.0.clone(), call.parent());
///         tokio::spawn(async move {
///             let asked = RequestOptions::new("back", content);
///             let answer = node.request(RequestOptions { parent: Some(parent), ..asked }).await;
///             let _ = match answer {
///                 Ok(reply) => call.finish(reply.content).await,
///                 Err(error) => call.fail(error).await,
///             };
///         });
///     }
/// }
///
/// let named = |name: &str| AgentOptions { name: name.into(), ..AgentOptions::default() };
/// let depth = handler(|call: hubless::Call, _| async move {
///     Ok(Content::value(call.request().depth.into()))
/// });
/// node.register(named("back"), depth).await?;
/// node.register(named("front"), Arc::new(Front(node.clone()))).await?;
/// let reply = node.request(RequestOptions::new("front", Content::default())).await?;
/// assert_eq!(reply.content.decoded(), Some(1.into()));
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Inbound {
    /// To answer it, and to know about it; cheap to clone.
    pub call: Call,
    /// What is asked.
    pub content: Content,
    /// True: a new instance is to be made for this call and dropped at its end.
    pub fresh: bool,
}

/// Answers one call; dropping the last clone before [`Call::finish`] or [`Call::fail`] fails the
/// caller with `handler_failed`.
///
/// ```
/// use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, StreamItem, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let count = handler(|call: hubless::Call, _content| async move {
///     call.progress("counting", Some(0.0)).await?;
///     for n in 1..=3 {
///         call.chunk(Content::text(format!("{n} ")), true).await?;
///     }
///     Ok(Content::default())
/// });
/// node.register(AgentOptions { name: "count".into(), ..AgentOptions::default() }, count).await?;
/// let mut stream = node.stream(RequestOptions::new("count", Content::default()))?;
/// let mut said = String::new();
/// while let Some(item) = stream.next().await {
///     match item? {
///         StreamItem::Accepted => {}
///         StreamItem::Progress { note, .. } => said += &format!("{note}: "),
///         StreamItem::Chunk { content, .. } => said += &content.joined_text(),
///         StreamItem::Final(reply) => said += &format!("after {} attempt", reply.attempts),
///     }
/// }
/// assert_eq!(said, "counting: 1 2 3 after 1 attempt");
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Call {
    guard: Arc<Guard>,
}

/// Proof of a running call, for the calls that its handler makes; does not keep it open.
#[derive(Clone)]
pub struct Parent {
    core: Arc<CallCore>,
}

struct Guard {
    core: Arc<CallCore>,
    /// Held until the handler is through, even when the call was cancelled before.
    place: Mutex<Option<Place>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.core.abandoned();
    }
}

impl Call {
    pub(crate) fn new(core: Arc<CallCore>, place: Place) -> Self {
        Self { guard: Arc::new(Guard { core, place: Mutex::new(Some(place)) }) }
    }

    fn leave(&self) {
        self.guard.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn shared_core(&self) -> &Arc<CallCore> {
        &self.guard.core
    }

    fn core(&self) -> &CallCore {
        &self.guard.core
    }

    /// The request as it came; its content is in [`Inbound::content`].
    pub fn request(&self) -> &v1::Request {
        &self.core().info.request
    }

    /// Who asks, as proven by the tunnel.
    pub fn caller(&self) -> &Caller {
        &self.core().info.caller
    }

    /// What the call was granted of the budget that pays for it; none: it has no budget.
    pub fn granted(&self) -> Option<Allowance> {
        self.core().held().map(Held::amount)
    }

    /// Id of the agent that is called.
    pub fn agent(&self) -> AgentId {
        self.core().info.agent
    }

    /// Name of the agent that is called.
    pub fn agent_name(&self) -> &str {
        &self.core().info.agent_name
    }

    /// Span of this call (W3C Trace Context).
    pub fn trace(&self) -> &v1::Trace {
        &self.core().info.trace
    }

    /// Turns of this conversation before this one, oldest first; empty unless the agent keeps them.
    pub fn history(&self) -> &[v1::Part] {
        self.core().info.history.get().map_or(&[], Vec::as_slice)
    }

    /// Time left until the call's deadline, as it stands.
    pub fn remaining(&self) -> Duration {
        self.core().deadline().saturating_duration_since(Instant::now())
    }

    /// Waits until the call is to be stopped, and says why; never returns after a normal end.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn cancelled(&self) -> Error {
        Parent { core: Arc::clone(&self.guard.core) }.cancelled().await
    }

    /// True once the call is to be stopped.
    pub fn is_cancelled(&self) -> bool {
        self.core().cancelled.is_cancelled()
    }

    /// For the calls that the handler makes.
    pub fn parent(&self) -> Parent {
        Parent { core: Arc::clone(&self.guard.core) }
    }

    /// Tells the caller how far it is; `fraction` is held to 0 to 1.
    ///
    /// # Errors
    /// `closed` after the end; `invalid_argument` for a fraction that is no number; `too_large` for
    /// a note above 16 KiB.
    pub async fn progress(&self, note: &str, fraction: Option<f64>) -> Result<()> {
        if fraction.is_some_and(f64::is_nan) {
            return Err(Error::invalid("fraction", "expected a number from 0 to 1"));
        }
        let fraction = fraction.map(|value| value.clamp(0.0, 1.0));
        let progress = v1::Progress { note: note.to_owned(), fraction };
        progress.check().map_err(|error| error.with_field("note"))?;
        self.emit(event::Kind::Progress(progress), Content::default()).await
    }

    /// Sends one part of the answer ahead; waits while the caller is behind.
    ///
    /// # Errors
    /// `closed` after the end; `invalid_argument` unless `content` is one part; `too_large` when
    /// the pieces of an answer with an output schema are more than can be checked.
    pub async fn chunk(&self, content: Content, append: bool) -> Result<()> {
        if content.message.parts.len() != 1 {
            return Err(Error::invalid("part", "expected exactly one part"));
        }
        super::content::check(&content.message)?;
        self.core().judge(&content.message, append)?;
        let mut content = self.split(content)?;
        let part = content.message.parts.pop();
        self.emit(event::Kind::Chunk(v1::Chunk { part, append }), content).await
    }

    /// Calls a tool that the caller offered, at most 8 at once and 64 in all.
    ///
    /// # Errors
    /// `denied` (`undeclared_tool`) for one it did not offer; `json` when the arguments do not
    /// hold its schema; what the tool said; `cancelled` or `deadline` with the call.
    pub async fn call_tool(&self, name: &str, arguments: &Value) -> Result<Content> {
        let tools = &self.request().tools;
        let tool = tools.iter().find(|tool| tool.name == name).ok_or_else(|| {
            Error::refusal(Kind::Denied, "undeclared_tool", "the caller did not offer this tool")
                .with_field("name")
        })?;
        if !tool.input_schema_json.is_empty() {
            schemas::check(&tool.input_schema_json, arguments, "arguments")?;
        }
        let arguments_json = arguments.to_string();
        check_json("arguments", &arguments_json)?;
        if arguments_json.len() > limits::INLINE_PART_BYTES {
            return Err(Error::invalid("arguments", "the arguments are too large")
                .with_limit("INLINE_PART_BYTES", limits::INLINE_PART_BYTES as u64));
        }
        self.core().ask(Question::Tool { name: name.to_owned(), arguments_json }).await
    }

    /// Asks the caller back; the time it takes does not count.
    ///
    /// # Errors
    /// What the caller said; `unsupported` when it takes no questions; `json` when the answer does
    /// not hold the schema.
    pub async fn input(&self, prompt: Content, schema: Option<&Value>) -> Result<Content> {
        let prompt = self.sendable(prompt)?;
        let schema_json = schema.map(Value::to_string).unwrap_or_default();
        if schema.is_some() {
            check_json("schema", &schema_json)?;
        }
        let answer = self.core().ask(Question::Input { prompt, schema_json }).await?;
        if let Some(schema) = schema {
            let value = answer.decoded().unwrap_or_default();
            schemas::check(&schema.to_string(), &value, "content")?;
        }
        Ok(answer)
    }

    /// Adds to the usage that the answer reports.
    ///
    /// # Errors
    /// `invalid_argument` for the name of a model that is empty, above 128 bytes, or has control
    /// characters; nothing is added then.
    pub fn add_usage(&self, more: &v1::Usage) -> Result<()> {
        more.by_model.keys().try_for_each(|model| check_id("byModel", model))?;
        self.core().add_usage(more);
        Ok(())
    }

    /// Ends the call with its answer.
    ///
    /// # Errors
    /// `closed` when it has ended before; `json` when the answer does not hold the output schema
    /// (the caller gets the same and the call is over).
    pub async fn finish(&self, content: Content) -> Result<()> {
        let core = self.core();
        self.leave();
        let checked = core.check_output(&content.message);
        match checked.and_then(|()| self.sendable(content)) {
            Ok(content) => core.finish(content).await,
            Err(error) => {
                core.reject(&error).await?;
                Err(error)
            }
        }
    }

    /// Ends the call with a refusal or failure.
    ///
    /// # Errors
    /// `closed` when it has ended before.
    pub async fn fail(&self, error: Error) -> Result<()> {
        self.leave();
        self.core().reject(&error).await
    }

    async fn emit(&self, event: event::Kind, content: Content) -> Result<()> {
        self.core().emit(event, content.bodies).await
    }

    fn sendable(&self, content: Content) -> Result<Content> {
        super::content::check(&content.message)?;
        self.split(content)
    }

    /// As it travels: large parts as streams where the caller is another process.
    fn split(&self, content: Content) -> Result<Content> {
        if self.core().info.remote { super::split::split(content) } else { Ok(content) }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("agent", &self.agent_name()).finish_non_exhaustive()
    }
}

impl Parent {
    pub(crate) fn core(&self) -> &Arc<CallCore> {
        &self.core
    }

    /// Id of the agent that is handling.
    pub fn agent(&self) -> AgentId {
        self.core.info.agent
    }

    /// True once the call has ended.
    pub fn is_over(&self) -> bool {
        self.core.is_ended() || self.core.done.is_cancelled()
    }

    /// True once its budget was stopped.
    pub(crate) fn is_killed(&self) -> bool {
        self.core.cancelled.is_cancelled() && self.core.cancel_refusal().kind == Kind::Killed
    }

    /// Waits until the call is to be stopped, and says why.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn cancelled(&self) -> Error {
        self.core.cancelled.cancelled().await;
        self.core.cancel_error()
    }

    /// Waits until the call has ended, however it ended.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn over(&self) {
        tokio::select! {
            () = self.core.done.cancelled() => {}
            () = self.core.cancelled.cancelled() => {}
        }
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parent").field("agent", &self.core.info.agent_name).finish_non_exhaustive()
    }
}
