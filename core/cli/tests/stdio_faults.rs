//! Programs over stdio that misbehave, and what they must not get or outlive.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::foreign::{Answer, InputHost};
use hubless::{Content, Kind, Node, StreamItem};
use hubless_proto::limits;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use support::{Home, Serve, ask, decoded, dies, eventually, is_alive, python, value};
use tokio::sync::Notify;

#[tokio::test]
async fn log_text_on_stdout_is_a_framing_error_that_ends_the_program_after_16() {
    let home = Home::new();
    let served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let first = value(&node, "child", "process").await["pid"].as_i64().unwrap();
    let few = limits::STDIO_BAD_LINES - 1;
    assert_eq!(value(&node, "child", &format!("noise {few}")).await, "still here");
    assert_eq!(value(&node, "child", "process").await["pid"], first);
    let error = node.request(ask("child", "noise 1")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, "bad_frame"));
    dies("the program that logs on stdout", first);
    assert_eq!(value(&node, "child", "echo next").await, "echo next");
    let log = served.log();
    assert!(log.contains("expected a JSON object a line on stdout"), "{log}");
    assert!(!log.contains("INFO starting up"), "what it printed is no log line of ours: {log}");
}

#[tokio::test]
async fn bad_bytes_and_bad_events_fail_their_call_and_no_other() {
    let home = Home::new();
    let served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let first = value(&node, "child", "process").await["pid"].clone();
    let error = node.request(ask("child", "broken")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, "bad_frame"));
    assert_eq!(value(&node, "child", "latin").await, "still here");
    assert!(served.log().contains("not_utf8"), "{}", served.log());
    // A line of exactly the bound is a bad frame like others; one byte more ends the program.
    let most = limits::STDIO_LINE_BYTES;
    assert_eq!(value(&node, "child", &format!("long {most}")).await, "still here");
    assert_eq!(value(&node, "child", "process").await["pid"], first);
    let error = node.request(ask("child", &format!("long {}", most + 1))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, "bad_frame"));
    assert!(error.message.contains("too long"), "{error}");
    assert_ne!(value(&node, "child", "process").await["pid"], first);
}

#[tokio::test]
async fn a_program_that_never_reads_is_killed_with_its_group() {
    let home = Home::new();
    let served = home.serve(&["--name", "child", "--concurrency", "64"], &[]);
    let node = home.node().await;
    let first = value(&node, "child", "process").await["pid"].as_i64().unwrap();
    let grandchild = value(&node, "child", "spawn").await.as_i64().unwrap();
    assert!(is_alive(grandchild));
    let mut deaf = node.stream(ask("child", "deaf")).unwrap();
    while !matches!(deaf.next().await, Some(Ok(StreamItem::Progress { .. }))) {}
    // More than the pipe takes; what waits is bounded by queue and concurrency.
    let large = "x".repeat(40_000);
    let waiting = (0..8).map(|_| {
        let mut request = ask("child", &format!("echo {large}"));
        request.total_ms = Some(5_000);
        node.request(request)
    });
    for ended in futures(waiting).await {
        assert_eq!(ended.unwrap_err().kind, Kind::Deadline);
    }
    dies("the program that does not read", first);
    dies("what it had started", grandchild);
    let reason = "did not read its stdin";
    eventually("the reason in the log", || served.log().contains(reason).then_some(()));
    assert_eq!(value(&node, "child", "echo next").await, "echo next");
}

async fn futures<T: Send + 'static>(
    all: impl Iterator<Item = impl Future<Output = T> + Send>,
) -> Vec<T> {
    let mut done = Vec::new();
    let mut set: Vec<_> = all.map(Box::pin).collect();
    while !set.is_empty() {
        let next = std::future::poll_fn(|context| {
            let ready = set.iter_mut().enumerate().find_map(|(index, future)| {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => Some((index, value)),
                    std::task::Poll::Pending => None,
                }
            });
            ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        });
        let (index, value) = next.await;
        drop(set.swap_remove(index));
        done.push(value);
    }
    done
}

/// Asks the program to hold a call until its time is over; true: it had said before that it does.
async fn is_held_until_late(node: &Node, total_ms: u64) -> bool {
    let mut late = ask("child", "hold");
    late.total_ms = Some(total_ms);
    let mut items = node.stream(late).unwrap();
    let mut is_held = false;
    loop {
        match items.next().await.expect("an end") {
            Ok(StreamItem::Progress { note, .. }) => is_held |= note == "held",
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, Kind::Deadline);
                return is_held;
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_told_to_the_program() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let first = value(&node, "child", "process").await["pid"].clone();
    let mut total_ms = 500;
    while !is_held_until_late(&node, total_ms).await {
        // A busy machine had not come to the program when the time was over.
        total_ms *= 2;
        assert!(total_ms < 60_000, "the program did not begin");
    }
    let told = async {
        loop {
            let told = value(&node, "child", "given-up").await;
            if told != json!([]) {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await.expect("it is told");
    let kinds = told.as_array().unwrap();
    assert!(kinds.iter().all(|kind| kind == "deadline"), "{told}");
    // It took notice: it lives on.
    assert_eq!(value(&node, "child", "process").await["pid"], first);
}

#[tokio::test]
async fn a_flood_on_stderr_neither_blocks_nor_fills_the_log() {
    let home = Home::new();
    let served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let lines = limits::STDIO_LOG_LINES + 2_000;
    assert_eq!(value(&node, "child", &format!("flood {lines} 0")).await, "still here");
    let log = eventually("the note of the flood", || {
        let log = served.log();
        log.contains("the rest of this run is left out").then_some(log)
    });
    assert!(log.contains("line 9999\""), "the lines before the bound are logged");
    assert!(!log.contains("the end of the flood"));
    // Positive control: a few lines come through to the last, and a long one is cut.
    let home = Home::new();
    let served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let long = limits::STDIO_LOG_LINE_BYTES * 3;
    assert_eq!(value(&node, "child", &format!("flood 2 {long}")).await, "still here");
    let log = eventually("the last line", || {
        let log = served.log();
        log.contains("the end of the flood").then_some(log)
    });
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < limits::STDIO_LOG_LINE_BYTES + 200, "{longest}");
}

#[tokio::test]
async fn the_environment_is_cleared_but_for_what_is_allowed() {
    let home = Home::new();
    let mut command = home.serve_command(&["--name", "child", "--env", "ALLOWED_MARKER"], &[]);
    command.env("SECRET_MARKER", "canary-hidden").env("ALLOWED_MARKER", "shown");
    let _served = Serve::start(command, &home);
    let seen = value(&home.node().await, "child", "environment").await;
    assert_eq!(seen["ALLOWED_MARKER"], "shown");
    assert_eq!(seen["PATH"], std::env::var("PATH").unwrap());
    assert!(!seen.to_string().contains("canary-hidden"), "{seen}");
    assert_eq!(seen.get("HUBLESS_HOME"), None);
}

#[tokio::test]
async fn open_files_are_not_inherited_and_the_group_is_its_own() {
    let home = Home::new();
    let file = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(file.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    // Positive control: a program that is started without us inherits it.
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    let listed = format!("import os; os.fstat({number}); print('inherited')");
    let plain = std::process::Command::new(python()).args(["-I", "-S", "-c", &listed]).output();
    assert_eq!(plain.unwrap().stdout, b"inherited\n");
    let served = home.serve(&["--name", "child"], &[]);
    assert!(std::path::Path::new(&format!("/proc/{}/fd/{number}", served.child.id())).exists());
    let process = value(&home.node().await, "child", "process").await;
    assert_eq!(process["files"], json!([]));
    assert_eq!(process["mostFiles"], limits::STDIO_OPEN_FILES);
    assert_eq!(process["group"], process["pid"]);
}

#[tokio::test]
async fn the_program_dies_with_a_killed_serve() {
    let home = Home::new();
    let mut served = home.serve(&["--name", "child", "--concurrency", "2"], &[]);
    let node = home.node().await;
    let process = value(&node, "child", "process").await["pid"].as_i64().unwrap();
    // It would never see the end of its input.
    let mut deaf = node.stream(ask("child", "deaf")).unwrap();
    while !matches!(deaf.next().await, Some(Ok(StreamItem::Progress { .. }))) {}
    assert!(is_alive(process));
    served.signal(Signal::KILL);
    served.ended();
    dies("the program behind it", process);
}

/// Answers when it is let.
struct Gate {
    asked: Notify,
    let_go: Notify,
}

struct Gated(Arc<Gate>);
impl InputHost for Gated {
    fn input(&self, _: Content, _: Option<Value>) -> Answer<Content> {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            gate.asked.notify_one();
            gate.let_go.notified().await;
            Ok(Content::text("let go"))
        })
    }
}

#[tokio::test]
async fn sigterm_lets_a_running_call_end_and_the_program_with_it() {
    let home = Home::new();
    let farewell = home.path().join("farewell");
    let mode = ["farewell", farewell.to_str().unwrap()];
    let mut served = home.serve(&["--name", "child"], &mode);
    let node = home.node().await;
    let process = value(&node, "child", "process").await["pid"].as_i64().unwrap();
    let gate = Arc::new(Gate { asked: Notify::new(), let_go: Notify::new() });
    let mut request = ask("child", "input");
    request.input_host = Some(Arc::new(Gated(Arc::clone(&gate))));
    let running = tokio::spawn(async move { node.request(request).await });
    gate.asked.notified().await;
    served.signal(Signal::TERM);
    eventually("the note that it ends", || served.log().contains("ending: ").then_some(()));
    let mut late = ask("child", "echo late");
    late.wait_ms = Some(0);
    assert!(home.node().await.request(late).await.is_err());
    assert!(is_alive(process) && !farewell.exists());
    gate.let_go.notify_one();
    let answer = decoded(running.await.unwrap());
    assert_eq!(answer["content"]["parts"], json!([{"text": "let go"}]));
    assert_eq!(served.ended().code(), Some(0));
    dies("the program", process);
    assert_eq!(std::fs::read_to_string(farewell).unwrap(), "input ended");
}

#[tokio::test]
async fn a_program_that_outlives_its_input_is_killed() {
    let home = Home::new();
    let mut served = home.serve(&["--name", "child"], &["stubborn"]);
    let process = value(&home.node().await, "child", "process").await["pid"].as_i64().unwrap();
    let began = std::time::Instant::now();
    served.signal(Signal::TERM);
    assert_eq!(served.ended().code(), Some(0));
    assert!(began.elapsed() >= limits::STDIO_CLOSE, "{:?}", began.elapsed());
    dies("the program", process);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_running_calls() {
    let home = Home::new();
    let mut served = home.serve(&["--name", "child"], &[]);
    let node = home.node().await;
    let process = value(&node, "child", "process").await["pid"].as_i64().unwrap();
    let mut running = node.stream(ask("child", "hold")).unwrap();
    while !matches!(running.next().await, Some(Ok(StreamItem::Progress { .. }))) {}
    served.signal(Signal::TERM);
    eventually("the note that it ends", || served.log().contains("ending: ").then_some(()));
    assert!(is_alive(process));
    let signalled = std::time::Instant::now();
    served.signal(Signal::INT);
    assert_eq!(served.ended().code(), Some(0));
    assert!(signalled.elapsed() < limits::CLOSE_GRACE / 2);
    dies("the program", process);
}

#[test]
fn what_serve_says_is_one_object() {
    let home = Home::new();
    let mut served = home.serve(&["--name", "child"], &[]);
    served.signal(Signal::INT);
    assert_eq!(served.ended().code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut served.out, &mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(served.serving["name"], Value::from("child"));
}
