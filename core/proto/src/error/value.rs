//! The error type: what went wrong, where, and when to try again.

use super::Kind;
use std::fmt;

/// When a refused operation may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Retry {
    /// The same request will be refused again.
    #[default]
    Never,
    /// Later, at the caller's own pace.
    Later,
    /// After this many milliseconds.
    AfterMs(u64),
}

/// A bound of `limits.rs` or of a descriptor that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Name of the bound.
    pub name: String,
    /// Its value, in the unit of its name.
    pub value: u64,
}

/// What went wrong, in the same words in every language.
///
/// ```
/// use hubless_proto::error::{Error, Kind, Limit, Retry, Row};
///
/// let busy = Error::refusal(Kind::Busy, "queue", "the agent has no room")
///     .with_retry(Retry::AfterMs(50))
///     .with_limit("AGENT_QUEUE", 1_024);
/// assert!(busy.rejection);
/// assert_eq!(busy.limit, Some(Limit { name: "AGENT_QUEUE".into(), value: 1_024 }));
/// assert_eq!(busy.to_string(), "busy (queue): the agent has no room [AGENT_QUEUE = 1024]");
/// let row: Row = busy.kind.row();
/// assert_eq!((row.name, row.http), ("busy", 429));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Error {
    /// One of the closed set.
    pub kind: Kind,
    /// Open detail in snake_case, such as one of [`CODES`](super::CODES); empty: none.
    pub code: String,
    /// What was being done, such as `register`.
    pub operation: String,
    /// What was expected and what came; no secrets, no payloads.
    pub message: String,
    /// Field that was refused.
    pub field: Option<String>,
    /// Bound that was reached.
    pub limit: Option<Limit>,
    /// When to try again.
    pub retry: Retry,
    /// Text id of the agent concerned.
    pub agent: Option<String>,
    /// Node key (hex) of the node that refused.
    pub origin: Option<String>,
    /// Trace the call belonged to (W3C Trace Context, 32 hex digits).
    pub trace_id: Option<String>,
    /// JSON pointer (RFC 6901) into the refused value; empty: to all of it.
    pub pointer: Option<String>,
    /// Text ids to choose from, when ambiguous.
    pub candidates: Vec<String>,
    /// True: a peer or a check refused; raised as `Rejected`.
    pub rejection: bool,
}

/// Result with the error of Hubless.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of our own side; `message` says what was expected and what came.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: String::new(),
            operation: String::new(),
            message: message.into(),
            field: None,
            limit: None,
            retry: kind.row().retry,
            agent: None,
            origin: None,
            trace_id: None,
            pointer: None,
            candidates: Vec::new(),
            rejection: false,
        }
    }

    /// A refusal: data on the wire, raised as `Rejected`.
    pub fn refusal(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { rejection: true, ..Self::new(kind, message) }.with_code(code)
    }

    /// A wrong argument of the caller's own.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, message).with_field(field)
    }

    /// Sets the open detail.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        code.clone_into(&mut self.code);
        self
    }

    /// Sets the operation, unless an inner one is named already.
    #[must_use]
    pub fn with_operation(mut self, operation: &str) -> Self {
        if self.operation.is_empty() {
            operation.clone_into(&mut self.operation);
        }
        self
    }

    /// Sets the refused field.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// Sets the bound that was reached.
    #[must_use]
    pub fn with_limit(mut self, name: &str, value: u64) -> Self {
        self.limit = Some(Limit { name: name.to_owned(), value });
        self
    }

    /// Sets when to try again.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the JSON pointer into the refused value.
    #[must_use]
    pub fn with_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Sets the agent concerned.
    #[must_use]
    pub fn with_agent(mut self, agent: impl fmt::Display) -> Self {
        self.agent = Some(agent.to_string());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        if !self.operation.is_empty() {
            write!(f, " in {}", self.operation)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(limit) = &self.limit {
            write!(f, " [{} = {}]", limit.name, limit.value)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
