//! The JSON form of an error (contract, section 6).

use hubless_proto::Error;
use hubless_proto::error::Retry;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct LimitOut<'a> {
    name: &'a str,
    value: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RetryOut {
    Never,
    Later,
    AfterMs(u64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorOut<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    operation: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitOut<'a>>,
    retry: RetryOut,
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

/// Shows an error as the contract's Error.
pub(crate) struct ErrorJson(pub(crate) Error);

impl Serialize for ErrorJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = &self.0;
        let out = ErrorOut {
            kind: error.kind.name(),
            code: &error.code,
            operation: &error.operation,
            message: &error.message,
            field: error.field.as_deref(),
            limit: error.limit.as_ref().map(|l| LimitOut { name: &l.name, value: l.value }),
            retry: match error.retry {
                Retry::Never => RetryOut::Never,
                Retry::Later => RetryOut::Later,
                Retry::AfterMs(ms) => RetryOut::AfterMs(ms),
            },
            agent: error.agent.as_deref(),
            origin: error.origin.as_deref(),
            trace_id: error.trace_id.as_deref(),
            candidates: &error.candidates,
            rejection: error.rejection,
            pointer: error.pointer.as_deref(),
        };
        out.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless_proto::Kind;

    #[test]
    fn an_error_has_the_form_of_the_contract() -> Result<(), serde_json::Error> {
        let error = Error::refusal(Kind::Busy, "queue_full", "no room")
            .with_retry(Retry::AfterMs(50))
            .with_limit("AGENT_QUEUE", 4);

        let json = serde_json::to_value(ErrorJson(error))?;

        let wanted = serde_json::json!({
            "kind": "busy", "code": "queue_full", "operation": "", "message": "no room",
            "limit": {"name": "AGENT_QUEUE", "value": 4}, "retry": {"afterMs": 50},
            "rejection": true
        });
        assert_eq!(json, wanted);
        Ok(())
    }
}
