//! A provider that stands for a model: it writes what it is asked for, and counts.

use crate::house::Result;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What was asked of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bill {
    /// Tokens that it wrote.
    pub(super) tokens: u64,
    /// How often it was asked, by language.
    pub(super) asked: BTreeMap<String, u64>,
    /// When it was asked last, in Unix microseconds.
    pub(super) last_us: u64,
}

/// The provider; it serves until the process ends.
pub(super) struct Provider {
    port: u16,
    bill: Arc<Mutex<Bill>>,
}

impl Provider {
    /// Begins to serve on this machine.
    ///
    /// # Errors
    /// No socket could be had.
    pub(super) fn start() -> Result<Self> {
        let say = |error: std::io::Error| format!("provider: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(say)?;
        let port = listener.local_addr().map_err(say)?.port();
        let bill = Arc::new(Mutex::new(Bill::default()));
        let shared = Arc::clone(&bill);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                let bill = Arc::clone(&shared);
                // A client that goes away ends its own thread only.
                std::thread::spawn(move || serve(&stream, &bill));
            }
        });
        Ok(Self { port, bill })
    }

    /// Its port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// What was asked of it so far.
    pub(super) fn bill(&self) -> Bill {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers lines `<language> <most>` with the number of tokens that it wrote.
fn serve(stream: &TcpStream, bill: &Mutex<Bill>) -> Option<()> {
    for line in BufReader::new(stream).lines().map_while(std::io::Result::ok) {
        let (language, most) = line.split_once(' ')?;
        let wrote = bill.lock().unwrap_or_else(PoisonError::into_inner).take(language, most)?;
        (&*stream).write_all(format!("{wrote}\n").as_bytes()).ok()?;
    }
    Some(())
}

impl Bill {
    /// Counts one question; none: it is no number of tokens.
    fn take(&mut self, language: &str, most: &str) -> Option<u64> {
        let most: u64 = most.trim().parse().ok().filter(|most| *most > 0)?;
        // Between one and all of it, different each time.
        let wrote = 1 + (self.tokens * 7 + 3) % most;
        self.tokens += wrote;
        *self.asked.entry(language.to_owned()).or_default() += 1;
        self.last_us = now_us();
        Some(wrote)
    }
}

/// Unix time in microseconds.
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_writes_and_writes_no_more_than_it_may() {
        let provider = Provider::start().unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", provider.port())).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut wrote = 0;
        for most in [1, 5, 100] {
            writeln!(stream, "c {most}").unwrap();
            let one: u64 = lines.next().unwrap().unwrap().parse().unwrap();
            assert!((1..=most).contains(&one));
            wrote += one;
        }
        let bill = provider.bill();
        assert_eq!((bill.tokens, bill.asked["c"]), (wrote, 3));
        assert!(bill.last_us > 0);
    }
}
