//! A node with a few agents, its HTTP listener, and clients that write bytes by hand.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it")]

use hubless::{AgentOptions, Call, Content, Error, Handler, Kind, Node, NodeOptions, handler};
use hubless_edge::http::{HttpEdge, HttpOptions};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

/// Longest wait for what comes within moments.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the agent `guarded` wants to know.
pub(crate) const GUARD: &str = "open-sesame-of-the-tests";

/// A node, its listener, and what its agents tell of.
pub(crate) struct House {
    pub(crate) node: Node,
    pub(crate) edge: HttpEdge,
    pub(crate) agents: Agents,
}

/// What the agents tell of.
#[derive(Clone, Default)]
pub(crate) struct Agents {
    /// Fires when the handler of `wait` runs.
    pub(crate) began: Arc<Notify>,
    /// Fires when the handler of `wait` is told to stop.
    pub(crate) stopped: Arc<Notify>,
    /// Lets the handlers of `wait` end.
    pub(crate) release: Arc<Notify>,
}

/// Listens at any port of this machine.
pub(crate) fn options() -> HttpOptions {
    HttpOptions { listen: "127.0.0.1:0".parse().unwrap(), ..HttpOptions::default() }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: HttpOptions) -> Self {
        let memory_only = NodeOptions { memory_only: true, ..NodeOptions::default() };
        let node = Node::start(memory_only).await.unwrap();
        let agents = Agents::default();
        register(&node, &agents).await;
        let edge = HttpEdge::start(&node, options).await.unwrap();
        Self { node, edge, agents }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.edge.address()
    }

    /// Asks an agent on a connection of its own.
    pub(crate) async fn ask(&self, agent: &str, body: &Value) -> Answer {
        let text = body.to_string();
        self.send(&self.post(agent, &text, "")).await
    }

    /// A request to an agent, as bytes that ask for the end of the connection.
    pub(crate) fn post(&self, agent: &str, body: &str, headers: &str) -> String {
        format!(
            "POST /v1/agents/{agent}/requests HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address(),
            body.len()
        )
    }

    /// A GET, as bytes that ask for the end of the connection.
    pub(crate) fn get(&self, path: &str, headers: &str) -> String {
        let host = self.address();
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
    }

    /// Writes bytes, and reads the one answer up to the end of the connection.
    pub(crate) async fn send(&self, bytes: &str) -> Answer {
        let mut wire = self.wire().await;
        wire.write(bytes).await;
        let answer = wire.answer().await;
        assert_eq!(wire.rest().await, "", "something followed the answer");
        answer
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire::to(self.address()).await
    }

    /// A connection from another address of this machine.
    pub(crate) async fn wire_from(&self, address: &str) -> Wire {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        Wire::new(socket.connect(self.address()).await.unwrap())
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// Kind and code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        let error = self.json();
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, format!("{}/{}", text("kind"), text("code")))
    }
}

/// A connection that is written and read by hand.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    /// A connection to any listener.
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        // The other side may have answered and gone.
        let _ = self.0.write_all(bytes.as_bytes()).await;
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("the connection ended without an answer")
    }

    /// The next answer; none: the connection ended.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let read = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if self.0.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
            let head = head.to_lowercase();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let mut answer = Answer { status, head, body: String::new() };
            let length = answer.header("content-length").map_or(0, |n| n.parse().unwrap());
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.unwrap();
            answer.body = String::from_utf8(body).unwrap();
            Some(answer)
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
    }

    /// What comes up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        // A connection that is reset has ended as well.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end in time");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// One line, without its end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.expect("a line in time").unwrap();
        line.trim_end().to_owned()
    }
}

/// Waits for what comes within moments.
pub(crate) async fn soon(what: &str, notify: &Notify) {
    let waited = tokio::time::timeout(PATIENCE, notify.notified()).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

/// An agent that takes requests from outside.
fn open(name: &str, rest: Value) -> AgentOptions {
    let rules = json!({ "allowExternalConnections": true });
    let mut fields = json!({ "name": name, "requirements": rules });
    for (field, value) in rest.as_object().unwrap() {
        fields[field.as_str()] = value.clone();
    }
    AgentOptions::read(fields).unwrap()
}

async fn register(node: &Node, agents: &Agents) {
    let guarded = json!({ "requirements": {
        "allowExternalConnections": true, "auth": { "sharedSecret": GUARD }
    } });
    for options in [
        open("echo", json!({ "description": "says it again" })),
        AgentOptions { name: "hidden".into(), ..AgentOptions::default() },
        open("paid", json!({ "needs": { "grant": "required" } })),
        open("guarded", guarded),
    ] {
        let echo = handler(|_: Call, content: Content| async move { Ok(content) });
        node.register(options, echo).await.unwrap();
    }
    for (name, rest, handler) in [
        ("mirror", json!({}), mirror()),
        ("fail", json!({}), fail()),
        ("pieces", json!({ "streaming": true }), pieces()),
        ("wait", json!({}), wait(agents.clone())),
        ("large", json!({}), large()),
    ] {
        node.register(open(name, rest), handler).await.unwrap();
    }
}

/// Says who asks, and what came with it.
fn mirror() -> Arc<dyn Handler> {
    handler(|call: Call, _| async move {
        let (caller, request) = (call.caller(), call.request());
        let trace = request.trace.clone().unwrap_or_default();
        Ok(Content::value(json!({
            "kind": caller.kind.name(), "principal": caller.principal, "role": caller.role,
            "agent": caller.agent.is_some(), "mesh": caller.mesh.is_some(),
            "metadata": request.metadata_json, "baggage": trace.baggage,
            "traceparent": trace.traceparent, "auth": request.auth.is_some(),
        })))
    })
}

/// Fails with the kind that it is asked for.
fn fail() -> Arc<dyn Handler> {
    handler(|_, content: Content| async move {
        let kind: Kind = content.joined_text().parse()?;
        Err(Error::refusal(kind, "planted", "canary: /inside/agent.py"))
    })
}

/// Answers piece by piece.
fn pieces() -> Arc<dyn Handler> {
    handler(|call: Call, _| async move {
        call.progress("half", Some(0.5)).await?;
        call.chunk(Content::text("a"), false).await?;
        call.chunk(Content::text("b"), true).await?;
        Ok(Content::text("ab"))
    })
}

/// Waits until it is released, or told to stop.
fn wait(agents: Agents) -> Arc<dyn Handler> {
    handler(move |_, _| {
        let told = agents.clone();
        async move {
            // A handler that is cancelled is dropped where it waits.
            let mut stopped = Stopped(Some(&told.stopped));
            told.began.notify_one();
            told.release.notified().await;
            stopped.0 = None;
            Ok(Content::text("released"))
        }
    })
}

/// Tells that a handler was dropped before its end.
struct Stopped<'a>(Option<&'a Notify>);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Some(stopped) = self.0 {
            stopped.notify_one();
        }
    }
}

/// Streams so many bytes.
fn large() -> Arc<dyn Handler> {
    handler(|_, content: Content| async move {
        let size = content.decoded().and_then(|size| size.as_u64()).unwrap_or_default();
        let pieces = size.div_ceil(65_536);
        let (writer, body) = hubless::body();
        tokio::spawn(async move {
            for _ in 0..pieces {
                if writer.write(vec![7; 65_536].into()).await.is_err() {
                    return;
                }
            }
            writer.end();
        });
        Ok(Content::stream("x/y", None, body))
    })
}
