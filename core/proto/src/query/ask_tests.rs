use super::super::attribute_from_json;
use super::*;
use serde_json::json;

const MESH: MeshId = MeshId::from_bytes([4; 32]);

fn skill(id: &str, attributes: &Value) -> v1::Skill {
    let attributes = attributes.as_object().into_iter().flatten();
    let attributes = attributes
        .map(|(name, value)| (name.clone(), attribute_from_json(name, value).unwrap()))
        .collect();
    v1::Skill { id: id.to_owned(), attributes, ..v1::Skill::default() }
}

fn matches(query: Value, descriptor: &v1::Descriptor) -> bool {
    let schema = json!({"type": "object", "properties": {"a": {"type": "number"}},
        "required": ["a"]});
    // Outlives the test: a candidate borrows what the directory holds.
    let schema: &'static Value = Box::leak(Box::new(schema));
    let lookup = move |digest: &[u8]| (digest == [7; 32]).then_some(schema);
    let candidate = Candidate {
        id: AgentId::from_bytes([1; 32]),
        descriptor,
        mesh: Some(MESH),
        issued_at_ms: 1_000,
        latency_us: Some(500),
        input_schema: &lookup,
    };
    Query::read(query).unwrap().matches(&candidate, 2_000)
}

/// Which agent has structured FX data for EUR/USD in 2021–2024 to the minute?
#[test]
fn answers_the_fx_question() {
    let question = json!({"contentTypesOut": ["application/json"], "filter": {"and": [
        {"field": "attributes.pair", "op": "contains", "value": "EUR/USD"},
        {"field": "attributes.period", "op": "covers",
         "value": {"interval": {"from": "2021-01-01", "to": "2024-12-31"}}},
        {"field": "attributes.resolution_s", "op": "<=", "value": 60},
        {"field": "attributes.structured", "op": "=", "value": true}
    ]}});
    let years = |from: &str, to: &str| json!({"interval": {"from": from, "to": to}});
    let data = |pair: Value, period: Value, resolution: Value| {
        json!({
            "pair": pair, "period": period, "resolution_s": resolution, "structured": true
        })
    };
    let whole = years("2021-01-01", "2024-12-31");
    let good = data(json!(["GBP/USD", "EUR/USD"]), years("2019-01-01", "2025-06-30"), json!(60));
    let agent = |skills: Vec<v1::Skill>| v1::Descriptor { skills, ..v1::Descriptor::default() };
    let one = |attributes: &Value| agent(vec![skill("fx", attributes)]);

    assert!(matches(question.clone(), &one(&good)));
    assert!(matches(question.clone(), &agent(vec![skill("news", &json!({})), skill("fx", &good)])));
    for (why, attributes) in [
        ("another pair", data(json!(["GBP/USD"]), whole.clone(), json!(1))),
        ("the pair as text", data(json!("EUR/USD;GBP/USD "), json!(true), json!(1))),
        ("a year short", data(json!(["EUR/USD"]), years("2021-01-01", "2023-12-31"), json!(60))),
        ("a day short", data(json!(["EUR/USD"]), years("2021-01-02", "2024-12-31"), json!(60))),
        ("hours only", data(json!(["EUR/USD"]), whole.clone(), json!(3600))),
        ("a number as text", data(json!(["EUR/USD"]), whole.clone(), json!("60"))),
        ("nothing said", json!({})),
    ] {
        assert!(!matches(question.clone(), &one(&attributes)), "{why}");
    }
    // Facts of two skills are not mixed into one that has neither.
    let pair = json!({"pair": ["EUR/USD"], "structured": true});
    let rest = json!({"period": whole, "resolution_s": 60});
    let split = agent(vec![skill("pairs", &pair), skill("times", &rest)]);
    assert!(!matches(question.clone(), &split));
    // The right data in the wrong form.
    let pictures = v1::Descriptor { content_types_out: vec!["image/png".to_owned()], ..one(&good) };
    assert!(!matches(question, &pictures));
}

#[test]
fn each_part_of_a_query_takes_and_leaves() {
    let models = v1::Models { names: vec!["m1".to_owned()] };
    let mut render = skill("render", &json!({}));
    render.tags = vec!["svg".to_owned()];
    render.document_digest = bytes::Bytes::from_static(&[7; 32]);
    let agent = v1::Descriptor {
        name: "painter".to_owned(),
        version: "1.4.0".to_owned(),
        tags: vec!["charts".to_owned()],
        groups: vec!["finance".to_owned()],
        zones: vec!["eu".to_owned()],
        tools: vec!["zoom".to_owned()],
        context_protocol: "mcp".to_owned(),
        cost_hint_json: r#"{"perCall": 2}"#.to_owned(),
        content_types_in: vec!["text".to_owned(), "image/png".to_owned()],
        requires_auth: true,
        needs: Some(v1::Needs {
            auth_schemes: vec!["shared_secret".to_owned()],
            ..v1::Needs::default()
        }),
        allowed_models: [("chat".to_owned(), models)].into(),
        skills: vec![skill("other", &json!({})), render],
        ..v1::Descriptor::default()
    };
    let object = json!({"type": "object", "properties": {"a": {"type": "integer"}},
        "required": ["a"]});
    let own = AgentId::from_bytes([1; 32]).to_string();
    let mesh = |key: MeshId| json!({"mesh": key.to_string()});
    let filter = |field: &str, op: &str, value: Value| {
        json!({
            "filter": {"field": field, "op": op, "value": value}
        })
    };
    for (takes, leaves) in [
        (json!({"skill": "render"}), json!({"skill": "draw"})),
        (json!({"tags": ["svg", "charts"]}), json!({"tags": ["svg", "x"]})),
        (json!({"skill": "render", "tags": ["svg"]}), json!({"skill": "other", "tags": ["svg"]})),
        (json!({"group": "finance"}), json!({"group": "legal"})),
        (json!({"zone": "eu"}), json!({"zone": "us"})),
        (json!({"contentTypesIn": ["text/csv"]}), json!({"contentTypesIn": ["image/jpeg"]})),
        (json!({"contentTypesOut": ["text/*"]}), json!({"contentTypesOut": ["video"]})),
        (json!({"accepts": object}), json!({"accepts": {"type": "string"}})),
        (json!({"contextProtocol": "mcp"}), json!({"contextProtocol": "none"})),
        (json!({"models": ["m0", "m1"]}), json!({"models": ["m0"]})),
        (json!({"auth": "shared_secret"}), json!({"auth": "none"})),
        (mesh(MESH), mesh(MeshId::from_bytes([5; 32]))),
        (json!({"version": "^1.2"}), json!({"version": ">=2"})),
        (json!({"maxLatencyUs": 500}), json!({"maxLatencyUs": 499})),
        (json!({"cost": 2}), json!({"cost": 1.9})),
        (json!({"freshMs": 1000}), json!({"freshMs": 999})),
        (json!({"tools": ["zoom"]}), json!({"tools": ["zoom", "pan"]})),
        (json!({"exclude": []}), json!({"exclude": [own]})),
        (filter("name", "=", json!("painter")), filter("name", "=", json!("Painter"))),
        (filter("name", "in", json!(["x", "painter"])), filter("name", "in", json!(["x"]))),
        (filter("tags", "contains", json!("charts")), filter("tags", "=", json!("charts"))),
        (filter("skill.id", "=", json!("render")), filter("skill.id", "!=", json!(3))),
        (filter("title", "exists", json!(false)), filter("title", "exists", json!(true))),
        (filter("requiresAuth", "=", json!(true)), filter("stored", "=", json!(true))),
        (
            json!({"filter": {"not": {"field": "title", "op": "=", "value": "x"}}}),
            json!({"filter": {"not": {"field": "name", "op": "exists"}}}),
        ),
        (
            json!({"filter": {"or": [{"field": "stored", "op": "=", "value": true},
                {"field": "models", "op": "contains", "value": "m1"}]}}),
            json!({"filter": {"or": []}}),
        ),
        (json!({"filter": {"and": []}}), json!({"filter": {"not": {"and": []}}})),
        (Value::Null, filter("skill.title", "exists", json!(true))),
    ] {
        assert!(matches(takes.clone(), &agent), "{takes}");
        assert!(!matches(leaves.clone(), &agent), "{leaves}");
    }
}

#[test]
fn wrong_queries_name_the_field_and_the_bound() {
    let deep =
        (0..8).fold(json!({"field": "name", "op": "exists"}), |inner, _| json!({"not": inner}));
    let predicate = json!({"field": "name", "op": "exists"});
    let wide = json!({"and": vec![predicate; 33]});
    let large = json!({"field": "name", "op": "=", "value": "x".repeat(4_097)});
    for (query, field, limit) in [
        (json!({"colour": 1}), "query.colour", None),
        (json!({"skill": 1}), "query.skill", None),
        (json!({"tags": "x"}), "query.tags", None),
        (json!({"tags": vec!["x"; 65]}), "query.tags", Some("QUERY_ENTRIES")),
        (json!("x".repeat(4_097)), "query.text", Some("QUERY_TEXT_BYTES")),
        (json!({"limit": 0}), "query.limit", Some("FIND_LIMIT")),
        (json!({"limit": 1_001}), "query.limit", Some("FIND_LIMIT")),
        (json!({"version": "new"}), "query.version", None),
        (json!({"mesh": "x"}), "query.mesh", None),
        (json!({"contentTypesIn": ["pictures"]}), "query.contentTypesIn", None),
        (json!({"accepts": {"type": "strange"}}), "query.accepts", None),
        (json!({"claims": vec![json!({}); 65]}), "query.claims", Some("QUERY_ENTRIES")),
        (json!({"claims": ["x"]}), "query.claims", None),
        (json!({"cost": "low"}), "query.cost", None),
        (json!({"cost": -1}), "query.cost", None),
        (json!([]), "query", None),
        (json!({"filter": deep}), "filter", Some("FILTER_DEPTH")),
        (json!({"filter": wide}), "filter", Some("FILTER_PREDICATES")),
        (json!({"filter": large}), "filter", Some("FILTER_BYTES")),
        (json!({"filter": {}}), "filter.field", None),
        (json!({"filter": {"field": "x", "op": "="}}), "filter.field", None),
        (json!({"filter": {"field": "name", "op": "~", "value": 1}}), "filter.op", None),
        (json!({"filter": {"field": "name", "op": "="}}), "filter.value", None),
        (json!({"filter": {"field": "name", "op": "exists", "value": 1}}), "filter.value", None),
        (json!({"filter": {"and": {}}}), "filter.and", None),
        (json!({"filter": {"and": [], "or": []}}), "filter.or", None),
    ] {
        let error = Query::read(query.clone()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{query}");
        assert_eq!(error.limit.map(|limit| limit.name).as_deref(), limit, "{query}");
    }
}

#[test]
fn conditions_that_nothing_can_answer_are_refused_by_name() {
    for (query, field) in [
        (json!({"claims": [{"issuer": "did:key:z6Mk"}]}), "query.claims"),
        (json!({"trustDomain": "example.org"}), "query.trustDomain"),
    ] {
        let error = Query::read(query.clone()).unwrap_err();
        let told = (error.kind, error.code.as_str(), error.field.as_deref());
        assert_eq!(told, (crate::Kind::Unsupported, "not_served", Some(field)), "{query}");
    }
    assert_eq!(Query::read(json!({"claims": [], "trustDomain": ""})), Ok(Query::default()));
}
