//! Each check fires, and the one before it wins; nothing after a failure is looked at; the verdict
//! depends on the request and the agent alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits as bounds;
use hubless_proto::policy::check::{
    AuthPlan, Meter, TokenPlan, admission, auth_plan, auth_verdict, content, deadline, grant,
    grant_missing, limits, rate, return_to, return_verdict, token_plan, tokens,
};
use hubless_proto::policy::{AuthRule, Caller, CallerKind, Policy, Rate, Rates, Requirements};
use hubless_proto::registry::{SlotInput, SlotOutput, Slots};
use hubless_proto::schema::SchemaCache;
use hubless_proto::wire::v1::{self, context_entry, part};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// One agent and what its node keeps for it, as the driver holds them.
struct Agent {
    rules: Value,
    policy: Policy,
    node_auth: AuthRule,
    rates: Option<Rates>,
    slots: Slots<u32>,
    schemas: SchemaCache,
}

fn id(n: u8) -> AgentId {
    AgentId::from_bytes([n; 32])
}

fn member() -> Caller {
    Caller::of_node(CallerKind::Member, NodeKey::from_bytes([1; 32]), Some(id(2)))
}

fn agent(rules: Value, change: impl FnOnce(&mut v1::Descriptor)) -> Agent {
    let requirements = Requirements::read(rules.clone()).unwrap();
    let skill = v1::Skill { id: "sum".to_owned(), ..v1::Skill::default() };
    let mut descriptor = v1::Descriptor { skills: vec![skill], ..v1::Descriptor::default() };
    requirements.publish(&AuthRule::None, &mut descriptor);
    change(&mut descriptor);
    let rates = requirements.rate.map(Rates::new);
    let slots = Slots::new(requirements.max_concurrency, requirements.queue);
    Agent {
        policy: policy(requirements, descriptor),
        rules,
        node_auth: AuthRule::None,
        rates,
        slots,
        schemas: SchemaCache::new(),
    }
}

fn policy(requirements: Requirements, descriptor: v1::Descriptor) -> Policy {
    let documents = [v1::SkillDocument {
        id: "sum".to_owned(),
        input_schema_json: r#"{"type": ["object", "string"], "maxProperties": 1}"#.to_owned(),
        ..v1::SkillDocument::default()
    }];
    let descriptor = Arc::new(descriptor);
    Policy::new(id(1), descriptor, &documents, requirements, &AuthRule::None).unwrap()
}

impl Agent {
    /// Changes one rule, and leaves what is counted as it is.
    fn forbid(&mut self, rule: &str) {
        self.rules[rule] = json!(false);
        let requirements = Requirements::read(self.rules.clone()).unwrap();
        self.policy = policy(requirements, (**self.policy.descriptor()).clone());
    }

    /// Changes what the agent says of itself.
    fn describe(&mut self, change: impl FnOnce(&mut v1::Descriptor)) {
        let mut descriptor = (**self.policy.descriptor()).clone();
        change(&mut descriptor);
        let requirements = Requirements::read(self.rules.clone()).unwrap();
        self.policy = policy(requirements, descriptor);
    }
}

/// The order of the driver, with a host whose functions are counted.
fn run(agent: &mut Agent, caller: &Caller, request: &v1::Request, host: &mut Host) -> Result<()> {
    limits(request)?;
    admission(&agent.policy, caller, request)?;
    if return_to(caller, request)?.is_some() {
        host.returns += 1;
        return_verdict(false)?;
    }
    rate(agent.rates.as_mut(), caller, 0)?;
    match auth_plan(&agent.policy, &agent.node_auth, caller, request)? {
        AuthPlan::Open => (),
        AuthPlan::CheckToken { credential, .. } | AuthPlan::AskHost { credential, .. } => {
            host.asked += 1;
            auth_verdict(credential.reveal() == "letmein")?;
        }
    }
    deadline(request, 0)?;
    if grant(caller, request)?.is_none() {
        grant_missing(&agent.policy)?;
    }
    content(&agent.policy, request, &mut agent.schemas)?;
    let counted = match token_plan(&agent.policy, request)? {
        TokenPlan::None => 0,
        TokenPlan::Count { texts, most } => hubless_proto::tokens::count_all(&texts, most)?,
        TokenPlan::AskHost(texts) => {
            host.counted += 1;
            texts.iter().map(|text| text.split(' ').count() as u64).sum()
        }
    };
    tokens(&agent.policy, counted)?;
    let arrived = agent.slots.handle(SlotInput::Arrive { caller: caller.key(), call: 9 }, 0);
    match arrived.into_iter().next() {
        Some(SlotOutput::Refuse(_, error)) => Err(error),
        Some(SlotOutput::Run(_) | SlotOutput::Wait(_)) | None => {
            host.ran += 1;
            Ok(())
        }
    }
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Host {
    returns: u32,
    asked: u32,
    counted: u32,
    ran: u32,
}

fn text(text: &str) -> v1::Part {
    v1::Part { kind: Some(part::Kind::Text(text.to_owned())), ..v1::Part::default() }
}

fn good() -> v1::Request {
    v1::Request {
        content: Some(v1::Content { parts: vec![text("hello")], ..v1::Content::default() }),
        deadline_ms: 1_000,
        ..v1::Request::default()
    }
}

fn with_context(change: impl FnOnce(&mut v1::Context)) -> v1::Context {
    let mut context = v1::Context {
        entries: vec![v1::ContextEntry {
            key: "k".to_owned(),
            value: Some(context_entry::Value::Text("v".to_owned())),
            ..v1::ContextEntry::default()
        }],
        ..v1::Context::default()
    };
    change(&mut context);
    context
}

type Break = fn(&mut v1::Request, &mut Caller, &mut Agent);

/// Every check in its order: how to make it fire on the strict agent, and what it answers.
const CHECKS: [(&str, Kind, &str, Break); 29] = [
    ("depth", Kind::HopLimit, "depth", |r, _, _| r.depth = 17),
    ("extension", Kind::Unsupported, "extension", |r, _, _| {
        r.critical_extensions.push("urn:x".to_owned());
    }),
    ("task path", Kind::Unsupported, "task_path", |r, _, _| r.task_path.push(id(3).to_wire())),
    ("external", Kind::Denied, "external", |_, c, _| c.kind = CallerKind::External),
    ("caller", Kind::Denied, "caller", |_, c, _| c.groups.clear()),
    ("data policy", Kind::Denied, "data_policy", |r, _, _| {
        r.data_policy.get_or_insert_default().zones_allowed.push("us".to_owned());
    }),
    ("cycle", Kind::Cycle, "reentrant", |r, _, _| r.ancestors.push(id(1).to_wire())),
    ("return", Kind::Denied, "return_to", |r, _, _| r.return_to = id(7).to_string()),
    ("rate", Kind::Busy, "rate", |_, c, a| {
        let mut rates = Rates::new(Rate { per_s: 1.0, burst: 1 });
        rates.take(c.key(), 0).unwrap();
        a.rates = Some(rates);
    }),
    ("no credential", Kind::Auth, "missing_credential", |r, _, _| r.auth = None),
    ("auth", Kind::Auth, "bad_credential", |r, _, _| {
        r.auth.get_or_insert_default().secret = "wrong".to_owned();
    }),
    ("deadline", Kind::Deadline, "", |r, _, _| r.deadline_ms = 0),
    ("grant", Kind::Denied, "grant", |r, _, _| {
        r.grant = bytes::Bytes::from_static(b"grant");
    }),
    ("no grant", Kind::BudgetExhausted, "grant_required", |_, _, a| {
        a.describe(|d| d.needs.get_or_insert_default().grant = "required".to_owned());
    }),
    ("size", Kind::TooLarge, "size", |r, _, _| r.ancestors = vec![id(3).to_wire(); 2_000]),
    ("content", Kind::Content, "content_type", |r, _, _| {
        let blob = v1::Blob { media_type: "image/png".to_owned(), ..v1::Blob::default() };
        let kind = Some(part::Kind::Blob(blob));
        let parts = &mut r.content.get_or_insert_default().parts;
        parts.push(v1::Part { kind, ..v1::Part::default() });
    }),
    ("accept", Kind::Unsupported, "accept", |r, _, _| {
        r.accept.get_or_insert_default().media_types.push("image/png".to_owned());
    }),
    ("converse", Kind::Prompt, "converse", |r, _, _| {
        r.content.get_or_insert_default().parts[0].role = String::new();
    }),
    ("tool", Kind::Prompt, "tool_missing", |_, _, a| {
        a.describe(|of| of.needs.get_or_insert_default().tools.push("search".to_owned()));
    }),
    ("custom json", Kind::Json, "custom_json", |r, _, a| {
        r.input_schema_json = "{}".to_owned();
        a.forbid("allowCustomJson");
    }),
    ("skill", Kind::NotFound, "skill", |r, _, _| r.skill = "subtract".to_owned()),
    ("bad schema", Kind::Json, "bad_schema", |r, _, _| {
        r.output_schema_json = r#"{"type": 5}"#.to_owned();
    }),
    ("schema", Kind::Json, "schema", |r, _, _| {
        let kind = Some(part::Kind::DataJson(r#"{"a": 1, "b": 2}"#.to_owned()));
        let role = "user".to_owned();
        let parts = &mut r.content.get_or_insert_default().parts;
        parts.push(v1::Part { kind, role, ..v1::Part::default() });
    }),
    ("custom context", Kind::Context, "custom_context", |r, _, a| {
        r.context.get_or_insert_with(|| with_context(|_| ()));
        a.forbid("allowCustomContext");
    }),
    ("pages", Kind::Context, "multi_page", |r, _, _| {
        let context = r.context.get_or_insert_with(|| with_context(|_| ()));
        context.pages.push(v1::ContextPage::default());
    }),
    ("reference", Kind::Unsupported, "context_reference", |r, _, _| {
        let context = r.context.get_or_insert_with(|| with_context(|_| ()));
        context.reference = Some(v1::ContextReference::default());
    }),
    ("duplication", Kind::Json, "duplication", |r, _, _| {
        let context = r.context.get_or_insert_with(|| with_context(|_| ()));
        context.explanation = "why".to_owned();
    }),
    ("tokens", Kind::Prompt, "tokens", |r, _, _| {
        let context = r.context.get_or_insert_with(|| with_context(|_| ()));
        context.descriptions.insert("k".to_owned(), "one two three four five six".to_owned());
    }),
    ("queue", Kind::Busy, "queue", |_, _, a| {
        let other = Caller::local(NodeKey::from_bytes([7; 32]), None).key();
        a.slots.handle(SlotInput::Arrive { caller: other, call: 1 }, 0);
    }),
];

/// An agent with every rule set, and a request that passes them all.
fn strict() -> (v1::Request, Caller, Agent) {
    let rules = json!({
        "requireConverse": true, "allowAgentDuplication": false,
        "acceptedContent": ["text", "application"],
        "maxTokens": 8, "tokenCounter": "host", "maxRequestBytes": 20_000, "auth": {"host": true},
        "allowMultiPageContext": false, "allowedCallers": {"groups": ["g"]}, "reentrant": false,
        "ratePerS": 1000, "maxConcurrency": 1, "queue": 0
    });
    let agent = agent(rules, |descriptor| descriptor.zones.push("eu".to_owned()));
    let mut request = good();
    request.content.get_or_insert_default().parts[0].role = "user".to_owned();
    request.auth = Some(v1::Auth { scheme: "custom".to_owned(), secret: "letmein".to_owned() });
    let mut caller = member();
    caller.groups.push("g".to_owned());
    (request, caller, agent)
}

#[test]
fn a_good_request_passes_every_check() {
    let (request, caller, mut agent) = strict();
    let mut host = Host::default();
    assert_eq!(run(&mut agent, &caller, &request, &mut host), Ok(()));
    assert_eq!(host, Host { returns: 0, asked: 1, counted: 1, ran: 1 });
}

#[test]
fn each_check_fires_and_the_handler_does_not_run() {
    for (name, kind, code, make) in CHECKS {
        let (mut request, mut caller, mut agent) = strict();
        make(&mut request, &mut caller, &mut agent);
        let mut host = Host::default();
        let error = run(&mut agent, &caller, &request, &mut host).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error}");
        assert!(error.rejection && host.ran == 0, "{name}");
    }
}

#[test]
fn the_earlier_of_any_two_wins_and_later_functions_are_not_asked() {
    let auth = CHECKS.iter().position(|check| check.0 == "auth").unwrap();
    let tokens = CHECKS.iter().position(|check| check.0 == "tokens").unwrap();
    for (first, (name, kind, code, make)) in CHECKS.iter().enumerate() {
        for (other, _, _, break_other) in CHECKS.iter().skip(first + 1) {
            let (mut request, mut caller, mut agent) = strict();
            break_other(&mut request, &mut caller, &mut agent);
            make(&mut request, &mut caller, &mut agent);
            let mut host = Host::default();
            let error = run(&mut agent, &caller, &request, &mut host).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (*kind, *code), "{name} before {other}");
            assert_eq!(host.asked, u32::from(first >= auth), "{name}: auth function");
            assert_eq!(host.counted, u32::from(first >= tokens), "{name}: counter");
            assert_eq!(host.ran, 0, "{name} before {other}: handler");
        }
    }
}

fn refusal(agent: &mut Agent, caller: &Caller, request: &v1::Request) -> String {
    match run(agent, caller, request, &mut Host::default()) {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{}/{}", error.kind, error.code),
    }
}

/// One rule on an otherwise open agent.
#[test]
fn single_rules() {
    let mut json_request = good();
    json_request.input_schema_json = r#"{"type": "string"}"#.to_owned();
    let mut bad_schema = good();
    bad_schema.output_schema_json = r#"{"type": 5}"#.to_owned();
    let mut context = good();
    context.context = Some(with_context(|_| ()));
    let mut reference = good();
    reference.context = Some(v1::Context {
        reference: Some(v1::ContextReference::default()),
        ..v1::Context::default()
    });
    let mut blob = good();
    let kind = part::Kind::Blob(v1::Blob {
        media_type: "image/png".to_owned(),
        bytes: vec![0; 100].into(),
        ..v1::Blob::default()
    });
    blob.content.get_or_insert_default().parts.push(v1::Part {
        kind: Some(kind),
        role: String::new(),
        metadata_json: Default::default(),
    });
    let mut streamed = good();
    let kind = part::Kind::Stream(v1::StreamPart {
        kind: "blob".to_owned(),
        size: Some(101),
        ..v1::StreamPart::default()
    });
    streamed.content.get_or_insert_default().parts.push(v1::Part {
        kind: Some(kind),
        role: String::new(),
        metadata_json: Default::default(),
    });
    let mut unknown = good();
    unknown.skill = "subtract".to_owned();
    for (rules, request, answer) in [
        (json!({}), &json_request, "ok"),
        (json!({}), &context, "ok"),
        (json!({}), &blob, "ok"),
        (json!({}), &bad_schema, "json/bad_schema"),
        (json!({}), &reference, "unsupported/context_reference"),
        (json!({}), &unknown, "not_found/skill"),
        (json!({"allowCustomJson": false}), &json_request, "json/custom_json"),
        (json!({"allowCustomContext": false}), &context, "context/custom_context"),
        (json!({"allowAgentDuplication": false}), &json_request, "json/duplication"),
        (json!({"allowAgentDuplication": true}), &json_request, "ok"),
        (json!({"acceptedContent": ["text"]}), &blob, "content/content_type"),
        (json!({"acceptedContent": ["image"]}), &blob, "content/content_type"),
        (json!({"acceptedContent": ["text", "image/png"]}), &blob, "ok"),
        (json!({"maxBinaryBytes": 99}), &blob, "too_large/size"),
        (json!({"maxBinaryBytes": 100}), &blob, "ok"),
        (json!({"maxBinaryBytes": 100}), &streamed, "too_large/size"),
        (json!({"maxRequestBytes": 5}), &good(), "too_large/size"),
        (json!({"maxTokens": 0}), &good(), "prompt/tokens"),
        (json!({"maxTokens": 1}), &good(), "ok"),
        (json!({"maxTokens": 1}), &context, "prompt/tokens"),
        (json!({"maxTokens": 1}), &json_request, "prompt/tokens"),
        (json!({"requireConverse": true}), &good(), "prompt/converse"),
        (json!({"allowedCallers": {"agentIds": [id(2).to_string()]}}), &good(), "ok"),
        (json!({"allowedCallers": {"agentIds": [id(3).to_string()]}}), &good(), "denied/caller"),
        (json!({"auth": {"sharedSecret": "s"}}), &good(), "auth/missing_credential"),
        (json!({"auth": {"host": true}}), &good(), "auth/missing_credential"),
    ] {
        let mut agent = agent(rules.clone(), |_| ());
        assert_eq!(refusal(&mut agent, &member(), request), answer, "{rules}");
    }
}

#[test]
fn a_credential_of_the_request_comes_before_that_of_its_transport() {
    let auth = |secret: &str| Some(v1::Auth { scheme: String::new(), secret: secret.to_owned() });
    for (own, transport, answer) in [
        (auth("s"), auth("wrong"), "ok"),
        (auth("wrong"), auth("s"), "auth/bad_credential"),
        (None, auth("s"), "ok"),
        (auth(""), auth("s"), "ok"),
        (None, None, "auth/missing_credential"),
    ] {
        let mut agent = agent(json!({"auth": {"sharedSecret": "s"}}), |_| ());
        let request = v1::Request { auth: own, transport_auth: transport, ..good() };
        assert_eq!(refusal(&mut agent, &member(), &request), answer);
    }
}

#[test]
fn the_mechanism_of_the_node_stands_in_and_its_loss_shuts_the_agent() {
    let mut open = agent(json!({}), |_| ());
    open.node_auth = AuthRule::SharedSecret("s".to_owned().into());
    assert_eq!(refusal(&mut open, &member(), &good()), "auth/missing_credential");
    let mut own = agent(json!({"auth": {"none": true}}), |_| ());
    own.node_auth = AuthRule::SharedSecret("s".to_owned().into());
    assert_eq!(refusal(&mut own, &member(), &good()), "ok");
    let mut lost = agent(json!({}), |_| ());
    let mut descriptor = (**lost.policy.descriptor()).clone();
    descriptor.requires_auth = true;
    let rules = Requirements::default();
    let policy = Policy::new(id(1), Arc::new(descriptor), &[], rules, &AuthRule::Host);
    lost.policy = policy.unwrap();
    assert_eq!(refusal(&mut lost, &member(), &good()), "auth/no_mechanism");
}

#[test]
fn kinds_of_caller() {
    for (kind, open, answer) in [
        (CallerKind::Local, false, "ok"),
        (CallerKind::Member, false, "ok"),
        (CallerKind::External, false, "denied/external"),
        (CallerKind::External, true, "ok"),
        (CallerKind::Bridged, true, "unsupported/caller_kind"),
        (CallerKind::Edge, false, "denied/external"),
        (CallerKind::Edge, true, "ok"),
    ] {
        let mut agent = agent(json!({"allowExternalConnections": open}), |_| ());
        let caller = Caller { kind, ..member() };
        assert_eq!(refusal(&mut agent, &caller, &good()), answer, "{kind}");
    }
}

#[test]
fn what_the_caller_accepts_is_met_or_refused() {
    let accept = |value: Value| serde_json::from_value::<v1::Accept>(value).unwrap();
    for (value, answer) in [
        (json!({}), "ok"),
        (json!({"mediaTypes": ["image/png"]}), "unsupported/accept"),
        (json!({"mediaTypes": ["image/png", "text/*"]}), "ok"),
        (json!({"mediaTypes": ["*/*"]}), "ok"),
        (json!({"streaming": true}), "unsupported/accept"),
        (json!({"streaming": false}), "ok"),
        (json!({"contextProtocols": ["mcp"]}), "unsupported/accept"),
        (json!({"contextProtocols": ["none"]}), "ok"),
        (json!({"models": ["m"]}), "unsupported/accept"),
    ] {
        let mut agent = agent(json!({}), |_| ());
        let request = v1::Request { accept: Some(accept(value.clone())), ..good() };
        assert_eq!(refusal(&mut agent, &member(), &request), answer, "{value}");
    }
}

#[test]
fn data_policies_are_kept_or_refused() {
    for (policy, records, answer) in [
        (json!({"zonesAllowed": ["eu", "us"]}), false, "ok"),
        (json!({"zonesAllowed": ["us"]}), false, "denied/data_policy"),
        (json!({"noRecording": true}), false, "ok"),
        (json!({"noRecording": true}), true, "denied/data_policy"),
        (json!({"maxRetentionS": 60}), false, "ok"),
        (json!({"maxRetentionS": 59}), false, "denied/data_policy"),
        (json!({"maxRetentionS": 3599}), true, "denied/data_policy"),
        (json!({"maxRetentionS": 3600}), true, "ok"),
    ] {
        let mut agent = agent(json!({}), |descriptor| {
            descriptor.zones.push("eu".to_owned());
            descriptor.records_interaction_context = records;
        });
        let wanted = serde_json::from_value(policy.clone()).unwrap();
        let request = v1::Request { data_policy: Some(wanted), ..good() };
        assert_eq!(refusal(&mut agent, &member(), &request), answer, "{policy}");
    }
}

#[test]
fn tools_that_the_agent_needs_must_be_offered() {
    let mut agent = agent(json!({}), |descriptor| {
        descriptor.needs.get_or_insert_default().tools.push("search".to_owned());
    });
    assert_eq!(refusal(&mut agent, &member(), &good()), "prompt/tool_missing");
    let tool = v1::Tool { name: "search".to_owned(), ..v1::Tool::default() };
    let request = v1::Request { tools: vec![tool], ..good() };
    assert_eq!(refusal(&mut agent, &member(), &request), "ok");
}

#[test]
fn bytes_that_arrive_later_are_counted() {
    let agent = agent(json!({"maxBinaryBytes": 100, "maxRequestBytes": 200}), |_| ());
    let mut meter = Meter::new(&agent.policy, &good());
    assert_eq!(meter.count("blob", 100), Ok(()));
    assert!(meter.count("text", 50).is_ok());
    assert_eq!(meter.count("text", 100).unwrap_err().field.as_deref(), Some("request"));
    let mut meter = Meter::new(&agent.policy, &good());
    let error = meter.count("blob", 101).unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::TooLarge, Some("content")));
    // An own bound is private.
    assert_eq!(error.limit, None);
}

#[test]
fn an_agent_that_says_no_bound_takes_64_mib_and_no_byte_more() {
    let most = bounds::REQUEST_BYTES;
    for kind in ["blob", "text"] {
        let open = agent(json!({}), |_| ());
        let streamed = |size| {
            let kind = kind.to_owned();
            let stream = v1::StreamPart { kind, size: Some(size), ..v1::StreamPart::default() };
            let kind = Some(part::Kind::Stream(stream));
            let mut request = good();
            let parts = &mut request.content.get_or_insert_default().parts;
            parts.push(v1::Part { kind, ..v1::Part::default() });
            request
        };
        let mut declares = agent(json!({}), |_| ());
        let rest = most - "hello".len() as u64;
        assert_eq!(refusal(&mut declares, &member(), &streamed(rest)), "ok", "{kind}");
        let refused = refusal(&mut declares, &member(), &streamed(rest + 1));
        assert_eq!(refused, "too_large/size", "{kind}");
        // While it arrives, whatever was declared.
        let mut meter = Meter::new(&open.policy, &v1::Request::default());
        assert_eq!(meter.count(kind, most), Ok(()));
        let limit = meter.count(kind, 1).unwrap_err().limit.unwrap();
        assert_eq!((limit.name.as_str(), limit.value), ("REQUEST_BYTES", most), "{kind}");
    }
}

#[test]
fn refusals_tell_kind_and_field_and_never_the_value_of_a_rule() {
    for (name, _, _, make) in CHECKS {
        let (mut request, mut caller, mut agent) = strict();
        make(&mut request, &mut caller, &mut agent);
        let error: Error = run(&mut agent, &caller, &request, &mut Host::default()).unwrap_err();
        for secret in ["letmein", "20000", "20_000", "wrong"] {
            assert!(!error.to_string().contains(secret), "{name}: {error}");
        }
    }
}

proptest! {
    /// The verdict on a request is the same whatever else is registered, in whatever order, and
    /// whatever was asked of the other agents before.
    #[test]
    fn other_agents_and_their_order_change_nothing(
        broken in prop::collection::vec(0usize..CHECKS.len(), 0..4),
        others in prop::collection::vec(0u8..6, 0..6),
        before in 0usize..6,
    ) {
        let alone = {
            let (mut request, mut caller, mut agent) = strict();
            for index in &broken {
                CHECKS[*index].3(&mut request, &mut caller, &mut agent);
            }
            refusal(&mut agent, &caller, &request)
        };
        let (mut request, mut caller, mut tested) = strict();
        for index in &broken {
            CHECKS[*index].3(&mut request, &mut caller, &mut tested);
        }
        let rules = [
            json!({}), json!({"maxTokens": 0}), json!({"auth": {"sharedSecret": "x"}}),
            json!({"ratePerS": 1}), json!({"maxConcurrency": 1, "queue": 0}),
            json!({"allowedCallers": {}}),
        ];
        let mut crowd: Vec<Agent> =
            others.iter().map(|n| agent(rules[usize::from(*n)].clone(), |_| ())).collect();
        for other in crowd.iter_mut().take(before) {
            refusal(other, &caller, &request);
        }
        let among = refusal(&mut tested, &caller, &request);
        for other in crowd.iter_mut().skip(before) {
            refusal(other, &caller, &request);
        }
        prop_assert_eq!(alone, among);
    }
}
