//! Plain values that cross the boundary: texts, bytes, statuses, and the opaque handles.

use std::os::raw::c_char;

/// Result of every function. The numbers 1 to 28 are the kinds of errors, the same in every
/// language; `hubless_error` says more.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum hubless_status {
    /// It is done.
    HUBLESS_OK = 0,
    /// The caller did not prove who it is.
    HUBLESS_AUTH = 1,
    /// The form or the token count of the prompt was refused.
    HUBLESS_PROMPT = 2,
    /// A schema does not hold, or custom JSON is not taken.
    HUBLESS_JSON = 3,
    /// A content type or a digest was refused.
    HUBLESS_CONTENT = 4,
    /// The way between two nodes failed.
    HUBLESS_TRANSPORT = 5,
    /// The context was refused.
    HUBLESS_CONTEXT = 6,
    /// Our own set-up is wrong.
    HUBLESS_CONFIGURATION = 7,
    /// No such agent, skill or peer.
    HUBLESS_NOT_FOUND = 8,
    /// Several match where one was asked for.
    HUBLESS_AMBIGUOUS = 9,
    /// The agent has no room; `retry` says when.
    HUBLESS_BUSY = 10,
    /// The time was over.
    HUBLESS_DEADLINE = 11,
    /// Someone gave it up.
    HUBLESS_CANCELLED = 12,
    /// Too many hops or nested calls.
    HUBLESS_HOP_LIMIT = 13,
    /// The call came back to an agent that does not take itself.
    HUBLESS_CYCLE = 14,
    /// Something else holds that name, key or version.
    HUBLESS_CONFLICT = 15,
    /// A newer attempt of the same task exists.
    HUBLESS_STALE_ATTEMPT = 16,
    /// Nobody can say whether it ran.
    HUBLESS_UNKNOWN_OUTCOME = 17,
    /// The budget does not allow it.
    HUBLESS_BUDGET_EXHAUSTED = 18,
    /// The call tree was stopped.
    HUBLESS_KILLED = 19,
    /// The agent's own code failed.
    HUBLESS_HANDLER_FAILED = 20,
    /// A size is over its bound.
    HUBLESS_TOO_LARGE = 21,
    /// This version or agent cannot do it.
    HUBLESS_UNSUPPORTED = 22,
    /// Its time is over.
    HUBLESS_EXPIRED = 23,
    /// It was taken back.
    HUBLESS_REVOKED = 24,
    /// The caller may not.
    HUBLESS_DENIED = 25,
    /// An argument is wrong: NULL, a freed or foreign handle, text that is not UTF-8.
    HUBLESS_INVALID_ARGUMENT = 26,
    /// The node is closed, or this process was forked after first use.
    HUBLESS_CLOSED = 27,
    /// A fault of the library.
    HUBLESS_INTERNAL = 28,
    /// A peer or a check refused; the error's `kind` says why.
    HUBLESS_REJECTED = 64,
    /// A blocking function was called from a callback; use its async form.
    HUBLESS_WOULD_DEADLOCK = 65,
}

use hubless_status as S;

const KINDS: [hubless_status; 28] = [
    S::HUBLESS_AUTH,
    S::HUBLESS_PROMPT,
    S::HUBLESS_JSON,
    S::HUBLESS_CONTENT,
    S::HUBLESS_TRANSPORT,
    S::HUBLESS_CONTEXT,
    S::HUBLESS_CONFIGURATION,
    S::HUBLESS_NOT_FOUND,
    S::HUBLESS_AMBIGUOUS,
    S::HUBLESS_BUSY,
    S::HUBLESS_DEADLINE,
    S::HUBLESS_CANCELLED,
    S::HUBLESS_HOP_LIMIT,
    S::HUBLESS_CYCLE,
    S::HUBLESS_CONFLICT,
    S::HUBLESS_STALE_ATTEMPT,
    S::HUBLESS_UNKNOWN_OUTCOME,
    S::HUBLESS_BUDGET_EXHAUSTED,
    S::HUBLESS_KILLED,
    S::HUBLESS_HANDLER_FAILED,
    S::HUBLESS_TOO_LARGE,
    S::HUBLESS_UNSUPPORTED,
    S::HUBLESS_EXPIRED,
    S::HUBLESS_REVOKED,
    S::HUBLESS_DENIED,
    S::HUBLESS_INVALID_ARGUMENT,
    S::HUBLESS_CLOSED,
    S::HUBLESS_INTERNAL,
];

impl hubless_status {
    /// The status of a kind, by its number in the one table of kinds.
    pub(crate) fn of_kind(kind: hubless_proto::Kind) -> Self {
        let number = usize::try_from(kind.row().c).unwrap_or_default();
        let found = number.checked_sub(1).and_then(|index| KINDS.get(index));
        found.copied().unwrap_or(Self::HUBLESS_INTERNAL)
    }
}

/// UTF-8 text with its length in bytes; it need not end with NUL. `{NULL, 0}` is no text.
/// Texts given to the library are copied before the call returns. The text of content may hold NUL,
/// and `len` counts it; in names, ids and all other texts it is refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_str {
    /// First byte.
    pub data: *const c_char,
    /// Number of bytes.
    pub len: usize,
}

/// Bytes with their length.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_bytes {
    /// First byte.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl hubless_str {
    /// No text.
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };

    /// Text that lives elsewhere and outlives every use of the result.
    pub(crate) const fn of(text: &str) -> Self {
        Self { data: text.as_ptr().cast(), len: text.len() }
    }
}

impl hubless_bytes {
    /// No bytes.
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };
}

/// One process's presence in a mesh. Made by `hubless_node_start`, ended by
/// `hubless_node_close`.
pub struct hubless_node {
    _opaque: (),
}

/// A registered agent. Made by `hubless_register`, ended by `hubless_agent_free`.
pub struct hubless_agent {
    _opaque: (),
}

/// An inbound call. Given to `on_call`; ended by exactly one of `hubless_call_final`,
/// `hubless_call_fail`, `hubless_call_fail_with`.
pub struct hubless_call {
    _opaque: (),
}

/// The answer of a request; freed by `hubless_reply_free`.
pub struct hubless_reply {
    _opaque: (),
}

/// A streamed part that is read or written; freed by `hubless_body_free`.
pub struct hubless_body {
    _opaque: (),
}

/// A question to the program (auth, token count, tool, input, credential); answered once.
pub struct hubless_question {
    _opaque: (),
}

/// Agents that were found; freed by `hubless_agents_free`.
pub struct hubless_agents {
    _opaque: (),
}

/// A running `hubless_discover` or `hubless_watch`; ended by `hubless_watch_free`.
pub struct hubless_watch {
    _opaque: (),
}

/// A budget and a stop for everything that is called under it. Made by `hubless_switch_new`, ended
/// by `hubless_switch_free`; belongs to no node.
pub struct hubless_switch {
    _opaque: (),
}

/// What a handler has set aside for one spending. Made by `hubless_call_spend`, ended by
/// `hubless_spend_used` or `hubless_spend_drop`, and by the end of its call.
pub struct hubless_spend {
    _opaque: (),
}

/// What a client of OpenAI's API is given. Made by `hubless_call_provider`, freed by
/// `hubless_provider_free`.
pub struct hubless_provider {
    _opaque: (),
}

/// A mesh that lives for one test. Made by `hubless_testing_mesh_new`, ended by
/// `hubless_testing_mesh_free`; belongs to no node.
pub struct hubless_testing_mesh {
    _opaque: (),
}

/// A text that the library made; freed by `hubless_text_free`.
pub struct hubless_text {
    _opaque: (),
}
