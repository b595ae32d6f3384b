//! The way to a child's stdin: a short queue before a pipe.

use hubless_proto::limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// First pause between two looks at what a child has not read; doubled up to the longest.
const LOOK: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));

/// The way to one child's stdin; cheap to clone. The child sees its end with [`Stdin::close`].
#[derive(Clone)]
pub(super) struct Stdin {
    lines: mpsc::Sender<String>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Lines that are not in the pipe yet.
    unwritten: AtomicUsize,
    /// Held by the writer: its end is the end of the child's input.
    pipe: Weak<pipe::Sender>,
    closed: CancellationToken,
    stuck: CancellationToken,
}

impl Stdin {
    /// Starts the writer of this pipe.
    pub(super) fn new(stdin: ChildStdin) -> std::io::Result<Self> {
        let pipe = Arc::new(pipe::Sender::from_owned_fd(stdin.into_owned_fd()?)?);
        let (lines, outbox) = mpsc::channel(limits::STDIO_BACKLOG);
        let shared = Arc::new(Shared {
            unwritten: AtomicUsize::new(0),
            pipe: Arc::downgrade(&pipe),
            closed: CancellationToken::new(),
            stuck: CancellationToken::new(),
        });
        tokio::spawn(write(pipe, outbox, Arc::clone(&shared)));
        Ok(Self { lines, shared })
    }

    /// Hands on one line; waits while the child does not read. False: the child is gone.
    ///
    /// # Cancellation
    /// Safe: the line is sent whole or not at all.
    pub(super) async fn send(&self, line: String) -> bool {
        let Ok(place) = self.lines.reserve().await else { return false };
        self.shared.unwritten.fetch_add(1, Ordering::AcqRel);
        place.send(line);
        true
    }

    /// Waits until the child has read everything, or is gone.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn read(&self) {
        let mut pause = LOOK.0;
        while self.is_behind() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
        }
    }

    fn is_behind(&self) -> bool {
        let Some(pipe) = self.shared.pipe.upgrade() else { return false };
        let unwritten = self.shared.unwritten.load(Ordering::Acquire) > 0;
        unwritten || rustix::io::ioctl_fionread(&*pipe).is_ok_and(|bytes| bytes > 0)
    }

    /// Ends the child's input.
    pub(super) fn close(&self) {
        self.shared.closed.cancel();
    }

    /// True when both lead to the same child.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Says that the child does not read.
    pub(super) fn give_up(&self) {
        self.shared.stuck.cancel();
    }

    /// Waits until someone says that the child does not read.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn stuck(&self) {
        self.shared.stuck.cancelled().await;
    }
}

async fn write(pipe: Arc<pipe::Sender>, mut outbox: mpsc::Receiver<String>, shared: Arc<Shared>) {
    let lines = async {
        while let Some(mut line) = outbox.recv().await {
            line.push('\n');
            if write_all(&pipe, line.as_bytes()).await.is_err() {
                return;
            }
            shared.unwritten.fetch_sub(1, Ordering::AcqRel);
        }
    };
    tokio::select! {
        () = lines => {}
        () = shared.closed.cancelled() => {}
    }
}

async fn write_all(pipe: &pipe::Sender, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        pipe.writable().await?;
        match pipe.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use tokio::process::Command;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_child_that_does_not_read_holds_a_bounded_number_of_lines() {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").stdin(Stdio::piped()).kill_on_drop(true);
        let mut child = sleep.spawn().unwrap();
        let stdin = Stdin::new(child.stdin.take().unwrap()).unwrap();
        // More than a pipe takes, so that the writer waits with it.
        assert!(stdin.send("x".repeat(1 << 20)).await);
        let taken = async {
            while !stdin.lines.capacity().eq(&limits::STDIO_BACKLOG) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), taken).await.unwrap();
        for _ in 0..limits::STDIO_BACKLOG {
            timeout(Duration::from_secs(10), stdin.send(String::new())).await.unwrap();
        }
        let late = timeout(Duration::from_millis(200), stdin.send(String::new())).await;
        assert!(late.is_err(), "it waits");
        child.kill().await.unwrap();
        assert!(!timeout(Duration::from_secs(10), stdin.send(String::new())).await.unwrap());
    }
}
