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
            Ok((host, arguments, output)) => {
                // A task of its own, so that a panic of the tool stays there.
                let run = tokio::spawn(host.call_tool(call.name, arguments));
                let run = tokio_util::task::AbortOnDropHandle::new(run);
                self.answers.spawn(async move {
                    let answer = run.await.unwrap_or_else(|_| Err(panicked()));
                    let fitting = answer.and_then(|content| fitting(content, &output));
                    tool_result(id, fitting.and_then(|content| sendable(content, remote)))
                });
            }
            Err(error) => {
                self.answers.spawn(async move { tool_result(id, Err(error)) });
            }
        }
    }

    /// The function to run, its arguments, and the schema that its answer must hold.
    fn admit(&self, call: &v1::ToolCall) -> Result<(Arc<dyn ToolHost>, Value, String)> {
        if self.seen.len() > limits::TOOL_CALLS {
            return Err(Error::refusal(Kind::TooLarge, "", "too many tool calls in one call")
                .with_field("tools")
                .with_limit("TOOL_CALLS", limits::TOOL_CALLS as u64));
        }
        if self.answers.len() >= limits::TOOL_CALLS_AT_ONCE {
            return Err(Error::refusal(Kind::Busy, "", "too many tool calls at once")
                .with_field("tools")
                .with_limit("TOOL_CALLS_AT_ONCE", limits::TOOL_CALLS_AT_ONCE as u64));
        }
        let undeclared =
            || Error::refusal(Kind::Denied, "undeclared_tool", "this tool was not offered");
        let tool = self.tools.iter().find(|tool| tool.name == call.name);
        let tool = tool.ok_or_else(undeclared)?;
        let host = self.tool_host.as_ref().ok_or_else(undeclared)?;
        let arguments = schemas::read(&call.arguments_json, "arguments")?;
        schemas::check(&tool.input_schema_json, &arguments, "arguments")?;
        Ok((Arc::clone(host), arguments, tool.output_schema_json.clone()))
    }

    /// Asks the caller; refused when it takes no questions.
    pub(crate) fn input(&mut self, id: u64, prompt: Content, schema_json: &str) {
        if !self.seen.insert(id) {
            return;
        }
        self.inputs_open += 1;
        if self.seen.len() > limits::CALL_QUESTIONS {
            let error = Error::refusal(Kind::TooLarge, "", "too many questions in one call")
                .with_field("input")
                .with_limit("CALL_QUESTIONS", limits::CALL_QUESTIONS as u64);
            self.answers.spawn(async move { input(id, Err(error)) });
            return;
        }
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

/// What a callee takes: the caller's own function learns of anything else, and the callee that it
/// has no answer.
fn sendable(content: Content, remote: bool) -> Result<Content> {
    crate::call::content::check(&content.message)?;
    if remote { split::split(content) } else { Ok(content) }
}

/// A tool's answer, if it holds the schema that the caller promised for it.
fn fitting(answer: Content, schema: &str) -> Result<Content> {
    if !schema.is_empty() {
        schemas::check(schema, &answer.decoded().unwrap_or_default(), "output")?;
    }
    Ok(answer)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::Answer;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    /// Counts its runs, which wait at a gate.
    struct Counts {
        runs: AtomicUsize,
        gate: Arc<Semaphore>,
    }

    impl ToolHost for Counts {
        fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
            self.runs.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&self.gate);
            Box::pin(async move {
                // Closed when all may pass.
                let _ = gate.acquire().await;
                Ok(Content::value(json!(1)))
            })
        }
    }

    fn asked(id: u64, name: &str, arguments: &str) -> v1::ToolCall {
        v1::ToolCall { id, name: name.to_owned(), arguments_json: arguments.to_owned() }
    }

    fn counting() -> (Questions, Arc<Counts>) {
        let (runs, gate) = (AtomicUsize::new(0), Arc::new(Semaphore::new(0)));
        let host = Arc::new(Counts { runs, gate });
        let schema = json!({"type": "object", "maxProperties": 0}).to_string();
        let tool =
            v1::Tool { name: "count".to_owned(), input_schema_json: schema, ..Default::default() };
        let shared = Arc::clone(&host) as Arc<dyn ToolHost>;
        (Questions::new(vec![tool], Some(shared), None, false), host)
    }

    /// What was answered to each id: kind and code of a refusal, or nothing.
    async fn answers(questions: &mut Questions) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        while questions.any() {
            let Up::ToolResult(result, _) = questions.next().await else { panic!("no tool") };
            let refused = result.error.map(|error| {
                // A bound that was reached is named, and what reached it.
                let limit = error.limit.map(|limit| format!(" {} {}", error.field, limit.name));
                format!("{}/{}{}", error.kind, error.code, limit.unwrap_or_default())
            });
            all.push((result.id, refused.unwrap_or_default()));
        }
        all.sort();
        all
    }

    #[tokio::test]
    async fn a_tool_runs_once_for_each_id() {
        let (mut questions, host) = counting();
        host.gate.close();
        for id in [1, 1, 2] {
            questions.tool(asked(id, "count", "{}"));
        }
        assert_eq!(answers(&mut questions).await, [(1, String::new()), (2, String::new())]);
        questions.tool(asked(1, "count", "{}"));
        assert!(!questions.any(), "an id that was answered is not answered again");
        assert_eq!(host.runs.load(Ordering::SeqCst), 2);
    }

    /// A callee of ours holds to this by itself; another may not.
    #[tokio::test]
    async fn what_a_callee_may_not_ask_is_refused_and_runs_nothing() {
        let (mut questions, host) = counting();
        questions.tool(asked(1, "other", "{}"));
        questions.tool(asked(2, "count", "{\"a\": 1}"));
        questions.tool(asked(3, "count", "no json"));
        let refused = answers(&mut questions).await;
        assert_eq!(refused[0], (1, "denied/undeclared_tool".to_owned()));
        assert!(refused[1..].iter().all(|(_, told)| told.starts_with("json/")), "{refused:?}");
        assert_eq!(host.runs.load(Ordering::SeqCst), 0);
        let (mut questions, host) = counting();
        let most = limits::TOOL_CALLS_AT_ONCE as u64;
        for id in 0..=most {
            questions.tool(asked(id, "count", "{}"));
        }
        host.gate.close();
        assert_eq!(
            answers(&mut questions).await.last(),
            Some(&(most, "busy/ tools TOOL_CALLS_AT_ONCE".to_owned()))
        );
        for id in most + 1..=limits::TOOL_CALLS as u64 {
            questions.tool(asked(id, "count", "{}"));
            assert_eq!(answers(&mut questions).await.len(), 1);
        }
        let runs = host.runs.load(Ordering::SeqCst);
        questions.tool(asked(u64::MAX, "count", "{}"));
        let over = answers(&mut questions).await;
        assert_eq!(over, [(u64::MAX, "too_large/ tools TOOL_CALLS".to_owned())]);
        assert_eq!(host.runs.load(Ordering::SeqCst), runs);
    }

    #[tokio::test]
    async fn each_question_is_answered_if_only_by_a_refusal() {
        let mut questions = Questions::new(Vec::new(), None, None, false);
        let most = limits::CALL_QUESTIONS as u64;
        for id in 0..=most {
            questions.input(id, Content::text("which?"), "");
            let Up::Input(answer, _) = questions.next().await else { panic!("no answer") };
            let told = answer.error.unwrap();
            let wanted = if id < most { "unsupported" } else { "too_large" };
            assert_eq!((answer.id, told.kind.as_str()), (id, wanted));
            let limit = told.limit.map(|limit| (told.field, limit.name, limit.value));
            let named = ("input".to_owned(), "CALL_QUESTIONS".to_owned(), most);
            assert_eq!(limit, (id == most).then_some(named));
        }
    }
}
