//! `audit`: what the logs of this data folder say, and whether they hold.

use super::run::Context;
use crate::args::{Audit, AuditShow};
use crate::output;
use hubless::audit::{Checked, LogFile};
use hubless::home::Home;
use hubless::{Error, Kind, Result};
use hubless_proto::audit::{Event, Head, Row};
use hubless_proto::identity::hex;
use hubless_proto::wire::text::escape;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Prints rows, or checks them.
///
/// # Errors
/// `configuration`: a store that cannot be read, or (`broken_audit`) a row that does not hold;
/// `not_found`: a log that is not there; `invalid_argument` naming the flag.
pub(super) fn run(context: &Context, action: Audit) -> Result<()> {
    let home = Home::open(context.settings.home())?;
    match action {
        Audit::Show(options) => show(context, &home, &options),
        Audit::Verify { log, head } => {
            let head = head.map(|head| head.parse()).transpose()?;
            verify(context, &logs(&home, log.as_deref())?, head)
        }
        Audit::Export { log } => {
            let logs = logs(&home, log.as_deref())?;
            silent(&logs);
            logs.iter().try_for_each(export)
        }
    }
}

fn logs(home: &Home, named: Option<&str>) -> Result<Vec<LogFile>> {
    match named {
        Some(name) => LogFile::named(home, name).map(|log| vec![log]),
        None => LogFile::all(home),
    }
}

/// Says to a person why nothing is printed.
fn silent(logs: &[LogFile]) {
    if logs.is_empty() {
        output::say("there is no audit log in this data folder; see hubless help audit");
    }
}

fn show(context: &Context, home: &Home, options: &AuditShow) -> Result<()> {
    let kinds: Vec<Event> = options.kind.iter().map(|kind| kind.parse()).collect::<Result<_>>()?;
    let since_ms = options.since.as_deref().map(since).transpose()?.unwrap_or_default();
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let logs = logs(home, options.log.as_deref())?;
    silent(&logs);
    let mut all: Vec<(&LogFile, Row)> = Vec::new();
    for log in &logs {
        let mut latest = VecDeque::new();
        log.read(|row| {
            let wanted = kinds.is_empty() || kinds.contains(&row.entry.kind);
            if wanted && row.at_ms >= since_ms && limit > 0 {
                if latest.len() == limit {
                    latest.pop_front();
                }
                latest.push_back(row);
            }
        })?;
        all.extend(latest.into_iter().map(|row| (log, row)));
    }
    // In the order of time, and each log in its own where a clock was set back.
    all.sort_by_key(|(_, row)| row.at_ms);
    let skip = all.len().saturating_sub(limit);
    for (log, row) in all.into_iter().skip(skip) {
        let mut value = serde_json::to_value(&row).unwrap_or_default();
        if context.json {
            value["log"] = Value::from(log.to_string());
            output::object("audit", &value)?;
        } else {
            output::line(&prose(log, &row, &value))?;
        }
    }
    Ok(())
}

/// When, which log and row, what, then what there is to say.
fn prose(log: &LogFile, row: &Row, value: &Value) -> String {
    let known = ["seq", "atMs", "kind", "outcome", "reason", "count", "spent"];
    let mut parts = vec![row.entry.outcome.to_string()];
    parts.extend((!row.entry.reason.is_empty()).then(|| escape(&row.entry.reason)));
    parts.extend((row.entry.count != 1).then(|| format!("× {}", row.entry.count)));
    let fields = value.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| !known.contains(&name.as_str()));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), escape);
    parts.extend(fields.map(|(name, value)| format!("{name}={}", text(value))));
    if let Some(spent) = row.entry.spent {
        parts.push(format!(
            "tokens {} in, {} out  cost {}  calls {}",
            spent.input_tokens, spent.output_tokens, spent.cost_micros, spent.calls
        ));
    }
    let log = format!("{log}#{}", row.seq);
    format!("{}  {log:<16} {:<18} {}", moment(row.at_ms), row.entry.kind, parts.join("  "))
}

/// A moment as people write it, in UTC.
pub(super) fn moment(at_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    let text = at.ok().and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| at_ms.to_string())
}

/// The first moment that is meant, in Unix milliseconds.
fn since(text: &str) -> Result<u64> {
    let wrong = || {
        let message = "expected a span such as 30s, 10m, 2h or 7d, or a time such as \
                       2026-11-29T08:00:00Z";
        Error::invalid("since", message)
    };
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong());
    }
    let span = span(text).ok_or_else(wrong)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(now.saturating_sub(span).as_millis()).unwrap_or(u64::MAX))
}

/// A span such as 30s, 10m, 2h or 7d; none: it is none.
pub(super) fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text.trim_end_matches(unit).parse().ok()?;
    count.checked_mul(seconds).map(Duration::from_secs)
}

fn verify(context: &Context, logs: &[LogFile], head: Option<Head>) -> Result<()> {
    if logs.is_empty() {
        // A log that was taken away must not pass for one that holds.
        let message = "there is no audit log in this data folder";
        return Err(Error::new(Kind::NotFound, message).with_operation("audit verify"));
    }
    let mut broken = None;
    for log in logs {
        let found = match log.check(head) {
            Ok(checked) => {
                told(context, log, &checked)?;
                checked.fault.map(Error::from)
            }
            Err(error) => Some(error),
        };
        if let Some(error) = found {
            let message = format!("{log}: {}", error.message);
            broken.get_or_insert(Error { message, ..error });
        }
    }
    broken.map_or(Ok(()), |error| Err(error.with_operation("audit verify")))
}

fn told(context: &Context, log: &LogFile, checked: &Checked) -> Result<()> {
    let Checked { rows, base, head, fault, .. } = checked;
    if context.json {
        let body = json!({
            "log": log.to_string(), "rows": rows, "base": base.to_string(),
            "head": head.to_string(),
            "fault": fault.map(|fault| json!({ "seq": fault.seq, "flaw": fault.flaw.name() })),
        });
        return output::object("audit_check", &body);
    }
    let before = match base.seq {
        0 => String::new(),
        forgotten => format!(", after {forgotten} that were forgotten"),
    };
    match fault {
        None => output::line(&format!("{log:<16} {rows} rows hold{before}; head {head}")),
        Some(fault) => output::line(&format!("{log:<16} {rows} rows hold{before}; {fault}")),
    }
}

fn export(log: &LogFile) -> Result<()> {
    let mut first = true;
    log.export(|base, row| {
        if std::mem::take(&mut first) {
            let body = json!({ "log": log.to_string(), "base": base.to_string() });
            output::object("audit_base", &body)?;
        }
        let hash = hex::encode(&row.hash);
        let body = json!({ "log": log.to_string(), "seq": row.seq, "row": row.row, "hash": hash });
        output::object("audit_row", &body)
    })
}
