//! One running child: its process group, its lines in and out, its end.

use super::launch;
use super::options::StdioOptions;
use super::stdin::Stdin;
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use rustix::process::{Pid, Signal};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long what a child wrote before its end may take to arrive; a process that it left behind
/// may hold its stdout open for ever.
const REST: Duration = Duration::from_millis(200);

/// A running child; dropping it kills its whole process group.
pub(super) struct Running {
    /// Its stdin.
    pub(super) stdin: Stdin,
    lines: mpsc::Receiver<Result<String>>,
    /// A line that was taken from `lines` to look at it.
    ahead: Option<Result<String>>,
    group: Option<Pid>,
    child: Child,
    /// Set once it has ended.
    status: Option<ExitStatus>,
}

impl Running {
    /// Starts the program in a process group of its own, with a cleared environment, no other
    /// files than its three, and an end that comes with ours.
    ///
    /// # Errors
    /// `configuration` (`not_started`) when it cannot be started.
    pub(super) async fn start(options: &StdioOptions) -> Result<Self> {
        let mut command = Command::new(&options.launcher);
        command.args(launch::arguments(options)).env_clear().envs(options.variables());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| options.not_started(&error.to_string()))?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (inbox, lines) = mpsc::channel(limits::STDIO_BACKLOG);
        let stdin = child.stdin.take().map(Stdin::new).transpose();
        let stdin = stdin.ok().flatten().ok_or_else(|| options.not_started("it has no stdin"))?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read(stdout, inbox));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log(stderr));
        }
        let mut running = Self { stdin, lines, ahead: None, group, child, status: None };
        if !launch::started(&mut running.child).await {
            // Either the launcher says why it failed, or the program has run, and ended, already.
            running.ahead = timeout(REST, running.lines.recv()).await.ok().flatten();
            let said = running.ahead.as_ref().and_then(|line| line.as_ref().ok());
            if let Some(reason) = said.and_then(|line| launch::reason(line)) {
                return Err(options.not_started(&reason));
            }
        }
        Ok(running)
    }

    /// The next line of stdout, without its end; none: the child has ended, or wrote a line that
    /// is too long, which came before this as an error.
    ///
    /// # Cancellation
    /// Safe: no line is lost.
    pub(super) async fn line(&mut self) -> Option<Result<String>> {
        if let Some(line) = self.ahead.take() {
            return Some(line);
        }
        while self.status.is_none() {
            tokio::select! {
                biased;
                line = self.lines.recv() => return line,
                // Told by the child's own end: a process that it left may hold its stdout open.
                status = self.child.wait() => self.status = Some(status.unwrap_or_default()),
            }
        }
        timeout(REST, self.lines.recv()).await.ok().flatten()
    }

    /// Kills the whole group and waits for the child's end.
    pub(super) async fn kill(&mut self) -> Option<ExitStatus> {
        self.kill_group();
        // One that has ended already is what is wanted.
        self.child.wait().await.ok()
    }

    /// Ends its input and gives it a moment to end by itself, then kills what is left.
    pub(super) async fn end(&mut self) {
        self.stdin.close();
        // Its last lines have no reader: a full pipe must not keep it from ending.
        let drain = async { while self.lines.recv().await.is_some() {} };
        let ended = async { tokio::join!(drain, self.child.wait()) };
        let _ = timeout(limits::STDIO_CLOSE, ended).await;
        self.kill().await;
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

/// Whole lines of at most 1 MiB; a longer one ends the reading.
async fn read(stdout: ChildStdout, inbox: mpsc::Sender<Result<String>>) {
    let mut reader = BufReader::new(stdout);
    let most = limits::STDIO_LINE_BYTES as u64 + 1;
    loop {
        let mut line = Vec::new();
        let count = (&mut reader).take(most).read_until(b'\n', &mut line).await;
        if !count.is_ok_and(|count| count > 0) {
            return;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() > limits::STDIO_LINE_BYTES {
            let _ = inbox.send(Err(too_long())).await;
            return;
        }
        let text = String::from_utf8(line).map_err(|_| not_utf8());
        let is_blank = text.as_ref().is_ok_and(|text| text.trim().is_empty());
        if !is_blank && inbox.send(text).await.is_err() {
            return;
        }
    }
}

fn too_long() -> Error {
    let bound = limits::STDIO_LINE_BYTES as u64;
    Error::new(Kind::Transport, format!("expected a line of at most {bound} bytes, got more"))
        .with_code("too_long")
        .with_limit("STDIO_LINE_BYTES", bound)
}

fn not_utf8() -> Error {
    Error::new(Kind::Transport, "expected UTF-8, got other bytes").with_code("not_utf8")
}

async fn log(stderr: ChildStderr) {
    let mut reader = BufReader::new(stderr);
    let mut count = 0_usize;
    loop {
        let mut line = Vec::new();
        let most = limits::STDIO_LOG_LINE_BYTES as u64;
        let read = (&mut reader).take(most).read_until(b'\n', &mut line).await;
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        count = count.saturating_add(1);
        if count <= limits::STDIO_LOG_LINES {
            let text = String::from_utf8_lossy(&line);
            tracing::info!(target: "hubless::stdio", line = text.trim_end(), "stderr");
        } else if count == limits::STDIO_LOG_LINES + 1 {
            tracing::warn!(
                target: "hubless::stdio",
                lines = limits::STDIO_LOG_LINES,
                "the program writes much to stderr; the rest of this run is left out"
            );
        }
    }
}
