//! The JSON form of an error, the same wherever one is shown.

use super::{Error, Retry};
use serde::{Serialize, Serializer};

/// Shows an error as the language contract says.
///
/// ```
/// use hubless_proto::error::{Error, Form, Kind};
///
/// let error = Error::refusal(Kind::Busy, "queue_full", "no room");
/// let json = serde_json::to_value(Form(&error))?;
/// assert_eq!((&json["kind"], &json["retry"]), (&"busy".into(), &"later".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug)]
pub struct Form<'a>(pub &'a Error);

#[derive(Serialize)]
struct LimitForm<'a> {
    name: &'a str,
    value: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RetryForm {
    Never,
    Later,
    AfterMs(u64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    operation: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitForm<'a>>,
    retry: RetryForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    candidates: &'a [String],
    rejection: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
}

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = self.0;
        let fields = Fields {
            kind: error.kind.name(),
            code: &error.code,
            operation: &error.operation,
            message: &error.message,
            field: error.field.as_deref(),
            limit: error.limit.as_ref().map(|l| LimitForm { name: &l.name, value: l.value }),
            retry: match error.retry {
                Retry::Never => RetryForm::Never,
                Retry::Later => RetryForm::Later,
                Retry::AfterMs(ms) => RetryForm::AfterMs(ms),
            },
            agent: error.agent.as_deref(),
            origin: error.origin.as_deref(),
            trace_id: error.trace_id.as_deref(),
            candidates: &error.candidates,
            rejection: error.rejection,
            pointer: error.pointer.as_deref(),
        };
        fields.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn an_error_has_the_form_of_the_contract() -> Result<(), serde_json::Error> {
        let error = Error::refusal(Kind::Busy, "queue_full", "no room")
            .with_retry(Retry::AfterMs(50))
            .with_limit("AGENT_QUEUE", 4);

        let json = serde_json::to_value(Form(&error))?;

        let wanted = serde_json::json!({
            "kind": "busy", "code": "queue_full", "operation": "", "message": "no room",
            "limit": {"name": "AGENT_QUEUE", "value": 4}, "retry": {"afterMs": 50},
            "rejection": true
        });
        assert_eq!(json, wanted);
        Ok(())
    }
}
