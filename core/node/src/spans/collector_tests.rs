//! Spans on their way to a collector that counts them in threads of its own.

use super::super::fixtures::{resource, span};
use super::super::ids::SpanId;
use super::super::otlp::Names;
use super::*;
use crate::web;
use fake::{Does, FakeCollector};
use hubless_proto::limits::TRACE_ANSWER_BYTES;

#[path = "../../tests/support/collector.rs"]
mod fake;

/// Long enough for what comes at all.
const LONG: Duration = Duration::from_secs(20);
const MS: Duration = Duration::from_millis(1);

fn times() -> Times {
    Times { batch: LONG, post: LONG, give_up: LONG, flush: LONG }
}

fn open(url: &str, times: Times) -> Collector {
    Collector::open(web::url("trace", url).unwrap(), resource(Names::Own), times).unwrap()
}

/// A span of this id.
fn numbered(id: u64) -> Span {
    Span { span_id: SpanId::from_bytes(id.to_be_bytes()), ..span(1, 2, None) }
}

/// The ids of so many spans, as they are written.
fn ids(all: std::ops::Range<u64>) -> Vec<String> {
    all.map(|id| format!("{id:016x}")).collect()
}

fn refuse(status: u16) -> Does {
    Does::Refuse(status, String::new())
}

#[tokio::test]
async fn every_span_arrives_once_in_batches() {
    let fake = FakeCollector::start(&[]);
    let collector = open(&fake.url, times());
    assert_eq!(fake.posts(), 0, "nothing is sent before there is something to send");
    let all = TRACE_BATCH as u64 * 2 + 1;
    assert!((0..all).all(|id| collector.write(&numbered(id))));
    collector.flush().await;
    assert_eq!(fake.spans(), ids(0..all));
    assert_eq!(fake.batches(), [TRACE_BATCH, TRACE_BATCH, 1]);
    assert_eq!(collector.counts.missing(), 0);
    let head = fake.heads()[0].to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
}

#[tokio::test]
async fn a_span_waits_for_others_so_long_and_no_longer() {
    let defaults = Times::default();
    assert_eq!((defaults.batch, defaults.post), (TRACE_BATCH_TIME, TRACE_POST));
    assert_eq!((defaults.give_up, defaults.flush), (TRACE_GIVE_UP, TRACE_FLUSH));
    let fake = FakeCollector::start(&[]);
    let collector = open(&fake.url, Times { batch: 20 * MS, ..times() });
    for id in 0..2 {
        collector.write(&numbered(id));
        fake.wait(usize::try_from(id).unwrap() + 1);
    }
    assert_eq!(fake.batches(), [1, 1]);
}

#[tokio::test]
async fn what_is_not_taken_now_is_sent_again_and_not_before_its_time() {
    let wait = Does::Refuse(503, "retry-after: 1\r\n".to_owned());
    let fake = FakeCollector::start(&[refuse(429), refuse(502), wait, refuse(504)]);
    let collector = open(&fake.url, times());
    collector.write(&numbered(0));
    let began = std::time::Instant::now();
    collector.flush().await;
    assert!(began.elapsed() >= 1_000 * MS, "the pause that it asked for");
    assert_eq!((fake.posts(), fake.spans()), (5, ids(0..1)));
    assert_eq!(collector.counts.missing(), 0);
    assert!(!collector.counts.told.load(Ordering::Relaxed));
}

#[tokio::test]
async fn one_that_asks_for_a_long_rest_is_left_alone_up_to_a_bound() {
    let fake = FakeCollector::start(&[Does::Refuse(429, "retry-after: 100000\r\n".to_owned())]);
    let rest = 4_000 * MS;
    let collector = open(&fake.url, Times { give_up: rest, ..times() });
    for missing in [1, 2] {
        collector.write(&numbered(missing));
        collector.flush().await;
        assert_eq!((fake.posts(), collector.counts.missing()), (1, missing));
    }
    tokio::time::sleep(rest).await;
    collector.write(&numbered(3));
    collector.flush().await;
    assert_eq!((fake.posts(), fake.spans()), (2, ids(3..4)));
    assert!(!collector.counts.told.load(Ordering::Relaxed), "the next loss is told again");
}

#[tokio::test]
async fn at_the_end_nothing_is_posted_any_more() {
    let fake = FakeCollector::start(&[]);
    let collector = open(&fake.url, times());
    collector.write(&numbered(0));
    collector.end().await;
    assert_eq!(fake.spans(), ids(0..1), "what was there is");
    collector.write(&numbered(1));
    assert!(collector.flush().await, "nobody waits for a task that ended");
    assert_eq!((fake.posts(), collector.counts.missing()), (1, 1));
}

#[tokio::test]
async fn what_is_refused_is_lost_counted_and_sent_to_nobody() {
    let other = FakeCollector::start(&[]);
    let elsewhere = Does::Refuse(307, format!("location: {}\r\n", other.url));
    for does in [refuse(400), refuse(500), elsewhere] {
        let fake = FakeCollector::start(std::slice::from_ref(&does));
        let collector = open(&fake.url, times());
        collector.write(&numbered(0));
        collector.write(&numbered(1));
        collector.flush().await;
        assert_eq!((fake.posts(), collector.counts.missing()), (1, 2), "{does:?}");
        assert!(collector.counts.told.load(Ordering::Relaxed));
        // The next ones are welcome.
        collector.write(&numbered(2));
        collector.flush().await;
        assert_eq!((fake.spans(), collector.counts.missing()), (ids(2..3), 2));
    }
    assert_eq!(other.posts(), 0);
    let collector = open(&other.url, times());
    collector.write(&numbered(0));
    collector.flush().await;
    assert_eq!(other.posts(), 1, "it counts");
}

#[tokio::test]
async fn what_is_refused_of_a_batch_is_counted_and_not_sent_again() {
    let said = r#"{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}"#;
    let fake = FakeCollector::start(&[Does::Take(said)]);
    let collector = open(&fake.url, times());
    (0..3).for_each(|id| assert!(collector.write(&numbered(id))));
    collector.flush().await;
    assert_eq!((fake.posts(), collector.counts.missing()), (1, 2));
    assert!(collector.counts.told.load(Ordering::Relaxed));
}

async fn is_given_up(url: &str, times: Times) {
    let collector = open(url, times);
    collector.write(&numbered(0));
    collector.flush().await;
    assert_eq!(collector.counts.missing(), 1, "{url}");
    assert!(collector.counts.told.load(Ordering::Relaxed));
}

#[tokio::test]
async fn one_that_hangs_or_is_down_is_given_up() {
    let mut short = Times { post: 200 * MS, give_up: 2_000 * MS, ..times() };
    let (_held, nowhere) = FakeCollector::nowhere();
    is_given_up(&nowhere, short).await;
    loop {
        let hangs = FakeCollector::start(&vec![Does::Hang; 64]);
        is_given_up(&hangs.url, short).await;
        assert!(hangs.spans().is_empty());
        if hangs.posts() >= 2 {
            return;
        }
        // On a busy machine the time was over before it was tried again.
        (short.post, short.give_up) = (short.post * 2, short.give_up * 2);
        assert!(short.give_up < LONG, "it was not tried again");
    }
}

#[tokio::test]
async fn the_queue_is_bounded_and_nobody_waits_for_one_that_hangs() {
    let fake = FakeCollector::start(&vec![Does::Hang; 64]);
    let collector = open(&fake.url, Times { flush: 50 * MS, ..times() });
    let batch = TRACE_BATCH as u64;
    assert!((0..batch).all(|id| collector.write(&numbered(id))));
    // The batch is on its way, and the queue is empty.
    fake.wait(1);
    let most = batch + TRACE_QUEUE as u64;
    assert!((batch..most).all(|id| collector.write(&numbered(id))), "what it holds");
    assert!(!collector.counts.told.load(Ordering::Relaxed));
    assert!((0..1_000).all(|id| !collector.write(&numbered(most + id))), "and no more");
    assert!(collector.counts.told.load(Ordering::Relaxed));
    let began = std::time::Instant::now();
    collector.flush().await;
    assert!(began.elapsed() < LONG / 2, "the end of a node does not wait for it");
    assert_eq!(collector.counts.missing(), most + 1_000);
    assert!(fake.spans().is_empty());
}

#[tokio::test]
async fn of_a_long_answer_nothing_is_believed() {
    let said = r#"{"partialSuccess": {"rejectedSpans": 1}}"#;
    let room = TRACE_ANSWER_BYTES - said.len();
    for (pad, missing) in [(room, 1), (room + 1, 0)] {
        let answer: &'static str = format!("{said}{}", " ".repeat(pad)).leak();
        let fake = FakeCollector::start(&[Does::Take(answer)]);
        let collector = open(&fake.url, times());
        collector.write(&numbered(0));
        collector.flush().await;
        assert_eq!((fake.posts(), collector.counts.missing()), (1, missing), "{pad}");
    }
}
