//! What a node tells of a trace: its bounds and forms.

use hubless_proto::error::Error;
use hubless_proto::killswitch::{Allowance, Amount};
use hubless_proto::limits::{AMOUNT_MAX, MESSAGE_FRAME_BYTES, NAME_CHARS, TRACE_CALLS};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::v1;
use prost::Message;

fn call() -> v1::TraceCall {
    v1::TraceCall {
        span: vec![1; 8].into(),
        parent: vec![2; 8].into(),
        side: "handled".into(),
        request: vec![3; 16].into(),
        attempt: u32::MAX,
        agent: vec![4; 32].into(),
        name: "n".repeat(NAME_CHARS),
        peer: vec![5; 32].into(),
        path: "in_process".into(),
        started_us: u64::MAX,
        duration_us: u64::MAX,
        queue_us: u64::MAX,
        kind: "stale_attempt".into(),
        code: "c".repeat(128),
        usage: Some(v1::Usage { input_tokens: u64::MAX, ..Default::default() }),
        request_bytes: Some(u64::MAX),
        answer_bytes: Some(u64::MAX),
        hop: Some(u32::MAX),
        budget: Some(budget()),
    }
}

fn budget() -> v1::TraceBudget {
    v1::TraceBudget {
        id: vec![6; 32].into(),
        limit: Some(Allowance::exactly(&Amount::MAX).to_wire()),
        spent: Some(Amount::MAX.to_wire()),
    }
}

fn arrives(calls: Vec<v1::TraceCall>) -> Result<v1::Answer, Error> {
    let told = v1::TraceCalls { calls, more: true, language: "rust".into() };
    let answer = v1::Answer { answer: Some(v1::answer::Answer::Trace(told)) };
    let bytes = answer.encode_to_vec();
    assert!(bytes.len() <= MESSAGE_FRAME_BYTES, "{}", bytes.len());
    decode(FrameType::Answer, bytes.into())
}

#[test]
fn so_many_calls_are_told_and_one_more_is_refused() {
    assert!(arrives(vec![call(); TRACE_CALLS]).is_ok());
    let error = arrives(vec![call(); TRACE_CALLS + 1]).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "TRACE_CALLS");
}

#[test]
fn a_call_that_no_node_could_mean_is_refused() {
    let model = [("m".to_owned(), v1::ModelUsage::default())].into();
    let rows = [
        ("span", v1::TraceCall { span: vec![1; 7].into(), ..call() }),
        ("parent", v1::TraceCall { parent: vec![1; 9].into(), ..call() }),
        ("side", v1::TraceCall { side: String::new(), ..call() }),
        ("request", v1::TraceCall { request: vec![].into(), ..call() }),
        ("agent", v1::TraceCall { agent: vec![1; 31].into(), ..call() }),
        ("name", v1::TraceCall { name: "a\u{1b}[31m".into(), ..call() }),
        ("peer", v1::TraceCall { peer: vec![].into(), ..call() }),
        ("path", v1::TraceCall { path: "\u{202e}".into(), ..call() }),
        ("kind", v1::TraceCall { kind: "a\n".into(), ..call() }),
        ("code", v1::TraceCall { code: "c".repeat(129), ..call() }),
        (
            "usage",
            v1::TraceCall {
                usage: Some(v1::Usage { by_model: model, ..Default::default() }),
                ..call()
            },
        ),
    ];
    for (field, bad) in rows {
        assert_eq!(arrives(vec![bad]).unwrap_err().field.as_deref(), Some(field));
    }
    let much = v1::Amount { calls: AMOUNT_MAX + 1, ..Default::default() };
    let budgets = [
        ("budget", v1::TraceBudget { id: vec![6; 31].into(), ..budget() }),
        ("limit", v1::TraceBudget { limit: None, ..budget() }),
        ("calls", v1::TraceBudget { spent: Some(much), ..budget() }),
    ];
    for (field, bad) in budgets {
        let bad = v1::TraceCall { budget: Some(bad), ..call() };
        assert_eq!(arrives(vec![bad]).unwrap_err().field.as_deref(), Some(field));
    }
    let root = v1::TraceCall { parent: vec![].into(), ..call() };
    assert!(arrives(vec![root]).is_ok());
}
