//! Questions to the host: tools, input, auth, token counts, credentials.
//!
//! Owns: open questions by id, their events, and taking them back. Must not know why something is
//! asked. Tested through the public functions.

use crate::event::{AUTH, CANCEL, COUNT, CREDENTIAL, Event, INPUT, TOOL};
use crate::handler::AgentGate;
use crate::json::shown::{Outlet, checked, raw};
use crate::queue::lock;
use crate::session::Session;
use crate::table::next_id;
use bytes::Bytes;
use hubless::call::content::Content;
use hubless::foreign::{
    Answer, AuthCheck, AuthVerdict, Authenticator, CredentialProvider, InputHost, TokenCounter,
    ToolHost,
};
use hubless_proto::error::{Result, Retry};
use hubless_proto::wire::v1;
use hubless_proto::{Error, Kind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::oneshot;

/// An open question, with the way back to whoever asked.
pub(crate) enum Question {
    Tool(oneshot::Sender<Result<Content>>),
    Input(oneshot::Sender<Result<Content>>),
    Auth(oneshot::Sender<Result<AuthVerdict>>),
    Count(oneshot::Sender<Result<u64>>),
    Credential(oneshot::Sender<Result<Option<v1::Auth>>>),
}

/// The open questions of a session, by id.
#[derive(Default)]
pub(crate) struct Questions {
    open: Mutex<BTreeMap<u64, Question>>,
}

impl Questions {
    /// Takes the question of an id out; none when it was answered or taken back.
    pub(crate) fn take(&self, id: u64) -> Option<Question> {
        lock(&self.open).remove(&id)
    }

    /// Drops all; those who asked get `closed`.
    pub(crate) fn clear(&self) {
        drop(std::mem::take(&mut *lock(&self.open)));
    }
}

/// Takes a question back when whoever asked does not wait any more.
struct TakeBack {
    session: Arc<Session>,
    id: u64,
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        if self.session.questions.take(self.id).is_some() {
            cancel(&self.session, self.id, Kind::Cancelled, "the answer is not waited for");
        }
    }
}

/// Tells the host to stop what an event asked for.
pub(crate) fn cancel(session: &Session, id: u64, kind: Kind, message: &str) {
    let body = json!({"kind": kind.name(), "message": message}).to_string();
    session.queue.push(Event { kind: CANCEL, ticket: id, body: body.into(), attachments: vec![] });
}

/// What an event says, apart from its id.
struct Asked {
    kind: u8,
    body: Value,
    attachments: Vec<Bytes>,
}

impl Asked {
    /// Whether a call that is only coming asks it: peers decide how many of those there are, the
    /// host how many requests of its own ask all the others.
    const fn is_new_work(&self) -> bool {
        matches!(self.kind, AUTH | COUNT)
    }
}

/// The host does not take what is queued for it as quickly as it comes.
pub(crate) fn behind() -> Error {
    Error::refusal(Kind::Busy, "host_behind", "the agent's process is behind")
        .with_retry(Retry::AfterMs(100))
}

/// Asks the host, and waits for its answer.
async fn ask<T>(
    session: Weak<Session>,
    asked: impl FnOnce(&Session) -> Result<Asked>,
    question: impl FnOnce(oneshot::Sender<Result<T>>) -> Question,
) -> Result<T> {
    let session = session.upgrade().ok_or_else(closed)?;
    let asked = asked(&session)?;
    let new_work = asked.is_new_work();
    let Asked { kind, body, attachments } = asked;
    let (sender, answer) = oneshot::channel();
    let id = next_id();
    lock(&session.questions.open).insert(id, question(sender));
    let take_back = TakeBack { session: Arc::clone(&session), id };
    let body = body.to_string().into();
    let event = Event { kind, ticket: id, body, attachments };
    let queued = if new_work { session.queue.offer(event) } else { session.queue.push(event) };
    if !queued {
        // Nothing is to be taken back of what the host was not told.
        session.questions.take(id);
        return Err(if session.queue.is_closed() { closed() } else { behind() });
    }
    drop(session);
    let answered = answer.await.unwrap_or_else(|_| Err(closed()));
    drop(take_back);
    answered
}

fn closed() -> Error {
    Error::new(Kind::Closed, "the session was closed")
}

/// The functions that the host offers with a request.
pub(crate) struct HostTools {
    pub(crate) session: Weak<Session>,
    /// Ticket of the request.
    pub(crate) request: u64,
}

impl ToolHost for HostTools {
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content> {
        let request = self.request;
        let body = json!({"request": request, "name": name, "arguments": arguments});
        let asked = move |session: &Session| {
            checked(session, "arguments", || body.to_string())?;
            Ok(Asked { kind: TOOL, body, attachments: vec![] })
        };
        Box::pin(ask(Weak::clone(&self.session), asked, Question::Tool))
    }
}

/// The host's answers to what a callee asks back.
pub(crate) struct HostInput {
    pub(crate) session: Weak<Session>,
    /// Ticket of the request.
    pub(crate) request: u64,
}

impl InputHost for HostInput {
    fn input(&self, prompt: Content, schema: Option<Value>) -> Answer<Content> {
        let request = self.request;
        let asked = move |session: &Session| {
            let Content { message, mut bodies } = prompt;
            let mut outlet = Outlet::new(session);
            let prompt = outlet.content(message, &mut bodies)?;
            let prompt = raw(crate::json::text(&prompt))?;
            let mut body = json!({"request": request, "prompt": prompt});
            if let (Some(schema), Some(object)) = (schema, body.as_object_mut()) {
                object.insert("schema".to_owned(), schema);
            }
            Ok(Asked { kind: INPUT, body, attachments: outlet.into_parts().0 })
        };
        Box::pin(ask(Weak::clone(&self.session), asked, Question::Input))
    }
}

/// The host's functions about one agent, or about the node when no agent is set.
pub(crate) struct HostChecks {
    pub(crate) session: Weak<Session>,
    /// The agent; none: the node's own mechanism.
    pub(crate) gate: Option<Arc<AgentGate>>,
}

/// Asks once the host knows the agent.
async fn passed<T>(
    gate: Option<Arc<AgentGate>>,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    if let Some(gate) = gate {
        gate.passed().await;
    }
    answer.await
}

impl Authenticator for HostChecks {
    fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict> {
        let caller = crate::json::caller(&check.caller);
        let body = json!({
            "agent": self.gate.as_ref().map(|gate| gate.agent),
            "agentName": check.agent,
            "scheme": check.scheme,
            "credential": check.credential,
            "caller": caller,
        });
        let asked = move |_: &Session| Ok(Asked { kind: AUTH, body, attachments: vec![] });
        let answer = ask(Weak::clone(&self.session), asked, Question::Auth);
        Box::pin(passed(self.gate.clone(), answer))
    }
}

impl TokenCounter for HostChecks {
    fn count(&self, texts: Vec<String>) -> Answer<u64> {
        let body = json!({"agent": self.gate.as_ref().map(|gate| gate.agent), "texts": texts});
        let asked = move |_: &Session| Ok(Asked { kind: COUNT, body, attachments: vec![] });
        let answer = ask(Weak::clone(&self.session), asked, Question::Count);
        Box::pin(passed(self.gate.clone(), answer))
    }
}

/// The host's own store of credentials, under the key that it gave.
pub(crate) struct HostCredentials {
    pub(crate) session: Weak<Session>,
    pub(crate) key: String,
}

impl CredentialProvider for HostCredentials {
    fn credential(&self, target: String) -> Answer<Option<v1::Auth>> {
        let body = json!({"key": self.key, "target": target});
        let asked = move |_: &Session| Ok(Asked { kind: CREDENTIAL, body, attachments: vec![] });
        Box::pin(ask(Weak::clone(&self.session), asked, Question::Credential))
    }
}
