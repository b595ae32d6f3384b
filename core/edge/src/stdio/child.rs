//! One running child: its process group, its lines in and out, its end.

use super::options::StdioOptions;
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// Lines that wait for the child to read them.
const OUTBOX: usize = 64;
/// Longest line of stderr that is logged, in bytes.
const LOG_LINE_BYTES: u64 = 4_096;
/// Lines of stderr that are logged for one run of the child.
const LOG_LINES: usize = 10_000;
/// Files that a child may have open.
const OPEN_FILES: u64 = 1_024;

/// A running child; dropping it kills its whole process group.
pub(super) struct Running {
    /// Its stdin.
    pub(super) stdin: Stdin,
    /// Lines of its stdout; ends with it.
    pub(super) lines_out: mpsc::Receiver<String>,
    group: Option<Pid>,
    child: Child,
}

/// The way to a child's stdin.
#[derive(Clone)]
pub(super) struct Stdin {
    lines: mpsc::Sender<String>,
    unread: Arc<AtomicUsize>,
}

impl Stdin {
    /// Hands on one line; waits while the child does not read. False: the child is gone.
    pub(super) async fn send(&self, line: String) -> bool {
        self.unread.fetch_add(1, Ordering::AcqRel);
        self.lines.send(line).await.is_ok()
    }

    /// Hands on one line if there is room.
    pub(super) fn try_send(&self, line: String) {
        if self.lines.try_send(line).is_ok() {
            self.unread.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// True while lines wait for the child to read.
    pub(super) fn is_behind(&self) -> bool {
        self.unread.load(Ordering::Acquire) > 0
    }
}

impl Running {
    /// Starts the program in a process group of its own, with a cleared environment.
    ///
    /// # Errors
    /// `configuration` (`not_started`) when it cannot be started.
    pub(super) fn start(options: &StdioOptions) -> Result<Self> {
        let mut command = Command::new(&options.program);
        command.args(&options.arguments).env_clear().envs(options.variables());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            let program = options.program.display();
            Error::new(Kind::Configuration, format!("cannot start {program}: {error}"))
                .with_code("not_started")
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        restrict(group);
        let (lines, outbox) = mpsc::channel(OUTBOX);
        let unread = Arc::new(AtomicUsize::new(0));
        let (inbox, lines_out) = mpsc::channel(OUTBOX);
        if let Some(stdin) = child.stdin.take() {
            tokio::spawn(write(stdin, outbox, Arc::clone(&unread)));
        }
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read(stdout, inbox));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log(stderr));
        }
        Ok(Self { stdin: Stdin { lines, unread }, lines_out, group, child })
    }

    /// Kills the whole group and waits for the child's end.
    pub(super) async fn kill(&mut self) {
        self.kill_group();
        // One that has ended already is what is wanted.
        let _ = self.child.wait().await;
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // The group is empty when every member has ended.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// No core files, and a bound of open files; a platform that refuses leaves the child its own.
fn restrict(child: Option<Pid>) {
    let bound = |most| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, OPEN_FILES)] {
        if let Err(error) = rustix::process::prlimit(child, resource, bound(most)) {
            tracing::debug!(%error, "a child keeps its own resource limits");
        }
    }
}

async fn write(
    mut stdin: ChildStdin,
    mut outbox: mpsc::Receiver<String>,
    unread: Arc<AtomicUsize>,
) {
    while let Some(line) = outbox.recv().await {
        let sent = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await
        };
        if sent.await.is_err() {
            return;
        }
        unread.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whole lines of at most 1 MiB; a longer one ends the reading, and with it the child.
async fn read(stdout: ChildStdout, inbox: mpsc::Sender<String>) {
    let mut reader = BufReader::new(stdout);
    let most = u64::try_from(limits::STDIO_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    loop {
        let mut line = Vec::new();
        let count = (&mut reader).take(most).read_until(b'\n', &mut line).await;
        if !count.is_ok_and(|count| count > 0) || line.len() > limits::STDIO_LINE_BYTES {
            return;
        }
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if !line.is_empty() && inbox.send(line).await.is_err() {
            return;
        }
    }
}

async fn log(stderr: ChildStderr) {
    let mut reader = BufReader::new(stderr);
    let mut lines = 0;
    loop {
        let mut line = Vec::new();
        let count = (&mut reader).take(LOG_LINE_BYTES).read_until(b'\n', &mut line).await;
        if !count.is_ok_and(|count| count > 0) {
            return;
        }
        lines += 1;
        if lines <= LOG_LINES {
            let text = String::from_utf8_lossy(&line);
            tracing::info!(target: "hubless::stdio", line = text.trim_end(), "from the child");
        }
    }
}
