//! Budgets of tokens and cost that handlers of all four languages spend by keys of a metering
//! gateway: what is charged is held against what a provider counted, in another process.

use super::conformance::{Run, beside, call, with_home};
use crate::bounded;
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const METERED: Run = Run { part: "metered", origin: Origin::Checkout };
/// A token costs a millionth, and is counted by bytes before.
const PRICES: &str = "[models.m]\ninput_micros = 1_000_000\noutput_micros = 1_000_000\n\
                      max_output_tokens = 50\nmessage_tokens = 0\nrequest_tokens = 0\n";
/// What the provider writes, if the cap allows.
const WRITTEN: u64 = 7;
const READY: Duration = Duration::from_secs(30);

/// The cases of each language as the caller.
pub(super) fn run() -> Result<Outcome> {
    let cases = house::root().join("tests/conformance/metered/tokens.json");
    with_home(METERED.part, |home| {
        let provider = Provider::start()?;
        let mut gateway = Gateway::start(home, &provider)?;
        let mut outcome = beside_all(&Language::ALL, home, &gateway, &|| {
            let mut outcome = Outcome::default();
            for caller in Language::ALL {
                // What is called first is in another process, also from Python.
                let pair = (caller, Language::Python);
                outcome += call(&METERED, pair, &cases, home, |_, _| {})?;
            }
            Ok(outcome)
        })?;
        gateway.process.kill();
        let (bill, wanted) = (provider.bill(), billed(&cases)?);
        outcome += Outcome::one(bill == wanted, || {
            format!("metered: the provider counted {bill:?}, and the cases say {wanted:?}")
        });
        Ok(outcome)
    })
}

/// Runs `calls` beside the subjects of all these languages, whose nodes have a key of the gateway.
fn beside_all(
    languages: &[Language],
    home: &Path,
    gateway: &Gateway,
    calls: &dyn Fn() -> Result<Outcome>,
) -> Result<Outcome> {
    let Some((first, others)) = languages.split_first() else { return calls() };
    let mut command = first.command(METERED.origin, Program::Conformance)?;
    command.args(["serve", "--name", first.name()]);
    command.env("HUBLESS_GATEWAY", &gateway.url).env("HUBLESS_GATEWAY_KEY", &gateway.key);
    beside(&METERED, (first.name(), command), home, |_| beside_all(others, home, gateway, calls))
}

/// What the cases say that the provider counts, with each language as the caller once.
fn billed(cases: &Path) -> Result<Bill> {
    let text = std::fs::read_to_string(cases).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let sum = |path: &str| {
        let all = cases.iter().filter_map(|case| case["expect"].pointer(path)?.as_u64());
        all.sum::<u64>() * Language::ALL.len() as u64
    };
    Ok(Bill { calls: sum("/valueHas/answered"), written: sum("/switch/spent/outputTokens") })
}

/// What a provider counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bill {
    /// Answers.
    calls: u64,
    /// Tokens of them.
    written: u64,
}

/// A gateway that runs, and the key of its root.
struct Gateway {
    process: Process,
    url: String,
    key: String,
}

impl Gateway {
    fn start(home: &Path, provider: &Provider) -> Result<Self> {
        let say = |error: std::io::Error| format!("gateway: {error}");
        let hubless = || {
            let mut command = Command::new(house::built("hubless"));
            command.env("HUBLESS_HOME", home);
            command
        };
        let add = ["gateway", "root", "add", "--json", "--name", "front"];
        let mut adding = hubless();
        let (added, _) =
            bounded::output(adding.args(add).args(["--ceiling", "1000000"]), READY).map_err(say)?;
        let added: Value = serde_json::from_slice(&added.stdout)
            .map_err(|_| format!("gateway: {}", String::from_utf8_lossy(&added.stderr)))?;
        let prices = house::target().join("metered-prices.toml");
        std::fs::write(&prices, PRICES).map_err(say)?;
        let mut command = hubless();
        command.args(["expose", "gateway", "--json", "--name", "front"]);
        command.args(["--listen", "127.0.0.1:0", "--provider", &provider.url]);
        command.args(["--provider-key-env", "HUBLESS_METERED", "--prices"]).arg(&prices);
        command.env("HUBLESS_METERED", "sk-of-the-provider");
        let process = Process::start("gateway", &mut command, &house::logs().join("gateway.log"))?;
        let told = process.expect("url", READY)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self { process, url: text(&told["url"]), key: text(&added["key"]) })
    }
}

/// A provider that stands for a model; it serves until the process ends.
struct Provider {
    url: String,
    bill: Arc<Mutex<Bill>>,
}

impl Provider {
    fn start() -> Result<Self> {
        let say = |error: std::io::Error| format!("provider: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(say)?;
        let url = format!("http://{}/v1", listener.local_addr().map_err(say)?);
        let bill = Arc::<Mutex<Bill>>::default();
        let counted = Arc::clone(&bill);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                // A client that goes away is not answered.
                let _ = serve(BufReader::new(stream), &counted);
            }
        });
        Ok(Self { url, bill })
    }

    fn bill(&self) -> Bill {
        *self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request, with as many tokens as it may; none: it was none.
fn serve(mut stream: BufReader<TcpStream>, bill: &Mutex<Bill>) -> Option<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let asked: Value = serde_json::from_slice(&body).ok()?;
    let written = asked["max_completion_tokens"].as_u64()?.min(WRITTEN);
    let read = asked["messages"][0]["content"].as_str()?.len();
    {
        let mut bill = bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.calls += 1;
        bill.written += written;
    }
    let usage = json!({ "prompt_tokens": read, "completion_tokens": written });
    let body = json!({ "id": "c1", "choices": [], "usage": usage }).to_string();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.get_mut().write_all(answer.as_bytes()).ok()
}
