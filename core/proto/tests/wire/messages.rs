//! Messages of every shape, for properties.

use bytes::Bytes;
use hubless_proto::wire::v1;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) fn key() -> impl Strategy<Value = Bytes> {
    any::<[u8; 32]>().prop_map(|key| Bytes::copy_from_slice(&key))
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn word() -> impl Strategy<Value = String> {
    "[a-zé😀][a-z0-9_.-]{0,8}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec(word(), 0..3)
}

/// Any JSON value as the text that this crate writes.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        (-1e9..1e9).prop_map(|number: f64| number.into()),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Into::into),
            btree_map(word(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

fn optional_json() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), json().prop_filter("null is no schema", |text| text != "null")]
}

fn json_map() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(word(), json(), 0..3)
}

fn part_kind() -> impl Strategy<Value = v1::part::Kind> {
    use v1::part::Kind;
    prop_oneof![
        "\\PC{0,12}".prop_map(Kind::Text),
        json().prop_map(Kind::DataJson),
        (word(), word(), bytes(20)).prop_map(|(media_type, filename, bytes)| {
            Kind::Blob(v1::Blob { media_type, filename, bytes })
        }),
        (word(), word(), word(), any::<u32>()).prop_map(|(uri, media_type, digest, size)| {
            Kind::Uri(v1::Uri { uri, media_type, digest, size: size.into() })
        }),
        (0..3usize, word(), option::of(any::<u32>()), key()).prop_map(
            |(kind, filename, size, sha256)| {
                Kind::Stream(v1::StreamPart {
                    kind: ["text", "data", "blob"][kind].into(),
                    media_type: String::new(),
                    filename,
                    size: size.map(Into::into),
                    sha256,
                    index: 0,
                })
            }
        ),
    ]
}

fn part() -> impl Strategy<Value = v1::Part> {
    (part_kind(), json_map(), word()).prop_map(|(kind, metadata_json, role)| v1::Part {
        metadata_json,
        role,
        kind: Some(kind),
    })
}

pub(crate) fn content() -> impl Strategy<Value = v1::Content> {
    (vec(part(), 0..4), json_map()).prop_map(|(mut parts, metadata_json)| {
        for (index, part) in (0..).zip(&mut parts) {
            if let Some(v1::part::Kind::Stream(stream)) = &mut part.kind {
                stream.index = index;
            }
        }
        v1::Content { parts, metadata_json }
    })
}

fn entries() -> impl Strategy<Value = Vec<v1::ContextEntry>> {
    use v1::context_entry::Value;
    let value = prop_oneof![word().prop_map(Value::Text), json().prop_map(Value::DataJson)];
    let entry = (word(), value, -10.0..10.0, words()).prop_map(|(key, value, weight, links)| {
        v1::ContextEntry { key, weight, links, value: Some(value) }
    });
    vec(entry, 0..3)
}

fn context() -> impl Strategy<Value = v1::Context> {
    let page = (word(), entries()).prop_map(|(name, entries)| v1::ContextPage { name, entries });
    let history = part().prop_filter("turns are not streamed", |part| {
        !matches!(part.kind, Some(v1::part::Kind::Stream(_)))
    });
    let parts = (entries(), vec(page, 0..2), vec(history, 0..3));
    (parts, word(), btree_map(word(), word(), 0..2)).prop_map(
        |((entries, pages, history), explanation, descriptions)| v1::Context {
            entries,
            pages,
            history,
            explanation,
            descriptions,
            reference: None,
        },
    )
}

fn tools() -> impl Strategy<Value = Vec<v1::Tool>> {
    let tool =
        (word(), optional_json(), optional_json()).prop_map(|(name, input, output)| v1::Tool {
            description: format!("does {name}"),
            name,
            input_schema_json: input,
            output_schema_json: output,
            effect: "PURE".into(),
        });
    vec(tool, 0..3).prop_map(|mut tools| {
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        tools.dedup_by(|a, b| a.name == b.name);
        tools
    })
}

prop_compose! {
    pub(crate) fn request()(
        id: [u8; 16],
        attempt: u16,
        to in key(),
        from in prop_oneof![Just(Bytes::new()), key()],
        content in option::of(content()),
        context in option::of(context()),
        tools in tools(),
        schemas in (optional_json(), optional_json()),
        times in (0..100_000u64, option::of(0..100_000u64), 0..17u32),
        ancestors in vec(key(), 0..4),
        maps in (json_map(), json_map()),
        labels in (word(), word(), word()),
        streaming: Option<bool>,
        media_types in words(),
    ) -> v1::Request {
        v1::Request {
            id: Bytes::copy_from_slice(&id),
            attempt: attempt.into(),
            to,
            from,
            skill: labels.0,
            content,
            accept: Some(v1::Accept { media_types, streaming, ..Default::default() }),
            auth: Some(v1::Auth { scheme: "shared_secret".into(), secret: labels.1 }),
            context,
            conversation_id: labels.2,
            tools,
            input_schema_json: schemas.0,
            output_schema_json: schemas.1,
            effect: "IDEMPOTENT".into(),
            idempotency_key: "key".into(),
            deadline_ms: times.0,
            total_ms: times.1,
            depth: times.2,
            ancestors,
            metadata_json: maps.0,
            extensions_json: maps.1,
            ..Default::default()
        }
    }
}

fn rejection() -> impl Strategy<Value = v1::Rejection> {
    use v1::retry::When;
    let when = prop_oneof![
        Just(When::Never(true)),
        Just(When::Later(true)),
        any::<u32>().prop_map(|ms| When::AfterMs(ms.into())),
    ];
    (word(), word(), "\\PC{0,20}", key(), when, words()).prop_map(
        |(kind, code, reason, origin, when, candidates)| v1::Rejection {
            kind,
            code,
            reason,
            origin,
            retry: Some(v1::Retry { when: Some(when) }),
            limit: Some(v1::Limit { name: "LIST_ITEMS".into(), value: 256 }),
            candidates,
            ..Default::default()
        },
    )
}

pub(crate) fn event() -> impl Strategy<Value = v1::Event> {
    use v1::event::Kind;
    let kind = prop_oneof![
        Just(Kind::Accepted(v1::Accepted {})),
        ("\\PC{0,12}", option::of(0.0..=1.0))
            .prop_map(|(note, fraction)| { Kind::Progress(v1::Progress { note, fraction }) }),
        (part(), any::<bool>())
            .prop_map(|(part, append)| Kind::Chunk(v1::Chunk { part: Some(part), append })),
        (any::<u32>(), word(), json()).prop_map(|(id, name, arguments_json)| {
            Kind::ToolCall(v1::ToolCall { id: id.into(), name, arguments_json })
        }),
        (any::<u32>(), content(), optional_json()).prop_map(|(id, prompt, schema_json)| {
            let input = v1::InputRequired { id: id.into(), prompt: Some(prompt), schema_json };
            Kind::InputRequired(input)
        }),
        (content(), word(), any::<u32>()).prop_map(|(content, model, load)| {
            let usage = v1::ModelUsage { input_tokens: 3, ..Default::default() };
            let by_model = BTreeMap::from([(model, usage)]);
            Kind::Final(v1::Final {
                content: Some(content),
                usage: Some(v1::Usage { by_model, calls: 1, ..Default::default() }),
                timing: Some(v1::Timing { queue_us: 1, handler_us: 2, network_us: 3 }),
                load,
            })
        }),
        rejection().prop_map(Kind::Rejection),
    ];
    kind.prop_map(|kind| v1::Event { kind: Some(kind) })
}

fn attribute() -> impl Strategy<Value = v1::Attribute> {
    use v1::attribute::Value;
    use v1::interval::{High, Low};
    let scalar = prop_oneof![
        word().prop_map(Value::Text),
        (-1e12..1e12).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Flag),
        Just(Value::Date("2024-02-29".into())),
        (0.0..1.0, 1.0..2.0).prop_map(|(from, to)| Value::Interval(v1::Interval {
            low: Some(Low::FromNumber(from)),
            high: Some(High::ToNumber(to)),
        })),
        Just(Value::Interval(v1::Interval {
            low: Some(Low::FromDate("2021-01-01".into())),
            high: Some(High::ToDate("2024-12-31".into())),
        })),
    ];
    let scalar = scalar.prop_map(|value| v1::Attribute { value: Some(value) });
    prop_oneof![
        scalar.clone(),
        vec(scalar, 0..3).prop_map(|items| v1::Attribute {
            value: Some(Value::List(v1::AttributeList { items }))
        }),
    ]
}

prop_compose! {
    fn skill()(
        id in word(),
        texts in ("\\PC{0,12}", "\\PC{0,300}"),
        tags in words(),
        attributes in btree_map(word(), attribute(), 0..4),
        digest in key(),
    ) -> v1::Skill {
        v1::Skill {
            id,
            title: texts.0,
            description: texts.1,
            tags,
            attributes,
            effect: "PURE".into(),
            spends: "none".into(),
            share: "no".into(),
            document_digest: digest,
        }
    }
}

prop_compose! {
    pub(crate) fn descriptor()(
        name in "[a-z0-9._-]{1,64}",
        texts in ("\\PC{0,12}", "\\PC{0,40}"),
        skills in vec(skill(), 0..5),
        lists in (words(), words(), words()),
        flags: [bool; 3],
        cost in optional_json(),
        window in 0..100_000u64,
    ) -> v1::Descriptor {
        let mut skills = skills;
        for (index, skill) in skills.iter_mut().enumerate() {
            skill.id.push_str(&index.to_string());
        }
        v1::Descriptor {
            name,
            title: texts.0,
            description: texts.1,
            version: "1.2.3".into(),
            skills,
            tags: lists.0,
            groups: lists.1,
            requires_auth: flags[0],
            stored: flags[1],
            streaming: flags[2],
            context_window_tokens: window,
            cost_hint_json: cost,
            needs: Some(v1::Needs { tools: lists.2, ..Default::default() }),
            ..Default::default()
        }
    }
}
