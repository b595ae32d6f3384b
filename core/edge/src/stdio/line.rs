//! Single lines to and from the child.

use hubless::budget::RedeemCode;
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::decode::Checked;
use hubless_proto::wire::json_text::check_json_depth;
use hubless_proto::wire::v1::{self, event};
use serde::Deserialize;
use serde_json::{Value, json};

/// Entry of the metadata: what the program shows, in the header `Hubless-Redeem`, when it asks an
/// agent for this call.
const REDEEM: &str = "hubless.redeem";

/// A line from the child.
#[derive(Debug)]
pub(super) enum Line {
    /// What it says of itself.
    Descriptor(Value),
    /// An event of the call with this id.
    Event(String, Box<v1::Event>),
    /// An event of the call with this id that cannot be read.
    Broken(String, Error),
}

#[derive(Deserialize)]
struct Raw {
    id: Option<String>,
    event: Option<Value>,
    descriptor: Option<Value>,
}

/// Reads one line.
///
/// # Errors
/// `transport` (`bad_frame`) for anything but a message.
pub(super) fn read(text: &str) -> Result<Line> {
    let bad = |what: &str| Error::new(Kind::Transport, what.to_owned()).with_code("bad_frame");
    check_json_depth("line", text)?;
    let raw: Raw =
        serde_json::from_str(text).map_err(|_| bad("expected a JSON object a line on stdout"))?;
    match raw {
        Raw { descriptor: Some(descriptor), .. } => Ok(Line::Descriptor(descriptor)),
        Raw { id: Some(id), event: Some(event), .. } => Ok(match read_event(event) {
            Ok(event) => Line::Event(id, Box::new(event)),
            Err(error) => Line::Broken(id, error.with_code("bad_frame")),
        }),
        Raw { .. } => Err(bad("expected id and event, or descriptor")),
    }
}

/// An event within the bounds of the wire. Content is checked when it is sent on: its bytes are
/// inside the line here, and are split when they travel.
fn read_event(event: Value) -> Result<v1::Event> {
    let wrong = |_| Error::new(Kind::Transport, "expected an event");
    let event: v1::Event = serde_json::from_value(event).map_err(wrong)?;
    match &event.kind {
        Some(event::Kind::Progress(progress)) => progress.check()?,
        Some(event::Kind::ToolCall(asked)) => asked.check()?,
        Some(event::Kind::Rejection(rejection)) => rejection.check()?,
        Some(event::Kind::InputRequired(asked)) => {
            let (id, schema_json) = (asked.id, asked.schema_json.clone());
            let asked = v1::InputRequired { id, schema_json, prompt: None };
            v1::Event { kind: Some(event::Kind::InputRequired(asked)) }.check()?;
        }
        Some(event::Kind::Final(end)) => {
            v1::Final { usage: end.usage.clone(), ..v1::Final::default() }.check()?;
        }
        Some(event::Kind::Accepted(_) | event::Kind::Chunk(_)) | None => {}
    }
    Ok(event)
}

/// The line that starts a call; credentials were checked and stay out.
///
/// # Errors
/// `too_large` when it does not fit a line.
pub(super) fn request(request: &v1::Request) -> Result<String> {
    let mut shown = request.clone();
    shown.auth = None;
    shown.transport_auth = None;
    fit(&json!({ "request": shown }))
}

/// Puts the code of a call with a budget into its metadata; without one, nobody's is there.
pub(super) fn set_redeem(request: &mut v1::Request, code: Option<&RedeemCode>) {
    match code {
        Some(code) => {
            let text = Value::from(code.text().as_str()).to_string();
            request.metadata_json.insert(REDEEM.to_owned(), text);
        }
        None => drop(request.metadata_json.remove(REDEEM)),
    }
}

/// The line that answers a tool call, or why there is no answer.
///
/// # Errors
/// `too_large` when it does not fit a line.
pub(super) fn tool_result(id: &str, result: &v1::ToolResult) -> Result<String> {
    fit(&json!({ "id": id, "toolResult": result }))
}

/// The line that answers a question, or says why there is no answer.
///
/// # Errors
/// `too_large` when it does not fit a line.
pub(super) fn input(id: &str, input: &v1::Input) -> Result<String> {
    fit(&json!({ "id": id, "input": input }))
}

/// The line that gives a call up.
pub(super) fn cancel(id: &str, error: &Error) -> String {
    json!({ "id": id, "cancel": { "kind": error.kind.name(), "message": error.message } })
        .to_string()
}

fn fit(value: &Value) -> Result<String> {
    let text = value.to_string();
    if text.len() <= limits::STDIO_LINE_BYTES {
        return Ok(text);
    }
    let bound = u64::try_from(limits::STDIO_LINE_BYTES).unwrap_or(u64::MAX);
    Err(Error::refusal(
        Kind::TooLarge,
        "",
        "the message does not fit one line of the agent's stdin",
    )
    .with_limit("STDIO_LINE_BYTES", bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_events_and_descriptors_and_refuses_the_rest() {
        let event = read(r#"{"id": "AAE=", "event": {"progress": {"note": "half"}}}"#);
        assert!(matches!(event, Ok(Line::Event(id, _)) if id == "AAE="));
        assert!(matches!(read(r#"{"descriptor": {"name": "x"}}"#), Ok(Line::Descriptor(_))));
        let broken = read(r#"{"id": "x", "event": 3}"#);
        assert!(matches!(broken, Ok(Line::Broken(id, _)) if id == "x"));
        for event in [
            json!({ "toolCall": { "id": 1, "name": "", "arguments": {} } }),
            json!({ "progress": { "note": "x".repeat(20_000) } }),
            json!({ "rejection": { "kind": "", "reason": "x" } }),
        ] {
            let broken = read(&json!({ "id": "x", "event": event }).to_string());
            assert!(matches!(broken, Ok(Line::Broken(..))), "{event}");
        }
        for bad in ["hello", "[]", "{}", r#"{"id": "x"}"#] {
            assert_eq!(read(bad).unwrap_err().code, "bad_frame", "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep).unwrap_err().code, "too_deep");
    }

    #[test]
    fn credentials_stay_out_of_the_child() {
        let auth = v1::Auth { scheme: "shared_secret".into(), secret: "canary".into() };
        let asked = v1::Request { auth: Some(auth), skill: "s".into(), ..Default::default() };
        let line = request(&asked).unwrap();
        assert!(!line.contains("canary") && line.contains("\"skill\":\"s\""), "{line}");
    }

    #[test]
    fn a_line_has_a_bound() {
        let content = hubless::Content::text("x".repeat(limits::STDIO_LINE_BYTES));
        let asked = v1::Request { content: Some(content.message), ..Default::default() };
        assert_eq!(request(&asked).unwrap_err().kind, Kind::TooLarge);
    }
}
