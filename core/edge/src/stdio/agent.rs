//! The agent in front of the child: registers it, keeps it running.

use super::bridge::Bridge;
use super::child::Running;
use super::line::{self, Line};
use super::options::StdioOptions;
use hubless::{Agent, Error, Handler, Inbound, Kind, Node, Result, executor};
use hubless_proto::limits;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A program that is an agent; dropping it ends the program soon, [`StdioAgent::close`] waits.
pub struct StdioAgent {
    agent: Agent,
    bridge: Arc<Bridge>,
    keeper: Option<JoinHandle<()>>,
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
        let (running, descriptor) = begin(options.clone()).await?;
        let agent = options.agent(descriptor)?;
        let bridge = Arc::new(Bridge::new(running.stdin.clone()));
        let keeper = executor::spawn(keep(Arc::clone(&bridge), options, running))?;
        let handler = Arc::new(Face(Arc::clone(&bridge)));
        match node.register(agent, handler).await {
            Ok(agent) => Ok(Self { agent, bridge, keeper: Some(keeper) }),
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

    /// Ends the input of the program, gives it a second to end by itself, kills what is left of
    /// its process group, and waits for that.
    ///
    /// # Cancellation
    /// It is ended all the same.
    pub async fn close(mut self) {
        self.bridge.stop.cancel();
        if let Some(keeper) = self.keeper.take() {
            // One that panicked has dropped the child, which kills it.
            let _ = keeper.await;
        }
    }
}

impl Drop for StdioAgent {
    fn drop(&mut self) {
        self.bridge.stop.cancel();
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

/// Starts the program on a thread that lives as long as this process: the program dies with the
/// thread that started it.
async fn begin(options: StdioOptions) -> Result<(Running, Option<Value>)> {
    let begun = executor::spawn(async move {
        let mut running = Running::start(&options).await?;
        let descriptor = match &options.name {
            Some(_) => None,
            None => first_line(&mut running).await?,
        };
        Ok((running, descriptor))
    })?;
    let begun = tokio_util::task::AbortOnDropHandle::new(begun).await;
    begun.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the start of a program panicked")))
}

/// The descriptor line, if the first line is one and comes in time.
async fn first_line(running: &mut Running) -> Result<Option<Value>> {
    let wrong = |what: String| {
        let message = format!("{what}; let its first line be {{\"descriptor\": …}}, or name it");
        Error::new(Kind::Configuration, message).with_code("no_descriptor")
    };
    match tokio::time::timeout(limits::STDIO_DESCRIPTOR, running.line()).await {
        Ok(Some(Ok(text))) => match line::read(&text) {
            Ok(Line::Descriptor(descriptor)) => Ok(Some(descriptor)),
            Ok(Line::Event(..) | Line::Broken(..)) => {
                Err(wrong("the program's first line is an event".to_owned()))
            }
            Err(error) => Err(wrong(format!("the program's first line: {}", error.message))),
        },
        Ok(Some(Err(error))) => Err(wrong(format!("the program's first line: {}", error.message))),
        Ok(None) => {
            let status = running.kill().await.unwrap_or_default();
            Err(wrong(format!("the program ended before its descriptor line ({status})")))
        }
        Err(_) => Ok(None),
    }
}

/// The pause after one that did not help.
fn longer(pause: Duration) -> Duration {
    (pause * 2).min(limits::STDIO_PAUSE_MAX)
}

/// Reads the child's lines; starts it again with back-off when it ends.
async fn keep(bridge: Arc<Bridge>, options: StdioOptions, mut running: Running) {
    let mut pause = limits::STDIO_PAUSE;
    loop {
        let stdin = running.stdin.clone();
        let (why, served) = tokio::select! {
            end = read(&bridge, &mut running) => end,
            () = stdin.stuck() => (Some(ended("not_reading", "did not read its stdin")), false),
            () = bridge.stop.cancelled() => {
                running.end().await;
                return;
            }
        };
        bridge.set_stdin(None);
        let status = running.kill().await.unwrap_or_default();
        let why = why.unwrap_or_else(|| ended("ended", &format!("ended ({status})")));
        bridge.routes.clear(&why);
        if served {
            pause = limits::STDIO_PAUSE;
        }
        let again_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(why = why.message, again_in_ms, "a stdio agent is started again");
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = bridge.stop.cancelled() => return,
            }
            pause = longer(pause);
            match Running::start(&options).await {
                Ok(next) => {
                    running = next;
                    break;
                }
                Err(error) => tracing::warn!(%error, "a stdio agent does not start"),
            }
        }
        bridge.set_stdin(Some(running.stdin.clone()));
    }
}

/// Reads until the child ends or writes too many lines that are no frames: why, if it was not by
/// itself, and whether it served.
async fn read(bridge: &Bridge, running: &mut Running) -> (Option<Error>, bool) {
    let (mut bad, mut served) = (Bad::default(), false);
    while let Some(line) = running.line().await {
        let bytes = line.as_ref().map_or(0, String::len);
        let error = match line.and_then(|text| line::read(&text)) {
            Ok(Line::Descriptor(_)) => continue,
            Ok(Line::Event(id, event)) => {
                served = true;
                bridge.routes.hand_on(&id, Ok(*event), bytes).await;
                continue;
            }
            Ok(Line::Broken(id, error)) => {
                // The call that it belongs to would wait for it in vain.
                let message = format!("the program behind the agent: {}", error.message);
                let failed = Error::new(Kind::HandlerFailed, message).with_code(&error.code);
                bridge.routes.hand_on(&id, Err(failed), bytes).await;
                error
            }
            Err(error) => error,
        };
        tracing::warn!(%error, "stdout of a stdio agent must carry frames only");
        if error.code == "too_long" {
            return (Some(ended("bad_frame", "wrote a line that is too long on stdout")), served);
        }
        if bad.is_too_many(Instant::now()) {
            let count = limits::STDIO_BAD_LINES;
            let what = format!("wrote {count} lines that are no frames on stdout");
            return (Some(ended("bad_frame", &what)), false);
        }
    }
    (None, served)
}

/// Lines that were no frames, of the last minute.
#[derive(Default)]
struct Bad(VecDeque<Instant>);

impl Bad {
    /// Counts one more.
    fn is_too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        while self.0.front().is_some_and(|at| now.duration_since(*at) > limits::STDIO_BAD_SPAN) {
            self.0.pop_front();
        }
        self.0.len() >= limits::STDIO_BAD_LINES
    }
}

fn ended(code: &str, what: &str) -> Error {
    let message = format!("the program behind the agent {what}");
    Error::new(Kind::HandlerFailed, message).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut pause = limits::STDIO_PAUSE;
        for doubled in 0_u32..100 {
            let wanted = limits::STDIO_PAUSE.saturating_mul(1 << doubled.min(20));
            assert_eq!(pause, wanted.min(limits::STDIO_PAUSE_MAX), "{doubled}");
            pause = longer(pause);
        }
        assert_eq!(pause, limits::STDIO_PAUSE_MAX);
    }

    #[test]
    fn bad_lines_are_forgiven_after_a_minute() {
        let (mut often, mut seldom) = (Bad::default(), Bad::default());
        let start = Instant::now();
        let seconds = |count| start + Duration::from_secs(count);
        let span = limits::STDIO_BAD_SPAN.as_secs();
        let last = limits::STDIO_BAD_LINES as u64 - 1;
        assert!((0..last).all(|count| !often.is_too_many(seconds(count))));
        assert!(often.is_too_many(seconds(last)));
        assert!((0..1_000).all(|count| !seldom.is_too_many(seconds(count * (span / last + 1)))));
    }
}
