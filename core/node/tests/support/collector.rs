//! A collector of spans in threads of its own: it counts what it gets.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What it does with a post.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Takes it, and says this.
    Take(&'static str),
    /// Refuses it, with this status and more headers.
    Refuse(u16, String),
    /// Never answers.
    Hang,
}

/// What it saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What is done with the next posts; beyond, they are taken.
    pub(crate) next: VecDeque<Does>,
    pub(crate) heads: Vec<String>,
    /// Ids of the spans of each post that it took.
    pub(crate) taken: Vec<Vec<String>>,
}

pub(crate) struct FakeCollector {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl FakeCollector {
    pub(crate) fn start(next: &[Does]) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", socket.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen { next: next.to_vec().into(), ..Seen::default() }));
        let own = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let own = Arc::clone(&own);
                std::thread::spawn(move || serve(BufReader::new(stream.unwrap()), &own));
            }
        });
        Self { url, seen }
    }

    /// A URL where nobody listens, nobody else's while the socket is held.
    pub(crate) fn nowhere() -> (tokio::net::TcpSocket, String) {
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}/v1/traces", held.local_addr().unwrap());
        (held, url)
    }

    pub(crate) fn posts(&self) -> usize {
        self.seen.lock().unwrap().heads.len()
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// How many spans each post had that it took.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.seen.lock().unwrap().taken.iter().map(Vec::len).collect()
    }

    /// The spans that it took.
    pub(crate) fn spans(&self) -> Vec<String> {
        let mut all = self.seen.lock().unwrap().taken.concat();
        all.sort();
        all
    }

    /// Waits until it saw so many posts.
    pub(crate) fn wait(&self, posts: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.posts() < posts {
            assert!(Instant::now() < until, "{} posts", self.posts());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn serve(mut stream: BufReader<TcpStream>, seen: &Mutex<Seen>) {
    while let Some((head, body)) = request(&mut stream) {
        let does = {
            let mut seen = seen.lock().unwrap();
            let does = seen.next.pop_front().unwrap_or(Does::Take("{}"));
            if matches!(does, Does::Take(_)) {
                seen.taken.push(ids(&body));
            }
            seen.heads.push(head);
            does
        };
        let (status, more, said) = match &does {
            Does::Take(said) => (200, "", *said),
            Does::Refuse(status, more) => (*status, more.as_str(), ""),
            Does::Hang => {
                // Until its caller goes away.
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
        };
        let length = said.len();
        let answer =
            format!("HTTP/1.1 {status} So\r\n{more}content-length: {length}\r\n\r\n{said}");
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

fn ids(body: &Value) -> Vec<String> {
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    spans.iter().map(|span| span["spanId"].as_str().unwrap().to_owned()).collect()
}
