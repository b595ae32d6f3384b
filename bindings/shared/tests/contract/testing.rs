//! Test meshes, fake peers and recordings through the public functions.

use crate::harness::{Host, refused, told};
use serde_json::{Value, json};
use std::path::Path;

/// A session whose node lives in a test mesh.
fn start(mesh: &Value) -> Host {
    let mut host = Host::bare();
    let started = host.done("node.start", json!({"testing": mesh["mesh"]}));
    let (home, data) = (mesh["home"].as_str(), started["home"].as_str());
    assert!(home.zip(data).is_some_and(|(home, data)| data.starts_with(home)), "{started}");
    host
}

fn ask(host: &mut Host, value: Value) -> Value {
    host.run("request", json!({"to": "weather", "content": {"value": value}})).body
}

#[test]
fn a_mesh_is_there_from_its_making_to_its_end() {
    let mesh = told("testing.mesh", &json!({}));
    let home = mesh["home"].as_str().unwrap().to_owned();
    let (mut one, mut other) = (start(&mesh), start(&mesh));
    let script = json!({"otherwise": {"answer": {"value": 7}}});
    one.done("testing.fake", json!({"agent": {"name": "weather"}, "script": script}));

    assert_eq!(ask(&mut other, json!("?"))["value"], 7);
    for field in ["home", "mesh", "listen", "port", "memoryOnly"] {
        let body = json!({"testing": mesh["mesh"], field: null});
        assert_eq!(Host::bare().failed("node.start", body)["field"], field);
    }
    for mut host in [one, other] {
        host.done("node.close", json!({"graceMs": 0}));
    }
    assert!(Path::new(&home).exists());
    told("testing.drop", &json!({"mesh": mesh["mesh"]}));
    assert!(!Path::new(&home).exists());

    let again = json!({"mesh": mesh["mesh"]}).to_string();
    assert_eq!(refused("testing.drop", &again)["field"], "mesh");
    let late = Host::bare().failed("node.start", json!({"testing": mesh["mesh"]}));
    assert_eq!(late["field"], "testing");
}

#[test]
fn a_fake_tells_what_it_was_asked_and_whether_its_script_is_met() {
    let mesh = told("testing.mesh", &json!({}));
    let mut host = start(&mesh);
    let script = json!({"steps": [
        {"when": {"value": {"city": "Oslo"}}, "answer": {"value": 7}, "hold": "door"},
        {"answer": {"parts": [{"blob": {"mediaType": "a/b", "bytes": "AAEC"}}]}}]});
    let body = json!({"agent": {"name": "weather"}, "script": script});
    let fake = host.done("testing.fake", body)["agent"].clone();

    let blob = host.run("request", json!({"to": "weather", "content": {"value": "x"}}));
    assert_eq!(blob.attachments[0].as_ref(), [0, 1, 2]);
    let unmet = host.failed("testing.verify", json!({ "agent": fake }));
    assert_eq!((&unmet["kind"], &unmet["code"]), (&json!("conflict"), &json!("script_unmet")));

    let oslo = json!({"to": "weather", "content": {"value": {"city": "Oslo"}}});
    let held = host.submit("request", oslo, vec![]);
    let asked = host.done("testing.asked", json!({"agent": fake, "atLeast": 2}));
    assert_eq!(asked["count"], 2);
    assert_eq!(asked["asked"][0]["content"]["text"], "x");
    assert_eq!(asked["asked"][0]["caller"]["kind"], "local");
    assert_eq!(asked["asked"][1]["content"]["value"], json!({"city": "Oslo"}));
    assert_eq!(
        (&asked["asked"][1]["step"], &asked["asked"][1]["ending"]),
        (&json!(0), &json!("open"))
    );
    let count = host.done("testing.asked", json!({"agent": fake, "countOnly": true}));
    assert_eq!(count, json!({"count": 2, "asked": []}));
    let wrong = host.failed("testing.release", json!({"agent": fake, "gate": "window"}));
    assert_eq!(wrong["field"], "gate");
    host.done("testing.release", json!({"agent": fake, "gate": "door"}));
    assert_eq!(host.end_of(held).body["value"], 7);
    host.done("testing.verify", json!({ "agent": fake }));

    let used = ask(&mut host, json!("more"));
    assert_eq!((&used["code"], &used["rejection"]), (&json!("script_used_up"), &json!(true)));
    assert!(used["message"].as_str().unwrap().contains("value \"more\""), "{used}");
    host.done("unregister", json!({ "agent": fake }));
    let gone = host.failed("testing.asked", json!({ "agent": fake }));
    assert_eq!(gone["field"], "agent");
    host.done("node.close", json!({"graceMs": 0}));
    told("testing.drop", &json!({"mesh": mesh["mesh"]}));
}

#[test]
fn a_recording_answers_without_the_peer() {
    let mesh = told("testing.mesh", &json!({}));
    let mut host = start(&mesh);
    let script = json!({"steps": [{"answer": {"value": "cold"}}]});
    let body = json!({"agent": {"name": "weather", "description": "real"}, "script": script});
    let real = host.done("testing.fake", body)["agent"].clone();
    let body = json!({"to": "weather", "agent": {"name": "recorded"}, "redact": ["badge"]});
    let recorder = host.done("testing.record", body)["agent"].clone();
    let asked =
        json!({"to": "recorded", "content": {"value": {"city": "Oslo", "badge": "canary"}}});
    assert_eq!(host.done("request", asked)["value"], "cold");
    let path = Path::new(mesh["home"].as_str().unwrap()).join("weather.json");
    let saved = host.done("testing.save", json!({"agent": &recorder, "path": path}));
    assert_eq!(saved, json!({"steps": 1, "open": 0}));
    assert!(!std::fs::read_to_string(&path).unwrap().contains("canary"));
    let wrong = host.failed("testing.asked", json!({ "agent": &recorder }));
    assert_eq!(wrong["field"], "agent");
    // Both are described in the words of the peer.
    for agent in [real, recorder] {
        host.done("unregister", json!({ "agent": agent }));
    }

    let body = json!({"path": path, "mode": "loose", "agent": {"title": "again"}});
    let replayed = host.done("testing.replay", body);
    assert_eq!(replayed["name"], "weather");
    let found = host.done("peer", json!({"query": {"text": "real"}}));
    assert_eq!(found["title"], "again");
    for _ in 0..2 {
        let other = json!({"city": "Oslo", "badge": "other"});
        assert_eq!(ask(&mut host, other)["value"], "cold");
    }
    host.done("node.close", json!({"graceMs": 0}));
    told("testing.drop", &json!({"mesh": mesh["mesh"]}));
}
