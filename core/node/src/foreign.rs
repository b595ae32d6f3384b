//! What a program above lends us: handlers, checks, counters, tools.
//!
//! Each is asked by a call that returns at once; dropping the returned future takes the question
//! back. No lock of ours is held while one runs. Tested beside the engine and the caller.

use crate::call::content::Content;
use crate::call::handle::Inbound;
use hubless_proto::error::Result;
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// An answer that is to come; dropping it takes the question back.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'static>>;

/// Something that answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Takes one call that passed every check; must return at once.
    ///
    /// The call is answered through [`Inbound::call`], from any thread; dropping the last clone
    /// of it unanswered fails the caller. A panic is contained and fails this call alone.
    fn handle(&self, inbound: Inbound);
}

/// A user's own check of credentials.
///
/// ```
/// use hubless::foreign::{Answer, AuthCheck, AuthVerdict, Authenticator, TokenCounter};
/// use hubless::{AgentOptions, Content, Kind, Node, NodeOptions, RequestOptions, handler};
/// use hubless_proto::wire::v1::Auth;
/// use std::sync::Arc;
///
/// /// Lets one word in.
/// struct Door;
///
/// impl Authenticator for Door {
///     fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict> {
///         let allow = check.credential == "letmein";
///         Box::pin(async move { Ok(AuthVerdict { allow, cache_ms: 60_000 }) })
///     }
/// }
///
/// /// Counts words.
/// struct Words;
///
/// impl TokenCounter for Words {
///     fn count(&self, texts: Vec<String>) -> Answer<u64> {
///         let words = texts.iter().map(|text| text.split(' ').count() as u64).sum();
///         Box::pin(async move { Ok(words) })
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let mut options = AgentOptions::read(serde_json::json!({"name": "guarded",
///     "requirements": {"auth": {"host": true}, "maxTokens": 2, "tokenCounter": "host"}}))?;
/// options.authenticator = Some(Arc::new(Door));
/// options.counter = Some(Arc::new(Words));
/// node.register(options, handler(|_, content| async move { Ok(content) })).await?;
/// let ask = |secret: &str, text: &str| RequestOptions {
///     auth: Some(Auth { scheme: "custom".into(), secret: secret.into() }),
///     ..RequestOptions::new("guarded", Content::text(text))
/// };
/// assert!(node.request(ask("letmein", "two words")).await.is_ok());
/// let long = node.request(ask("letmein", "now three words")).await;
/// assert_eq!(long.unwrap_err().kind, Kind::Prompt);
/// assert_eq!(node.request(ask("guess", "hello")).await.unwrap_err().kind, Kind::Auth);
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Says whether this credential lets this caller in.
    fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict>;
}

/// A credential to be checked.
#[derive(Clone)]
pub struct AuthCheck {
    /// Name of the agent that is called.
    pub agent: String,
    /// Scheme of the credential; empty: none was given.
    pub scheme: String,
    /// The credential; empty: none was given.
    pub credential: String,
    /// Who calls.
    pub caller: Caller,
}

impl fmt::Debug for AuthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthCheck").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// What a check of credentials said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthVerdict {
    /// True: let in.
    pub allow: bool,
    /// How long the answer may be kept, in milliseconds; 0: not at all, at most 60,000.
    pub cache_ms: u64,
}

/// A user's own token counter.
pub trait TokenCounter: Send + Sync + 'static {
    /// Counts the tokens of all these texts together.
    fn count(&self, texts: Vec<String>) -> Answer<u64>;
}

/// A user's own store of credentials.
///
/// ```
/// use hubless::foreign::{Answer, CredentialProvider};
/// use hubless::home::Home;
/// use hubless::node::{Credentials, Secret};
/// use hubless_proto::wire::v1::Auth;
/// use std::sync::Arc;
///
/// /// Asks nobody: the same word for every target.
/// struct Word;
///
/// impl CredentialProvider for Word {
///     fn credential(&self, _target: String) -> Answer<Option<Auth>> {
///         let auth = Auth { scheme: "custom".into(), secret: "letmein".into() };
///         Box::pin(async move { Ok(Some(auth)) })
///     }
/// }
///
/// let credentials = Credentials::open(Home::memory());
/// credentials.set("https://example.org", Secret::Provider(Arc::new(Word)))?;
/// assert_eq!(credentials.list()?, ["https://example.org"]);
/// assert!(credentials.remove("https://example.org")?);
/// # Ok::<(), hubless::Error>(())
/// ```
pub trait CredentialProvider: Send + Sync + 'static {
    /// The credential for a target; none when there is none.
    fn credential(&self, target: String) -> Answer<Option<v1::Auth>>;
}

/// The functions that a caller offers for the time of one call.
///
/// ```
/// use hubless::foreign::{Answer, InputHost, ToolHost};
/// use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
/// use serde_json::{Value, json};
/// use std::sync::Arc;
///
/// /// What the caller lends to the agent.
/// struct Lent;
///
/// impl ToolHost for Lent {
///     fn call_tool(&self, _name: String, arguments: Value) -> Answer<Content> {
///         Box::pin(async move { Ok(Content::value(arguments["n"].clone())) })
///     }
/// }
///
/// impl InputHost for Lent {
///     fn input(&self, _prompt: Content, _schema: Option<Value>) -> Answer<Content> {
///         Box::pin(async { Ok(Content::text("metres")) })
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let measure = handler(|call: hubless::Call, _| async move {
///     let n = call.call_tool("measure", &json!({"n": 3})).await?.decoded();
///     let unit = call.input(Content::text("in which unit?"), None).await?.joined_text();
///     Ok(Content::text(format!("{} {unit}", n.unwrap_or_default())))
/// });
/// let named = AgentOptions { name: "measure".into(), ..AgentOptions::default() };
/// node.register(named, measure).await?;
/// let asked = RequestOptions::read(json!({"to": "measure",
///     "tools": [{"name": "measure", "inputSchema": {"type": "object"}}]}))?;
/// let (tool_host, input_host) = (Some(Arc::new(Lent) as _), Some(Arc::new(Lent) as _));
/// let reply = node.request(RequestOptions { tool_host, input_host, ..asked }).await?;
/// assert_eq!(reply.content.joined_text(), "3 metres");
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
pub trait ToolHost: Send + Sync + 'static {
    /// Runs one; the arguments were validated against its input schema.
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content>;
}

/// Answers questions that a callee asks back.
pub trait InputHost: Send + Sync + 'static {
    /// Answers one; `schema` is the JSON Schema that the answer must hold.
    fn input(&self, prompt: Content, schema: Option<Value>) -> Answer<Content>;
}
