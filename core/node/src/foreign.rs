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
pub trait CredentialProvider: Send + Sync + 'static {
    /// The credential for a target; none when there is none.
    fn credential(&self, target: String) -> Answer<Option<v1::Auth>>;
}

/// The functions that a caller offers for the time of one call.
pub trait ToolHost: Send + Sync + 'static {
    /// Runs one; the arguments were validated against its input schema.
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content>;
}

/// Answers questions that a callee asks back.
pub trait InputHost: Send + Sync + 'static {
    /// Answers one; `schema` is the JSON Schema that the answer must hold.
    fn input(&self, prompt: Content, schema: Option<Value>) -> Answer<Content>;
}
