//! `killswitch.json`: amounts, budgets, grants and stops that are taken, and those that are not.

use super::{compare, hex};
use bytes::Bytes;
use hubless_proto::error::Error;
use hubless_proto::identity::{AgentId, Domain, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Beacon, CallId, Claim, Component, Grant, GrantId, Life, Message, Origin,
    Proof, Reading, RedeemCode, Round, Settlement, Statement, Trip,
};
use hubless_proto::vectors::read;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::{RefundPolicy, TripReason};
use serde_json::{Value, json};

fn root() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn origin() -> Origin {
    Origin { root: root().node_key(), nonce: [2; 16] }
}

fn refused(error: &Error) -> Value {
    json!({ "kind": error.kind.name(), "code": error.code, "field": error.field })
}

fn budget() -> Value {
    let Origin { root, nonce } = origin();
    let read = read("budget", 0, &[root.to_wire(), Bytes::copy_from_slice(&nonce)]).unwrap();
    json!({
        "root": root,
        "nonce": hex(&nonce),
        "budget": read["budget"],
        "account": read["account"],
    })
}

/// Texts, because a parser of JSON may already change a number.
fn terms() -> Vec<Value> {
    let texts = [
        r#"{"calls": 0}"#,
        r#"{"inputTokens": 9007199254740991, "outputTokens": 1, "costMicros": 2, "calls": 3}"#,
        r#"{"wallTimeMs": 600000, "depth": 4, "fanOut": 8, "leaseMs": 5000}"#,
        r#"{"calls": 5, "soft": {"calls": 4}}"#,
        r#"{"unlimited": true}"#,
        r#"{"calls": 5, "strict": true}"#,
        r"{}",
        r#"{"unlimited": true, "calls": 1}"#,
        r#"{"inputTokens": 9007199254740992}"#,
        r#"{"outputTokens": -1}"#,
        r#"{"costMicros": 0.5}"#,
        r#"{"calls": 5.0}"#,
        r#"{"calls": 1e3}"#,
        r#"{"calls": "5"}"#,
        r#"{"calls": null}"#,
        r#"{"calls": true}"#,
        r#"{"depth": 17}"#,
        r#"{"tokens": 5}"#,
        r#"{"strict": true}"#,
        r#"{"calls": 5, "strict": "yes"}"#,
    ];
    let row = |text: &str| {
        let read = read("terms", 0, &[Bytes::copy_from_slice(text.as_bytes())]);
        json!({ "text": text, "refused": read.err().map(|error| refused(&error)) })
    };
    texts.into_iter().map(row).collect()
}

fn grant() -> Grant {
    let amount = Amount::ZERO.with(Component::OutputTokens, 100).unwrap();
    Grant {
        id: GrantId::from_bytes([3; 16]),
        origin: origin(),
        epoch: 1,
        parent: origin().account(),
        issuer: root().node_key(),
        audience: SecretKey::from_seed([2; 32]).node_key(),
        agent: AgentId::from_bytes([4; 32]),
        amount: Allowance::exactly(&amount).with(Component::CostMicros, None),
        depth: 1,
        depth_max: 16,
        fan_out_max: 4_096,
        life: Life::Leased { lease_ms: 10_000 },
        call_id: CallId::from_bytes([5; 16]),
        attempt: 1,
        refund: RefundPolicy::Signed,
        reading: Some(Reading { instance: 6, clock_ms: 7 }),
        chain: *origin().budget_id().as_bytes(),
        ends_at_ms: None,
    }
}

fn messages() -> Vec<Value> {
    let (grant, id) = (grant(), grant().id);
    let life = Life::Detached { not_after_ms: 1_700_000_000_000 };
    let detached = Grant { life, ends_at_ms: Some(1_700_000_000_000), ..grant };
    let reading = Reading { instance: 6, clock_ms: 7 };
    let used = Amount::ZERO.with(Component::OutputTokens, 40).unwrap();
    let (receipts, overrun) = (Some([8; 32]), Amount::ZERO);
    let settlement =
        Settlement { grant: id, used, receipts, shown: Vec::new(), lost: false, overrun };
    let over = Amount::ZERO.with(Component::OutputTokens, 3).unwrap();
    let overrun = Settlement { overrun: over, receipts: None, ..settlement.clone() };
    let kind = hubless_proto::error::Kind::Busy;
    let all = [
        Message::Grant(Box::new(grant)),
        Message::Grant(Box::new(detached)),
        Message::Refused { grant: id, kind, code: "ledger".into() },
        Message::Progress { grant: id, used },
        Message::Settle(settlement),
        Message::Settle(overrun),
        Message::SettleAck { grant: id },
        Message::RenewAsk { grant: id, reading, fold: None },
        Message::RenewAsk { grant: id, reading, fold: Some([9; 32]) },
        Message::Renew { grant: id, reading, lease_ms: 10_000, epoch: 1 },
        Message::Beacon(Box::new(beacon(id))),
        Message::Recall { grant: id, reading: Some(reading) },
    ];
    let row = |message: &Message| {
        let bytes = message.encode();
        assert_eq!(Message::decode(bytes.clone()).as_ref(), Ok(message));
        let read = read("ledger", 0, std::slice::from_ref(&bytes)).unwrap();
        json!({ "bytes": hex(&bytes), "message": read["message"] })
    };
    all.iter().map(row).collect()
}

fn beacon(grant: GrantId) -> Proof {
    let origin = Origin::strict(root().node_key(), [2; 16]);
    let round = Round { origin, epoch: 1, tree: [10; 32], lease_ms: 10_000 };
    let beacon = Beacon::sign(&root(), round).unwrap();
    Proof { grant, fold: [9; 32], beacon, path: vec![[11; 32], [12; 32]] }
}

fn trips() -> Vec<Value> {
    let statement = Statement {
        origin: origin(),
        epoch: 1,
        reason: TripReason::Operator,
        by: root().node_key(),
        at_ms: 1_700_000_000_000,
    };
    let good = Trip::sign(&root(), statement).unwrap().signed().clone();
    let stranger = SecretKey::from_seed([9; 32]);
    let signed_by = |key: &SecretKey, domain| {
        let signature = Bytes::copy_from_slice(&key.sign(domain, &good.signed));
        v1::SignedRecord { signature, ..good.clone() }
    };
    let rows = [
        ("by the root", good.clone()),
        ("by a stranger", signed_by(&stranger, Domain::Trip)),
        ("as another statement", signed_by(&root(), Domain::Grant)),
    ];
    let row = |(what, signed): &(&str, v1::SignedRecord)| {
        let read = read("trip", 0, &[signed.signed.clone(), signed.signature.clone()]);
        json!({
            "what": what,
            "signed": hex(&signed.signed),
            "signature": hex(&signed.signature),
            "budget": read.as_ref().ok().map(|trip| &trip["budget"]),
            "refused": read.as_ref().err().map(refused),
        })
    };
    rows.iter().map(row).collect()
}

/// Texts of redeem codes: of one code there is one.
fn codes() -> Vec<Value> {
    let secret = [7; 32];
    let claim = Claim {
        grant: grant().id,
        digest: RedeemCode::digest(&secret),
        amount: grant().amount,
        until_ms: 1_700_000_000_000,
    };
    let text = RedeemCode::new(root().node_key(), secret, &claim).text().to_string();
    let shorter = text[..text.len() - 4].to_owned();
    let padded = format!("{text}=");
    let other = text.replacen("hbr_", "hbl_", 1);
    let row = |text: &String| {
        let code = RedeemCode::read(text);
        let claim = code.as_ref().ok().map(RedeemCode::claim);
        json!({
            "text": text,
            "issuer": code.as_ref().ok().map(RedeemCode::issuer),
            "grant": claim.as_ref().map(|claim| claim.grant.to_string()),
            "digest": claim.as_ref().map(|claim| hex(&claim.digest)),
            "amount": claim.as_ref().map(|claim| claim.amount.to_json()),
            "untilMs": claim.as_ref().map(|claim| claim.until_ms),
            "refused": code.as_ref().err().map(refused),
        })
    };
    [text, shorter, padded, other, "hbr_".to_owned(), String::new()].iter().map(row).collect()
}

#[test]
fn killswitch() {
    let made = json!({
        "budgets": [budget()],
        "terms": terms(),
        "messages": messages(),
        "trips": trips(),
        "codes": codes(),
    });
    let taken = |key: &str| {
        let rows = made[key].as_array().unwrap();
        rows.iter().filter(|row| row["refused"].is_null()).count()
    };
    assert_eq!((taken("terms"), taken("trips"), taken("codes")), (6, 1, 1));
    compare("killswitch.json", &made);
}
