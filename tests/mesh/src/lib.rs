//! Processes for the tests: started, told what to do, listened to, killed.
//!
//! Owns: the life of a [`Subject`] and the reading of its events. Must not know: what a test
//! wants of it. The subject itself is `src/bin/subject.rs`.
#![forbid(unsafe_code)]

#[allow(clippy::print_stdout, reason = "what its processes say goes to standard output")]
pub mod paying;
pub mod relays;
pub mod spending;
pub mod switches;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait for an event.
pub const LONG: Duration = Duration::from_secs(30);
/// Events of one process that wait to be read.
const EVENTS: usize = 4_096;

/// A running process of the tests; killed when dropped.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    kept: VecDeque<Value>,
    /// Name of its first agent.
    pub name: String,
}

/// How a process is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spawn<'a> {
    /// User that it runs as; none: the one of the tests.
    pub user: Option<u32>,
    /// Network namespace that it runs in.
    pub namespace: Option<&'a str>,
}

impl Subject {
    /// Starts a process without a node in it. `program` is the subject's path, as cargo gives it
    /// to the test: `env!("CARGO_BIN_EXE_subject")`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(program: &str, home: &Path, name: &str, how: Spawn<'_>) -> Self {
        let mut command = match how.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
        };
        if let Some(user) = how.user {
            command.uid(user).gid(user);
        }
        let mut child = command
            .arg(home)
            .arg(name)
            .env_remove("HUBLESS_HOME")
            .env_remove("HUBLESS_MESH")
            .env_remove("HUBLESS_LISTEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the subject starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("invariant: its output is a pipe");
        let (sender, events) = sync_channel(EVENTS);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, input, events, kept: VecDeque::new(), name: name.to_owned() }
    }

    /// Tells it what to do.
    ///
    /// # Panics
    /// When it ended.
    pub fn tell(&mut self, command: &Value) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{command}").expect("it reads its input");
    }

    /// The first event, from those that came already, that `pick` takes; the others are kept.
    ///
    /// # Panics
    /// After `patience`, with what came instead.
    pub fn expect<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        if let Some(place) = self.kept.iter().position(|event| pick(event).is_some())
            && let Some(found) = self.kept.remove(place).as_ref().and_then(&mut pick)
        {
            return found;
        }
        let until = Instant::now() + patience;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    if let Some(found) = pick(&event) {
                        return found;
                    }
                    self.kept.push_back(event);
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{}: no {what} in {patience:?}; came: {:?}", self.name, self.kept)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{}: ended before {what}; came: {:?}", self.name, self.kept)
                }
            }
        }
    }

    /// The next event of this name.
    ///
    /// # Panics
    /// When none comes within 30 s.
    pub fn event(&mut self, name: &str) -> Value {
        self.expect(name, LONG, |event| (event["event"] == name).then(|| event.clone()))
    }

    /// Starts its node and gives the `ready` event.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self, command: &Value) -> Value {
        self.tell(command);
        self.event("ready")
    }

    /// When it saw an agent of this name arrive, in microseconds of the clock.
    ///
    /// # Panics
    /// When it does not.
    pub fn sees(&mut self, name: &str) -> u64 {
        self.seen("arrived", name)
    }

    /// When it saw an agent of this name depart, in microseconds of the clock.
    ///
    /// # Panics
    /// When it does not.
    pub fn misses(&mut self, name: &str) -> u64 {
        self.seen("departed", name)
    }

    fn seen(&mut self, event: &str, name: &str) -> u64 {
        self.expect(&format!("{event} {name}"), LONG, |seen| {
            (seen["event"] == event && seen["name"] == name).then(|| seen["at_us"].as_u64())?
        })
    }

    /// Ends it as `kill -9` does, and gives the moment before.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) -> u64 {
        let before = now_us();
        self.child.kill().expect("it can be killed");
        before
    }

    /// Waits until it has ended, and all that it held is let go.
    pub fn gone(&mut self) {
        self.child.wait().expect("it is a child of ours");
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The clock that subjects stamp their events with, in microseconds.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The clock that goes on while the machine sleeps and is never set, in microseconds: the same for
/// every process, whatever namespace it is in.
pub fn boot_us() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unwrap_or_default()
}
