//! The closed set of kinds and the one table of what each means elsewhere.

use super::Retry;
use std::fmt;
use std::str::FromStr;

/// What went wrong; the same set in every language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The caller did not prove who it is.
    Auth,
    /// The form or the token count of the prompt was refused.
    Prompt,
    /// A schema does not hold, or custom JSON is not taken.
    Json,
    /// A content type or a digest was refused.
    Content,
    /// The way between two nodes failed.
    Transport,
    /// The context was refused.
    Context,
    /// Our own set-up is wrong.
    Configuration,
    /// No such agent, skill or peer.
    NotFound,
    /// Several match where one was asked for.
    Ambiguous,
    /// The agent has no room; `retry` says when.
    Busy,
    /// The time was over.
    Deadline,
    /// Someone gave it up.
    Cancelled,
    /// Too many hops or nested calls.
    HopLimit,
    /// The call came back to an agent that does not take itself.
    Cycle,
    /// Something else holds that name, key or version.
    Conflict,
    /// A newer attempt of the same task exists.
    StaleAttempt,
    /// Nobody can say whether it ran.
    UnknownOutcome,
    /// The budget does not allow it.
    BudgetExhausted,
    /// The call tree was stopped.
    Killed,
    /// The agent's own code failed.
    HandlerFailed,
    /// A size is over its bound.
    TooLarge,
    /// This version or agent cannot do it.
    Unsupported,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
    /// The caller may not.
    Denied,
    /// The caller's own argument is wrong.
    InvalidArgument,
    /// The node or session is closed.
    Closed,
    /// A fault of ours.
    Internal,
}

/// What a kind means at the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Stable name.
    pub name: &'static str,
    /// When to try again, unless the error says otherwise.
    pub retry: Retry,
    /// HTTP status (RFC 9110).
    pub http: u16,
    /// JSON-RPC 2.0 code, as A2A and MCP use it.
    pub json_rpc: i32,
    /// Status number of the C library.
    pub c: i32,
    /// Exit code of the command.
    pub exit: u8,
}

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 28] = [
        Self::Auth,
        Self::Prompt,
        Self::Json,
        Self::Content,
        Self::Transport,
        Self::Context,
        Self::Configuration,
        Self::NotFound,
        Self::Ambiguous,
        Self::Busy,
        Self::Deadline,
        Self::Cancelled,
        Self::HopLimit,
        Self::Cycle,
        Self::Conflict,
        Self::StaleAttempt,
        Self::UnknownOutcome,
        Self::BudgetExhausted,
        Self::Killed,
        Self::HandlerFailed,
        Self::TooLarge,
        Self::Unsupported,
        Self::Expired,
        Self::Revoked,
        Self::Denied,
        Self::InvalidArgument,
        Self::Closed,
        Self::Internal,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The row of the table.
    pub const fn row(self) -> Row {
        match self {
            Self::Auth => row("auth", Retry::Never, (401, -32001, 1, 4)),
            Self::Prompt => row("prompt", Retry::Never, (422, -32602, 2, 4)),
            Self::Json => row("json", Retry::Never, (422, -32602, 3, 4)),
            Self::Content => row("content", Retry::Never, (415, -32005, 4, 4)),
            Self::Transport => row("transport", Retry::Later, (502, -32603, 5, 1)),
            Self::Context => row("context", Retry::Never, (422, -32602, 6, 4)),
            Self::Configuration => row("configuration", Retry::Never, (500, -32603, 7, 1)),
            Self::NotFound => row("not_found", Retry::Later, (404, -32001, 8, 3)),
            Self::Ambiguous => row("ambiguous", Retry::Never, (409, -32602, 9, 3)),
            Self::Busy => row("busy", Retry::Later, (429, -32000, 10, 4)),
            Self::Deadline => row("deadline", Retry::Later, (504, -32000, 11, 124)),
            Self::Cancelled => row("cancelled", Retry::Never, (499, -32800, 12, 1)),
            Self::HopLimit => row("hop_limit", Retry::Never, (508, -32000, 13, 4)),
            Self::Cycle => row("cycle", Retry::Never, (508, -32000, 14, 4)),
            Self::Conflict => row("conflict", Retry::Never, (409, -32000, 15, 4)),
            Self::StaleAttempt => row("stale_attempt", Retry::Never, (409, -32000, 16, 4)),
            Self::UnknownOutcome => row("unknown_outcome", Retry::Never, (502, -32603, 17, 1)),
            Self::BudgetExhausted => row("budget_exhausted", Retry::Never, (402, -32000, 18, 5)),
            Self::Killed => row("killed", Retry::Never, (409, -32000, 19, 5)),
            Self::HandlerFailed => row("handler_failed", Retry::Never, (500, -32603, 20, 1)),
            Self::TooLarge => row("too_large", Retry::Never, (413, -32602, 21, 4)),
            Self::Unsupported => row("unsupported", Retry::Never, (501, -32004, 22, 4)),
            Self::Expired => row("expired", Retry::Never, (410, -32000, 23, 4)),
            Self::Revoked => row("revoked", Retry::Never, (403, -32000, 24, 4)),
            Self::Denied => row("denied", Retry::Never, (403, -32000, 25, 4)),
            Self::InvalidArgument => row("invalid_argument", Retry::Never, (400, -32602, 26, 2)),
            Self::Closed => row("closed", Retry::Never, (503, -32000, 27, 1)),
            Self::Internal => row("internal", Retry::Never, (500, -32603, 28, 1)),
        }
    }
}

/// `codes`: HTTP, JSON-RPC, C, exit.
const fn row(name: &'static str, retry: Retry, codes: (u16, i32, i32, u8)) -> Row {
    let (http, json_rpc, c, exit) = codes;
    Row { name, retry, http, json_rpc, c, exit }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = super::Error;

    fn from_str(text: &str) -> super::Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            super::Error::invalid("kind", format!("expected one of the kinds, got {text:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique_and_read_back() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.name().parse::<Kind>(), Ok(kind));
            assert_eq!(usize::try_from(kind.row().c), Ok(index + 1));
        }
    }
}
