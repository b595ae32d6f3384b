//! The closed set of kinds and the one table of what each means elsewhere.

use super::Retry;
use std::fmt;
use std::str::FromStr;

/// JSON-RPC 2.0: the method does not exist.
const METHOD: i32 = -32601;
/// JSON-RPC 2.0: wrong parameters.
const PARAMS: i32 = -32602;
/// JSON-RPC 2.0: internal error.
const INTERNAL: i32 = -32603;
/// JSON-RPC 2.0: first of the codes that a server defines.
const SERVER: i32 = -32000;

/// What a kind means at the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Stable name.
    pub name: &'static str,
    /// When to try again, unless the error says otherwise.
    pub retry: Retry,
    /// HTTP status (RFC 9110).
    pub http: u16,
    /// JSON-RPC 2.0 code.
    pub json_rpc: i32,
    /// Code of the Agent2Agent protocol.
    pub a2a: i32,
    /// Code of the Model Context Protocol.
    pub mcp: i32,
    /// Status number of the C library.
    pub c: i32,
    /// Exit code of the command.
    pub exit: u8,
}

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:literal $retry:ident $http:literal
        $json_rpc:expr, $a2a:expr, $mcp:expr; $c:literal $exit:literal
    )*) => {
        /// What went wrong; the same set in every language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: [Self; [$($c),*].len()] = [$(Self::$kind),*];

            /// The row of the table.
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        name: $name,
                        retry: Retry::$retry,
                        http: $http,
                        json_rpc: $json_rpc,
                        a2a: $a2a,
                        mcp: $mcp,
                        c: $c,
                        exit: $exit,
                    },)*
                }
            }
        }
    };
}

// kind, name, retry, HTTP; JSON-RPC, A2A, MCP; C, exit
kinds! {
    /// The caller did not prove who it is.
    Auth "auth" Never 401 SERVER, SERVER, SERVER; 1 4
    /// The form or the token count of the prompt was refused.
    Prompt "prompt" Never 422 PARAMS, PARAMS, PARAMS; 2 4
    /// A schema does not hold, or custom JSON is not taken.
    Json "json" Never 422 PARAMS, PARAMS, PARAMS; 3 4
    /// A content type or a digest was refused.
    Content "content" Never 415 PARAMS, -32005, PARAMS; 4 4
    /// The way between two nodes failed.
    Transport "transport" Later 502 INTERNAL, INTERNAL, INTERNAL; 5 1
    /// The context was refused.
    Context "context" Never 422 PARAMS, PARAMS, PARAMS; 6 4
    /// Our own set-up is wrong.
    Configuration "configuration" Never 500 INTERNAL, INTERNAL, INTERNAL; 7 1
    /// No such agent, skill or peer.
    NotFound "not_found" Later 404 PARAMS, -32001, -32002; 8 3
    /// Several match where one was asked for.
    Ambiguous "ambiguous" Never 409 PARAMS, PARAMS, PARAMS; 9 3
    /// The agent has no room; `retry` says when.
    Busy "busy" Later 429 SERVER, SERVER, SERVER; 10 4
    /// The time was over.
    Deadline "deadline" Later 504 SERVER, SERVER, SERVER; 11 124
    /// Someone gave it up.
    Cancelled "cancelled" Never 499 SERVER, SERVER, SERVER; 12 1
    /// Too many hops or nested calls.
    HopLimit "hop_limit" Never 508 SERVER, SERVER, SERVER; 13 4
    /// The call came back to an agent that does not take itself.
    Cycle "cycle" Never 508 SERVER, SERVER, SERVER; 14 4
    /// Something else holds that name, key or version.
    Conflict "conflict" Never 409 SERVER, SERVER, SERVER; 15 4
    /// A newer attempt of the same task exists.
    StaleAttempt "stale_attempt" Never 409 SERVER, SERVER, SERVER; 16 4
    /// Nobody can say whether it ran.
    UnknownOutcome "unknown_outcome" Never 502 INTERNAL, INTERNAL, INTERNAL; 17 1
    /// The budget does not allow it.
    BudgetExhausted "budget_exhausted" Never 402 SERVER, SERVER, SERVER; 18 5
    /// The call tree was stopped.
    Killed "killed" Never 409 SERVER, SERVER, SERVER; 19 5
    /// The agent's own code failed.
    HandlerFailed "handler_failed" Never 500 INTERNAL, INTERNAL, INTERNAL; 20 1
    /// A size is over its bound.
    TooLarge "too_large" Never 413 PARAMS, PARAMS, PARAMS; 21 4
    /// This version or agent cannot do it.
    Unsupported "unsupported" Never 501 METHOD, -32004, METHOD; 22 4
    /// Its time is over.
    Expired "expired" Never 410 SERVER, SERVER, SERVER; 23 4
    /// It was taken back.
    Revoked "revoked" Never 403 SERVER, SERVER, SERVER; 24 4
    /// The caller may not.
    Denied "denied" Never 403 SERVER, SERVER, SERVER; 25 4
    /// The caller's own argument is wrong.
    InvalidArgument "invalid_argument" Never 400 PARAMS, PARAMS, PARAMS; 26 2
    /// The node or session is closed.
    Closed "closed" Never 503 SERVER, SERVER, SERVER; 27 1
    /// A fault of ours.
    Internal "internal" Never 500 INTERNAL, INTERNAL, INTERNAL; 28 1
}

impl Kind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }
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
