//! What an agent enforces: schemas, its auth function, its token counter, its room.

use super::support::{Gated, agent, ask, gated, memory_node, register};
use hubless::foreign::{Answer, AuthCheck, AuthVerdict, Authenticator, TokenCounter};
use hubless::membership::Credential;
use hubless::{Kind, handler};
use hubless_proto::identity::SecretKey;
use hubless_proto::limits;
use hubless_proto::policy::StatedFact;
use hubless_proto::wire::v1;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn schemas_hold_before_and_after_the_handler() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let options = json!({"name": "sum", "skills": [{"id": "sum",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "outputSchema": {"type": "object", "required": ["sum"]}}]});
    register(&node, options, move |_, content| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(content) }
    })
    .await;
    let error = node.request(ask("sum", json!({"a": "one"}))).await.unwrap_err();
    assert!(error.kind == Kind::Json && error.rejection, "{error}");
    assert_eq!(error.pointer.as_deref(), Some("/a"));
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    let error = node.request(ask("sum", json!({"a": 1}))).await.unwrap_err();
    assert!(error.kind == Kind::Json && error.message.contains("answer"), "{error}");
    assert!(node.request(ask("sum", json!({"a": 1, "sum": 2}))).await.is_ok());
    let mut unknown = ask("sum", json!({"a": 1}));
    unknown.skill = "subtract".to_owned();
    assert_eq!(node.request(unknown).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn an_auth_function_decides_and_its_answer_is_kept() {
    struct Lets(AtomicUsize);
    impl Authenticator for Lets {
        fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                Ok(AuthVerdict { allow: check.credential == "letmein", cache_ms: 60_000 })
            })
        }
    }
    let node = memory_node().await;
    let lets = Arc::new(Lets(AtomicUsize::new(0)));
    let mut options = agent(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    let missing = node.register(options.clone(), handler(|_, c| async move { Ok(c) })).await;
    assert_eq!(missing.unwrap_err().kind, Kind::Configuration);
    options.authenticator = Some(Arc::clone(&lets) as Arc<dyn Authenticator>);
    node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap();
    let with = |secret: &str| {
        let mut request = ask("guarded", json!("x"));
        request.auth = Some(v1::Auth { scheme: "custom".to_owned(), secret: secret.to_owned() });
        request
    };
    assert_eq!(node.request(with("nope")).await.unwrap_err().kind, Kind::Auth);
    assert!(node.request(with("letmein")).await.is_ok());
    assert!(node.request(with("letmein")).await.is_ok());
    assert_eq!(lets.0.load(Ordering::Relaxed), 2);
    assert_eq!(node.request(ask("guarded", json!("x"))).await.unwrap_err().kind, Kind::Auth);
    let id = node.request(with("letmein")).await.unwrap().agent.agent_id.to_string();
    let secret = v1::Auth { scheme: "custom".into(), secret: "letmein".into() };
    node.credentials().set(&id, hubless::node::Secret::Plain(secret)).unwrap();
    assert!(node.request(ask("guarded", json!("x"))).await.is_ok());
}

#[tokio::test]
async fn tokens_are_counted_by_us_or_by_the_user() {
    struct Words;
    impl TokenCounter for Words {
        fn count(&self, texts: Vec<String>) -> Answer<u64> {
            let words = texts.iter().map(|text| text.split(' ').count() as u64).sum();
            Box::pin(async move { Ok(words) })
        }
    }
    let node = memory_node().await;
    let options = json!({"name": "frugal", "requirements": {"maxTokens": 4}});
    register(&node, options, |_, c| async move { Ok(c) }).await;
    assert!(node.request(ask("frugal", json!("hello world"))).await.is_ok());
    let long = ask("frugal", json!("one two three four five six seven"));
    assert_eq!(node.request(long).await.unwrap_err().kind, Kind::Prompt);
    let mut options =
        agent(json!({"name": "counted", "requirements": {"maxTokens": 3, "tokenCounter": "host"}}));
    options.counter = Some(Arc::new(Words));
    node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap();
    assert!(node.request(ask("counted", json!("a b c"))).await.is_ok());
    assert_eq!(
        node.request(ask("counted", json!("a b c d"))).await.unwrap_err().kind,
        Kind::Prompt
    );
}

#[tokio::test]
async fn a_full_agent_is_busy_and_its_place_is_given_back() {
    let node = memory_node().await;
    let options = json!({"name": "single", "requirements": {"maxConcurrency": 1, "queue": 0}});
    let single = gated(&node, options).await;
    let (one, two) = (node.clone(), node.clone());
    let first = tokio::spawn(async move { one.request(ask("single", json!("x"))).await });
    single.started(1).await;
    let error = two.request(ask("single", json!("y"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    single.gate.add_permits(2);
    assert!(first.await.unwrap().is_ok());
    assert!(node.request(ask("single", json!("z"))).await.is_ok());
}

#[tokio::test]
async fn check_runs_the_checks_and_not_the_handler() {
    let node = memory_node().await;
    let options = json!({"name": "s", "requirements": {"auth": {"sharedSecret": "open-sesame"}}});
    let agent = register(&node, options, |_, _| async move { panic!("must not run") }).await;
    let refused = node.check(agent.id(), ask("s", json!("x"))).await.unwrap();
    assert_eq!(refused.unwrap().kind, Kind::Auth);
    let mut request = ask("s", json!("x"));
    request.auth = Some(v1::Auth { scheme: "shared_secret".into(), secret: "open-sesame".into() });
    assert!(node.check(agent.id(), request).await.unwrap().is_none());
}

#[tokio::test]
async fn a_token_of_the_named_root_lets_in_and_the_world_learns_the_root_alone() {
    let node = memory_node().await;
    let (root, other) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    let token = json!({"root": root.mesh_id(), "facts": {"team": "finance", "level": 3}});
    let options = json!({"name": "ledger", "requirements": {"auth": {"token": token}}});
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, options, move |_, content| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(content) }
    })
    .await;
    let needs = node.describe("ledger").await.unwrap().descriptor.needs.unwrap();
    assert_eq!(needs.auth_schemes, [format!("token:{}", root.mesh_id())]);
    let sign = |root: &SecretKey, facts: &[&str], life: u64| {
        let facts = facts.iter().map(|fact| StatedFact::parse(fact).unwrap()).collect();
        let until = SystemTime::now() + Duration::from_secs(life) - Duration::from_secs(2);
        Credential { facts, bearer: None, until }.sign(root).unwrap()
    };
    let both = ["team=finance", "level=3"];
    for (shown, code) in [
        (None, "missing_credential"),
        (Some(sign(&other, &both, 60)), "bad_credential"),
        (Some(sign(&root, &both[..1], 60)), "bad_credential"),
        (Some(sign(&root, &both, 0)), "expired"),
        (Some("AAAA".to_owned()), "bad_credential"),
        (Some(sign(&root, &both, 60)), ""),
    ] {
        let mut request = ask("ledger", json!("x"));
        request.auth = shown.map(|secret| v1::Auth { scheme: "token".to_owned(), secret });
        match node.request(request).await {
            Ok(_) => assert_eq!(code, ""),
            Err(error) => {
                assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, code));
                assert_eq!(error.field.as_deref(), Some("auth"));
                assert!(!error.to_string().contains("finance"), "{error}");
            }
        }
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

/// An auth function that answers when its gate is opened.
#[derive(Clone)]
struct Waits(Arc<Gate>);

struct Gate {
    asked: AtomicUsize,
    gate: tokio::sync::Semaphore,
}

impl Authenticator for Waits {
    fn verify(&self, _: AuthCheck) -> Answer<AuthVerdict> {
        let waits = Arc::clone(&self.0);
        Box::pin(async move {
            waits.asked.fetch_add(1, Ordering::SeqCst);
            // Closed when all may pass.
            let _ = waits.gate.acquire().await;
            Ok(AuthVerdict { allow: true, cache_ms: 0 })
        })
    }
}

async fn waiting_door() -> (hubless::Node, Arc<Gate>) {
    let node = memory_node().await;
    let gate = tokio::sync::Semaphore::new(0);
    let waits = Arc::new(Gate { asked: AtomicUsize::new(0), gate });
    let mut options = agent(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    options.authenticator = Some(Arc::new(Waits(Arc::clone(&waits))));
    node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap();
    (node, waits)
}

fn knock(n: usize) -> hubless::RequestOptions {
    let mut request = ask("guarded", json!(n));
    request.auth = Some(v1::Auth { scheme: "custom".into(), secret: n.to_string() });
    request
}

#[tokio::test]
async fn so_many_credentials_are_checked_at_once() {
    let (node, waits) = waiting_door().await;
    let mut checked = tokio::task::JoinSet::new();
    for n in 0..limits::AUTH_CHECKS {
        let node = node.clone();
        checked.spawn(async move { node.request(knock(n)).await });
    }
    while waits.asked.load(Ordering::SeqCst) < limits::AUTH_CHECKS {
        tokio::task::yield_now().await;
    }
    let error = node.request(knock(limits::AUTH_CHECKS)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Busy, "auth"));
    assert_eq!(waits.asked.load(Ordering::SeqCst), limits::AUTH_CHECKS, "it was not asked");
    waits.gate.close();
    while let Some(reply) = checked.join_next().await {
        reply.unwrap().unwrap();
    }
    node.request(knock(limits::AUTH_CHECKS)).await.unwrap();
}

#[tokio::test]
async fn a_check_of_a_credential_has_so_much_time() {
    let (node, waits) = waiting_door().await;
    let began = std::time::Instant::now();
    let error = node.request(knock(1)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "check_failed"));
    assert!(began.elapsed() >= limits::AUTH_CHECK, "{:?}", began.elapsed());
    waits.gate.close();
    node.request(knock(2)).await.unwrap();
}

#[tokio::test]
async fn one_caller_has_so_many_calls_of_an_agent_running_and_so_many_waiting() {
    let node = memory_node().await;
    let Gated { gate, starts: started, .. } = gated(&node, json!({"name": "usual"})).await;
    let most = limits::AGENT_CONCURRENCY + limits::AGENT_QUEUE / limits::QUEUE_SHARE;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..=most {
        let node = node.clone();
        calls.spawn(async move { node.request(ask("usual", json!(n))).await });
    }
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, "queue"));
    while started.load(Ordering::SeqCst) < limits::AGENT_CONCURRENCY {
        tokio::task::yield_now().await;
    }
    assert_eq!(started.load(Ordering::SeqCst), limits::AGENT_CONCURRENCY);
    gate.close();
    while let Some(reply) = calls.join_next().await {
        reply.unwrap().unwrap();
    }
    assert_eq!(started.load(Ordering::SeqCst), most);
}
