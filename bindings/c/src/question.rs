//! Questions to the program: credentials to check, tokens to count, tools to run, input to give.

use crate::arena::Arena;
use crate::content::{self, Received, hubless_content, hubless_received};
use crate::entry::{entry, in_callback};
use crate::failure::failure;
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{handle, lock};
use crate::state::{Agent, Node, QUESTIONS, User};
use crate::types::{hubless_question, hubless_status, hubless_str};
use hubless_shared::Event;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::Arc;

/// A credential to be checked; the texts live until the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_auth_check {
    /// Scheme of the credential; none: there was none.
    pub scheme: hubless_str,
    /// The credential.
    pub credential: hubless_str,
    /// Who calls, as a JSON object: kind, node, agent, principal, mesh, role, groups.
    pub caller_json: hubless_str,
}

/// Checks a credential; answered once by `hubless_auth_verdict`, now or later, on any thread.
pub type hubless_on_auth = Option<
    unsafe extern "C" fn(
        question: *mut hubless_question,
        check: *const hubless_auth_check,
        user: *mut c_void,
    ),
>;
pub(crate) type OnAuth =
    unsafe extern "C" fn(*mut hubless_question, *const hubless_auth_check, *mut c_void);

/// Counts the tokens of all texts together; answered once by `hubless_count_result`.
pub type hubless_on_count = Option<
    unsafe extern "C" fn(
        question: *mut hubless_question,
        texts: *const hubless_str,
        count: usize,
        user: *mut c_void,
    ),
>;
pub(crate) type OnCount =
    unsafe extern "C" fn(*mut hubless_question, *const hubless_str, usize, *mut c_void);

/// Runs a tool; answered once by `hubless_answer` or `hubless_answer_fail`.
pub type hubless_on_tool = Option<
    unsafe extern "C" fn(
        question: *mut hubless_question,
        name: hubless_str,
        arguments_json: hubless_str,
        user: *mut c_void,
    ),
>;
/// Runs a tool for the callee of a request.
pub(crate) type OnTool =
    unsafe extern "C" fn(*mut hubless_question, hubless_str, hubless_str, *mut c_void);

/// Answers what a callee asks back; answered once by `hubless_answer` or `hubless_answer_fail`.
pub type hubless_on_input = Option<
    unsafe extern "C" fn(
        question: *mut hubless_question,
        prompt: *const hubless_received,
        schema_json: hubless_str,
        user: *mut c_void,
    ),
>;
type OnInput =
    unsafe extern "C" fn(*mut hubless_question, *const hubless_received, hubless_str, *mut c_void);

/// What the program lends to one request.
pub(crate) struct Lent {
    pub(crate) tools: BTreeMap<String, (OnTool, User)>,
    pub(crate) on_input: Option<(OnInput, User)>,
}

/// What a question is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Auth,
    Count,
    Tool,
    Input,
    Credential,
}

/// An open question.
pub(crate) struct Question {
    pub(crate) node: Arc<Node>,
    /// Its number in the session.
    pub(crate) id: u64,
    asked: Asked,
}

/// Keeps a question until it is answered.
pub(crate) fn open(node: &Arc<Node>, id: u64, asked: Asked) -> *mut hubless_question {
    handle(QUESTIONS.insert(Question { node: Arc::clone(node), id, asked }).0)
}

/// Refuses a question that the program has no function for.
fn fail(node: &Node, op: &str, id: u64, message: &str) {
    // A closed node has told whoever asked by itself.
    let _ = node.tell(op, (json!({"id": id, "message": message}), Vec::new()));
}

fn agent_of(node: &Node, id: Option<u64>) -> Option<Arc<Agent>> {
    lock(&node.agents).get(&id?).cloned()
}

#[derive(Deserialize)]
struct AuthIn {
    agent: Option<u64>,
    scheme: String,
    credential: String,
    caller: Box<RawValue>,
}

pub(crate) fn auth(node: &Arc<Node>, event: &Event) {
    let Ok(read) = serde_json::from_slice::<AuthIn>(&event.body) else { return };
    // Whose function decides, the core has decided: none stands in for another one.
    let function = match read.agent {
        None => lock(&node.on_auth).function(),
        of => agent_of(node, of).and_then(|a| Some((a.callbacks.on_auth?, a.callbacks.user))),
    };
    let Some((on_auth, user)) = function else {
        let body = json!({"id": event.ticket, "failed": true});
        let _ = node.tell("auth.verdict", (body, Vec::new()));
        return;
    };
    let check = hubless_auth_check {
        scheme: hubless_str::of(&read.scheme),
        credential: hubless_str::of(&read.credential),
        caller_json: hubless_str::of(read.caller.get()),
    };
    let question = open(node, event.ticket, Asked::Auth);
    // SAFETY: the program gave the function for this; the texts live until it returns.
    in_callback(|| unsafe { on_auth(question, &raw const check, user.0) });
}

#[derive(Deserialize)]
struct CountIn {
    agent: Option<u64>,
    texts: Vec<String>,
}

pub(crate) fn count(node: &Arc<Node>, event: &Event) {
    let Ok(read) = serde_json::from_slice::<CountIn>(&event.body) else { return };
    let agent = agent_of(node, read.agent);
    let asked = agent.as_ref().and_then(|agent| Some((agent.callbacks.on_count?, agent)));
    let Some((on_count, agent)) = asked else {
        let body = json!({"id": event.ticket, "failed": true});
        let _ = node.tell("count.result", (body, Vec::new()));
        return;
    };
    let texts: Vec<hubless_str> = read.texts.iter().map(|text| hubless_str::of(text)).collect();
    let question = open(node, event.ticket, Asked::Count);
    // SAFETY: the program gave the function for this; the texts live until it returns.
    in_callback(|| unsafe {
        on_count(question, texts.as_ptr(), texts.len(), agent.callbacks.user.0);
    });
}

#[derive(Deserialize)]
struct ToolIn {
    request: u64,
    name: String,
    arguments: Box<RawValue>,
}

pub(crate) fn tool(node: &Arc<Node>, event: &Event) {
    let Ok(read) = serde_json::from_slice::<ToolIn>(&event.body) else { return };
    let lent = lock(&node.lent).get(&read.request).cloned();
    let found = lent.as_ref().and_then(|lent| lent.tools.get(&read.name));
    let Some((on_tool, user)) = found else {
        fail(node, "tool.fail", event.ticket, "no such tool");
        return;
    };
    let (name, arguments) = (hubless_str::of(&read.name), hubless_str::of(read.arguments.get()));
    let question = open(node, event.ticket, Asked::Tool);
    // SAFETY: the program gave the function for this; the texts live until it returns.
    in_callback(|| unsafe { on_tool(question, name, arguments, user.0) });
}

#[derive(Deserialize)]
struct InputIn {
    request: u64,
    prompt: content::ContentIn,
    schema: Option<Box<RawValue>>,
}

pub(crate) fn input(node: &Arc<Node>, event: Event) {
    let Ok(read) = serde_json::from_slice::<InputIn>(&event.body) else { return };
    let lent = lock(&node.lent).get(&read.request).cloned();
    let Some((on_input, user)) = lent.as_ref().and_then(|lent| lent.on_input) else {
        fail(node, "input.fail", event.ticket, "no questions are taken");
        return;
    };
    let received = Received::new(read.prompt, &event.attachments, node);
    let view = received.view();
    let mut arena = Arena::default();
    let schema = read.schema.map_or(hubless_str::NONE, |s| arena.text(Box::<str>::from(s)));
    let question = open(node, event.ticket, Asked::Input);
    // SAFETY: the program gave the function for this; the memory lives until it returns.
    in_callback(|| unsafe { on_input(question, &raw const view, schema, user.0) });
    received.let_go();
}

/// Takes a question of a kind out: it is answered once.
pub(crate) fn take(question: *const hubless_question, fits: &[Asked]) -> Result<Arc<Question>> {
    if !fits.contains(&QUESTIONS.get(question)?.asked) {
        return Err(Fault::invalid("question", "expected a question of another kind"));
    }
    QUESTIONS.remove(question)
}

/// Says whether a credential lets its caller in. The answer may be kept for `cache_ms`, at most
/// 60,000; 0: not at all.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_auth_verdict(
    question: *mut hubless_question,
    allow: i32,
    cache_ms: u64,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            let open = take(question, &[Asked::Auth])?;
            let body = json!({"id": open.id, "allow": allow != 0, "cacheMs": cache_ms});
            open.node.tell("auth.verdict", (body, Vec::new()))
        })
    }
}

/// Says how many tokens the texts have.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_count_result(
    question: *mut hubless_question,
    tokens: u64,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            let open = take(question, &[Asked::Count])?;
            let body = json!({"id": open.id, "tokens": tokens});
            open.node.tell("count.result", (body, Vec::new()))
        })
    }
}

/// Answers a tool call or a question of the callee.
///
/// # Safety
/// `answer` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_answer(
    question: *mut hubless_question,
    answer: *const hubless_content,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let (content, attachments) = content::read(answer)?;
            let open = take(question, &[Asked::Tool, Asked::Input])?;
            let op = if open.asked == Asked::Tool { "tool.final" } else { "input.final" };
            let body = json!({"id": open.id, "content": content});
            open.node.tell(op, (body, attachments))
        })
    }
}

/// Fails a tool call or a question of the callee, which sees the error. `kind`, `code` and
/// `message` as of `hubless_call_fail`.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_answer_fail(
    question: *mut hubless_question,
    kind: i32,
    code: hubless_str,
    message: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let mut body = failure(kind, code, message)?;
            let open = take(question, &[Asked::Tool, Asked::Input])?;
            let op = if open.asked == Asked::Tool { "tool.fail" } else { "input.fail" };
            content::set(&mut body, "id", json!(open.id));
            open.node.tell(op, (body, Vec::new()))
        })
    }
}
