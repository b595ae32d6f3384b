//! Who is asked, what comes back and in which order, and what ends a call early.

use super::support::{agent, ask, memory_node, register, soon};
use hubless::{Content, Error, Inbound, Kind, Node, RequestOptions, StreamItem};
use hubless_proto::wire::v1;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

#[tokio::test]
async fn an_answer_comes_back_with_who_gave_it() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, content| async move { Ok(content) }).await;
    let reply = node.request(ask("echo", json!({"x": [1, 2.5]}))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"x": [1, 2.5]})));
    assert_eq!((reply.agent.name.as_str(), reply.attempts), ("echo", 1));
    assert_eq!(reply.agent.node_key, node.key());
    assert_eq!(reply.path, hubless::node::Path::InProcess);
}

/// The bytes of the blob that a content is.
fn blob_of(content: &Content) -> bytes::Bytes {
    let [part] = content.message.parts.as_slice() else { panic!("one part: {content:?}") };
    let Some(v1::part::Kind::Blob(blob)) = &part.kind else { panic!("a blob: {content:?}") };
    blob.bytes.clone()
}

#[tokio::test]
async fn within_a_process_the_bytes_of_a_blob_are_handed_on_and_not_copied() {
    let node = memory_node().await;
    let (seen, mut at) = mpsc::unbounded_channel();
    register(&node, json!({"name": "keep", "contentTypesIn": ["*/*"]}), move |_, content| {
        seen.send(blob_of(&content).as_ptr() as usize).unwrap();
        async move { Ok(content) }
    })
    .await;
    let bytes = bytes::Bytes::from(vec![7; 256 * 1_024]);
    let media_type = "application/octet-stream".to_owned();
    let blob = v1::Blob { media_type, bytes: bytes.clone(), ..v1::Blob::default() };
    let part = v1::Part { kind: Some(v1::part::Kind::Blob(blob)), ..v1::Part::default() };
    let mut request = ask("keep", Value::Null);
    request.content.message = v1::Content { parts: vec![part], ..v1::Content::default() };
    let reply = node.request(request).await.unwrap();
    let sent = bytes.as_ptr() as usize;
    assert_eq!((at.recv().await.unwrap(), blob_of(&reply.content).as_ptr() as usize), (sent, sent));
}

#[tokio::test]
async fn by_id_and_by_address_it_is_the_same_agent() {
    let node = memory_node().await;
    let echo = register(&node, json!({"name": "Echo"}), |_, c| async move { Ok(c) }).await;
    for to in [echo.id().to_string(), echo.address().to_string(), "ECHO".to_owned()] {
        let reply = node.request(ask(&to, json!("x"))).await.unwrap();
        assert_eq!(reply.agent.agent_id, echo.id());
    }
    let own = format!("0:{}", echo.address().to_string().split(':').nth(1).unwrap());
    assert_eq!(node.request(ask(&own, json!("x"))).await.unwrap().agent.agent_id, echo.id());
    let here = format!("echo@{}", node.mesh_id());
    assert_eq!(node.request(ask(&here, json!("x"))).await.unwrap().agent.agent_id, echo.id());
    let elsewhere = format!("echo@{}", "ab".repeat(32));
    let error = node.request(ask(&elsewhere, json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::Unsupported, Some("to")));
}

/// Waits until no call runs.
async fn idle(node: &Node) {
    let over = async {
        while node.status().calls > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the calls", over).await;
}

/// A node with an agent that runs one call and lets one wait; each comes to a gate.
struct Single {
    node: Node,
    gate: Arc<Semaphore>,
    /// Calls that came as far as the gate.
    begun: Arc<AtomicUsize>,
}

async fn single() -> Single {
    let node = memory_node().await;
    let part = |input_tokens| v1::Usage {
        input_tokens,
        output_tokens: 2,
        cost_micros: 5,
        by_model: [("m".to_owned(), v1::ModelUsage { input_tokens, ..Default::default() })].into(),
        ..Default::default()
    };
    let options = json!({"name": "single", "requirements": {"maxConcurrency": 1, "queue": 1}});
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, started) = (Arc::clone(&gate), Arc::clone(&begun));
    register(&node, options, move |call, content| {
        let open = Arc::clone(&open);
        started.fetch_add(1, Ordering::SeqCst);
        async move {
            open.acquire().await.unwrap().forget();
            call.add_usage(&part(3))?;
            call.add_usage(&part(4))?;
            Ok(content)
        }
    })
    .await;
    Single { node, gate, begun }
}

impl Single {
    /// Two calls, of which one runs and one waits for this time at least. Gives how long each
    /// waited and ran, in microseconds, and how long all else took at most.
    async fn both(&self, time: Duration) -> ([(u64, u64); 2], Duration) {
        idle(&self.node).await;
        self.begun.store(0, Ordering::SeqCst);
        let began = Instant::now();
        let mut calls = Vec::new();
        for asked in 1..=2 {
            let node = self.node.clone();
            let one = async move { node.request(ask("single", json!(asked))).await };
            calls.push(tokio::spawn(one));
            let comes = async {
                while self.node.status().calls < asked || self.begun.load(Ordering::SeqCst) == 0 {
                    tokio::task::yield_now().await;
                }
            };
            soon("the call", comes).await;
        }
        let before = began.elapsed();
        tokio::time::sleep(time).await;
        let released = Instant::now();
        self.gate.add_permits(2);
        let mut timings = [(0, 0); 2];
        for (call, timing) in calls.into_iter().zip(&mut timings) {
            let reply = call.await.unwrap().unwrap();
            let usage = &reply.usage;
            assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_micros), (7, 4, 10));
            assert_eq!(usage.by_model["m"].input_tokens, 7);
            *timing = (reply.timing.queue_us, reply.timing.handler_us);
        }
        (timings, before.max(released.elapsed()))
    }
}

#[tokio::test]
async fn an_answer_says_what_it_cost_and_how_long_it_took() {
    let single = single().await;
    let mut time = Duration::from_millis(30);
    loop {
        let (timings, rest) = single.both(time).await;
        let least = u64::try_from(time.as_micros()).unwrap();
        let [(queued, handled), (queued_behind, handled_behind)] = timings;
        assert!(handled >= least && queued_behind >= least, "{timings:?}");
        // A busy machine may take longer for all else than the one ran and the other waited.
        if rest < time {
            assert!(queued < handled && handled_behind < queued_behind, "{timings:?}");
            return;
        }
        time *= 2;
        assert!(time < Duration::from_secs(20), "{rest:?} for all else");
    }
}

#[tokio::test]
async fn what_a_call_waits_for_before_it_is_sent_is_no_time_on_the_way() {
    let node = memory_node().await;
    let began = Instant::now();
    let asking = node.clone();
    let mut request = ask("late", json!("x"));
    request.wait_ms = Some(60_000);
    let late = tokio::spawn(async move { asking.request(request).await });
    let wait = Duration::from_secs(2);
    tokio::time::sleep(wait).await;
    register(&node, json!({"name": "late"}), |_, c| async move { Ok(c) }).await;
    let registered = began.elapsed();
    let reply = late.await.unwrap().unwrap();
    let way = Duration::from_micros(reply.timing.network_us);
    // Bounded by what came after the wait, however busy the machine is.
    assert!(way <= began.elapsed() - wait, "{way:?} of {:?} after {registered:?}", began.elapsed());
}

#[tokio::test]
async fn a_name_may_still_appear_and_else_is_not_found() {
    let node = memory_node().await;
    let mut none = ask("nobody", json!("x"));
    none.wait_ms = Some(20);
    assert_eq!(node.request(none).await.unwrap_err().kind, Kind::NotFound);
    let asking = node.clone();
    let late = tokio::spawn(async move { asking.request(ask("late", json!("x"))).await });
    tokio::task::yield_now().await;
    register(&node, json!({"name": "late"}), |_, c| async move { Ok(c) }).await;
    assert!(late.await.unwrap().is_ok());
    let error = node.request(ask("bad name!", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("to")));
}

#[tokio::test]
async fn an_answer_in_pieces_is_held_to_the_output_schema_as_a_whole() {
    let node = memory_node().await;
    register(&node, json!({"name": "spell", "streaming": true}), |call, content| async move {
        let Some(Value::Array(pieces)) = content.decoded() else { panic!("pieces") };
        for (at, piece) in pieces.into_iter().enumerate() {
            call.chunk(Content::value(piece), at > 0).await?;
        }
        Ok(Content::default())
    })
    .await;
    let asked = |pieces: Value, schema: Value| {
        let mut request = ask("spell", pieces);
        request.output_schema = Some(schema);
        request
    };
    let text = json!({"type": "string", "maxLength": 4});
    let object = json!({"type": "object", "required": ["a"]});
    for (pieces, schema, holds) in [
        (json!(["ab", "cd"]), &text, true),
        (json!(["ab", "cde"]), &text, false),
        (json!([{"a": 1}]), &object, true),
        (json!([{"b": 1}]), &object, false),
        (json!([]), &object, false),
    ] {
        let whole = node.request(asked(pieces.clone(), schema.clone())).await;
        let mut stream = node.stream(asked(pieces.clone(), schema.clone())).unwrap();
        let mut last = Ok(0);
        while let Some(item) = stream.next().await {
            last = match item {
                Ok(StreamItem::Chunk { .. }) => last.map(|chunks| chunks + 1),
                Ok(_) => last,
                Err(error) => Err(error),
            };
        }
        if holds {
            assert!(whole.is_ok(), "{pieces}");
            assert_eq!(last, Ok(pieces.as_array().map_or(0, Vec::len)));
        } else {
            for error in [whole.map(|_| ()).unwrap_err(), last.unwrap_err()] {
                assert_eq!((error.kind, error.field.as_deref()), (Kind::Json, Some("output")));
            }
        }
    }
}

#[tokio::test]
async fn events_come_in_order_and_chunks_are_gathered() {
    let node = memory_node().await;
    register(&node, json!({"name": "count", "streaming": true}), |call, _| async move {
        for n in 1..=40 {
            call.chunk(Content::text(n.to_string()), false).await?;
        }
        call.progress("half", Some(0.5)).await?;
        Ok(Content::value(json!({"n": 40})))
    })
    .await;
    let mut stream = node.stream(ask("count", Value::Null)).unwrap();
    let (mut chunks, mut notes, mut last) = (Vec::new(), Vec::new(), None);
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, .. } => notes.push(note),
            StreamItem::Chunk { content, .. } => chunks.push(content.joined_text()),
            StreamItem::Final(reply) => last = reply.content.decoded(),
        }
    }
    let wanted: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    assert_eq!(chunks, wanted);
    assert_eq!((notes, last), (vec!["half".to_owned()], Some(json!({"n": 40}))));
}

#[tokio::test]
async fn chunks_are_the_answer_when_the_last_event_is_empty() {
    let node = memory_node().await;
    register(&node, json!({"name": "words"}), |call, _| async move {
        call.chunk(Content::text("a "), false).await?;
        call.chunk(Content::text("b"), true).await?;
        Ok(Content::default())
    })
    .await;
    let reply = node.request(ask("words", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("a b")));
}

#[tokio::test]
async fn what_a_handler_raises_reaches_the_caller() {
    let node = memory_node().await;
    register(&node, json!({"name": "fail"}), |_, _| async move {
        Err(Error::refusal(Kind::Denied, "not_today", "refused on purpose"))
    })
    .await;
    let error = node.request(ask("fail", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_today"));
    assert!(error.rejection && error.trace_id.is_some());
    assert_eq!(error.origin, Some(node.key().to_string()));
    let sent = node.send(ask("fail", json!("x"))).await.unwrap();
    assert!(sent.output.is_none() && sent.rejection.is_some());
}

#[tokio::test]
async fn a_handler_that_panics_or_goes_away_fails_one_call_only() {
    struct Panics(AtomicUsize);
    impl hubless::Handler for Panics {
        fn handle(&self, inbound: Inbound) {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("on purpose"),
                1 => drop(inbound),
                _ => {
                    tokio::spawn(async move { inbound.call.finish(Content::text("ok")).await });
                }
            }
        }
    }
    let node = memory_node().await;
    let panics = Arc::new(Panics(AtomicUsize::new(0)));
    node.register(agent(json!({"name": "panics"})), panics).await.unwrap();
    for code in ["panic", "no_answer"] {
        let error = node.request(ask("panics", json!("x"))).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, code));
    }
    assert!(node.request(ask("panics", json!("x"))).await.is_ok());
}

/// What a handler tells of the call with this content: why it is to stop; none: it begins.
type Told = (Option<Value>, Option<Kind>);

/// Tells of each of its calls when it begins and when it is told to stop.
struct Slow(mpsc::UnboundedSender<Told>);

impl hubless::Handler for Slow {
    fn handle(&self, inbound: Inbound) {
        let (told, asked) = (self.0.clone(), inbound.content.decoded());
        // One that is late for its caller may outlive its test.
        let _ = told.send((asked.clone(), None));
        tokio::spawn(async move {
            let why = inbound.call.cancelled().await;
            let _ = told.send((asked, Some(why.kind)));
        });
    }
}

/// Waits until this is told.
async fn hears(heard: &mut mpsc::UnboundedReceiver<Told>, wanted: Told) {
    let comes = async { while heard.recv().await.expect("the agent is there") != wanted {} };
    soon(&format!("{wanted:?}"), comes).await;
}

#[tokio::test]
async fn deadlines_and_cancels_stop_the_handler() {
    let node = memory_node().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    node.register(agent(json!({"name": "slow"})), Arc::new(Slow(told))).await.unwrap();
    type Set = fn(&mut RequestOptions, u64);
    let sets: [(&str, Set); 2] = [
        ("timeout", |request, ms| request.timeout_ms = Some(ms)),
        ("total", |request, ms| request.total_ms = Some(ms)),
    ];
    for (which, set) in sets {
        let mut ms = 30;
        let asked = loop {
            let asked = json!([which, ms]);
            let mut request = ask("slow", asked.clone());
            set(&mut request, ms);
            assert_eq!(node.request(request).await.unwrap_err().kind, Kind::Deadline);
            let begun = (Some(asked.clone()), None);
            if std::iter::from_fn(|| heard.try_recv().ok()).any(|told| told == begun) {
                break asked;
            }
            // A busy machine had not come to the handler when the time was over.
            ms *= 2;
            assert!(ms < 60_000, "the handler did not begin");
        };
        hears(&mut heard, (Some(asked), Some(Kind::Deadline))).await;
    }
    let asked = Some(json!("given up"));
    let given_up = node.request(ask("slow", json!("given up")));
    tokio::select! {
        ended = given_up => panic!("{ended:?}"),
        () = hears(&mut heard, (asked.clone(), None)) => {}
    }
    hears(&mut heard, (asked, Some(Kind::Cancelled))).await;
    idle(&node).await;
}
