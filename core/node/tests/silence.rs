//! What is said in confidence stays out of the logs, at their loudest.

mod support;

use hubless::telemetry::{LogLine, set_sink};
use hubless::{Content, Error, Kind};
use hubless_proto::wire::v1::Auth;
use serde_json::json;
use std::sync::{Arc, Mutex};
use support::{Pair, ask, pair, register};
use tracing::level_filters::LevelFilter;

const SECRET: &str = "canary-secret-4711";
const PROMPT: &str = "canary-prompt-4712";
const ANSWER: &str = "canary-answer-4713";

#[tokio::test]
async fn secrets_and_payloads_are_not_logged() {
    let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
    let kept = Arc::clone(&lines);
    set_sink(
        LevelFilter::TRACE,
        Some(Arc::new(move |line: &LogLine| {
            kept.lock().unwrap().push(line.clone());
        })),
    );
    let Pair { one, two, _home } = pair().await;
    let options = json!({"name": "s", "requirements": {"auth": {"sharedSecret": SECRET}}});
    register(&one, options, |_, content| async move {
        if content.joined_text().contains("fail") {
            return Err(Error::refusal(Kind::HandlerFailed, "", ANSWER));
        }
        Ok(Content::text(ANSWER))
    })
    .await;
    for (prompt, secret) in [(PROMPT, SECRET), ("fail", SECRET), (PROMPT, "canary-wrong")] {
        let mut request = ask("s", json!(prompt));
        request.auth = Some(Auth { scheme: "shared_secret".into(), secret: secret.into() });
        // One is answered, one fails, one is refused.
        let _ = two.request(request).await;
    }
    let lines = lines.lock().unwrap();
    let said = |what: &str| lines.iter().any(|line| format!("{line:?}").contains(what));
    assert!(said("agent registered"), "the control was not seen: {} lines", lines.len());
    assert!(said("refused"), "the refusal was not seen");
    for canary in [SECRET, PROMPT, ANSWER, "canary-wrong"] {
        assert!(!said(canary), "{canary} was logged");
    }
}
