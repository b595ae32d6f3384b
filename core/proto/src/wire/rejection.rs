//! An error on its way over the wire and back.

use super::{text, v1};
use crate::error::{Error, Kind, Limit, Retry};
use crate::identity::NodeKey;
use crate::limits::{ID_BYTES, LIST_ITEMS, LONG_TEXT_BYTES, TEXT_BYTES};

impl From<&Error> for v1::Rejection {
    fn from(error: &Error) -> Self {
        use v1::retry::When;
        let when = match error.retry {
            Retry::Never => When::Never(true),
            Retry::Later => When::Later(true),
            Retry::AfterMs(ms) => When::AfterMs(ms),
        };
        let origin = error.origin.as_deref().and_then(|text| text.parse::<NodeKey>().ok());
        let short = |text: Option<&str>| line(text, TEXT_BYTES);
        let limit = error.limit.as_ref();
        let candidates = error.candidates.iter().take(LIST_ITEMS);
        let mut reason = error.message.clone();
        text::clean(&mut reason, LONG_TEXT_BYTES);
        Self {
            kind: error.kind.name().to_owned(),
            code: line(Some(&error.code), ID_BYTES),
            reason,
            field: short(error.field.as_deref()),
            retry: Some(v1::Retry { when: Some(when) }),
            limit: limit.map(|limit| v1::Limit {
                name: line(Some(&limit.name), ID_BYTES),
                value: limit.value,
            }),
            origin: origin.map(|key| key.to_wire()).unwrap_or_default(),
            trace_id: short(error.trace_id.as_deref()),
            pointer: error.pointer.as_deref().map(|text| line(Some(text), LONG_TEXT_BYTES)),
            candidates: candidates.map(|id| short(Some(id))).collect(),
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
        // What a peer says is shown to people: only what is harmless there is taken.
        let mut reason = wire.reason;
        text::clean(&mut reason, LONG_TEXT_BYTES);
        let cleaned = |text: &str, most| line(Some(text), most);
        Self {
            code: cleaned(&code, ID_BYTES),
            field: some(cleaned(&wire.field, TEXT_BYTES)),
            limit: wire
                .limit
                .map(|limit| Limit { name: cleaned(&limit.name, ID_BYTES), value: limit.value }),
            retry,
            origin: some(data_encoding::HEXLOWER.encode(&wire.origin)),
            trace_id: some(cleaned(&wire.trace_id, TEXT_BYTES)),
            pointer: wire.pointer.map(|text| cleaned(&text, LONG_TEXT_BYTES)),
            candidates: wire.candidates.iter().map(|id| cleaned(id, TEXT_BYTES)).collect(),
            rejection: true,
            ..Self::new(kind, reason)
        }
    }
}

/// A handler's own words may stand in an error: made to fit, so that the refusal arrives whatever
/// they are.
fn line(value: Option<&str>, max_bytes: usize) -> String {
    let mut value = value.unwrap_or_default().to_owned();
    text::clean_line(&mut value, max_bytes);
    value
}

fn some(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode::Checked;
    use proptest::prelude::*;
    use prost::Message;

    #[test]
    fn an_unknown_kind_stays_readable() {
        let wire = v1::Rejection { kind: "overheated".into(), ..Default::default() };
        let error = Error::from(wire);
        assert_eq!((error.kind, error.code.as_str()), (Kind::Internal, "overheated"));
    }

    #[test]
    fn every_field_arrives() {
        let mut error = Error::refusal(Kind::Ambiguous, "name", "expected one, got two")
            .with_field("to")
            .with_limit("NAME_CHARS", 64)
            .with_retry(Retry::AfterMs(5))
            .with_pointer("/a/0");
        error.origin = Some("ab".repeat(32));
        error.trace_id = Some("0".repeat(32));
        error.candidates = vec!["did:key:a".into(), "did:key:b".into()];
        assert_eq!(Error::from(v1::Rejection::from(&error)), error);
    }

    /// Each text may hold what moves a cursor or turns the direction of writing.
    #[test]
    fn what_a_peer_says_is_harmless_where_it_is_shown() {
        let hostile = || "a\u{1b}[2Jb\u{202e}c\r".to_owned();
        let wire = v1::Rejection {
            kind: "denied".into(),
            code: hostile(),
            reason: hostile(),
            field: hostile(),
            limit: Some(v1::Limit { name: hostile(), value: 1 }),
            trace_id: hostile(),
            pointer: Some(hostile()),
            candidates: vec![hostile()],
            ..Default::default()
        };
        let error = Error::from(wire);
        let limit = error.limit.unwrap().name;
        let texts = [Some(error.code), Some(error.message), error.field, Some(limit)];
        let more = [error.trace_id, error.pointer, error.candidates.into_iter().next()];
        for text in texts.into_iter().chain(more) {
            assert_eq!(text.as_deref(), Some("a[2Jbc"));
        }
    }

    #[test]
    fn a_pointer_to_the_root_is_not_no_pointer() {
        for pointer in [None, Some(String::new()), Some("/a".to_owned())] {
            let error = Error { pointer, ..Error::refusal(Kind::Json, "schema", "required") };
            let wire = v1::Rejection::from(&error).encode_to_vec();
            let wire = v1::Rejection::decode(wire.as_slice()).unwrap();
            assert_eq!(Error::from(wire).pointer, error.pointer);
        }
    }

    proptest! {
        #[test]
        fn any_error_of_a_handler_makes_a_rejection_that_is_taken(
            kind in 0..Kind::ALL.len(),
            texts: [String; 4],
            repeat in 1usize..20_000,
        ) {
            let [code, message, field, origin] = texts;
            let mut error = Error::refusal(Kind::ALL[kind], &code, message.repeat(repeat % 100))
                .with_field(&field.repeat(repeat))
                .with_pointer(field);
            error.origin = Some(origin);
            error.candidates = vec![code; repeat % 300];
            let wire = v1::Rejection::from(&error);
            prop_assert_eq!(wire.check(), Ok(()));
            prop_assert_eq!(Error::from(wire).kind, error.kind);
        }
    }
}
