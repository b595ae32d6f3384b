//! Errors on their way to C: filled in, kept until they are cleared.
//!
//! Owns: `hubless_error`. The texts of an error live in a table under a number, so that clearing
//! twice, or clearing a copy, is harmless.

use crate::handles::Table;
use crate::types::{hubless_status, hubless_str};
use hubless_proto::error::Retry;
use hubless_proto::{Error, Kind};
use serde::Deserialize;

/// `retry` of an error: the same request will be refused again.
pub const HUBLESS_RETRY_NEVER: i32 = 0;
/// `retry` of an error: later, at the caller's own pace.
pub const HUBLESS_RETRY_LATER: i32 = 1;
/// `retry` of an error: after `retry_after_ms`.
pub const HUBLESS_RETRY_AFTER: i32 = 2;

/// What went wrong. Start from `HUBLESS_ERROR_INIT`; `hubless_error_clear` frees its texts. A
/// function that succeeds leaves it cleared. Texts may be empty.
#[repr(C)]
pub struct hubless_error {
    /// `sizeof(hubless_error)`.
    pub size: usize,
    /// Kind of the error, `HUBLESS_AUTH` to `HUBLESS_INTERNAL`; also set for `HUBLESS_REJECTED`.
    pub kind: hubless_status,
    /// 1: a peer or a check refused.
    pub rejected: i32,
    /// One of `HUBLESS_RETRY_*`.
    pub retry: i32,
    /// Milliseconds, with `HUBLESS_RETRY_AFTER`.
    pub retry_after_ms: u64,
    /// Stable name of the kind.
    pub name: hubless_str,
    /// Detail in snake_case.
    pub code: hubless_str,
    /// What was being done.
    pub operation: hubless_str,
    /// What was expected and what came.
    pub message: hubless_str,
    /// Field or argument that was refused.
    pub field: hubless_str,
    /// Bound that was reached.
    pub limit_name: hubless_str,
    /// Value of that bound, in the unit of its name.
    pub limit_value: u64,
    /// Id of the agent concerned.
    pub agent: hubless_str,
    /// Key of the node that refused.
    pub origin: hubless_str,
    /// Trace the call belonged to.
    pub trace_id: hubless_str,
    /// JSON pointer (RFC 6901) into the refused value: of length 0 to all of it, `{NULL, 0}` to
    /// none.
    pub pointer: hubless_str,
    /// The library's own.
    pub texts: u64,
    /// Ids to choose from, of an error of kind `HUBLESS_AMBIGUOUS`; NULL without any.
    pub candidates: *const hubless_str,
    /// Number of `candidates`.
    pub candidate_count: usize,
}

/// Bytes of the first `hubless_error` that there was: what a program built with an older header
/// says has at least these, and is filled as far as it goes.
pub(crate) const OLDEST: usize = std::mem::offset_of!(hubless_error, candidates);

#[derive(Default, Deserialize)]
struct LimitIn {
    name: String,
    value: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RetryIn {
    Never,
    Later,
    AfterMs(u64),
}

/// An error in Rust, as the contract's JSON has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    kind: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    field: String,
    #[serde(default)]
    limit: LimitIn,
    retry: RetryIn,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    trace_id: String,
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    rejection: bool,
    #[serde(default)]
    candidates: Vec<String>,
    #[serde(skip)]
    would_deadlock: bool,
}

/// Result with a fault.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind.name().to_owned(),
            code: error.code,
            operation: error.operation,
            message: error.message,
            field: error.field.unwrap_or_default(),
            limit: error
                .limit
                .map(|limit| LimitIn { name: limit.name, value: limit.value })
                .unwrap_or_default(),
            retry: match error.retry {
                Retry::Never => RetryIn::Never,
                Retry::Later => RetryIn::Later,
                Retry::AfterMs(ms) => RetryIn::AfterMs(ms),
            },
            agent: error.agent.unwrap_or_default(),
            origin: error.origin.unwrap_or_default(),
            trace_id: error.trace_id.unwrap_or_default(),
            pointer: error.pointer,
            rejection: error.rejection,
            candidates: error.candidates,
            would_deadlock: false,
        }
    }
}

impl Fault {
    /// Reads the body of a `failed` event.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body)
            .unwrap_or_else(|_| Error::new(Kind::Internal, "an error could not be read").into())
    }

    /// A wrong argument.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Error::invalid(field, message).into()
    }

    /// The node, or the whole library, is closed.
    pub(crate) fn closed(message: &str) -> Self {
        Error::new(Kind::Closed, message).into()
    }

    /// A blocking function was called from a callback.
    pub(crate) fn would_deadlock() -> Self {
        let message = "a blocking function was called from a callback; use its async form";
        let fault: Self = Error::new(Kind::InvalidArgument, message).into();
        Self { would_deadlock: true, ..fault }
    }

    fn kind(&self) -> hubless_status {
        hubless_status::of_kind(self.kind.parse().unwrap_or(Kind::Internal))
    }

    /// What the function returns.
    pub(crate) fn status(&self) -> hubless_status {
        if self.would_deadlock {
            hubless_status::HUBLESS_WOULD_DEADLOCK
        } else if self.rejection {
            hubless_status::HUBLESS_REJECTED
        } else {
            self.kind()
        }
    }
}

/// A fault that C reads: pointers go into it, and into the list beside it.
struct Shown {
    fault: Fault,
    candidates: Vec<hubless_str>,
}

// SAFETY: the pointers go into the texts of `fault`, which nobody changes.
unsafe impl Send for Shown {}
// SAFETY: as above.
unsafe impl Sync for Shown {}

static TEXTS: Table<Shown> = Table::new("error");

impl hubless_error {
    /// An error without texts.
    pub(crate) const fn none() -> Self {
        Self {
            size: size_of::<Self>(),
            kind: hubless_status::HUBLESS_OK,
            rejected: 0,
            retry: 0,
            retry_after_ms: 0,
            name: hubless_str::NONE,
            code: hubless_str::NONE,
            operation: hubless_str::NONE,
            message: hubless_str::NONE,
            field: hubless_str::NONE,
            limit_name: hubless_str::NONE,
            limit_value: 0,
            agent: hubless_str::NONE,
            origin: hubless_str::NONE,
            trace_id: hubless_str::NONE,
            pointer: hubless_str::NONE,
            texts: 0,
            candidates: std::ptr::null(),
            candidate_count: 0,
        }
    }

    /// The error in a child that was forked after first use. Its texts need no table: another
    /// thread of the parent may have held the lock of that for ever.
    pub(crate) const fn forked() -> Self {
        let message = "this process was forked after hubless was used in its parent; call exec, \
                       or use hubless first in the child";
        Self {
            kind: hubless_status::HUBLESS_CLOSED,
            name: hubless_str::of("closed"),
            code: hubless_str::of("forked"),
            message: hubless_str::of(message),
            ..Self::none()
        }
    }

    /// An error whose texts live until `release`.
    pub(crate) fn of(fault: Fault) -> Self {
        let (retry, retry_after_ms) = match fault.retry {
            RetryIn::Never => (HUBLESS_RETRY_NEVER, 0),
            RetryIn::Later => (HUBLESS_RETRY_LATER, 0),
            RetryIn::AfterMs(ms) => (HUBLESS_RETRY_AFTER, ms),
        };
        // The texts stay where they are when the fault moves into the table.
        let candidates = fault.candidates.iter().map(|id| hubless_str::of(id)).collect();
        let (texts, shown) = TEXTS.insert(Shown { fault, candidates });
        let Shown { fault, candidates } = &*shown;
        Self {
            size: size_of::<Self>(),
            kind: fault.kind(),
            rejected: i32::from(fault.rejection),
            retry,
            retry_after_ms,
            name: hubless_str::of(&fault.kind),
            code: hubless_str::of(&fault.code),
            operation: hubless_str::of(&fault.operation),
            message: hubless_str::of(&fault.message),
            field: hubless_str::of(&fault.field),
            limit_name: hubless_str::of(&fault.limit.name),
            limit_value: fault.limit.value,
            agent: hubless_str::of(&fault.agent),
            origin: hubless_str::of(&fault.origin),
            trace_id: hubless_str::of(&fault.trace_id),
            pointer: fault.pointer.as_deref().map_or(hubless_str::NONE, hubless_str::of),
            texts: texts as u64,
            candidates: match candidates.is_empty() {
                true => std::ptr::null(),
                false => candidates.as_ptr(),
            },
            candidate_count: candidates.len(),
        }
    }

    /// Frees the texts.
    pub(crate) fn release(&self) {
        Self::release_texts(self.texts);
    }

    /// Frees texts by their number.
    pub(crate) fn release_texts(texts: u64) {
        drop(TEXTS.take(usize::try_from(texts).unwrap_or_default()));
    }
}
