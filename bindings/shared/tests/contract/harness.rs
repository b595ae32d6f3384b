//! A small host: submits operations, answers events, keeps what came.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a harness: each test file uses a part"
)]

use bytes::Bytes;
use hubless_shared::Event;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest time that any one thing here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event with its body read.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) kind: u8,
    pub(crate) ticket: u64,
    pub(crate) body: Value,
    pub(crate) attachments: Vec<Bytes>,
}

/// Asks what is answered at once: a result.
pub(crate) fn told(op: &str, body: &Value) -> Value {
    let (done, said) = hubless_shared::ask(op, body.to_string().as_bytes());
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert!(done, "{op}: {said}");
    said
}

/// Asks what is answered at once: an error.
pub(crate) fn refused(op: &str, body: &str) -> Value {
    let (done, said) = hubless_shared::ask(op, body.as_bytes());
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert!(!done, "{op}: {said}");
    said
}

/// One session, with a home of its own or that of another one.
pub(crate) struct Host {
    pub(crate) session: u64,
    next: u64,
    waiting: VecDeque<Seen>,
    _home: Option<tempfile::TempDir>,
    home: String,
}

impl Host {
    /// Opens a session whose node is started.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        Self::closed(Some(home), path).started()
    }

    /// Opens a session whose node lives in the home of another one.
    pub(crate) fn beside(other: &Self) -> Self {
        Self::closed(None, other.home.clone()).started()
    }

    fn started(mut self) -> Self {
        let home = self.home.clone();
        self.done("node.start", json!({"home": home}));
        self
    }

    fn closed(home: Option<tempfile::TempDir>, path: String) -> Self {
        let session = hubless_shared::open("test");
        Self { session, next: 1, waiting: VecDeque::new(), _home: home, home: path }
    }

    /// Opens a session without a node.
    pub(crate) fn bare() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        Self::closed(Some(home), path)
    }

    /// Folder that its node may use.
    pub(crate) fn home(&self) -> &str {
        &self.home
    }

    /// Starts an operation and gives its ticket.
    pub(crate) fn submit(&mut self, op: &str, body: Value, attachments: Vec<Bytes>) -> u64 {
        let ticket = self.next;
        self.next += 1;
        assert!(hubless_shared::submit(
            self.session,
            ticket,
            op,
            Bytes::from(body.to_string()),
            attachments
        ));
        ticket
    }

    /// Runs an operation to its end.
    pub(crate) fn run(&mut self, op: &str, body: Value) -> Seen {
        let ticket = self.submit(op, body, Vec::new());
        self.end_of(ticket)
    }

    /// Runs an operation that must succeed.
    pub(crate) fn done(&mut self, op: &str, body: Value) -> Value {
        let seen = self.run(op, body);
        assert_eq!(seen.kind, 1, "{op}: {}", seen.body);
        seen.body
    }

    /// Runs an operation that must fail.
    pub(crate) fn failed(&mut self, op: &str, body: Value) -> Value {
        let seen = self.run(op, body);
        assert_eq!(seen.kind, 2, "{op}: {}", seen.body);
        seen.body
    }

    /// The end of an operation, whatever else comes before it.
    pub(crate) fn end_of(&mut self, ticket: u64) -> Seen {
        self.first(|seen| seen.ticket == ticket && (seen.kind == 1 || seen.kind == 2))
    }

    /// The next event of a kind.
    pub(crate) fn next_of(&mut self, kind: u8) -> Seen {
        self.first(|seen| seen.kind == kind)
    }

    /// The first event that fits; the others stay for later.
    pub(crate) fn first(&mut self, fits: impl Fn(&Seen) -> bool) -> Seen {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.waiting.iter().position(&fits) {
                return self.waiting.remove(at).unwrap();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing that fits came; waiting: {:?}", self.waiting);
            hubless_shared::wait(self.session, Some(left));
            self.waiting.extend(hubless_shared::drain(self.session, 64).into_iter().map(read));
        }
    }

    /// Registers an agent and gives its handle.
    pub(crate) fn register(&mut self, body: Value) -> u64 {
        self.done("register", body)["agent"].as_u64().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        hubless_shared::close(self.session);
    }
}

fn read(event: Event) -> Seen {
    let body = serde_json::from_slice(&event.body).unwrap();
    Seen { kind: event.kind, ticket: event.ticket, body, attachments: event.attachments }
}
