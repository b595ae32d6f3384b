//! Data to stdout, prose to stderr, exit codes of the one table.

use hubless::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Prints one object, with the name and version of its form.
///
/// # Errors
/// `internal` when stdout is gone.
pub(crate) fn object(schema: &str, body: &impl Serialize) -> Result<()> {
    let mut value = serde_json::to_value(body).unwrap_or_default();
    match value.as_object_mut() {
        Some(object) => {
            object.insert("schema".to_owned(), Value::from(format!("hubless.{schema}/1")));
        }
        None => value = json!({ "schema": format!("hubless.{schema}/1"), "value": value }),
    }
    line(&value.to_string())
}

/// Prints one line.
///
/// # Errors
/// `internal` when stdout is gone.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(gone)
}

/// Prints text as it is, without a line's end.
///
/// # Errors
/// `internal` when stdout is gone.
pub(crate) fn raw(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(gone)
}

/// Prints prose.
pub(crate) fn say(text: &str) {
    // Nobody reads stderr: nothing is lost.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints the error and gives its exit code.
pub(crate) fn fail(error: &Error, as_json: bool) -> ExitCode {
    if as_json {
        // A reader that is gone needs no reason.
        let _ = object("error", &record(error));
    } else {
        say(&format!("hubless: {error}"));
        for candidate in &error.candidates {
            say(&format!("  {candidate}"));
        }
    }
    ExitCode::from(error.kind.row().exit)
}

fn record(error: &Error) -> Value {
    json!({
        "kind": error.kind.name(), "code": error.code, "message": error.message,
        "field": error.field, "operation": error.operation, "agent": error.agent,
        "candidates": error.candidates, "rejection": error.rejection,
        "limit": error.limit.as_ref().map(|limit| json!({ limit.name.as_str(): limit.value })),
        "traceId": error.trace_id, "pointer": error.pointer,
    })
}

fn gone(error: std::io::Error) -> Error {
    Error::new(hubless::Kind::Internal, format!("cannot write to stdout: {error}"))
}
