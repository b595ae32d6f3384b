//! Keys of a gateway through the public functions; nobody listens there.

use crate::harness::{Host, told};
use serde_json::{Value, json};

const CALL: u8 = 3;
const URL: &str = "http://127.0.0.1:9/v1";
/// A key of a root whose seed is 32 times 1.
const KEY: &str =
    "hbl_A4qI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29cAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// A node of these options whose agent `think` is there.
fn thinking(options: &Value) -> Host {
    let mut host = Host::bare();
    host.done("node.start", options.clone());
    host.register(json!({"name": "think"}));
    host
}

/// Asks the agent under a switch of these terms, if any; the request and the call.
fn asked(host: &mut Host, terms: Option<Value>) -> (u64, u64) {
    let mut body = json!({"to": "think", "content": {"value": "?"}});
    if let Some(terms) = terms {
        body["killSwitch"] = told("switch.new", &terms)["switch"].clone();
    }
    let request = host.submit("request", body, vec![]);
    (request, host.next_of(CALL).ticket)
}

#[test]
fn a_key_is_told_and_paid_from_the_grant() {
    let options = json!({"memoryOnly": true, "gateway": URL, "gatewayKey": KEY});
    let mut host = thinking(&options);
    let (request, call) = asked(&mut host, Some(json!({"costMicros": 4_000})));
    let given = host.done("call.provider", json!({"call": call, "maxCost": 40}));
    assert_eq!(given["baseUrl"], URL);
    let key = given["apiKey"].as_str().unwrap();
    assert!(key.starts_with("hbl_") && key != KEY);
    assert!(given["untilMs"].as_u64().unwrap() > 1_600_000_000_000);
    let much = host.failed("call.provider", json!({"call": call, "maxCost": 961}));
    assert_eq!(much["kind"], "budget_exhausted");
    host.done("call.final", json!({ "call": call }));
    let reply = host.end_of(request).body;
    assert_eq!(
        (&reply["usage"]["costMicros"], &reply["usage"]["chargedInFull"]),
        (&json!(40), &json!(false))
    );
}

#[test]
fn each_component_is_set_aside_by_itself() {
    let options = json!({"memoryOnly": true, "gateway": URL, "gatewayKey": KEY});
    let mut host = thinking(&options);
    let terms = json!({"inputTokens": 800, "outputTokens": 400, "costMicros": 4_000});
    let (request, call) = asked(&mut host, Some(terms));
    for (most, left) in [("maxInput", 200), ("maxOutput", 100), ("maxCost", 1_000)] {
        let mut body = json!({ "call": call });
        body[most] = json!(left + 1);
        assert_eq!(host.failed("call.provider", body)["kind"], "budget_exhausted", "{most}");
        for wrong in [json!(-1), json!(0.5), json!("5"), json!(1_u64 << 53)] {
            let mut body = json!({ "call": call });
            body[most] = wrong;
            let amount = host.failed("call.provider", body);
            assert_eq!((&amount["field"], &amount["code"]), (&json!(most), &json!("amount")));
        }
    }
    // Nobody listens there: all that is set aside is charged.
    host.done("call.provider", json!({"call": call, "maxInput": 30, "maxOutput": 0}));
    host.done("call.final", json!({ "call": call }));
    let usage = host.end_of(request).body["usage"].clone();
    let said = ["inputTokens", "outputTokens", "costMicros"].map(|name| usage[name].as_u64());
    assert_eq!(said, [Some(30), Some(0), Some(250)], "{usage}");
}

#[test]
fn what_is_missing_is_said() {
    let mut host = thinking(&json!({"memoryOnly": true}));
    let (request, call) = asked(&mut host, None);
    let none = host.failed("call.provider", json!({ "call": call }));
    assert_eq!((&none["kind"], &none["code"]), (&json!("configuration"), &json!("no_budget")));
    for wrong in [json!(-1), json!(0.5), json!("5")] {
        let amount = host.failed("call.provider", json!({"call": call, "maxCost": wrong}));
        assert_eq!((&amount["field"], &amount["code"]), (&json!("maxCost"), &json!("amount")));
    }
    host.done("call.final", json!({ "call": call }));
    host.end_of(request);
    let (request, call) = asked(&mut host, Some(json!({"costMicros": 400})));
    assert_eq!(host.failed("call.provider", json!({ "call": call }))["code"], "no_gateway");
    host.done("call.final", json!({ "call": call }));
    host.end_of(request);
    let wrong = json!({"gateway": "http://10.0.0.1/v1", "gatewayKey": KEY});
    assert_eq!(Host::bare().failed("node.start", wrong)["field"], "gateway");
    let unknown = json!({"refund": "always"});
    assert_eq!(Host::bare().failed("node.start", unknown)["field"], "refund");
    let twice = json!({"refund": "member=never,member=signed"});
    assert_eq!(Host::bare().failed("node.start", twice)["field"], "refund");
    let unsigned = json!({"refund": "provider", "gateway": URL, "gatewayKey": KEY});
    assert_eq!(Host::bare().failed("node.start", unsigned)["code"], "no_gateway");
    let signer = json!({"gateway": URL, "gatewayKey": KEY, "gatewaySigner": "x"});
    assert_eq!(Host::bare().failed("node.start", signer)["field"], "gatewaySigner");
}
