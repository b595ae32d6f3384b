//! Grants are cut for nodes that said what their clock reads.

use super::settling::UNHEARD;
use super::{Allowance, Component, KillSwitch, Terms, Treasury};
use crate::audit::Audit;
use crate::chance;
use crate::home::Home;
use crate::mesh::tests::hosts::Told;
use crate::mesh::{Mesh, MeshOptions};
use hubless_proto::error::Kind;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{CallId, GrantId, Order, Reading, Share};
use hubless_proto::wire::words::{RefundPolicy, Spends};
use std::sync::Arc;

const FAR: NodeKey = NodeKey::from_bytes([2; 32]);
const READING: Reading = Reading { instance: 7, clock_ms: 9 };

async fn open() -> (Arc<Treasury>, KillSwitch, GrantId) {
    let mesh = Mesh::start(MeshOptions::new(Home::memory()), Told::nothing()).await.unwrap();
    let treasury = Treasury::in_memory(mesh, Arc::<Audit>::default());
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    let switch = KillSwitch::new(Terms::of(ceiling));
    let root = switch.open(&treasury).await.unwrap();
    (treasury, switch, root)
}

fn order(audience: NodeKey) -> Order {
    Order {
        id: GrantId::from_bytes(chance::bytes()),
        audience,
        agent: AgentId::from_bytes([9; 32]),
        call_id: CallId::from_bytes(chance::bytes()),
        attempt: 1,
        max: Allowance::UNLIMITED,
        hint: Allowance::UNLIMITED,
        spends: Spends::Tokens,
        share: Share::Quarter,
        refund: RefundPolicy::Signed,
        detached_until_ms: None,
    }
}

/// It would answer that its node may have spent all of it before.
#[tokio::test]
async fn nothing_is_granted_to_a_node_of_whose_clock_nothing_is_known() {
    let (treasury, _switch, root) = open().await;
    let refused = treasury.cut(root, order(FAR)).await.map(drop).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, UNHEARD));
    assert!(treasury.view(&root).unwrap().held.is_zero(), "nothing is set aside for it");
    // A node needs no word of its own clock.
    treasury.cut(root, order(treasury.node())).await.unwrap();
    treasury.clock(FAR, READING);
    let granted = treasury.cut(root, order(FAR)).await.unwrap();
    assert_eq!(granted.grant().reading, Some(READING));
    treasury.gone(FAR);
    assert_eq!(treasury.cut(root, order(FAR)).await.map(drop).unwrap_err().code, UNHEARD);
}

#[tokio::test]
async fn a_grant_waits_for_the_first_word_of_a_clock() {
    let (treasury, _switch, root) = open().await;
    let cutting = tokio::spawn({
        let treasury = Arc::clone(&treasury);
        async move { treasury.cut(root, order(FAR)).await.map(|cut| cut.grant().reading) }
    });
    tokio::task::yield_now().await;
    treasury.clock(FAR, READING);
    assert_eq!(cutting.await.unwrap().unwrap(), Some(READING));
}
