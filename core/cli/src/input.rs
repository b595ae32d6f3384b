//! What is read from stdin.

use crate::output;
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Read};
use zeroize::Zeroizing;

/// Everything, of at most `max` bytes.
///
/// # Errors
/// `invalid_argument` (`field`) when it cannot be read, or is larger.
pub(crate) fn bytes(field: &str, max: u64) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let read = std::io::stdin().lock().take(max.saturating_add(1)).read_to_end(&mut all);
    read.map_err(|error| Error::invalid(field, format!("cannot read stdin: {error}")))?;
    if all.len() as u64 > max {
        let message = format!("expected at most {max} bytes on stdin, got more");
        return Err(Error::new(Kind::InvalidArgument, message).with_field(field));
    }
    Ok(all)
}

/// Everything, as text.
///
/// # Errors
/// As [`bytes`], and for what is not UTF-8.
pub(crate) fn text(field: &str, max: u64) -> Result<String> {
    let wrong = |_| Error::invalid(field, "expected UTF-8 on stdin, got other bytes");
    String::from_utf8(bytes(field, max)?).map_err(wrong)
}

/// A secret: one line typed without an echo at a terminal, else everything without its last line
/// end.
///
/// # Errors
/// `invalid_argument` (`field`) for nothing, or more than a secret may have.
pub(crate) fn secret(field: &str, what: &str) -> Result<Zeroizing<String>> {
    let read = if std::io::stdin().is_terminal() {
        typed(field, what)?
    } else {
        Zeroizing::new(text(field, limits::SECRET_BYTES as u64)?)
    };
    let line = read.strip_suffix('\n').unwrap_or(&read);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Error::invalid(field, format!("expected the {field} on stdin, got nothing")));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// A passphrase that is chosen now: at a terminal it is typed twice.
///
/// # Errors
/// As [`secret`], and where the two differ.
pub(crate) fn new_passphrase(what: &str) -> Result<Zeroizing<String>> {
    let first = secret("passphrase", what)?;
    if std::io::stdin().is_terminal() && secret("passphrase", "the same again")? != first {
        return Err(Error::invalid("passphrase", "expected the same twice; begin again"));
    }
    Ok(first)
}

fn typed(field: &str, what: &str) -> Result<Zeroizing<String>> {
    let wrong = |error: String| Error::invalid(field, format!("cannot read stdin: {error}"));
    let input = std::io::stdin();
    let shown = tcgetattr(&input).map_err(|error| wrong(error.to_string()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    output::say(&format!("{what}, then Enter; it is not shown:"));
    tcsetattr(&input, OptionalActions::Flush, &hidden).map_err(|error| wrong(error.to_string()))?;
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().take(limits::SECRET_BYTES as u64).read_line(&mut line);
    // A terminal that is gone needs no echo.
    let _ = tcsetattr(&input, OptionalActions::Flush, &shown);
    read.map_err(|error| wrong(error.to_string()))?;
    Ok(line)
}
