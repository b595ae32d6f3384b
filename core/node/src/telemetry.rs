//! Where log lines go: `HUBLESS_LOG` for programs, a sink for host languages.
//!
//! Fields never hold payloads or credentials: nothing here has to filter.

use hubless_proto::error::{Error, Result};
use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, RwLock};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// One log line.
///
/// ```
/// use hubless::telemetry::{LogLine, set_sink};
/// use std::sync::Arc;
/// use tracing::level_filters::LevelFilter;
///
/// let sink = Arc::new(|line: &LogLine| println!("{} {}", line.level, line.message));
/// set_sink(LevelFilter::INFO, Some(sink));
/// set_sink(LevelFilter::INFO, None);
/// ```
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
    subscribe(EnvFilter::try_from_env("HUBLESS_LOG").unwrap_or_else(|_| EnvFilter::new("off")));
}

/// As [`init`], with a filter of the program's own choice.
///
/// # Errors
/// `invalid_argument` (`log`) for what is no filter.
pub fn init_with(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|_| {
        let message = "expected off, error, warn, info, debug, trace, or module=level";
        Error::invalid("log", message)
    })?;
    subscribe(filter);
    Ok(())
}

fn subscribe(filter: EnvFilter) {
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour());
    // A program that has its own subscriber keeps it.
    let lines = tracing_subscriber::registry().with(stderr.with_filter(filter));
    let _ = lines.with(Forward).try_init();
}

/// Colour is for people: not for files and pipes, nor where `NO_COLOR` is set (no-color.org).
fn colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !unwanted
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
