//! Seeds of budgets: what issuers and holders of grants say to each other, and the rows they keep.

use super::{NOW, Seed, agent, node};
use hubless_proto::wire::v1;
use prost::Message as _;
use serde_json::json;

pub(super) fn all() -> Vec<Seed> {
    use hubless_proto::killswitch::{
        Budget, Input, Keeping, Ledger, Message, Now, Order, Output, Owner, ReservationId, Terms,
        Write,
    };
    let owner = Owner { node: node().node_key(), instance: 1, keeping: Keeping::Durable };
    let mut ledger = Ledger::new(owner);
    let terms = json!({"outputTokens": 100, "calls": 5, "wallTimeMs": 600_000, "depth": 4});
    let budget = Budget::new(owner.node, [1; 16], Terms::read("", &terms).unwrap(), NOW);
    let from = budget.origin.account();
    let order = Order {
        id: hubless_proto::killswitch::GrantId::from_bytes([2; 16]),
        audience: agent().node_key(),
        agent: agent().agent_id(),
        call_id: hubless_proto::killswitch::CallId::from_bytes([3; 16]),
        attempt: 1,
        max: hubless_proto::killswitch::Allowance::UNLIMITED,
        hint: hubless_proto::killswitch::Allowance::UNLIMITED,
        spends: hubless_proto::wire::words::Spends::Tokens,
        share: hubless_proto::killswitch::Share::Quarter,
        refund: hubless_proto::wire::words::RefundPolicy::Signed,
        detached_until_ms: None,
    };
    let most = hubless_proto::killswitch::Amount::ZERO;
    let reserve = Input::Reserve { grant: from, id: ReservationId::from_bytes([4; 16]), most };
    let mut seeds = vec![("terms", "all", terms.to_string().into_bytes())];
    let (mut rows, mut seq) = (std::collections::BTreeMap::new(), 0);
    for input in [Input::Open(budget), Input::Cut { from, order }, reserve] {
        ledger.handle(input, Now { clock_ms: 1, unix_ms: NOW });
        seq += 1;
        ledger.handle(Input::Persisted { seq }, Now { clock_ms: 1, unix_ms: NOW });
        while let Some(output) = ledger.poll_output() {
            if let Output::Persist { writes, .. } = output {
                let rows_of = |write| match write {
                    Write::Put(row) => Some((row.key(), row.encode().to_vec())),
                    Write::Delete(_) => None,
                };
                rows.extend(writes.into_iter().filter_map(rows_of));
            } else if let Output::Granted(grant) = output {
                let message = Message::Grant(grant).encode().to_vec();
                seeds.push(("ledger_message", "grant", message));
            }
        }
    }
    seeds.extend(ledger_messages(from));
    seeds.push(("redeem_code", "code", code().text().as_bytes().to_vec()));
    // Stops and what is over are rows of a single message of the wire.
    let (_, stopped) = trip();
    let closed =
        v1::ClosedRow { grant: from.to_wire(), issuer: owner.node.to_wire(), ..Default::default() };
    use v1::ledger_row::Kind;
    for (name, kind) in [
        ("trip", Kind::Trip(stopped)),
        ("closed", Kind::Closed(closed)),
        ("since", Kind::Since(v1::SinceRow { instance: 1, opened: 0 })),
        ("stop", Kind::Stop(operator_stop_row())),
    ] {
        let row = v1::LedgerRow { kind: Some(kind) };
        seeds.push(("ledger_row", name, row.encode_to_vec()));
    }
    let names = ["account", "reservation", "subgrant"];
    let rows = names.into_iter().zip(rows.into_values());
    seeds.extend(rows.map(|(name, row)| ("ledger_row", name, row)));
    seeds
}

/// A stop, and what its root signed.
pub(super) fn code() -> hubless_proto::killswitch::RedeemCode {
    use hubless_proto::killswitch::{Allowance, Claim, GrantId, RedeemCode};
    let secret = [7; 32];
    let (grant, digest) = (GrantId::from_bytes([2; 16]), RedeemCode::digest(&secret));
    let claim = Claim { grant, digest, amount: Allowance::UNLIMITED, until_ms: NOW };
    RedeemCode::new(node().node_key(), secret, &claim)
}

pub(super) fn trip() -> (hubless_proto::killswitch::Trip, v1::SignedRecord) {
    use hubless_proto::killswitch::{Origin, Statement, Trip};
    let by = node().node_key();
    let origin = Origin { root: by, nonce: [1; 16] };
    let reason = hubless_proto::wire::words::TripReason::Operator;
    let trip = Trip::sign(&node(), Statement { origin, epoch: 1, reason, by, at_ms: NOW }).unwrap();
    let signed = trip.signed().clone();
    (trip, signed)
}

/// What the root of a strict budget answers a question with.
fn beacon(grant: hubless_proto::killswitch::GrantId) -> hubless_proto::killswitch::Proof {
    use hubless_proto::killswitch::{Beacon, Origin, Proof, Round};
    let origin = Origin::strict(node().node_key(), [1; 16]);
    let round = Round { origin, epoch: 1, tree: [9; 32], lease_ms: 10_000 };
    let beacon = Beacon::sign(&node(), round).unwrap();
    Proof { grant, fold: [6; 32], beacon, path: vec![[7; 32], [8; 32]] }
}

/// A stop of one budget by the operator of a mesh.
fn operator_stop() -> hubless_proto::killswitch::OperatorStop {
    use hubless_proto::killswitch::{BudgetId, OperatorStop};
    let budgets = [BudgetId::from_bytes([8; 32])];
    OperatorStop::sign(&node(), &budgets, node().node_key(), NOW).unwrap()
}

fn operator_stop_row() -> v1::StopRow {
    let stop = operator_stop();
    v1::StopRow { budget: stop.budgets()[0].to_wire(), stop: Some(stop.signed().clone()) }
}

/// Each message between issuer and holder but the grant itself.
fn ledger_messages(grant: hubless_proto::killswitch::GrantId) -> Vec<Seed> {
    use hubless_proto::killswitch::{Amount, Message, Reading, Settlement};
    let (used, reading) = (Amount::ZERO, Reading { instance: 6, clock_ms: 7 });
    let (receipts, overrun) = (Some([5; 32]), Amount::ZERO);
    let settlement = Settlement { grant, used, receipts, shown: Vec::new(), lost: false, overrun };
    let kind = hubless_proto::error::Kind::Busy;
    let all = [
        ("settle", Message::Settle(settlement)),
        ("declined", Message::Refused { grant, kind, code: "ledger".into() }),
        ("progress", Message::Progress { grant, used }),
        ("settle_ack", Message::SettleAck { grant }),
        ("renew_ask", Message::RenewAsk { grant, reading, fold: None }),
        ("renew", Message::Renew { grant, reading, lease_ms: 10_000, epoch: 1 }),
        ("strict_ask", Message::RenewAsk { grant, reading, fold: Some([6; 32]) }),
        ("beacon", Message::Beacon(Box::new(beacon(grant)))),
        ("recall", Message::Recall { grant, reading: Some(reading) }),
        ("trip", Message::Trip(trip().0)),
        ("operator_stop", Message::OperatorStop(operator_stop())),
    ];
    let seed = |(name, message): (_, Message)| ("ledger_message", name, message.encode().to_vec());
    all.into_iter().map(seed).collect()
}
