//! A provider of a model, as the gateway sees it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A provider that answers each call, or never; it tells of each that came.
pub(crate) struct Provider {
    pub(crate) url: String,
    pub(crate) asked: Receiver<String>,
}

impl Provider {
    pub(crate) fn start(answers: bool) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", socket.local_addr().unwrap());
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in socket.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let Some(head) = head(&mut stream) else { continue };
                if sender.send(head).is_err() {
                    return;
                }
                if answers {
                    let body = r#"{"usage":{"prompt_tokens":5,"completion_tokens":7}}"#;
                    let length = body.len();
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                    let text = format!("{head}: {length}\r\n\r\n{body}");
                    stream.get_mut().write_all(text.as_bytes()).unwrap();
                } else {
                    kept.push(stream);
                }
            }
        });
        Self { url, asked }
    }
}

/// Reads a request, and gives its head.
fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
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
    Some(head)
}
