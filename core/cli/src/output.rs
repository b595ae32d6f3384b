//! Data to stdout, prose to stderr, exit codes of the one table.

use hubless::{Error, Kind, Result};
use hubless_proto::error::Retry;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

/// Code of an error that says: who reads stdout has had enough.
const HAD_ENOUGH: &str = "reader_gone";
/// Code of an error that says: a signal ended the verb.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// Exit code of what Ctrl-C ended (128 + SIGINT, as shells say).
const EXIT_INTERRUPTED: u8 = 130;

/// An object with the name and version of its form.
pub(crate) fn form(schema: &str, body: &impl Serialize) -> Value {
    let schema = Value::from(format!("hubless.{schema}/1"));
    let mut value = serde_json::to_value(body).unwrap_or_default();
    match value.as_object_mut() {
        Some(object) => {
            object.insert("schema".to_owned(), schema);
            value
        }
        None => json!({ "value": value, "schema": schema }),
    }
}

/// Prints one object, with the name and version of its form.
///
/// # Errors
/// `internal` when stdout cannot be written.
pub(crate) fn object(schema: &str, body: &impl Serialize) -> Result<()> {
    line(&form(schema, body).to_string())
}

/// Prints one line.
///
/// # Errors
/// `internal` when stdout cannot be written.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(gone)
}

/// Prints bytes as they are, without a line's end.
///
/// # Errors
/// `internal` when stdout cannot be written.
pub(crate) fn raw(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(gone)
}

/// True when a person reads stdout.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints prose.
pub(crate) fn say(text: &str) {
    // Nobody reads stderr: nothing is lost.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints the error on stderr, so that nobody takes it for data, and gives its exit code.
pub(crate) fn fail(error: &Error, as_json: bool) -> ExitCode {
    if error.code == HAD_ENOUGH {
        return ExitCode::SUCCESS;
    }
    if as_json {
        say(&form("error", &record(error)).to_string());
    } else {
        say(&format!("hubless: {error}"));
        for candidate in &error.candidates {
            say(&format!("  {candidate}"));
        }
    }
    if error.code == INTERRUPTED {
        return ExitCode::from(EXIT_INTERRUPTED);
    }
    ExitCode::from(error.kind.row().exit)
}

/// Prints what clap says: help to stdout, a wrong command line to stderr.
pub(crate) fn usage(error: &clap::Error, as_json: bool) -> ExitCode {
    if error.use_stderr() && as_json {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        return fail(&Error::new(Kind::InvalidArgument, text).with_code("usage"), true);
    }
    // A reader that is gone needs no help.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn record(error: &Error) -> Value {
    let retry = match error.retry {
        Retry::Never => Value::from("never"),
        Retry::Later => Value::from("later"),
        Retry::AfterMs(ms) => json!({ "afterMs": ms }),
    };
    let limit = error.limit.as_ref();
    let mut record = json!({
        "kind": error.kind.name(), "code": error.code, "message": error.message,
        "field": error.field, "operation": error.operation, "agent": error.agent,
        "origin": error.origin, "retry": retry, "candidates": error.candidates,
        "rejection": error.rejection, "traceId": error.trace_id, "pointer": error.pointer,
        "limit": limit.map(|limit| json!({ "name": limit.name, "value": limit.value })),
    });
    // As in the language contract, what there is nothing to say of is left out.
    if let Some(fields) = record.as_object_mut() {
        fields.retain(|_, value| !(value.is_null() || value == "" || value == &json!([])));
    }
    record
}

fn gone(error: std::io::Error) -> Error {
    let code = if error.kind() == ErrorKind::BrokenPipe { HAD_ENOUGH } else { "stdout" };
    Error::new(Kind::Internal, format!("cannot write to stdout: {error}")).with_code(code)
}
