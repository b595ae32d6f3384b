//! Log lines of the core on their way to the host's own logger.
//!
//! Owns: who listens at which level. Must not know what a line says. Tested beside the code.

use crate::event::{Event, LOG};
use crate::queue::lock;
use crate::session::Session;
use hubless::telemetry::{LogLine, set_sink};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, Weak};
use tracing::Level;
use tracing::level_filters::LevelFilter;

/// Sessions that listen. The process has one stream of lines, each listener takes its share.
static LISTENERS: Mutex<Vec<(Level, Weak<Session>)>> = Mutex::new(Vec::new());

/// Sends lines at `level` and graver to a session as `log` events.
pub(crate) fn listen(session: &Arc<Session>, level: Level) {
    let mut listeners = lock(&LISTENERS);
    listeners.retain(|(_, session)| session.strong_count() > 0);
    listeners.push((level, Arc::downgrade(session)));
    let finest = listeners.iter().map(|(level, _)| *level).max().unwrap_or(level);
    drop(listeners);
    set_sink(LevelFilter::from_level(finest), Some(Arc::new(forward)));
}

fn forward(line: &LogLine) {
    let listeners: Vec<Arc<Session>> = lock(&LISTENERS)
        .iter()
        .filter(|(level, _)| line.level <= *level)
        .filter_map(|(_, session)| session.upgrade())
        .collect();
    for session in listeners {
        // A host that is behind loses log lines first; nothing that was queued is lost.
        let _ = session.queue.offer(event(line));
    }
}

fn event(line: &LogLine) -> Event {
    let fields: Map<String, Value> =
        line.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = json!({
        "level": line.level.as_str().to_ascii_lowercase(),
        "target": line.target,
        "message": line.message,
        "fields": fields,
    });
    Event { kind: LOG, ticket: 0, body: body.to_string().into(), attachments: Vec::new() }
}
