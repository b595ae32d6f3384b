//! What a caller says, and what it gets.

use crate::budget::{Allowance, KillSwitch, RedeemCode};
use crate::call::content::Content;
use crate::call::handle::Parent;
use crate::foreign::{InputHost, ToolHost};
use crate::spans::TraceId;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{self, AgentId, NodeKey};
use hubless_proto::query::Query;
use hubless_proto::wire::v1;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// One request, in the JSON form of the language contract; times are milliseconds.
///
/// ```
/// use hubless::node::{RetryKind, RetryPolicy, Target};
/// use hubless::{Kind, RequestOptions};
/// use serde_json::json;
///
/// let read = RequestOptions::read(json!({"to": "weather", "timeoutMs": 500,
///     "retry": {"attempts": 3, "on": ["busy"]}}))?;
/// assert!(matches!(&read.to, Target::Text(name) if name == "weather"));
/// let RetryPolicy { attempts, on } = read.retry;
/// assert_eq!((attempts, on), (3, vec![RetryKind(Kind::Busy)]));
/// let best = RequestOptions::read(json!({"to": {"query": {"skill": "forecast"}}}))?;
/// assert!(matches!(best.to, Target::Query { .. }));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestOptions {
    /// Whom to ask.
    #[serde(skip)]
    pub to: Target,
    /// What is asked.
    #[serde(skip)]
    pub content: Content,
    /// Skill that is meant; empty: the agent's only one, or none in particular.
    pub skill: String,
    /// To the first event, then between events; none: 60,000.
    pub timeout_ms: Option<u64>,
    /// Of the whole call; none: no bound of its own.
    pub total_ms: Option<u64>,
    /// What the caller can take.
    pub accept: Option<v1::Accept>,
    /// Credential for the agent.
    pub auth: Option<v1::Auth>,
    /// Credential for the way there; used when `auth` is missing.
    pub transport_auth: Option<v1::Auth>,
    /// What the agent should know.
    pub context: Option<v1::Context>,
    /// At most 64 bytes, chosen by the caller.
    pub conversation_id: String,
    /// Tools that the agent may call back; `tool_host` runs them.
    pub tools: Vec<v1::Tool>,
    /// JSON Schema 2020-12 that the content must hold.
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 that the answer must hold.
    pub output_schema: Option<Value>,
    /// `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE`; none: as the skill says.
    pub effect: Option<String>,
    /// Agent that the answer goes to, by id, address or name; empty: back to the caller. It must be
    /// one of the caller's own node, or one whose requirements accept answers of the callee.
    /// Under a budget the grant of the call pays for that.
    pub return_to: String,
    /// The callee answers the same key with the same outcome for 10 minutes. Streamed parts are
    /// compared by their `sha256`: a repeat with one that names none is refused with `conflict`.
    pub idempotency_key: String,
    /// When to try again by itself.
    pub retry: RetryPolicy,
    /// Where its data may go.
    pub data_policy: Option<v1::DataPolicy>,
    /// For whoever reads it.
    pub metadata: Map<String, Value>,
    /// By URI; an object with `critical: true` is refused by who does not know it.
    pub extensions: Map<String, Value>,
    /// W3C Trace Context to continue; none: the parent's, or a new one.
    pub trace: Option<v1::Trace>,
    /// Name of a template of this node.
    pub template: Option<String>,
    /// How long a name may take to appear; none: 1,000.
    #[serde(rename = "wait")]
    pub wait_ms: Option<u64>,
    /// Call that is being handled: deadline, depth and trace are continued, its end cancels this.
    #[serde(skip)]
    pub parent: Option<Parent>,
    /// Budget that pays for it and stops it; none: that of the parent, if it has one.
    #[serde(skip)]
    pub kill_switch: Option<KillSwitch>,
    /// Code that pays for it: of a call by way of a foreign program, which comes back with it.
    /// Redeemed once the callee is found and reached, and used up even if the call then fails.
    #[serde(skip)]
    pub redeem: Option<RedeemCode>,
    /// Most of the budget that the call may be given; none: a quarter of what is free.
    #[serde(skip)]
    pub max: Option<Allowance>,
    /// Agent of this node that asks; none: the parent's, or the node itself.
    #[serde(skip)]
    pub from: Option<AgentId>,
    /// Client of a gateway of this node that asks, such as `edge:http:anonymous`; none: this node.
    ///
    /// Such a call reaches agents that allow external connections only: every other is not found,
    /// as if it were not there. Nothing of this node goes with it: no stored credential, no agent
    /// (`from` is left out), and no name is pinned by it.
    #[serde(skip)]
    pub edge: Option<String>,
    /// Runs the offered tools.
    #[serde(skip)]
    pub tool_host: Option<Arc<dyn ToolHost>>,
    /// Answers questions of the callee; none: they are refused.
    #[serde(skip)]
    pub input_host: Option<Arc<dyn InputHost>>,
}

impl RequestOptions {
    /// Asks this agent, with this content.
    pub fn new(to: impl Into<Target>, content: Content) -> Self {
        Self { to: to.into(), content, ..Self::default() }
    }
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Whom a request is for.
#[derive(Debug, Clone)]
pub enum Target {
    /// An id, alone or with `@` and the key of its node; an address; a name or `name@mesh`.
    Text(String),
    /// The best answer of `find`.
    Query {
        /// What the agent must be like.
        query: Box<Query>,
    },
}

impl Default for Target {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<AgentId> for Target {
    fn from(id: AgentId) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<identity::Target> for Target {
    fn from(target: identity::Target) -> Self {
        Self::Text(target.to_string())
    }
}

impl From<Query> for Target {
    fn from(query: Query) -> Self {
        Self::Query { query: Box::new(query) }
    }
}

/// When a request is tried again by itself, as far as its effect allows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// Attempts in all, at most 10; 0 and 1: one.
    pub attempts: u32,
    /// Kinds of failure that are tried again.
    pub on: Vec<RetryKind>,
}

/// A kind in its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RetryKind(pub Kind);

impl TryFrom<String> for RetryKind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse().map(Self)
    }
}

/// The answer of a request.
#[derive(Debug)]
pub struct Reply {
    /// What was answered.
    pub content: Content,
    /// What it cost.
    pub usage: v1::Usage,
    /// How long it took.
    pub timing: v1::Timing,
    /// Who answered.
    pub agent: Answerer,
    /// How it was reached.
    pub path: Path,
    /// Attempts that were made.
    pub attempts: u32,
    /// Trace that it belongs to, for [`crate::Node::trace`].
    pub trace_id: TraceId,
    /// Calls that the agent had when it answered.
    pub(crate) load: u32,
}

/// Who answered.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answerer {
    /// Its id.
    pub agent_id: AgentId,
    /// Its name.
    pub name: String,
    /// Node that runs it.
    pub node_key: NodeKey,
}

/// How an agent is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// It lives in the caller's own node.
    InProcess,
    /// Straight to its node.
    Direct,
    /// Through a relay.
    Relay,
}

impl Path {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InProcess => "in_process",
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }

    /// Reads a name from a peer; none: this version does not know it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::InProcess, Self::Direct, Self::Relay].into_iter().find(|path| path.name() == name)
    }
}

/// What comes of a streamed request, in order; the last is the Final.
#[derive(Debug)]
pub enum StreamItem {
    /// The callee has it.
    Accepted,
    /// How far it is.
    Progress {
        /// For people.
        note: String,
        /// From 0 to 1.
        fraction: Option<f64>,
    },
    /// A part of the answer, sent ahead.
    Chunk {
        /// One part.
        content: Content,
        /// True: it continues the part before it.
        append: bool,
    },
    /// The end.
    Final(Box<Reply>),
}

/// What `send` gives: an answer or a refusal, never an error for a refusal.
#[derive(Debug)]
pub struct Response {
    /// The answer.
    pub output: Option<Reply>,
    /// The refusal.
    pub rejection: Option<Error>,
    /// What it cost.
    pub usage: v1::Usage,
}

/// The short form that people and models write.
///
/// ```
/// use hubless::node::{AgentRequest, Answerer, Path, Response};
/// use hubless::{AgentOptions, Content, Node, NodeOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let echo = handler(|_, content: Content| async move { Ok(content) });
/// node.register(AgentOptions { name: "echo".into(), ..AgentOptions::default() }, echo).await?;
/// let short = AgentRequest::read(serde_json::json!({"agent": "echo", "prompt": "hello"}))?;
/// let Response { output, rejection, .. } = node.send_short(short).await?;
/// assert!(rejection.is_none());
/// let reply = output.expect("an answer");
/// let Answerer { name, .. } = reply.agent;
/// assert_eq!((name.as_str(), reply.path), ("echo", Path::InProcess));
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentRequest {
    /// Id, address or name.
    pub agent: String,
    /// Prompt text; comes before the content.
    pub prompt: Option<String>,
    /// JSON Schema 2020-12 that the content must hold.
    pub prompt_schema: Option<Value>,
    /// More content.
    #[serde(skip)]
    pub content: Option<Content>,
    /// Skill that is meant.
    pub skill: String,
    /// Tools that the agent may call back.
    pub tools: Vec<v1::Tool>,
    /// Name of a template of this node.
    pub template: Option<String>,
}

impl From<AgentRequest> for RequestOptions {
    fn from(short: AgentRequest) -> Self {
        let mut content = short.content.unwrap_or_default();
        if let Some(prompt) = short.prompt {
            content.message.parts.insert(0, crate::call::content::text_part(prompt));
        }
        Self {
            to: Target::Text(short.agent),
            content,
            skill: short.skill,
            tools: short.tools,
            input_schema: short.prompt_schema,
            template: short.template,
            ..Self::default()
        }
    }
}
