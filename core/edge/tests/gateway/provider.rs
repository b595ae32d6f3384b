//! A provider of its own: it counts what it is asked, and bills by itself.

use hubless_proto::killswitch::{Amount, Component};
use hubless_proto::metering::Micros;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// A connection, with or without TLS.
type Wire = BufReader<Box<dyn Pipe>>;

/// What goes both ways.
trait Pipe: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Pipe for T {}

/// The key that it knows.
pub(crate) const KEY: &str = "sk-canary-of-the-provider";

/// What it does when it is asked; each token costs one millionth.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// Writes so many tokens, or as many as the cap allows.
    Answer(u64),
    /// The same, and does not say what was used.
    Silent(u64),
    /// Bills so many tokens whatever the cap.
    Greedy(u64),
    /// Bills so many tokens of input, and writes one.
    Hungry(u64),
    /// An error at once.
    Status(u16),
    /// Bills as much as the cap allows, and says this error, of this code, and when to come again.
    Fails(u16, &'static str, bool),
    /// An error that shows the key.
    Tells(u16),
    /// A body of so many bytes, with this status.
    Large(u16, usize),
    /// Sends the caller elsewhere.
    Redirect(SocketAddr),
    /// Bills so many tokens, and hangs up without an answer.
    Lose(u64),
    /// Streams so many pieces of one token, whatever the cap.
    Stream {
        /// Pieces.
        pieces: u64,
        /// Says at the end what was used.
        usage: bool,
    },
    /// Streams these, and that it is done.
    Events(Vec<Value>),
    /// Streams one piece that is the last and says what was used, and no `[DONE]`.
    Terse,
    /// Streams one piece, then waits for the end of its caller.
    Wait,
    /// Streams one piece, and hangs up.
    Break,
}

/// What it saw and what it bills.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    tls: Option<TlsAcceptor>,
    /// Connections that were made to it, whether they spoke or not.
    pub(crate) dialled: AtomicUsize,
    pub(crate) mode: Mutex<Mode>,
    pub(crate) bill: Mutex<Bill>,
    /// Fires when a caller went away.
    pub(crate) gone: Notify,
    /// Fires when it was asked.
    pub(crate) asked: Notify,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Bill {
    pub(crate) calls: usize,
    pub(crate) micros: u64,
    /// Tokens that it read, and that it wrote.
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// Heads and bodies of what it was asked.
    pub(crate) heads: Vec<String>,
    pub(crate) bodies: Vec<Value>,
}

/// An address that nobody listens at, nobody else's while the socket is held.
pub(crate) fn nowhere() -> (TcpSocket, SocketAddr) {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    (held, address)
}

impl Bill {
    /// What it bills of each component.
    pub(crate) fn amount(&self) -> Amount {
        let all = Amount::from(Micros::new(self.micros).unwrap());
        let all = all.with(Component::InputTokens, self.input).unwrap();
        all.with(Component::OutputTokens, self.output).unwrap()
    }
}

impl Provider {
    pub(crate) async fn start(mode: Mode) -> Arc<Self> {
        Self::start_with(mode, None).await
    }

    /// One that speaks TLS, if it is given what for.
    pub(crate) async fn start_with(mode: Mode, tls: Option<TlsAcceptor>) -> Arc<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            address: socket.local_addr().unwrap(),
            tls,
            dialled: AtomicUsize::new(0),
            mode: Mutex::new(mode),
            bill: Mutex::default(),
            gone: Notify::new(),
            asked: Notify::new(),
        });
        let own = Arc::clone(&provider);
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let own = Arc::clone(&own);
                own.dialled.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let pipe: Box<dyn Pipe> = match own.tls.clone() {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            // Refused by its caller.
                            Err(_) => return,
                        },
                    };
                    own.serve(BufReader::new(pipe)).await;
                });
            }
        });
        provider
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn bill(&self) -> Bill {
        self.bill.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: Wire) {
        while let Some(body) = self.request(&mut stream).await {
            let cap = ["max_tokens", "max_completion_tokens"].iter().find_map(|n| body[n].as_u64());
            let mode = self.mode.lock().unwrap().clone();
            self.asked.notify_one();
            if !self.answer(&mut stream, mode, cap.unwrap_or(0), &body).await {
                return;
            }
        }
    }

    async fn request(&self, stream: &mut Wire) -> Option<Value> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap_or("0").parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut bill = self.bill.lock().unwrap();
        bill.calls += 1;
        bill.heads.push(head);
        bill.bodies.push(body.clone());
        Some(body)
    }

    /// What it reads: the letters of the texts, fewer than any bound of ours.
    fn input(body: &Value) -> u64 {
        let texts = body["messages"].as_array().into_iter().flatten();
        texts.filter_map(|text| text["content"].as_str()).map(|text| text.len() as u64).sum()
    }

    fn charge(&self, input: u64, output: u64) -> Value {
        let mut bill = self.bill.lock().unwrap();
        bill.micros += input + output;
        bill.input += input;
        bill.output += output;
        json!({ "prompt_tokens": input, "completion_tokens": output,
            "total_tokens": input + output })
    }

    /// True while the connection goes on.
    async fn answer(&self, stream: &mut Wire, mode: Mode, cap: u64, body: &Value) -> bool {
        let input = Self::input(body);
        let whole = |usage: Value| {
            json!({ "id": "c1", "object": "chat.completion", "usage": usage, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "yes"}}] })
        };
        match mode {
            Mode::Answer(tokens) => {
                let usage = self.charge(input, tokens.min(cap));
                let named = "x-request-id: req-7\r\n";
                reply(stream, "200 OK", &whole(usage).to_string(), named).await
            }
            Mode::Silent(tokens) => {
                self.charge(input, tokens.min(cap));
                reply(stream, "200 OK", &whole(Value::Null).to_string(), "").await
            }
            Mode::Greedy(tokens) => {
                let usage = self.charge(input, tokens);
                reply(stream, "200 OK", &whole(usage).to_string(), "").await
            }
            Mode::Hungry(read) => {
                let usage = self.charge(read, 1);
                reply(stream, "200 OK", &whole(usage).to_string(), "").await
            }
            Mode::Status(status) => refuse(stream, status, "no").await,
            Mode::Fails(status, code, says_when) => {
                self.charge(input, cap);
                let error = json!({ "error": { "message": "no", "code": code } });
                let when = if says_when { "retry-after: 7\r\n" } else { "" };
                reply(stream, &format!("{status} No"), &error.to_string(), when).await
            }
            Mode::Tells(status) => refuse(stream, status, &format!("no, {KEY}")).await,
            Mode::Large(status, bytes) => {
                let mut body = whole(self.charge(input, 1));
                body["pad"] = Value::from("");
                let pad = bytes - body.to_string().len();
                body["pad"] = Value::from("x".repeat(pad));
                reply(stream, &format!("{status} So"), &body.to_string(), "").await
            }
            Mode::Redirect(to) => {
                let place = format!("location: http://{to}/v1/chat/completions\r\n");
                reply(stream, "307 Elsewhere", "", &place).await
            }
            Mode::Lose(tokens) => {
                self.charge(input, tokens.min(cap));
                false
            }
            Mode::Stream { .. } | Mode::Events(_) | Mode::Terse | Mode::Wait | Mode::Break => {
                self.stream(stream, mode, (input, cap)).await
            }
        }
    }

    /// Streams; true while the connection goes on.
    async fn stream(&self, stream: &mut Wire, mode: Mode, (input, cap): (u64, u64)) -> bool {
        match mode {
            Mode::Stream { pieces, usage } => {
                let used = self.charge(input, pieces);
                begin(stream).await;
                for _ in 0..pieces {
                    if !piece(stream, Some("a")).await {
                        return false;
                    }
                }
                if usage {
                    let last = json!({ "id": "c1", "choices": [], "usage": used });
                    event(stream, &last.to_string()).await;
                }
                event(stream, "[DONE]").await;
                let _ = stream.write_all(b"0\r\n\r\n").await;
                true
            }
            Mode::Events(events) => {
                self.charge(input, cap);
                begin(stream).await;
                for one in events {
                    event(stream, &one.to_string()).await;
                }
                event(stream, "[DONE]").await;
                stream.write_all(b"0\r\n\r\n").await.is_ok()
            }
            Mode::Terse => {
                let used = self.charge(input, 1);
                begin(stream).await;
                let choice = json!({ "index": 0, "delta": { "content": "a" },
                    "finish_reason": "stop" });
                let only = json!({ "id": "c1", "choices": [choice], "usage": used });
                event(stream, &only.to_string()).await;
                stream.write_all(b"0\r\n\r\n").await.is_ok()
            }
            Mode::Wait => {
                self.charge(input, cap);
                begin(stream).await;
                piece(stream, Some("a")).await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                self.gone.notify_one();
                false
            }
            Mode::Break => {
                self.charge(input, 1);
                begin(stream).await;
                piece(stream, Some("a")).await;
                false
            }
            Mode::Answer(_)
            | Mode::Silent(_)
            | Mode::Greedy(_)
            | Mode::Hungry(_)
            | Mode::Status(_)
            | Mode::Fails(..)
            | Mode::Tells(_)
            | Mode::Large(..)
            | Mode::Redirect(_)
            | Mode::Lose(_) => panic!("{mode:?} is no stream"),
        }
    }
}

async fn refuse(stream: &mut Wire, status: u16, why: &str) -> bool {
    let error = json!({ "error": { "message": why } });
    reply(stream, &format!("{status} No"), &error.to_string(), "retry-after: 7\r\n").await
}

async fn reply(stream: &mut Wire, status: &str, body: &str, more: &str) -> bool {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.is_ok()
}

async fn begin(stream: &mut Wire) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
}

async fn piece(stream: &mut Wire, text: Option<&str>) -> bool {
    let choice = json!({ "index": 0, "delta": { "content": text } });
    let piece = json!({ "id": "c1", "model": "m", "choices": [choice], "usage": null });
    event(stream, &piece.to_string()).await
}

async fn event(stream: &mut Wire, data: &str) -> bool {
    let event = format!("data: {data}\n\n");
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    stream.write_all(chunk.as_bytes()).await.is_ok()
}
