//! Kill switches and spendings through the public functions.

use crate::harness::{Host, refused, told};
use serde_json::{Value, json};

const CALL: u8 = 3;
const CANCEL: u8 = 4;

fn switch(terms: &Value) -> u64 {
    told("switch.new", terms)["switch"].as_u64().unwrap_or_default()
}

fn state(switch: u64) -> Value {
    told("switch.state", &json!({ "switch": switch }))
}

/// A node whose agent `think` spends.
fn thinking() -> Host {
    let mut host = Host::start();
    host.register(json!({"name": "think"}));
    host
}

fn ask(switch: u64) -> Value {
    json!({"to": "think", "content": {"value": "?"}, "killSwitch": switch})
}

#[test]
fn what_a_handler_sets_aside_and_uses_is_on_its_switch() {
    let mut host = thinking();
    let budget = switch(&json!({"inputTokens": 4_000, "calls": 2}));
    let request = host.submit("request", ask(budget), vec![]);
    let call = host.next_of(CALL);
    assert_eq!(call.body["granted"]["inputTokens"], 1_000);
    assert_eq!(call.body["granted"]["costMicros"], Value::Null);

    let aside = json!({"call": call.ticket, "inputTokens": 600});
    let spend = host.done("call.spend", aside)["spend"].as_u64().unwrap();
    let more = host.failed("call.spend", json!({"call": call.ticket, "inputTokens": 600}));
    assert_eq!(more["kind"], "budget_exhausted");
    // A wrong word loses nothing.
    let wrong = refused("spend.used", &format!("{{\"spend\": {spend}, \"inputTokens\": -1}}"));
    assert_eq!((&wrong["field"], &wrong["code"]), (&json!("inputTokens"), &json!("amount")));
    told("spend.used", &json!({"spend": spend, "inputTokens": 250}));
    let again = refused("spend.used", &json!({ "spend": spend }).to_string());
    assert_eq!((&again["kind"], &again["field"]), (&json!("invalid_argument"), &json!("spend")));
    host.done("call.final", json!({ "call": call.ticket }));

    let reply = host.end_of(request).body;
    assert_eq!(reply["usage"]["inputTokens"], 250);
    assert_eq!(reply["usage"]["chargedInFull"], false);
    let after = state(budget);
    assert_eq!(
        after["spent"],
        json!({
        "inputTokens": 250, "outputTokens": 0, "costMicros": 0, "calls": 1})
    );
    assert_eq!(
        after["remaining"],
        json!({
        "inputTokens": 3_750, "outputTokens": null, "costMicros": null, "calls": 1})
    );
    let tree = told("switch.tree", &json!({ "switch": budget }))["tree"].clone();
    assert_eq!(tree["children"][0]["state"], "settled");
    assert_eq!(tree["children"][0]["used"]["inputTokens"], 250);
}

#[test]
fn what_is_not_reported_is_charged_in_full() {
    let mut host = thinking();
    let budget = switch(&json!({"outputTokens": 400}));
    let request = host.submit("request", ask(budget), vec![]);
    let call = host.next_of(CALL);
    host.done("call.final", json!({ "call": call.ticket }));
    assert_eq!(host.end_of(request).body["usage"]["chargedInFull"], true);
    assert_eq!(state(budget)["spent"]["outputTokens"], 100);

    // The same for a spending that is left open, and for one that is let go of.
    for dropped in [false, true] {
        let before = state(budget)["spent"]["outputTokens"].as_u64().unwrap();
        let request = host.submit("request", ask(budget), vec![]);
        let call = host.next_of(CALL);
        let aside = json!({"call": call.ticket, "outputTokens": 7});
        let spend = host.done("call.spend", aside)["spend"].clone();
        if dropped {
            told("spend.drop", &json!({ "spend": spend }));
        }
        host.done("call.final", json!({ "call": call.ticket }));
        let usage = host.end_of(request).body["usage"].clone();
        assert_eq!((&usage["outputTokens"], &usage["chargedInFull"]), (&json!(7), &json!(false)));
        assert_eq!(state(budget)["spent"]["outputTokens"], before + 7);
        assert_eq!(refused("spend.used", &json!({"spend": spend}).to_string())["field"], "spend");
    }
}

#[test]
fn a_stop_reaches_the_handler_the_caller_and_who_waits() {
    let mut host = thinking();
    let budget = switch(&json!({"calls": 9}));
    let waiting = host.submit("switch.wait", json!({ "switch": budget }), vec![]);
    let request = host.submit("request", ask(budget), vec![]);
    let call = host.next_of(CALL);
    told("switch.trip", &json!({ "switch": budget }));

    assert_eq!(host.next_of(CANCEL).ticket, call.ticket);
    let failed = host.end_of(request);
    assert_eq!(
        (&failed.body["kind"], &failed.body["code"]),
        (&json!("killed"), &json!("operator"))
    );
    let stop = host.end_of(waiting).body["stop"].clone();
    assert_eq!(stop["reason"], "operator");
    assert!(stop["atMs"].as_u64().unwrap() > 0);
    assert_eq!(state(budget)["state"], "tripped");
    // For good.
    told("switch.trip", &json!({"switch": budget, "reason": "depth"}));
    assert_eq!(state(budget)["stop"], stop);
    assert_eq!(host.failed("request", ask(budget))["kind"], "killed");
}

#[test]
fn a_handler_stops_its_own_part_and_the_rest_of_the_budget_goes_on() {
    let mut host = thinking();
    let budget = switch(&json!({"outputTokens": 4_000}));
    let request = host.submit("request", ask(budget), vec![]);
    let call = host.next_of(CALL);
    let aside = json!({"call": call.ticket, "outputTokens": 600});
    let spend = host.done("call.spend", aside)["spend"].clone();
    told("spend.used", &json!({"spend": spend, "outputTokens": 250}));
    host.done("call.trip", json!({ "call": call.ticket }));

    let cancel = host.next_of(CANCEL);
    assert_eq!((cancel.ticket, &cancel.body["kind"]), (call.ticket, &json!("killed")));
    let failed = host.end_of(request).body;
    assert_eq!((&failed["kind"], &failed["code"]), (&json!("killed"), &json!("operator")));
    let after = state(budget);
    assert_eq!((&after["state"], &after["stop"]), (&json!("armed"), &Value::Null));
    assert_eq!(after["spent"]["outputTokens"], 250);
    // It is over, and what is not paid for has nothing to stop.
    assert_eq!(host.failed("call.trip", json!({ "call": call.ticket }))["kind"], "closed");
    for paid in [true, false] {
        let free = json!({"to": "think", "content": {"value": "?"}});
        let request = host.submit("request", if paid { ask(budget) } else { free }, vec![]);
        let call = host.next_of(CALL);
        if !paid {
            let none = host.failed("call.trip", json!({ "call": call.ticket }));
            assert_eq!((&none["kind"], &none["code"]), (&json!("not_found"), &json!("grant")));
        }
        host.done("call.final", json!({ "call": call.ticket }));
        assert!(host.end_of(request).body["content"].is_object());
    }
}

#[test]
fn a_switch_that_is_let_go_of_ends_the_wait_for_its_stop() {
    let mut host = Host::bare();
    let budget = switch(&json!({"unlimited": true}));
    let waiting = host.submit("switch.wait", json!({ "switch": budget }), vec![]);
    told("switch.drop", &json!({ "switch": budget }));
    assert_eq!(host.end_of(waiting).body, json!({"stop": null}));
    let gone = refused("switch.state", &json!({ "switch": budget }).to_string());
    assert_eq!((&gone["kind"], &gone["field"]), (&json!("invalid_argument"), &json!("switch")));
}

#[test]
fn an_orphan_is_refused_allowed_or_given_its_own_as_the_node_says() {
    let own = json!({"ownBudget": {"calls": 1}});
    let rows = [(json!("refuse"), "configuration"), (json!("allow"), ""), (own, "")];
    for (orphans, kind) in rows {
        let mut host = Host::bare();
        let home = host.home().to_owned();
        host.done("node.start", json!({"home": home, "orphans": orphans}));
        host.register(json!({"name": "think"}));
        let budget = switch(&json!({"calls": 9}));
        let request = host.submit("request", ask(budget), vec![]);
        let call = host.next_of(CALL);
        let lost = json!({"to": "think", "content": {"value": "lost"}});
        if kind.is_empty() {
            let orphan = host.submit("request", lost, vec![]);
            let second = host.next_of(CALL);
            assert_eq!(second.body["granted"].is_null(), orphans == json!("allow"), "{orphans}");
            host.done("call.final", json!({"call": second.ticket}));
            host.end_of(orphan);
        } else {
            let refusal = host.failed("request", lost);
            assert_eq!((&refusal["kind"], &refusal["code"]), (&json!(kind), &json!("orphan")));
        }
        // With its parent it is none.
        let inner = json!({"to": "think", "content": {"value": "in"}, "parent": call.ticket});
        let inside = host.submit("request", inner, vec![]);
        let third = host.next_of(CALL);
        host.done("call.final", json!({"call": third.ticket}));
        assert_eq!(host.end_of(inside).kind, 1);
        host.done("call.final", json!({"call": call.ticket}));
        host.end_of(request);
        assert_eq!(state(budget)["spent"]["calls"], 2);
    }
}

#[test]
fn what_is_asked_through_another_node_of_the_process_belongs_to_its_call() {
    let mut host = thinking();
    let mut beside = Host::beside(&host);
    let budget = switch(&json!({"calls": 9}));
    for paid in [true, false] {
        let mut asked = ask(budget);
        if !paid {
            asked.as_object_mut().unwrap().remove("killSwitch");
        }
        let request = host.submit("request", asked, vec![]);
        let call = host.next_of(CALL);
        let inner = json!({"to": "think", "content": {"value": "in"}, "parent": call.ticket});
        if paid {
            let refusal = beside.failed("request", inner);
            assert_eq!(refusal["kind"], "configuration", "{refusal}");
            assert_eq!(refusal["code"], "other_node");
        } else {
            let inside = beside.submit("request", inner, vec![]);
            let second = host.next_of(CALL);
            assert_eq!(
                (&second.body["depth"], &second.body["caller"]["agent"]),
                (&json!(1), &json!(null))
            );
            host.done("call.final", json!({"call": second.ticket}));
            assert_eq!(beside.end_of(inside).kind, 1);
        }
        host.done("call.final", json!({"call": call.ticket}));
        host.end_of(request);
    }
    assert_eq!(state(budget)["spent"]["calls"], 1);
    let unknown = json!({"to": "think", "parent": budget});
    assert_eq!(beside.failed("request", unknown)["field"], "parent");
}

#[test]
fn bad_amounts_and_limits_name_their_field() {
    let big = "9007199254740992";
    for bad in ["-1", "1.5", "1.0", "\"5\"", "null", big, "1e3", "true", "[]"] {
        for component in ["inputTokens", "outputTokens", "costMicros", "calls", "wallTimeMs"] {
            let error = refused("switch.new", &format!("{{\"{component}\": {bad}}}"));
            assert_eq!(error["kind"], "invalid_argument", "{bad}");
            assert_eq!(error["field"], component, "{bad}");
        }
    }
    assert_eq!(refused("switch.new", "{}")["code"], "unlimited");
    assert_eq!(refused("switch.new", "{\"tokens\": 5}")["field"], "tokens");
    assert_eq!(refused("switch.new", "[5]")["field"], "body");
    let budget = switch(&json!({"calls": 9_007_199_254_740_991_u64}));
    let bad = format!("{{\"switch\": {budget}, \"reason\": \"bored\"}}");
    assert_eq!(refused("switch.trip", &bad)["field"], "reason");
    let mut host = thinking();
    let request = json!({"to": "think", "killSwitch": budget, "max": {"calls": 1.5}});
    assert_eq!(host.failed("request", request)["field"], "max.calls");
    let request = json!({"to": "think", "killSwitch": budget + 1_000_000});
    assert_eq!(host.failed("request", request)["field"], "killSwitch");
    assert_eq!(host.failed("request", json!({"to": "think", "max": {}}))["field"], "max");
    let body = json!({"home": "/x", "orphans": {"ownBudget": {"calls": -1}}});
    assert_eq!(Host::bare().failed("node.start", body)["field"], "orphans.ownBudget.calls");
    assert_eq!(Host::bare().failed("node.start", json!({"orphans": "ignore"}))["field"], "orphans");

    let asked = host.submit("request", ask(budget), vec![]);
    let call = host.next_of(CALL).ticket;
    let counted = host.failed("call.spend", json!({"call": call, "calls": 1}));
    assert_eq!((&counted["field"], &counted["code"]), (&json!("calls"), &json!("counted")));
    assert_eq!(
        host.failed("call.spend", json!({"call": call, "inputTokens": 0.5}))["field"],
        "inputTokens"
    );
    assert_eq!(host.failed("call.spend", json!({"inputTokens": 5}))["field"], "call");
    host.done("call.final", json!({ "call": call }));
    host.end_of(asked);
}

#[test]
fn strict_is_true_or_false_beside_a_limit() {
    let budget = switch(&json!({"calls": 3, "strict": true}));
    assert_eq!(state(budget)["remaining"]["calls"], 3);
    let wrong = refused("switch.new", r#"{"calls": 3, "strict": "yes"}"#);
    assert_eq!((&wrong["kind"], &wrong["field"]), (&json!("invalid_argument"), &json!("strict")));
    assert_eq!(refused("switch.new", r#"{"strict": true}"#)["code"], "unlimited");
}
