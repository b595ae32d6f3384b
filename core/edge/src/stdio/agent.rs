//! The agent in front of the child: starts it, keeps it running, carries its calls.

use super::child::{Running, Stdin};
use super::line::{self, Line};
use super::options::StdioOptions;
use super::route::Routes;
use data_encoding::BASE64;
use hubless::call::handle::Call;
use hubless::{Agent, Content, Error, Handler, Inbound, Kind, Node, Result, executor};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, event, part};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// First pause before a child that ended is started again; doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A program that is an agent; dropping it ends the program.
pub struct StdioAgent {
    agent: Agent,
    bridge: Arc<Bridge>,
}

struct Bridge {
    options: StdioOptions,
    routes: Routes,
    /// Of the child that runs; none between two.
    stdin: Mutex<Option<Stdin>>,
    /// Rung when the child does not read while the time of a call runs out.
    stuck: Notify,
    stop: CancellationToken,
}

struct Face(Arc<Bridge>);

impl StdioAgent {
    /// Starts the program and registers it.
    ///
    /// # Errors
    /// `configuration` when it cannot be started or has no name; as [`Node::register`].
    ///
    /// # Cancellation
    /// The program is killed.
    pub async fn start(node: &Node, options: StdioOptions) -> Result<Self> {
        let mut running = Running::start(&options)?;
        let descriptor = match &options.name {
            Some(_) => None,
            None => first_line(&mut running).await?,
        };
        let agent = options.agent(descriptor)?;
        let bridge = Arc::new(Bridge {
            options,
            routes: Routes::default(),
            stdin: Mutex::new(None),
            stuck: Notify::new(),
            stop: CancellationToken::new(),
        });
        bridge.set_stdin(Some(running.stdin.clone()));
        executor::spawn(Arc::clone(&bridge).keep(running))?;
        let handler = Arc::new(Face(Arc::clone(&bridge)));
        match node.register(agent, handler).await {
            Ok(agent) => Ok(Self { agent, bridge }),
            Err(error) => {
                bridge.stop.cancel();
                Err(error)
            }
        }
    }

    /// The registered agent.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }
}

impl Drop for StdioAgent {
    fn drop(&mut self) {
        self.bridge.stop.cancel();
    }
}

/// The descriptor line, if the first line is one and comes in time.
async fn first_line(running: &mut Running) -> Result<Option<serde_json::Value>> {
    let first = tokio::time::timeout(limits::STDIO_DESCRIPTOR, running.lines_out.recv()).await;
    match first {
        Ok(Some(text)) => match line::read(&text)? {
            Line::Descriptor(descriptor) => Ok(Some(descriptor)),
            Line::Event(..) => Ok(None),
        },
        Ok(None) => {
            let message = "the program ended before its descriptor line";
            Err(Error::new(Kind::Configuration, message).with_code("not_started"))
        }
        Err(_) => Ok(None),
    }
}

impl Bridge {
    /// Reads the child's lines; starts it again with back-off when it ends.
    async fn keep(self: Arc<Self>, mut running: Running) {
        let mut pause = PAUSE;
        loop {
            let served = tokio::select! {
                served = self.read(&mut running) => served,
                () = self.stuck.notified() => false,
                () = self.stop.cancelled() => {
                    running.kill().await;
                    return;
                }
            };
            self.set_stdin(None);
            self.routes.clear();
            running.kill().await;
            if served {
                pause = PAUSE;
            }
            tracing::warn!(again_in_ms = pause.as_millis(), "a stdio agent ended");
            let Some(next) = self.start_again(&mut pause).await else { return };
            running = next;
            self.set_stdin(Some(running.stdin.clone()));
        }
    }

    async fn start_again(&self, pause: &mut Duration) -> Option<Running> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                () = self.stop.cancelled() => return None,
            }
            *pause = (*pause * 2).min(PAUSE_MAX);
            match Running::start(&self.options) {
                Ok(running) => return Some(running),
                Err(error) => tracing::warn!(%error, "a stdio agent does not start"),
            }
        }
    }

    /// Reads until the child ends or sends too many lines that are no frames; true when it served.
    async fn read(&self, running: &mut Running) -> bool {
        let (mut bad, mut served) = (0, false);
        while let Some(text) = running.lines_out.recv().await {
            match line::read(&text) {
                Ok(Line::Descriptor(_)) => {}
                Ok(Line::Event(id, event)) => {
                    served = true;
                    if let Some(route) = self.routes.of(&id) {
                        // A call that is over takes no more events.
                        let _ = route.send(*event).await;
                    }
                }
                Err(error) => {
                    bad += 1;
                    tracing::warn!(%error, bad, "stdout of a stdio agent must carry frames only");
                    if bad >= limits::STDIO_BAD_LINES {
                        return false;
                    }
                }
            }
        }
        served
    }

    fn set_stdin(&self, stdin: Option<Stdin>) {
        *self.stdin.lock().unwrap_or_else(PoisonError::into_inner) = stdin;
    }

    fn stdin(&self) -> Option<Stdin> {
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a line to the child; waits while it does not read.
    async fn say(&self, line: String) -> Result<()> {
        let sent = match self.stdin() {
            Some(stdin) => stdin.send(line).await,
            None => false,
        };
        let gone =
            || Error::new(Kind::HandlerFailed, "the program behind the agent is not running");
        sent.then_some(()).ok_or_else(gone)
    }

    /// Carries one call from its request to its end.
    async fn carry(&self, call: &Call, content: Content) -> Result<Content> {
        let mut request = call.request().clone();
        request.content = Some(inline(content).await?);
        let id = BASE64.encode(&request.id);
        let line = line::request(&request)?;
        let Some(events) = self.routes.open(&id) else {
            return Err(Error::new(Kind::Conflict, "a call with this id is running"));
        };
        let answer = tokio::select! {
            answer = self.answer(call, &id, line, events) => answer,
            reason = call.cancelled() => {
                self.give_up(&id, &reason);
                Err(reason)
            }
        };
        self.routes.close(&id);
        answer
    }

    /// Tells the child; one that does not read is ended, since it holds a place.
    fn give_up(&self, id: &str, reason: &Error) {
        let Some(stdin) = self.stdin() else { return };
        if stdin.is_behind() {
            tracing::warn!("a stdio agent does not read: it is ended");
            self.stuck.notify_one();
        } else {
            stdin.try_send(line::cancel(id, reason));
        }
    }

    async fn answer(
        &self,
        call: &Call,
        id: &str,
        line: String,
        mut events: mpsc::Receiver<v1::Event>,
    ) -> Result<Content> {
        self.say(line).await?;
        while let Some(event) = events.recv().await {
            match event.kind {
                Some(event::Kind::Final(end)) => {
                    if let Some(usage) = &end.usage {
                        call.add_usage(usage);
                    }
                    return Ok(Content::from(end.content.unwrap_or_default()));
                }
                Some(event::Kind::Rejection(rejection)) => return Err(Error::from(rejection)),
                Some(event::Kind::Progress(progress)) => {
                    call.progress(&progress.note, progress.fraction).await?;
                }
                Some(event::Kind::Chunk(chunk)) => {
                    let parts = chunk.part.into_iter().collect();
                    let message = v1::Content { parts, ..v1::Content::default() };
                    call.chunk(Content::from(message), chunk.append).await?;
                }
                Some(event::Kind::ToolCall(asked)) => self.tool(call, id, asked).await?,
                Some(event::Kind::InputRequired(asked)) => self.input(call, id, asked).await?,
                Some(event::Kind::Accepted(_)) | None => {}
            }
        }
        Err(Error::new(Kind::HandlerFailed, "the program behind the agent ended during the call"))
    }

    async fn tool(&self, call: &Call, id: &str, asked: v1::ToolCall) -> Result<()> {
        let arguments = serde_json::from_str(&asked.arguments_json).unwrap_or_default();
        let mut result = v1::ToolResult { id: asked.id, ..v1::ToolResult::default() };
        match call.call_tool(&asked.name, &arguments).await {
            Ok(content) => result.content = Some(inline(content).await?),
            Err(error) => result.error = Some(v1::Rejection::from(&error)),
        }
        self.say(line::tool_result(id, &result)?).await
    }

    async fn input(&self, call: &Call, id: &str, asked: v1::InputRequired) -> Result<()> {
        let schema = serde_json::from_str(&asked.schema_json).ok();
        let prompt = Content::from(asked.prompt.unwrap_or_default());
        let mut answer = v1::Input { id: asked.id, ..v1::Input::default() };
        match call.input(prompt, schema.as_ref()).await {
            Ok(content) => answer.content = Some(inline(content).await?),
            Err(error) => answer.error = Some(v1::Rejection::from(&error)),
        }
        self.say(line::input(id, &answer)?).await
    }
}

impl Handler for Face {
    fn handle(&self, inbound: Inbound) {
        let bridge = Arc::clone(&self.0);
        tokio::spawn(async move {
            let Inbound { call, content, .. } = inbound;
            // The caller may be gone when the answer comes.
            let _ = match bridge.carry(&call, content).await {
                Ok(answer) => call.finish(answer).await,
                Err(error) => call.fail(error).await,
            };
        });
    }
}

/// Content with the bytes of its streamed parts inside, as a line carries them.
async fn inline(mut content: Content) -> Result<v1::Content> {
    let most = u64::try_from(limits::STDIO_LINE_BYTES).unwrap_or(u64::MAX);
    let mut message = content.message;
    for part in &mut message.parts {
        let Some(part::Kind::Stream(stream)) = &part.kind else { continue };
        let Some(body) = content.bodies.take(stream.index) else { continue };
        let blob = v1::Blob {
            media_type: stream.media_type.clone(),
            filename: stream.filename.clone(),
            bytes: body.gather(most).await?,
        };
        part.kind = Some(part::Kind::Blob(blob));
    }
    Ok(message)
}
