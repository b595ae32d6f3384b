//! Agents are asked, and answer as the language contract says.

use super::support::{GUARD, House, PATIENCE, options, soon};
use hubless::budget::{KillSwitch, Terms};
use hubless::node::Secret;
use hubless::{Content, Node, NodeOptions, RequestOptions, handler};
use hubless_edge::http::{HttpEdge, HttpOptions};
use hubless_proto::killswitch::{Allowance, Claim, GrantId, RedeemCode};
use hubless_proto::limits;
use hubless_proto::wire::v1::Auth;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_agent_that_allows_it_is_asked() {
    let house = House::new().await;
    let data = json!({ "content": { "parts": [{ "data": { "a": [1] }, "role": "user" }] } });
    let answer = house.ask("echo", &data).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let reply = answer.json();
    assert_eq!(reply["value"], json!({ "a": [1] }));
    assert_eq!(reply["content"]["parts"], data["content"]["parts"]);
    assert_eq!((&reply["agent"]["name"], &reply["path"]), (&"echo".into(), &"in_process".into()));
    let id = reply["agent"]["agentId"].as_str().unwrap();
    let blob =
        json!({ "content": { "parts": [{ "blob": { "mediaType": "x/y", "bytes": "AAEC" } }] } });
    let by_id = house.ask(id, &blob).await.json();
    assert_eq!(by_id["content"]["parts"], blob["content"]["parts"]);
    let text = house.ask("echo", &json!({ "content": { "value": "hi" } })).await.json();
    assert_eq!((&text["value"], &text["text"]), (&"hi".into(), &"hi".into()));
}

#[tokio::test]
async fn curl_asks_as_the_guide_says() {
    let house = House::new().await;
    let url = house.edge.url();
    let ask = vec![
        format!("{url}/v1/agents/echo/requests"),
        "-H".to_owned(),
        "content-type: application/json".to_owned(),
        "-d".to_owned(),
        r#"{"content": {"value": "hello"}}"#.to_owned(),
    ];
    let curl = |arguments: Vec<String>| async move {
        let run = move || Command::new("curl").args(["-sS", "-m", "20"]).args(arguments).output();
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let Ok(output) = curl(ask.clone()).await else {
        // Without curl the same is asked by hand, above.
        return;
    };
    let reply: Value = serde_json::from_slice(&output.stdout).expect("curl prints the reply");
    assert_eq!(reply["value"], "hello");
    let http2 = [vec!["--http2-prior-knowledge".to_owned()], ask].concat();
    let over_http2 = curl(http2).await.unwrap();
    let supported = !String::from_utf8_lossy(&over_http2.stderr).contains("does not support");
    if supported {
        let reply: Value = serde_json::from_slice(&over_http2.stdout).unwrap();
        assert_eq!(reply["value"], "hello");
    }
    let listed = curl(vec![format!("{url}/v1/agents")]).await.unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(listed["agents"].as_array().unwrap().iter().any(|agent| agent["name"] == "echo"));
}

#[tokio::test]
async fn an_agent_of_another_node_is_asked_and_hidden_ones_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let home = Some(folder.path().to_owned());
    let start = || Node::start(NodeOptions { home: home.clone(), ..NodeOptions::default() });
    let (far, near) = (start().await.unwrap(), start().await.unwrap());
    let who = handler(|call: hubless::Call, _| async move {
        Ok(Content::text(format!("{} {}", call.caller().kind, call.caller().principal)))
    });
    for (name, open) in [("far", true), ("shut", false)] {
        let rules = json!({ "name": name, "requirements": { "allowExternalConnections": open } });
        let agent = hubless::AgentOptions::read(rules).unwrap();
        far.register(agent, std::sync::Arc::clone(&who)).await.unwrap();
    }
    for name in ["far", "shut"] {
        let mut member = RequestOptions::new(name, Content::text("x"));
        member.wait_ms = Some(20_000);
        let reply = near.request(member).await.unwrap();
        assert!(reply.content.joined_text().starts_with("member mesh:"), "seen by a member");
    }
    let edge = HttpEdge::start(&near, options()).await.unwrap();
    let house = House { node: near, edge, agents: Default::default() };
    let answer = house.ask("far", &json!({})).await;
    assert_eq!(answer.json()["value"], "edge edge:http:anonymous");
    assert_eq!(answer.json()["path"], "direct");
    assert_eq!(house.ask("shut", &json!({})).await.error(), (404, "not_found/".to_owned()));
    let listed = house.send(&house.get("/v1/agents", "")).await.json();
    let names: Vec<_> = listed["agents"].as_array().unwrap().iter().map(|a| &a["name"]).collect();
    assert_eq!(names, ["far"]);
}

#[tokio::test]
async fn an_agent_that_is_hidden_answers_as_one_that_is_not_there() {
    let house = House::new().await;
    let hidden = house.node.describe("hidden").await.unwrap();
    let found = house.node.list_agents(hubless::node::Scope::Local).unwrap();
    let hidden_id = found.iter().find(|agent| agent.name == hidden.descriptor.name).unwrap();
    let bytes = |agent: String| {
        let request = house.post(&agent, "{}", "X-Request-Id: same\r\n");
        let house = &house;
        async move {
            let answer = house.send(&request).await;
            let head = answer.head.lines().filter(|line| !line.starts_with("date:"));
            (head.map(str::to_owned).collect::<Vec<_>>(), answer.body)
        }
    };
    let unknown = bytes("nobody".to_owned()).await;
    assert_eq!(unknown.0.first().map(String::as_str), Some("http/1.1 404 not found"));
    for name in [hidden_id.name.clone(), hidden_id.agent_id.to_string(), hidden_id.address.clone()]
    {
        assert_eq!(bytes(name.clone()).await, unknown, "{name}");
    }
    let known = house.node.request(RequestOptions::new("hidden", Content::text("x"))).await;
    assert!(known.is_ok(), "it is there for the mesh");
}

#[tokio::test]
async fn a_client_is_external_and_brings_nothing_of_this_node() {
    let house = House::new().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = format!("traceparent: {parent}\r\nbaggage: canary=1\r\n");
    let seen = house.send(&house.post("mirror", "{}", &headers)).await.json()["value"].clone();
    assert_eq!(seen["kind"], "edge");
    assert_eq!(seen["principal"], "edge:http:anonymous");
    let nothing = [&seen["role"], &seen["agent"], &seen["mesh"], &seen["baggage"], &seen["auth"]];
    assert_eq!(nothing, [&json!(""), &json!(false), &json!(false), &json!(""), &json!(false)]);
    assert_eq!(seen["metadata"]["hubless.linkedTrace"], json!(format!("\"{parent}\"")));
    assert!(!seen["traceparent"].as_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    let trusting = House::with(HttpOptions { trust_traces: true, ..options() }).await;
    let seen =
        trusting.send(&trusting.post("mirror", "{}", &headers)).await.json()["value"].clone();
    // Its trace goes on, below the span of the gateway.
    assert!(seen["traceparent"].as_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(seen["baggage"], "");
}

#[tokio::test]
async fn the_credentials_of_this_node_are_not_lent() {
    let house = House::new().await;
    let auth = Auth { scheme: "shared_secret".into(), secret: GUARD.into() };
    let mesh = house.node.mesh_id().to_string();
    house.node.credentials().set(&mesh, Secret::Plain(auth.clone())).unwrap();
    let own = house.node.request(RequestOptions::new("guarded", Content::text("x"))).await;
    assert!(own.is_ok(), "the node itself uses it: {own:?}");
    let stranger = house.ask("guarded", &json!({})).await;
    assert_eq!(stranger.error().0, 401);
    let body = json!({ "auth": { "scheme": auth.scheme, "secret": auth.secret } });
    assert_eq!(house.ask("guarded", &body).await.status, 200, "one that knows it may");
}

#[tokio::test]
async fn each_failure_has_its_status_and_shows_no_inside() {
    let house = House::new().await;
    for (kind, status) in [
        ("denied", 403),
        ("busy", 429),
        ("handler_failed", 500),
        ("content", 415),
        ("too_large", 413),
        ("conflict", 409),
        ("unsupported", 501),
        ("expired", 410),
    ] {
        let answer = house.ask("fail", &json!({ "content": { "value": kind } })).await;
        assert_eq!(answer.error(), (status, format!("{kind}/planted")));
        assert_eq!(answer.body.contains("canary"), kind != "handler_failed", "{}", answer.body);
        assert_eq!(answer.header("retry-after").is_some(), kind == "busy");
    }
    let paid = house.ask("paid", &json!({})).await;
    assert_eq!(paid.error(), (402, "budget_exhausted/grant_required".to_owned()));
    let unknown = house.send(&house.get("/v2", "")).await;
    assert_eq!(unknown.error(), (404, "not_found/path".to_owned()));
    let method = house.send(&house.get("/v1/agents/echo/requests", "")).await;
    assert_eq!(method.error(), (405, "unsupported/method".to_owned()));
    assert_eq!(method.header("allow"), Some("post"));
}

/// What the listener allows anybody pays for agents that need no grant, and for no other.
#[tokio::test]
async fn the_budget_of_the_listener_pays_for_no_agent_that_requires_a_grant() {
    let budget = Terms::read("", &json!({ "calls": 5 })).unwrap();
    let house = House::with(HttpOptions { budget: Some(budget), ..options() }).await;
    assert_eq!(house.ask("echo", &json!({})).await.status, 200);
    for headers in ["", "Accept: text/event-stream\r\n"] {
        let paid = house.send(&house.post("paid", "{}", headers)).await;
        assert_eq!(paid.error(), (402, "budget_exhausted/grant_required".to_owned()), "{headers}");
    }
    // Who has a budget in the mesh is served.
    let switch = KillSwitch::new(Terms::read("", &json!({ "calls": 5 })).unwrap());
    let asked = RequestOptions::new("paid", Content::text("x"));
    let asked = RequestOptions { kill_switch: Some(switch), ..asked };
    assert!(house.node.request(asked).await.is_ok());
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    let house = House::new().await;
    let bound = limits::HTTP_ANSWER_BYTES;
    let fits = house.ask("large", &json!({ "content": { "value": 65_536 } })).await;
    assert_eq!(fits.status, 200);
    let over = house.ask("large", &json!({ "content": { "value": bound + 1 } })).await;
    assert_eq!(over.error(), (413, "too_large/answer".to_owned()));
    assert_eq!(over.json()["limit"]["name"], "HTTP_ANSWER_BYTES");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let house = House::new().await;
    for headers in ["", "Accept: text/event-stream\r\n"] {
        let mut wire = house.wire().await;
        wire.write(&house.post("wait", "{}", headers)).await;
        soon("the handler to run", &house.agents.began).await;
        drop(wire);
        soon("the handler to be cancelled", &house.agents.stopped).await;
    }
    let mut wire = house.wire().await;
    wire.write(&house.post("wait", "{}", "")).await;
    soon("the handler to run", &house.agents.began).await;
    house.agents.release.notify_one();
    let answer = wire.answer().await;
    assert_eq!(answer.json()["value"], "released", "one that stays gets its answer");
}

#[tokio::test]
async fn a_deadline_ends_the_call() {
    let house = House::new().await;
    let mut time_ms = 100;
    loop {
        let headers = format!("X-Timeout-Ms: {time_ms}\r\n");
        let late = house.send(&house.post("wait", "{}", &headers)).await;
        assert_eq!(late.error().0, 504, "{late:?}");
        let began = house.agents.began.notified();
        if tokio::time::timeout(Duration::ZERO, began).await.is_ok() {
            break;
        }
        // A busy machine had not come to the handler when the time was over.
        time_ms *= 2;
        assert!(time_ms < 20_000, "the handler did not run");
    }
    soon("the handler to be cancelled", &house.agents.stopped).await;
    let body = r#"{"totalMs": 100}"#;
    assert_eq!(house.send(&house.post("wait", body, "")).await.error().0, 504);
}

#[tokio::test]
async fn ids_of_requests_are_echoed_or_made() {
    let house = House::new().await;
    let id = |given: String| {
        let request = house.get("/v1/agents", &given);
        let house = &house;
        async move { house.send(&request).await.header("x-request-id").unwrap().to_owned() }
    };
    assert_eq!(id("X-Request-Id: mine-1.a:b_c\r\n".to_owned()).await, "mine-1.a:b_c");
    let longest = "x".repeat(limits::HTTP_REQUEST_ID_BYTES);
    assert_eq!(id(format!("X-Request-Id: {longest}\r\n")).await, longest);
    let (made, again) = (id(String::new()).await, id(String::new()).await);
    assert!(made.len() == 32 && made != again);
    for bad in ["a b", "", "<script>", &format!("{longest}x")] {
        assert_eq!(id(format!("X-Request-Id: {bad}\r\n")).await.len(), 32, "{bad:?}");
    }
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let house = House::new().await;
    let document = house.send(&house.get("/openapi.json", "")).await.json();
    let holds = |schema: &str, value: &Value| {
        let root = json!({
            "$ref": format!("#/components/schemas/{schema}"),
            "components": document["components"],
        });
        let compiled = jsonschema::validator_for(&root).unwrap();
        let wrong: Vec<_> = compiled.iter_errors(value).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{schema}: {wrong:?} in {value}");
        assert!(
            !compiled.is_valid(&json!({ "agents": 3, "kind": 3, "usage": 3, "content": 3 })),
            "{schema}"
        );
    };
    let body = json!({ "content": { "value": "x", "metadata": { "k": 1 } }, "totalMs": 9_000 });
    holds("Request", &body);
    holds("Reply", &house.ask("echo", &body).await.json());
    holds("Error", &house.ask("nobody", &json!({})).await.json());
    holds("Agents", &house.send(&house.get("/v1/agents", "")).await.json());
}

#[tokio::test]
async fn closing_lets_a_running_call_end() {
    let house = House::new().await;
    let mut wire = house.wire().await;
    wire.write(&house.post("wait", "{}", "")).await;
    soon("the handler to run", &house.agents.began).await;
    let address = house.address();
    let closed = tokio::spawn(house.edge.close(PATIENCE));
    house.agents.release.notify_one();
    assert_eq!(wire.answer().await.status, 200);
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();
    let refused =
        tokio::time::timeout(Duration::from_secs(5), tokio::net::TcpStream::connect(address));
    assert!(refused.await.unwrap().is_err(), "nobody listens");
}

#[tokio::test]
async fn a_client_that_shows_too_many_codes_that_are_none_is_refused_for_a_while() {
    let house = House::new().await;
    let claim = Claim {
        grant: GrantId::from_bytes([1; 16]),
        digest: [1; 32],
        amount: Allowance::UNLIMITED,
        until_ms: u64::MAX,
    };
    let made_up = RedeemCode::new(house.node.key(), [1; 32], &claim);
    let header = format!("Hubless-Redeem: {}\r\n", made_up.text().as_str());
    let began = Instant::now();
    let mut refused = 0;
    loop {
        let (status, why) = house.send(&house.post("echo", "{}", &header)).await.error();
        if status == 429 {
            assert_eq!(why, "busy/redeem");
            break;
        }
        assert_eq!((status, why.as_str()), (403, "denied/redeem"));
        refused += 1;
        // On a slow machine the counting begins anew once in a while.
        assert!(began.elapsed() < PATIENCE * 10, "never refused");
    }
    assert!(refused >= limits::HTTP_WRONG_CODES, "only {refused}");
    // The same client, without a code.
    assert_eq!(house.ask("echo", &json!({})).await.status, 200);
}
