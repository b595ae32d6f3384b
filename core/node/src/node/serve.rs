//! Serving until the program is told to end.
//!
//! Owns: what tells it so: SIGTERM, SIGINT, the end of standard input. Programs whose host language
//! has a runtime that handles signals itself use that one, and then close the node. Tested with
//! processes by the suites of C and of the command.

use super::Node;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The signals that end a program.
#[derive(Debug)]
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// How [`Node::serve`] ends.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// True: the end of standard input ends it too; everything read from it is thrown away.
    pub until_stdin_ends: bool,
    /// How long running calls may take to end.
    pub grace: Duration,
}

impl EndSignals {
    /// Listens from now on. SIGTERM and SIGINT do not end the process by themselves any more;
    /// handlers that were set before are called as well.
    ///
    /// # Errors
    /// `internal` when the system refuses.
    pub fn listen() -> Result<Self> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| {
                Error::new(Kind::Internal, format!("cannot listen to a signal: {error}"))
            })
        };
        let terminate = listen(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Resolves at the next of them.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { until_stdin_ends: false, grace: limits::CLOSE_GRACE }
    }
}

impl Node {
    /// Serves until SIGTERM, SIGINT, the end of standard input if that counts, or the close of the
    /// node; then closes it as [`Node::close`] does. A second signal ends the grace.
    ///
    /// # Errors
    /// `closed` when it is closed already; `internal` when signals cannot be listened to.
    ///
    /// # Cancellation
    /// The node stays open, unless it was told to end.
    pub async fn serve(&self, options: ServeOptions) -> Result<()> {
        self.open()?;
        let mut signals = EndSignals::listen()?;
        tokio::select! {
            () = signals.next() => {}
            () = self.closed() => {}
            ended = stdin_ended(), if options.until_stdin_ends => ended?,
        }
        tokio::select! {
            () = self.close(options.grace) => {}
            () = signals.next() => self.close(Duration::ZERO).await,
        }
        Ok(())
    }
}

/// A thread reads: standard input may be a file or a terminal, which cannot be waited for. It is
/// not waited for at the end either.
async fn stdin_ended() -> Result<()> {
    let (reading, ended) = oneshot::channel::<()>();
    let read = move || {
        // A read that fails is an end as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(reading);
    };
    let thread = std::thread::Builder::new().name("hubless-stdin".to_owned()).spawn(read);
    thread.map_err(|error| Error::new(Kind::Internal, format!("no thread: {error}")))?;
    // Nothing is ever sent.
    let _ = ended.await;
    Ok(())
}
