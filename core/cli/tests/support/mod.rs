//! What the tests of the command share: the built command, in a home of its own.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

pub(crate) mod provider;

use hubless::{Content, Node, NodeOptions, Reply, RequestOptions, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a state that comes within moments.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a run of the command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The only JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "expected one object: {} {}", self.out, self.err);
        lines.into_iter().next().unwrap()
    }

    /// The JSON objects on stdout, each with the name of its form.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let schema = value["schema"].as_str().unwrap();
            assert!(schema.starts_with("hubless.") && schema.ends_with("/1"), "{schema}");
            value
        };
        self.out.lines().map(read).collect()
    }

    /// The error on stderr, in JSON; nothing is on stdout.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.out, "", "{}", self.err);
        let error: Value = serde_json::from_str(self.err.lines().last().unwrap()).unwrap();
        assert_eq!(error["schema"], "hubless.error/1");
        error
    }

    /// It ended well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        self
    }
}

/// Status and body of one request over HTTP, asked by hand; `headers` end each with a new line.
pub(crate) fn exchange(address: &str, request: &str, body: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// An empty home of its own.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The command in this home, with no other setting than that.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.env("HUBLESS_HOME", self.path());
        command
    }

    /// Runs the command to its end, with nothing on stdin.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments), b"")
    }

    /// Runs it with this on stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Ran {
        run(&mut self.command(arguments), input)
    }

    /// Starts `serve` for the child program, in this mode, and waits until it can be called.
    pub(crate) fn serve(&self, flags: &[&str], mode: &[&str]) -> Serve {
        Serve::start(self.serve_command(flags, mode), self)
    }

    /// The command `serve` for the child program.
    pub(crate) fn serve_command(&self, flags: &[&str], mode: &[&str]) -> Command {
        let child = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/child.py");
        let child = child.to_str().unwrap();
        // Isolated and without site packages: it starts at once.
        let program = [python(), "-I", "-S", child];
        self.command(&[&["serve", "--json"], flags, &["--"], &program, mode].concat())
    }

    /// A node in this home, to call from.
    pub(crate) async fn node(&self) -> Node {
        let options = NodeOptions { home: Some(self.path().to_owned()), ..NodeOptions::default() };
        Node::start(options).await.unwrap()
    }
}

/// The command with no setting at all.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubless"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("HUBLESS_")) {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    command
}

/// Runs a command to its end with this on stdin.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input);
    let id = rustix::process::Pid::from_child(&child);
    let (ended, watched) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE * 3) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // It fails its test by its exit code, rather than hang.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watchdog.join().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The interpreter itself: what `PATH` names may be a slow script in front of it.
pub(crate) fn python() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let asked = ["-c", "import sys; print(sys.executable)"];
        let output = Command::new("python3").args(asked).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// A running `serve`; killed at the end of its test.
pub(crate) struct Serve {
    pub(crate) child: Child,
    /// What it said when it could be called.
    pub(crate) serving: Value,
    pub(crate) out: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Serve {
    /// Starts it and waits until it can be called; its stderr goes to a file.
    pub(crate) fn start(mut command: Command, home: &Home) -> Self {
        let log = home.path().join("serve.log");
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(!line.is_empty(), "serve ended: {said}");
        Self { child, serving: serde_json::from_str(&line).unwrap(), out, log }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the end of serve", || child.try_wait().unwrap())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// True while a process runs; one that has ended and is not reaped does not.
pub(crate) fn is_alive(process: i64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Waits for the end of a process.
pub(crate) fn dies(what: &str, process: i64) {
    eventually(what, || (!is_alive(process)).then_some(()));
}

/// A request of one text, that waits for its agent to appear.
pub(crate) fn ask(to: &str, text: &str) -> RequestOptions {
    let mut request = RequestOptions::new(to, Content::text(text));
    request.wait_ms = Some(10_000);
    request
}

/// Asks, and gives the value of the answer.
pub(crate) async fn value(node: &Node, to: &str, text: &str) -> Value {
    decoded(node.request(ask(to, text)).await)
}

/// The value of an answer.
pub(crate) fn decoded(reply: Result<Reply>) -> Value {
    reply.unwrap().content.decoded().unwrap()
}
