//! The twelve checks before a handler, in the engine itself: each fires, the one before it wins,
//! and the handler does not run; the verdict is that of the request and the agent alone.

use super::support::{agent, ask, memory_node, register};
use hubless::foreign::{Answer, AuthCheck, AuthVerdict, Authenticator, TokenCounter};
use hubless::{Content, Kind, Node, RequestOptions, handler};
use hubless_proto::identity::AgentId;
use hubless_proto::wire::v1::{self, part};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Lets `letmein` in; scheme `slow` takes longer than the calls that use it have.
struct Door;

impl Authenticator for Door {
    fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict> {
        Box::pin(async move {
            if check.scheme == "slow" {
                std::future::pending::<()>().await;
            }
            Ok(AuthVerdict { allow: check.credential == "letmein", cache_ms: 0 })
        })
    }
}

struct Words;

impl TokenCounter for Words {
    fn count(&self, texts: Vec<String>) -> Answer<u64> {
        let words = texts.iter().map(|text| text.split(' ').count() as u64).sum();
        Box::pin(async move { Ok(words) })
    }
}

/// What one call is made of.
struct Trial {
    request: RequestOptions,
    stranger: AgentId,
    /// True: the caller used its rate up before.
    spent: bool,
    /// True: the one place is taken.
    full: bool,
}

type Break = fn(&mut Trial);

fn parts(trial: &mut Trial) -> &mut Vec<v1::Part> {
    &mut trial.request.content.message.parts
}

fn auth(trial: &mut Trial) -> &mut v1::Auth {
    trial.request.auth.get_or_insert_default()
}

fn context(trial: &mut Trial) -> &mut v1::Context {
    trial.request.context.get_or_insert_default()
}

fn part(kind: part::Kind, role: &str) -> v1::Part {
    v1::Part { kind: Some(kind), role: role.to_owned(), ..v1::Part::default() }
}

/// By stage: how it is made to fire, and what it answers. The membership, hop and cycle checks
/// need other callers: they are in `hubless-proto`, in `silence.rs` and beside the engine.
const CHECKS: [(&str, Kind, &str, Break); 14] = [
    ("1 extension", Kind::Unsupported, "extension", |t| {
        t.request.extensions.insert("urn:x".to_owned(), json!({"critical": true}));
    }),
    ("2 caller", Kind::Denied, "caller", |t| t.request.from = Some(t.stranger)),
    ("2 data policy", Kind::Denied, "data_policy", |t| {
        t.request.data_policy.get_or_insert_default().zones_allowed.push("us".to_owned());
    }),
    ("2 rate", Kind::Busy, "rate", |t| t.spent = true),
    ("3 auth", Kind::Auth, "bad_credential", |t| {
        *auth(t) = v1::Auth { scheme: "custom".to_owned(), secret: "wrong".to_owned() };
    }),
    ("4 deadline", Kind::Deadline, "", |t| {
        auth(t).scheme = "slow".to_owned();
        t.request.timeout_ms = Some(500);
    }),
    ("5 size", Kind::TooLarge, "size", |t| {
        t.request.metadata.insert("x".to_owned(), json!("y".repeat(20_000)));
    }),
    ("6 content", Kind::Content, "content_type", |t| {
        let blob = v1::Blob { media_type: "image/png".to_owned(), ..v1::Blob::default() };
        parts(t).push(part(part::Kind::Blob(blob), ""));
    }),
    ("7 converse", Kind::Prompt, "converse", |t| parts(t)[0].role = String::new()),
    ("8 schema", Kind::Json, "schema", |t| {
        parts(t).push(part(part::Kind::DataJson(r#"{"a":1,"b":2}"#.to_owned()), "user"));
    }),
    ("9 context", Kind::Context, "multi_page", |t| {
        context(t).pages.push(v1::ContextPage { name: "p".to_owned(), ..Default::default() });
    }),
    ("10 duplication", Kind::Json, "duplication", |t| context(t).explanation = "why".to_owned()),
    ("11 tokens", Kind::Prompt, "tokens", |t| {
        let words = "one two three four five six seven eight nine".to_owned();
        context(t).descriptions.insert("k".to_owned(), words);
    }),
    ("12 concurrency", Kind::Busy, "queue", |t| t.full = true),
];

/// A node with one strict agent, and who calls it.
struct House {
    node: Node,
    asker: AgentId,
    other: AgentId,
    stranger: AgentId,
    starts: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn caller(node: &Node, name: &str) -> AgentId {
    register(node, json!({"name": name}), |_, c| async move { Ok(c) }).await.id()
}

async fn house() -> House {
    let node = memory_node().await;
    let asker = caller(&node, "asker").await;
    let other = caller(&node, "other").await;
    let stranger = caller(&node, "stranger").await;
    let starts = Arc::new(AtomicUsize::new(0));
    House { node, asker, other, stranger, starts, gate: Arc::new(Semaphore::new(0)) }
}

impl House {
    async fn strict(&self, name: &str) -> hubless::Agent {
        let mut options = agent(json!({"name": name, "skills": [{"id": "sum",
            "inputSchema": {"type": ["object", "string"], "maxProperties": 1}}],
            "requirements": {
                "requireConverse": true, "allowAgentDuplication": false,
                "acceptedContent": ["text", "application"], "maxTokens": 8,
                "tokenCounter": "host", "maxRequestBytes": 20_000, "auth": {"host": true},
                "allowMultiPageContext": false, "ratePerS": 0.001, "rateBurst": 1,
                "allowedCallers": {"agentIds": [self.asker.to_string(), self.other.to_string()]},
                "maxConcurrency": 1, "queue": 0}}));
        options.authenticator = Some(Arc::new(Door));
        options.counter = Some(Arc::new(Words));
        let (starts, gate) = (Arc::clone(&self.starts), Arc::clone(&self.gate));
        let counted = handler(move |_, content: Content| {
            starts.fetch_add(1, Ordering::Release);
            let gate = Arc::clone(&gate);
            async move {
                if content.joined_text() == "hold" {
                    gate.acquire().await.unwrap().forget();
                }
                Ok(Content::text("in"))
            }
        });
        self.node.register(options, counted).await.unwrap()
    }

    fn good(&self, to: &str, from: AgentId, text: &str) -> RequestOptions {
        let mut request = ask(to, json!(text));
        request.content.message.parts[0].role = "user".to_owned();
        let (scheme, secret) = ("custom".to_owned(), "letmein".to_owned());
        request.auth = Some(v1::Auth { scheme, secret });
        request.from = Some(from);
        request
    }

    /// What a strict agent of this name answers to a request that is broken so, and how often its
    /// handler was started by it.
    async fn verdict(&self, name: &str, breaks: &[Break]) -> (Option<(Kind, String)>, usize) {
        let request = self.good(name, self.asker, "hello");
        let mut trial = Trial { request, stranger: self.stranger, spent: false, full: false };
        breaks.iter().for_each(|make| make(&mut trial));
        if trial.spent {
            self.node.request(self.good(name, self.asker, "hello")).await.unwrap();
        }
        let mut holding = None;
        if trial.full {
            let before = self.starts.load(Ordering::Acquire);
            let (node, held) = (self.node.clone(), self.good(name, self.other, "hold"));
            holding = Some(tokio::spawn(async move { node.request(held).await }));
            while self.starts.load(Ordering::Acquire) == before {
                tokio::task::yield_now().await;
            }
        }
        let before = self.starts.load(Ordering::Acquire);
        let answer = self.node.request(trial.request).await;
        let started = self.starts.load(Ordering::Acquire) - before;
        if let Some(holding) = holding {
            self.gate.add_permits(1);
            holding.await.unwrap().unwrap();
        }
        (answer.err().map(|error| (error.kind, error.code)), started)
    }
}

#[tokio::test]
async fn what_passes_every_check_runs_the_handler_once() {
    let house = house().await;
    house.strict("strict").await;
    assert_eq!(house.verdict("strict", &[]).await, (None, 1));
}

#[tokio::test]
async fn each_check_fires_and_keeps_the_handler_from_running() {
    let house = house().await;
    for (name, kind, code, make) in CHECKS {
        let strict = house.strict("strict").await;
        let verdict = house.verdict("strict", &[make]).await;
        assert_eq!(verdict, (Some((kind, code.to_owned())), 0), "{name}");
        strict.unregister(Duration::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn of_any_two_checks_the_earlier_one_answers() {
    let house = house().await;
    for (at, (name, kind, code, make)) in CHECKS.iter().enumerate() {
        for (other, _, _, later) in &CHECKS[at + 1..] {
            let strict = house.strict("strict").await;
            let verdict = house.verdict("strict", &[*later, *make]).await;
            let wanted = (Some((*kind, (*code).to_owned())), 0);
            assert_eq!(verdict, wanted, "{name} before {other}");
            strict.unregister(Duration::ZERO).await.unwrap();
        }
    }
}

#[tokio::test]
async fn other_agents_and_the_order_of_registration_change_no_verdict() {
    let others = [
        json!({"name": "o-1"}),
        json!({"name": "o-2", "requirements": {"maxTokens": 0}}),
        json!({"name": "o-3", "requirements": {"auth": {"sharedSecret": "x"}}}),
        json!({"name": "o-4", "requirements": {"maxConcurrency": 1, "queue": 0}}),
        json!({"name": "o-5", "skills": [{"id": "sum"}], "requirements": {"allowedCallers": {}}}),
    ];
    for place in 0..=others.len() {
        let house = house().await;
        let names: Vec<String> = (0..CHECKS.len()).map(|n| format!("strict-{n}")).collect();
        for at in 0..=others.len() {
            if at == place {
                for name in &names {
                    house.strict(name).await;
                }
            }
            if let Some(other) = others.get(at) {
                register(&house.node, other.clone(), |_, c| async move { Ok(c) }).await;
            }
        }
        for (name, (what, kind, code, make)) in names.iter().zip(CHECKS) {
            for other in 1..=others.len() {
                let mut asked = ask(&format!("o-{other}"), json!("x"));
                asked.from = Some(house.asker);
                // Whatever it answers.
                let _ = house.node.request(asked).await;
            }
            let verdict = house.verdict(name, &[make]).await;
            let wanted = (Some((kind, code.to_owned())), 0);
            assert_eq!(verdict, wanted, "{what} with the others around place {place}");
        }
    }
}
