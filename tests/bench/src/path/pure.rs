//! The pure part: a request is encoded, decoded and checked, its answer encoded and decoded.

use bytes::Bytes;
use hubless_proto::identity::SecretKey;
use hubless_proto::policy::check::{self, AuthPlan, TokenPlan};
use hubless_proto::policy::{AuthRule, Caller, CallerKind, Policy, Requirements};
use hubless_proto::schema::SchemaCache;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{FrameBuffer, FrameType, encode_frame};
use hubless_proto::wire::v1::{self, event, part};
use std::hint::black_box;
use std::sync::Arc;

/// Characters of the body, as in the measured calls.
const BODY: usize = 1_024;

/// What goes along the path, in each of its forms.
pub(super) struct Path {
    request: v1::Request,
    written: Bytes,
    answer: v1::Event,
    answer_written: Bytes,
    policy: Policy,
    caller: Caller,
    schemas: SchemaCache,
}

impl Path {
    pub(super) fn new() -> Self {
        let (agent, node) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let id = agent.agent_id();
        let request = v1::Request {
            id: Bytes::from_static(&[7; 16]),
            to: id.to_wire(),
            to_name: "bench".to_owned(),
            content: Some(content()),
            deadline_ms: 60_000,
            trace: Some(v1::Trace {
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
                ..v1::Trace::default()
            }),
            attempt: 1,
            ..v1::Request::default()
        };
        let timing = v1::Timing { queue_us: 3, handler_us: 70, network_us: 0 };
        let last = v1::Final {
            content: Some(content()),
            usage: Some(v1::Usage::default()),
            timing: Some(timing),
            load: 1,
        };
        let answer = v1::Event { kind: Some(event::Kind::Final(last)) };
        let described =
            Arc::new(v1::Descriptor { name: "bench".to_owned(), ..v1::Descriptor::default() });
        let rules = Requirements::default();
        Self {
            written: encode_frame(FrameType::Request, &request).unwrap(),
            answer_written: encode_frame(FrameType::Event, &answer).unwrap(),
            policy: Policy::new(id, described, &[], rules, &AuthRule::None).unwrap(),
            caller: Caller::of_node(CallerKind::Member, node.node_key(), None),
            schemas: SchemaCache::new(),
            request,
            answer,
        }
    }

    pub(super) fn encode(&mut self) {
        black_box(encode_frame(FrameType::Request, black_box(&self.request)).unwrap());
    }

    pub(super) fn decode(&mut self) {
        black_box(read::<v1::Request>(black_box(&self.written)));
    }

    /// Every check before the handler, in its order; none asks a foreign function.
    pub(super) fn policy(&mut self) {
        let Self { request, policy, caller, schemas, .. } = self;
        let (request, caller) = (black_box(&*request), black_box(&*caller));
        check::limits(request).unwrap();
        check::admission(policy, caller, request).unwrap();
        assert!(check::return_to(caller, request).unwrap().is_none());
        check::rate(None, caller, 0).unwrap();
        let auth = check::auth_plan(policy, &AuthRule::None, caller, request).unwrap();
        assert!(matches!(auth, AuthPlan::Open));
        check::deadline(request, 0).unwrap();
        assert!(check::grant(caller, request).unwrap().is_none());
        check::grant_missing(policy).unwrap();
        check::content(policy, request, schemas).unwrap();
        assert!(matches!(check::token_plan(policy, request).unwrap(), TokenPlan::None));
    }

    pub(super) fn encode_answer(&mut self) {
        black_box(encode_frame(FrameType::Event, black_box(&self.answer)).unwrap());
    }

    pub(super) fn decode_answer(&mut self) {
        black_box(read::<v1::Event>(black_box(&self.answer_written)));
    }

    /// All of it.
    pub(super) fn whole(&mut self) {
        self.encode();
        self.decode();
        self.policy();
        self.encode_answer();
        self.decode_answer();
    }
}

/// One frame off a stream, and the message in it.
fn read<T: hubless_proto::wire::decode::Checked>(written: &[u8]) -> T {
    let mut buffer = FrameBuffer::default();
    buffer.push(written);
    let frame = buffer.next_frame().unwrap().unwrap();
    decode(frame.kind, frame.body).unwrap()
}

fn content() -> v1::Content {
    let text = serde_json::json!({ "body": "x".repeat(BODY) }).to_string();
    let part = v1::Part { kind: Some(part::Kind::DataJson(text)), ..v1::Part::default() };
    v1::Content { parts: vec![part], ..v1::Content::default() }
}
