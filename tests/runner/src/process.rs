//! A process that the runner starts, talks to by lines and ends; killed when dropped.

use crate::house::Result;
use crate::settings;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A running process with its lines of JSON.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// Why no event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The time is over.
    Late,
    /// The process ended, or closed its output: none will come.
    Ended,
}

impl Process {
    /// Starts a command without the settings of the user; its stderr goes to `log`.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn start(name: &str, command: &mut Command, log: &std::path::Path) -> Result<Self> {
        let fault = |error: std::io::Error| format!("{name}: {error}");
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(fault)?;
        }
        let log = std::fs::File::create(log).map_err(fault)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = settings::own_only(command).spawn().map_err(fault)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| format!("{name}: no stdout"))?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { name: name.to_owned(), child, stdin, lines })
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line, or none when the time is over or the output ended.
    pub(crate) fn line(&self, wait: Duration) -> Option<String> {
        self.lines.recv_timeout(wait).ok()
    }

    /// The next line that is a JSON object.
    pub(crate) fn event(&self, wait: Duration) -> Option<Value> {
        self.next(wait).ok()
    }

    /// The next line that is a JSON object, or why there is none.
    pub(crate) fn next(&self, wait: Duration) -> std::result::Result<Value, Silence> {
        let end = Instant::now() + wait;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.map_err(|error| match error {
                RecvTimeoutError::Timeout => Silence::Late,
                RecvTimeoutError::Disconnected => Silence::Ended,
            })?;
            if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line) {
                return Ok(value);
            }
        }
    }

    /// Waits for an object that has the member `key`.
    ///
    /// # Errors
    /// It did not come within `wait`.
    pub(crate) fn expect(&self, key: &str, wait: Duration) -> Result<Value> {
        let end = Instant::now() + wait;
        while let Some(value) = self.event(end.saturating_duration_since(Instant::now())) {
            if value.get(key).is_some() {
                return Ok(value);
            }
        }
        Err(format!("{} did not say {key:?} within {} s", self.name, wait.as_secs()))
    }

    /// Writes one line to its stdin.
    ///
    /// # Errors
    /// It does not read.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().ok_or_else(|| format!("{}: stdin is closed", self.name))?;
        writeln!(stdin, "{line}").map_err(|error| format!("{}: {error}", self.name))
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Closes its stdin and waits for its end.
    ///
    /// # Errors
    /// It did not end with status 0 in time; it is killed then.
    pub(crate) fn finish(self, wait: Duration) -> Result<()> {
        self.finish_with(0, wait)
    }

    /// As [`Self::finish`], with another status.
    ///
    /// # Errors
    /// It did not end with that status in time; it is killed then.
    pub(crate) fn finish_with(mut self, wanted: i32, wait: Duration) -> Result<()> {
        self.stdin = None;
        let end = Instant::now() + wait;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) if status.code() == Some(wanted) => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("{} ended with {status}, expected {wanted}", self.name));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
        Err(format!("{} did not end within {} s of its stdin's end", self.name, wait.as_secs()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
