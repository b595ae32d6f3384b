//! What a callee asks back during a call: tools, and questions to the caller.

use crate::call::content::Content;
use crate::call::pipe::Up;
use crate::call::split;
use crate::foreign::{InputHost, ToolHost};
use crate::schemas;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The caller's side of tools and questions of one call; dropping it takes them all back.
pub(crate) struct Questions {
    tools: Vec<v1::Tool>,
    tool_host: Option<Arc<dyn ToolHost>>,
    input_host: Option<Arc<dyn InputHost>>,
    /// True: the answers travel to another process.
    remote: bool,
    seen: BTreeSet<u64>,
    inputs_open: usize,
    answers: JoinSet<Up>,
}

impl Questions {
    pub(crate) fn new(
        tools: Vec<v1::Tool>,
        tool_host: Option<Arc<dyn ToolHost>>,
        input_host: Option<Arc<dyn InputHost>>,
        remote: bool,
    ) -> Self {
        Self {
            tools,
            tool_host,
            input_host,
            remote,
            seen: BTreeSet::new(),
            inputs_open: 0,
            answers: JoinSet::new(),
        }
    }

    /// True while an answer is on its way.
    pub(crate) fn any(&self) -> bool {
        !self.answers.is_empty()
    }

    /// True while the callee waits for the caller's own answer.
    pub(crate) const fn input_open(&self) -> bool {
        self.inputs_open > 0
    }

    /// The next answer; pending when none is on its way.
    pub(crate) async fn next(&mut self) -> Up {
        loop {
            match self.answers.join_next().await {
                Some(Ok(up)) => {
                    if matches!(up, Up::Input(..)) {
                        self.inputs_open = self.inputs_open.saturating_sub(1);
                    }
                    return up;
                }
                // A tool that panicked has answered for itself.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Runs a tool, once for each id.
    pub(crate) fn tool(&mut self, call: v1::ToolCall) {
        if !self.seen.insert(call.id) {
            return;
        }
        let id = call.id;
        let remote = self.remote;
        match self.admit(&call) {
            Ok((host, arguments)) => {
                // A task of its own, so that a panic of the tool stays there.
                let run = tokio::spawn(host.call_tool(call.name, arguments));
                let run = tokio_util::task::AbortOnDropHandle::new(run);
                self.answers.spawn(async move {
                    let answer = run.await.unwrap_or_else(|_| Err(panicked()));
                    tool_result(id, answer.and_then(|content| sendable(content, remote)))
                });
            }
            Err(error) => {
                self.answers.spawn(async move { tool_result(id, Err(error)) });
            }
        }
    }

    fn admit(&self, call: &v1::ToolCall) -> Result<(Arc<dyn ToolHost>, Value)> {
        if self.seen.len() > limits::TOOL_CALLS {
            return Err(Error::refusal(Kind::TooLarge, "", "too many tool calls in one call")
                .with_limit("TOOL_CALLS", limits::TOOL_CALLS as u64));
        }
        if self.answers.len() >= limits::TOOL_CALLS_AT_ONCE {
            return Err(Error::refusal(Kind::Busy, "", "too many tool calls at once")
                .with_limit("TOOL_CALLS_AT_ONCE", limits::TOOL_CALLS_AT_ONCE as u64));
        }
        let undeclared =
            || Error::refusal(Kind::Denied, "undeclared_tool", "this tool was not offered");
        let tool = self.tools.iter().find(|tool| tool.name == call.name);
        let tool = tool.ok_or_else(undeclared)?;
        let host = self.tool_host.as_ref().ok_or_else(undeclared)?;
        let arguments = schemas::read(&call.arguments_json, "arguments")?;
        schemas::check(&tool.input_schema_json, &arguments, "arguments")?;
        Ok((Arc::clone(host), arguments))
    }

    /// Asks the caller; refused when it takes no questions.
    pub(crate) fn input(&mut self, id: u64, prompt: Content, schema_json: &str) {
        if !self.seen.insert(id) || self.seen.len() > 2 * limits::TOOL_CALLS {
            return;
        }
        self.inputs_open += 1;
        let remote = self.remote;
        let Some(host) = self.input_host.clone() else {
            let error = Error::refusal(Kind::Unsupported, "input", "the caller takes no questions");
            self.answers.spawn(async move { input(id, Err(error)) });
            return;
        };
        let schema = schemas::read(schema_json, "schema").ok();
        let run = tokio::spawn(host.input(prompt, schema));
        let run = tokio_util::task::AbortOnDropHandle::new(run);
        self.answers.spawn(async move {
            let answer = run.await.unwrap_or_else(|_| Err(panicked()));
            input(id, answer.and_then(|content| sendable(content, remote)))
        });
    }
}

fn panicked() -> Error {
    Error::refusal(Kind::HandlerFailed, "panic", "the caller's function panicked")
}

fn sendable(content: Content, remote: bool) -> Result<Content> {
    if remote { split::split(content) } else { Ok(content) }
}

fn tool_result(id: u64, answer: Result<Content>) -> Up {
    match answer {
        Ok(Content { message, bodies }) => {
            let result = v1::ToolResult { id, content: Some(message), error: None };
            Up::ToolResult(result, bodies)
        }
        Err(error) => {
            let error = Some(v1::Rejection::from(&error));
            Up::ToolResult(v1::ToolResult { id, content: None, error }, Default::default())
        }
    }
}

fn input(id: u64, answer: Result<Content>) -> Up {
    match answer {
        Ok(Content { message, bodies }) => {
            Up::Input(v1::Input { id, content: Some(message), error: None }, bodies)
        }
        Err(error) => {
            let error = Some(v1::Rejection::from(&error));
            Up::Input(v1::Input { id, content: None, error }, Default::default())
        }
    }
}
