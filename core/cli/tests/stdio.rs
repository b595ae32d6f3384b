//! Programs over stdio as agents: `serve` with a real child, called by a node of the same home.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::foreign::{Answer, InputHost, ToolHost};
use hubless::{Content, Error, Kind, RequestOptions, StreamItem};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, part};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Home, Serve, ask, decoded, eventually, value};

#[tokio::test]
async fn a_program_answers_text_data_and_pieces() {
    let home = Home::new();
    let served = home.serve(&["--name", "child", "--tag", "test"], &[]);
    assert_eq!(served.serving["schema"], "hubless.serving/1");
    let node = home.node().await;
    assert_eq!(value(&node, "child", "echo hello").await, "echo hello");
    let data = RequestOptions::new("child", Content::value(json!({"deep": [1, "two"]})));
    assert_eq!(decoded(node.request(data).await), json!({"deep": [1, "two"]}));

    let whole = node.request(ask("child", "chunks 3")).await.unwrap();
    assert_eq!(whole.content.joined_text(), "0 1 2 ");
    assert_eq!(whole.usage.input_tokens, 3);
    let mut items = node.stream(ask("child", "chunks 3")).unwrap();
    let mut pieces = Vec::new();
    while let Some(item) = items.next().await {
        if let StreamItem::Chunk { content, append } = item.unwrap() {
            pieces.push((content.joined_text(), append));
        }
    }
    let piece = |text: &str, append| (text.to_owned(), append);
    assert_eq!(pieces, [piece("0 ", false), piece("1 ", true), piece("2 ", true)]);

    let refused = node.request(ask("child", "reject denied not_today")).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Denied, "not_today"));
    assert!(refused.rejection && refused.message.contains("not this one"));
}

#[test]
fn the_program_of_the_readme_works() {
    let home = Home::new();
    let shout = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shout.py");
    let command = home.command(&["serve", "--json", "--name", "shout", "--", "python3", shout]);
    let _served = Serve::start(command, &home);
    let answer = eventually("the agent", || {
        let ran = home.run(&["call", "shout", "hello"]);
        (ran.code != Some(3)).then(|| ran.ok().out)
    });
    assert_eq!(answer, "HELLO\n");
}

#[tokio::test]
async fn blobs_travel_as_base64_both_ways() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    // The larger one is streamed between the nodes, and inside the line for the program.
    for size in [0, 5, 600_000] {
        let bytes: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let blob = v1::Blob { bytes: bytes.clone().into(), ..v1::Blob::default() };
        let part = v1::Part { kind: Some(part::Kind::Blob(blob)), ..v1::Part::default() };
        let content = v1::Content { parts: vec![part], ..v1::Content::default() };
        let mut request = ask("child", "");
        request.content = Content::from(content);
        let mut reply = node.request(request).await.unwrap();
        assert_eq!(reply.content.bytes(limits::REQUEST_BYTES).await.unwrap(), bytes, "{size}");
    }
    // What does not fit a line is refused, and the next call is served.
    let large = ask("child", &"x".repeat(limits::STDIO_LINE_BYTES));
    let error = node.request(large).await.unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    assert_eq!(error.limit.unwrap().name, "STDIO_LINE_BYTES");
    assert_eq!(value(&node, "child", "echo on").await, "echo on");
}

/// The one agent with this skill, as the command shows it.
fn find(home: &Home, skill: &str) -> Value {
    home.run(&["find", "--skill", skill, "--wait", "20000", "--json"]).ok().json()
}

#[tokio::test]
async fn a_program_describes_itself_or_is_described() {
    let home = Home::new();
    let _own = home.serve(&[], &["described"]);
    let found = find(&home, "test.child");
    assert_eq!(found["description"], "of its own words");
    assert_eq!(found["tags"], json!(["own"]));

    let skills = home.path().join("skills.json");
    std::fs::write(&skills, r#"[{"id": "one"}, {"id": "two", "effect": "PURE"}]"#).unwrap();
    let skills = skills.to_str().unwrap();
    let flags = ["--name", "named", "--skill-file", skills, "--tag", "a", "--tag", "b"];
    let _named = home.serve(&flags, &["described"]);
    let found = find(&home, "two");
    assert_eq!((&found["name"], &found["tags"]), (&json!("named"), &json!(["a", "b"])));
    assert_eq!(found["skills"][1]["effect"], "PURE");
}

#[tokio::test]
async fn a_program_without_a_name_is_refused_with_the_reason() {
    let home = Home::new();
    for (mode, code, what) in [
        ("plain", "no_name", "within 2 s"),
        ("logs", "no_descriptor", "expected a JSON object"),
        ("exits", "no_descriptor", "exit status: 7"),
    ] {
        let ran = support::run(&mut home.serve_command(&[], &[mode]), b"");
        let error = ran.error();
        assert_eq!((ran.code, &error["code"]), (Some(1), &json!(code)), "{mode}: {error}");
        assert!(error["message"].as_str().unwrap().contains(what), "{mode}: {error}");
    }
}

#[tokio::test]
async fn calls_at_once_are_told_apart_by_id() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child", "--concurrency", "2"], &[]);
    let node = home.node().await;
    // The program answers neither before both are there: with one at a time none would end.
    let (one, two) = (ask("child", "pair"), ask("child", "pair"));
    let (one, two) = tokio::join!(node.request(one), node.request(two));
    let mut answers = [decoded(one), decoded(two)];
    answers.sort_by_key(ToString::to_string);
    assert_eq!(answers, [json!("call 0"), json!("call 1")]);
}

#[tokio::test]
async fn calls_beyond_the_concurrency_wait_their_turn() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let mut held = node.stream(ask("child", "hold")).unwrap();
    until_note(&mut held, "held").await;
    let second = tokio::spawn({
        let node = node.clone();
        async move { value(&node, "child", "given-up").await }
    });
    drop(held);
    // It ran after the first was given up, and the program had been told so.
    assert_eq!(second.await.unwrap(), json!(["cancelled"]));
}

async fn until_note(items: &mut hubless::node::CallStream, wanted: &str) {
    while let Some(item) = items.next().await {
        if matches!(item.unwrap(), StreamItem::Progress { note, .. } if note == wanted) {
            return;
        }
    }
    panic!("the call ended before {wanted}");
}

struct Adds;
impl ToolHost for Adds {
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content> {
        Box::pin(async move {
            if name == "fails" {
                return Err(Error::refusal(Kind::Denied, "no_more", "not again"));
            }
            let sum = arguments["a"].as_i64().unwrap() + arguments["b"].as_i64().unwrap();
            Ok(Content::value(json!(sum)))
        })
    }
}

#[tokio::test]
async fn a_program_calls_the_callers_tools() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let with = |text: &str| {
        let tools = json!([{"name": "add"}, {"name": "fails"}]);
        let mut request = RequestOptions::read(json!({"to": "child", "tools": tools})).unwrap();
        request.wait_ms = Some(10_000);
        request.content = Content::text(text);
        request.tool_host = Some(Arc::new(Adds));
        request
    };
    let answer = decoded(node.request(with("tool 3 4 add")).await);
    assert_eq!(answer, json!({"id": 7, "content": {"parts": [{"data": 7}]}}));
    for (tool, kind, code) in
        [("fails", "denied", "no_more"), ("other", "denied", "undeclared_tool")]
    {
        let answer = decoded(node.request(with(&format!("tool 3 4 {tool}"))).await);
        assert_eq!(
            (&answer["error"]["kind"], &answer["error"]["code"]),
            (&json!(kind), &json!(code))
        );
    }
}

/// Says how often it ran.
struct Tally(Arc<AtomicUsize>);
impl ToolHost for Tally {
    fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
        let run = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Ok(Content::value(json!(run))) })
    }
}

#[tokio::test]
async fn a_tool_runs_once_for_each_id_and_not_after_the_last_word() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let with = |text: &str| {
        let tools = json!([{"name": "count"}]);
        let mut request = RequestOptions::read(json!({"to": "child", "tools": tools})).unwrap();
        request.wait_ms = Some(10_000);
        request.content = Content::text(text);
        request.tool_host = Some(Arc::new(Tally(Arc::clone(&runs))));
        request
    };
    for run in 1..=2 {
        let mut answers = decoded(node.request(with("tool-twice")).await);
        let answers = answers.as_array_mut().unwrap();
        answers.sort_by_key(|answer| answer.get("error").is_some());
        assert_eq!(answers[0], json!({"id": 7, "content": {"parts": [{"data": run}]}}));
        let error = &answers[1]["error"];
        assert_eq!((&error["kind"], &error["code"]), (&json!("conflict"), &json!("tool_call_id")));
        assert_eq!(runs.load(Ordering::SeqCst), run, "an id is used again by another call only");
    }
    assert_eq!(decoded(node.request(with("tool-late")).await), "tool-late");
    // Its answer comes after everything that was said before it.
    assert_eq!(value(&node, "child", "echo on").await, "echo on");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

struct Says(&'static str);
impl InputHost for Says {
    fn input(&self, prompt: Content, schema: Option<Value>) -> Answer<Content> {
        assert_eq!(
            (prompt.joined_text(), schema),
            ("which?".to_owned(), Some(json!({"type": "string"})))
        );
        let answer = self.0;
        Box::pin(async move { Ok(Content::text(answer)) })
    }
}

#[tokio::test]
async fn a_program_asks_the_caller_back() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let mut request = ask("child", "input");
    request.input_host = Some(Arc::new(Says("this one")));
    let answer = decoded(node.request(request).await);
    assert_eq!(answer["content"]["parts"], json!([{"text": "this one"}]));
    // A caller that takes no questions is an answer too.
    let answer = value(&node, "child", "input").await;
    assert_eq!(answer["error"]["kind"], "unsupported");
}

#[tokio::test]
async fn a_program_gets_no_credential_and_the_rest_of_the_request() {
    let home = Home::new();
    let served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let auth = json!({"scheme": "shared_secret", "secret": "canary-of-the-call"});
    let options = json!({"to": "child", "auth": auth, "metadata": {"marker": "carried"}});
    let mut request = RequestOptions::read(options).unwrap();
    request.wait_ms = Some(10_000);
    request.content = Content::text("request");
    let seen = decoded(node.request(request).await).to_string();
    assert!(seen.contains("carried") && !seen.contains("canary-of-the-call"), "{seen}");
    // What the program writes to its stderr afterwards is in the log, so that it would be seen.
    assert_eq!(value(&node, "child", "flood 1 0").await, "still here");
    let log = eventually("what the program wrote to its stderr", || {
        let log = served.log();
        log.contains("the end of the flood").then_some(log)
    });
    assert!(!log.contains("canary-of-the-call"), "{log}");
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_and_its_calls_fail() {
    let home = Home::new();
    let served = home.serve(&["--name", "child", "--concurrency", "2"], &[]);
    let node = home.node().await;
    let first = value(&node, "child", "process").await["pid"].clone();
    let mut held = node.stream(ask("child", "hold")).unwrap();
    until_note(&mut held, "held").await;
    for _ in 0..2 {
        let error = node.request(ask("child", "exit 3")).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, "ended"));
        assert!(error.message.contains("exit status: 3"), "{error}");
    }
    let error = loop {
        match held.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::HandlerFailed);
    let next = value(&node, "child", "process").await["pid"].clone();
    assert_ne!(first, next);
    // The pause doubles while it does not serve.
    let log = eventually("both restarts", || {
        let log = served.log();
        (log.matches("started again").count() == 2).then_some(log)
    });
    assert!(log.contains("again_in_ms=100"), "{log}");
}

#[test]
fn a_program_that_cannot_start_is_refused_at_once() {
    let home = Home::new();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o600);
    let lost = file("lost", "#!/no/such/interpreter\n", 0o700);
    let strange = file("strange", "neither a script nor a program\n", 0o700);
    // A shell would run it: the C library hands it what the kernel does not know.
    let broken = file("broken", &format!("#!{strange}\ntouch {strange}.ran\n"), 0o700);
    let folder = home.path().to_str().unwrap().to_owned();
    for (program, code, what) in [
        ("no-such-program", 2, "there is no program"),
        (folder.as_str(), 2, "there is no program"),
        (plain.as_str(), 2, "cannot be run"),
        (lost.as_str(), 2, "/no/such/interpreter, which is not there"),
        (strange.as_str(), 2, "neither a program of this machine nor a script"),
        (broken.as_str(), 2, "which is neither a program of this machine"),
    ] {
        let ran = home.run(&["serve", "--json", "--name", "x", "--", program]);
        let message = ran.error()["message"].as_str().unwrap().to_owned();
        assert_eq!(ran.code, Some(code), "{program}: {message}");
        assert!(message.contains(what), "{program}: {message}");
    }
    let ran = std::path::PathBuf::from(format!("{strange}.ran"));
    assert!(!ran.exists(), "a shell has read it");
    // Positive control: with a shell as its own interpreter it runs.
    let shell = file("shell", &format!("#!/bin/sh\ntouch {strange}.ran\ncat\n"), 0o700);
    let command = home.command(&["serve", "--json", "--name", "x", "--", &shell]);
    let _served = Serve::start(command, &home);
    eventually("the script", || ran.exists().then_some(()));
}
