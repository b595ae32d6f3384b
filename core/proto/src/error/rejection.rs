//! An error on its way over the wire and back.

use super::{Error, Kind, Limit, Retry};
use crate::wire::v1;
use bytes::Bytes;

impl From<&Error> for v1::Rejection {
    fn from(error: &Error) -> Self {
        use v1::retry::When;
        let when = match error.retry {
            Retry::Never => When::Never(true),
            Retry::Later => When::Later(true),
            Retry::AfterMs(ms) => When::AfterMs(ms),
        };
        let origin = error.origin.as_deref().and_then(|hex| {
            data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()
        });
        Self {
            kind: error.kind.name().to_owned(),
            code: error.code.clone(),
            reason: error.message.clone(),
            field: error.field.clone().unwrap_or_default(),
            retry: Some(v1::Retry { when: Some(when) }),
            limit: error
                .limit
                .as_ref()
                .map(|limit| v1::Limit { name: limit.name.clone(), value: limit.value }),
            origin: Bytes::from(origin.unwrap_or_default()),
            trace_id: error.trace_id.clone().unwrap_or_default(),
            pointer: error.pointer.clone().unwrap_or_default(),
            candidates: error.candidates.clone(),
        }
    }
}

impl From<v1::Rejection> for Error {
    /// A kind that this version does not know reads as `internal` with the name as its code.
    fn from(wire: v1::Rejection) -> Self {
        use v1::retry::When;
        let known = wire.kind.parse::<Kind>();
        let code = if known.is_ok() { wire.code } else { wire.kind };
        let kind = known.unwrap_or(Kind::Internal);
        let retry = match wire.retry.and_then(|retry| retry.when) {
            Some(When::Never(_)) => Retry::Never,
            Some(When::Later(_)) => Retry::Later,
            Some(When::AfterMs(ms)) => Retry::AfterMs(ms),
            None => kind.row().retry,
        };
        Self {
            code,
            field: text(wire.field),
            limit: wire.limit.map(|limit| Limit { name: limit.name, value: limit.value }),
            retry,
            origin: text(data_encoding::HEXLOWER.encode(&wire.origin)),
            trace_id: text(wire.trace_id),
            pointer: text(wire.pointer),
            candidates: wire.candidates,
            rejection: true,
            ..Self::new(kind, wire.reason)
        }
    }
}

fn text(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}
