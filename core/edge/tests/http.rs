//! The HTTP listener over real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "http/asking.rs"]
mod asking;
#[path = "http/bytes.rs"]
mod bytes;
#[path = "http/crowds.rs"]
mod crowds;
#[path = "http/hours.rs"]
mod hours;
#[cfg(feature = "metrics")]
#[path = "http/metrics.rs"]
mod metrics;
#[cfg(feature = "metrics")]
#[path = "http/scrape.rs"]
mod scrape;
#[path = "http/strangers.rs"]
mod strangers;
#[path = "http/streams.rs"]
mod streams;
mod support;
#[path = "http/tls.rs"]
mod tls;
#[path = "http/untaken.rs"]
mod untaken;
