//! A stand-in of a real peer that writes down what passes.

use super::matching::{When, json_of};
use super::redaction::Redaction;
use super::script::{End, Event, Mode, Reaction, Script, Step, too_many_bytes};
use super::tape::{Take, Tape};
use crate::budget::{Amount, Component};
use crate::call::content::Content;
use crate::call::handle::Call;
use crate::executor::blocking;
use crate::foreign::{Answer, Handler, InputHost, ToolHost};
use crate::node::lifecycle::WeakNode;
use crate::node::{Description, Node, RequestOptions, StreamItem, handler};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::query::attribute_to_json;
use hubless_proto::wire::v1;
use prost::Message;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// How a peer is recorded.
#[derive(Debug, Clone, Default)]
pub struct RecorderOptions {
    /// Names whose values are kept out of the recording, beside those that are by themselves
    /// (`password`, `token`, `apiKey`, …); without case, `-` and `_`.
    pub redact: Vec<String>,
    /// Credential for the peer; it is never written down.
    pub auth: Option<v1::Auth>,
}

/// Hands requests on to a peer and records them with all that comes back: register its handler
/// under a name of its own, ask that one, and save. Cheap to clone.
///
/// ```
/// use hubless::testing::{Fake, House, Recorder, RecorderOptions, Saved, Script};
/// use hubless::{AgentOptions, Content, Node, RequestOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let house = House::new()?;
/// # let node = Node::start(house.options()).await?;
/// # let named = |name: &str| AgentOptions { name: name.into(), ..AgentOptions::default() };
/// let shout = handler(|_, said: Content| async move {
///     Ok(Content::text(said.joined_text().to_uppercase()))
/// });
/// let real = node.register(named("shout"), shout).await?;
/// let recorder = Recorder::new(&node, "shout", RecorderOptions::default()).await?;
/// node.register(named("recorded"), recorder.handler()).await?;
/// node.request(RequestOptions::new("recorded", Content::text("hello"))).await?;
/// let path = house.home().join("shout.json");
/// let Saved { steps, open } = recorder.save(&path).await?;
/// assert_eq!((steps, open), (1, 0));
/// real.unregister(std::time::Duration::ZERO).await?;
///
/// let again = Fake::new("shout", Script::load(&path).await?);
/// node.register(named("shout"), again.handler()).await?;
/// let reply = node.request(RequestOptions::new("shout", Content::text("hello"))).await?;
/// assert_eq!(reply.content.joined_text(), "HELLO");
/// # node.close(std::time::Duration::ZERO).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Requests that are in the recording.
    pub steps: usize,
    /// Requests that had not ended; they are not in it.
    pub open: usize,
}

struct Shared {
    node: WeakNode,
    to: String,
    auth: Option<v1::Auth>,
    agent: Map<String, Value>,
    redact: Vec<String>,
    redaction: Redaction,
    tape: Tape,
}

impl Recorder {
    /// Records the peer `to`: an id, address or name that `node` finds.
    ///
    /// # Errors
    /// As [`Node::describe`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn new(node: &Node, to: &str, options: RecorderOptions) -> Result<Self> {
        let agent = published(&node.describe(to).await?);
        let redaction = Redaction::of(&options.redact);
        let secret = options.auth.as_ref().map(|auth| auth.secret.as_str()).unwrap_or_default();
        let shared = Shared {
            node: node.downgrade(),
            to: to.to_owned(),
            redaction: redaction.knowing(secret),
            auth: options.auth,
            agent,
            redact: options.redact,
            tape: Tape::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What the peer publishes, as `register` takes it.
    pub fn agent(&self) -> &Map<String, Value> {
        &self.shared.agent
    }

    /// What stands in for the peer.
    pub fn handler(&self) -> Arc<dyn Handler> {
        let shared = Arc::clone(&self.shared);
        handler(move |call, content| pass(Arc::clone(&shared), call, content))
    }

    /// Writes what was recorded, whole or not at all, with mode 0600. Further requests are
    /// recorded on.
    ///
    /// # Errors
    /// `too_large` beyond `TESTING_STEPS` or `TESTING_BYTES`; `configuration`, code
    /// `not_writable`, with the path.
    ///
    /// # Cancellation
    /// The file is the old or the new one.
    pub async fn save(&self, path: &Path) -> Result<Saved> {
        let (script, saved) = self.shared.script()?;
        let text = written(&script.to_json(), limits::TESTING_BYTES)?;
        let path = path.to_owned();
        blocking(move || {
            write(&path, &text).map_err(|error| {
                let message = format!("cannot write the recording {}: {error}", path.display());
                let error = Error::new(Kind::Configuration, message);
                error.with_code("not_writable").with_field("path")
            })
        })
        .await?;
        Ok(saved)
    }
}

/// For people, or without blanks where that is more than is read again.
fn written(script: &Value, most: usize) -> Result<String> {
    let spaced = format!("{script:#}\n");
    let text = if spaced.len() > most { format!("{script}\n") } else { spaced };
    if text.len() > most { Err(too_many_bytes()) } else { Ok(text) }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

impl Shared {
    fn script(&self) -> Result<(Script, Saved)> {
        let (steps, open) = self.tape.steps()?;
        let saved = Saved { steps: steps.len(), open };
        let (agent, redact) = (self.agent.clone(), Some(self.redact.clone()));
        Ok((Script { agent, mode: Mode::Strict, redact, steps, otherwise: None }, saved))
    }

    /// Content without its secrets.
    fn redacted(&self, content: &v1::Content) -> Result<v1::Content> {
        let mut shown = json_of(content);
        self.redaction.content(&mut shown);
        let read = serde_json::from_value(shown);
        read.map_err(|_| Error::new(Kind::Internal, "redacted content cannot be read"))
    }

    fn redacted_error(&self, error: &Error) -> Error {
        let message = self.redaction.text(&error.message);
        let kept = Error::refusal(error.kind, &error.code, message).with_retry(error.retry);
        Error { field: error.field.clone(), ..kept }
    }
}

async fn pass(shared: Arc<Shared>, call: Call, content: Content) -> Result<Content> {
    // It spends nothing by itself.
    call.spend(Amount::ZERO).await?.used(Amount::ZERO);
    let mut take = shared.tape.begin();
    let content = content.inline(limits::TESTING_BYTES as u64).await?;
    let when = match take.count(content.encoded_len()) {
        true => Some(When::exactly(&call.request().skill, json_of(&shared.redacted(&content)?))),
        false => None,
    };
    let mut usage = Amount::ZERO;
    let said = hand_on(&shared, &call, content, (&mut take, &mut usage)).await;
    if let Some(when) = when {
        let end = match &said {
            Ok(content) => End::Answer(shared.redacted(content)?),
            Err(error) => End::Error(shared.redacted_error(error)),
        };
        let events = shared.redaction.events(&take.events())?;
        let reaction = Reaction { events, usage, ..Reaction::of(end) };
        take.keep(Step { when, times: Some(1), reaction });
    }
    said.map(Content::from).map_err(|error| Error { rejection: true, ..error })
}

async fn hand_on(
    shared: &Shared,
    call: &Call,
    content: v1::Content,
    (take, usage): (&mut Take<'_>, &mut Amount),
) -> Result<v1::Content> {
    let request = call.request();
    let metadata = request.metadata_json.iter();
    let read = |text: &String| serde_json::from_str(text).unwrap_or_default();
    let asked = RequestOptions {
        skill: request.skill.clone(),
        accept: request.accept.clone(),
        auth: shared.auth.clone(),
        context: request.context.clone(),
        conversation_id: request.conversation_id.clone(),
        tools: request.tools.clone(),
        metadata: metadata.map(|(name, text)| (name.clone(), read(text))).collect(),
        parent: Some(call.parent()),
        tool_host: Some(Arc::new(Through(call.clone()))),
        input_host: Some(Arc::new(Through(call.clone()))),
        ..RequestOptions::new(shared.to.as_str(), Content::from(content))
    };
    let mut stream = shared.node.node()?.stream(asked)?;
    while let Some(item) = stream.next().await {
        match item? {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, fraction } => {
                call.progress(&note, fraction).await?;
                take.add(Event::Progress { note, fraction });
            }
            StreamItem::Chunk { content, append } => {
                let content = content.inline(limits::TESTING_BYTES as u64).await?;
                let parts = content.parts.iter().cloned();
                parts.for_each(|part| take.add(Event::Chunk { part, append }));
                call.chunk(Content::from(content), append).await?;
            }
            StreamItem::Final(reply) => {
                *usage = spent(&reply.usage)?;
                if call.granted().is_none() {
                    call.add_usage(&reply.usage)?;
                }
                return reply.content.inline(limits::TESTING_BYTES as u64).await;
            }
        }
    }
    Err(Error::new(Kind::Internal, "the stream ended without an end"))
}

fn spent(usage: &v1::Usage) -> Result<Amount> {
    Amount::ZERO
        .with(Component::InputTokens, usage.input_tokens)?
        .with(Component::OutputTokens, usage.output_tokens)?
        .with(Component::CostMicros, usage.cost_micros)
}

/// Asks the caller what the peer asks; neither is recorded.
struct Through(Call);

impl ToolHost for Through {
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content> {
        let call = self.0.clone();
        Box::pin(async move { call.call_tool(&name, &arguments).await })
    }
}

impl InputHost for Through {
    fn input(&self, prompt: Content, schema: Option<Value>) -> Answer<Content> {
        let call = self.0.clone();
        Box::pin(async move { call.input(prompt, schema.as_ref()).await })
    }
}

/// What an agent publishes, as `register` takes it.
fn published(of: &Description) -> Map<String, Value> {
    let told = &of.descriptor;
    let document = |id: &str| of.skills.iter().find(|document| document.id == id);
    let skills: Vec<Value> =
        told.skills.iter().map(|skill| published_skill(skill, document(&skill.id))).collect();
    let all = json!({
        "name": told.name,
        "title": told.title,
        "description": told.description,
        "version": told.version,
        "skills": skills,
        "tags": told.tags,
        "contextProtocol": told.context_protocol,
        "inputSchemaKind": told.input_schema_kind,
        "contentTypesIn": told.content_types_in,
        "contentTypesOut": told.content_types_out,
        "streaming": told.streaming,
    });
    let filled = |value: &Value| *value != json!("") && *value != json!([]);
    let Value::Object(all) = all else { return Map::new() };
    all.into_iter().filter(|(_, value)| filled(value)).collect()
}

fn published_skill(skill: &v1::Skill, document: Option<&v1::SkillDocument>) -> Value {
    let attributes: Map<String, Value> = skill
        .attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), attribute_to_json(attribute)))
        .collect();
    let description = document.map_or(&skill.description, |document| &document.description);
    let mut all = json!({
        "id": skill.id,
        "title": skill.title,
        "description": description,
        "tags": skill.tags,
        "attributes": attributes,
        "effect": skill.effect,
        "spends": skill.spends,
    });
    let schemas = document.map(|document| {
        [
            ("inputSchema", &document.input_schema_json),
            ("outputSchema", &document.output_schema_json),
        ]
    });
    for (name, text) in schemas.into_iter().flatten() {
        if let Ok(schema) = serde_json::from_str::<Value>(text) {
            all[name] = schema;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_small_enough_to_be_read_again() {
        let script = json!({"steps": [{"answer": {"value": [1, 2, 3]}}]});
        let (spaced, short) = (format!("{script:#}\n"), format!("{script}\n"));
        assert!(short.len() < spaced.len());
        assert_eq!(written(&script, spaced.len()), Ok(spaced.clone()));
        assert_eq!(written(&script, spaced.len() - 1), Ok(short.clone()));
        assert_eq!(written(&script, short.len()), Ok(short.clone()));
        let refused = written(&script, short.len() - 1).unwrap_err();
        assert_eq!(refused.limit.map(|limit| limit.name).as_deref(), Some("TESTING_BYTES"));
    }
}
