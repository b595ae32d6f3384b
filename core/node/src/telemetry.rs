//! Where log lines go: `HUBLESS_LOG` for programs, a sink for host languages.
//!
//! Fields never hold payloads or credentials: nothing here has to filter.

use std::fmt;
use std::sync::{Arc, RwLock};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// One log line.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// Module that says it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
}

/// Takes log lines; called on any thread, must not block or log.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

static SINK: RwLock<Option<(LevelFilter, LogSink)>> = RwLock::new(None);

/// Sends this process's log lines to stderr as `HUBLESS_LOG` says (filters of the `tracing`
/// family, such as `info` or `hubless=debug`; unset: nothing) and to the sink, if one is set.
/// Does nothing when the process has a subscriber already.
pub fn init() {
    let filter = EnvFilter::try_from_env("HUBLESS_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    // A program that has its own subscriber keeps it.
    let _ = tracing_subscriber::registry().with(stderr).with(Forward).try_init();
}

/// Sets or removes the sink of log lines at `level` and graver; one for the process.
pub fn set_sink(level: LevelFilter, sink: Option<LogSink>) {
    init();
    let mut current = SINK.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    *current = sink.map(|sink| (level, sink));
}

struct Forward;

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let sink = {
            let current = SINK.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            match &*current {
                Some((level, sink)) if *event.metadata().level() <= *level => Arc::clone(sink),
                Some(_) | None => return,
            }
        };
        if !event.metadata().target().starts_with("hubless") {
            return;
        }
        let mut line = LogLine {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        sink(&line);
    }
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name().to_owned(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name().to_owned(), value.to_owned()));
        }
    }
}
