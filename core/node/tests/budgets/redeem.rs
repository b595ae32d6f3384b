//! A call goes out by way of a foreign program, which asks at another node with the code that it
//! got. The tests are that program.

use super::{Provider, named, paid, says, spender, tokens, until, waiter};
use crate::support::{ask, node_in, register};
use hubless::budget::{Component, KillSwitch, RedeemCode, TripReason};
use hubless::{Content, Kind, Node, RequestOptions};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A call of `out` that is under way: its code, and what lets it end.
struct Out {
    code: RedeemCode,
    end: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<hubless::Result<Content>>,
}

impl Out {
    async fn end(self) {
        self.end.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

type Handed = mpsc::UnboundedReceiver<(Option<RedeemCode>, oneshot::Sender<()>)>;

/// Three nodes: `root` pays, `far` hands its calls on to a foreign program, `gate` is asked by it.
struct Scene {
    root: Node,
    far: Node,
    gate: Node,
    provider: Arc<Provider>,
    handed: Handed,
    _home: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (root, far) = (node_in(&home).await, node_in(&home).await);
        let gate = node_in(&home).await;
        let (hand, handed) = mpsc::unbounded_channel();
        register(&far, json!({"name": "out"}), move |call, _| {
            let hand = hand.clone();
            async move {
                says(&call).await?;
                let (end, ends) = oneshot::channel();
                hand.send((call.redeem_code().await, end)).unwrap();
                let _ = ends.await;
                Ok(Content::default())
            }
        })
        .await;
        let provider = Arc::<Provider>::default();
        spender(&gate, "near", &provider).await;
        spender(&root, "back", &provider).await;
        Self { root, far, gate, provider, handed, _home: home }
    }

    async fn out(&mut self, switch: &KillSwitch) -> Out {
        let (node, asked) = (self.root.clone(), paid(switch, "out", Value::Null));
        let ended = tokio::spawn(async move { Ok(node.request(asked).await?.content) });
        let (code, end) = self.handed.recv().await.unwrap();
        Out { code: code.unwrap(), end, ended }
    }
}

/// A request of the foreign program.
fn with(code: &RedeemCode, to: &str, tokens: u64) -> RequestOptions {
    // As it comes, in a text.
    let code = RedeemCode::read(&code.text()).unwrap();
    let asked = ask(to, json!({"most": tokens, "tokens": tokens}));
    RequestOptions { redeem: Some(code), edge: None, ..asked }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_with_a_code_is_counted_at_the_root_and_once() {
    let mut scene = Scene::new().await;
    let switch = tokens(1_600);
    // At the gate itself, at a node behind it, and at the node that made the code.
    let asked = [(&scene.gate, "near"), (&scene.gate, "back"), (&scene.far, "back")];
    let asked = asked.map(|(node, to)| (node.clone(), to));
    for (count, (node, to)) in (1..).zip(asked) {
        let out = scene.out(&switch).await;
        node.request(with(&out.code, to, 40)).await.unwrap();
        let again = node.request(with(&out.code, to, 1)).await.unwrap_err();
        assert_eq!(named(&again), ("denied", "redeem"));
        out.end().await;
        until("the last word", || switch.spent().of(Component::OutputTokens) == 40 * count).await;
        assert_eq!(switch.spent().of(Component::Calls), 3 * count);
        assert_eq!(scene.provider.spent(), 40 * count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_none_runs_nothing_and_does_not_use_up_the_good_one() {
    let mut scene = Scene::new().await;
    let switch = tokens(1_600);
    let out = scene.out(&switch).await;
    let claim = out.code.claim();
    let made_up = RedeemCode::new(out.code.issuer(), [1; 32], &claim);
    let elsewhere = RedeemCode::new(scene.root.key(), [1; 32], &claim);
    let nobody =
        RedeemCode::new(hubless_proto::identity::NodeKey::from_bytes([9; 32]), [1; 32], &claim);
    for (code, kind) in
        [(made_up, Kind::Denied), (elsewhere, Kind::Denied), (nobody, Kind::Transport)]
    {
        let refused = scene.gate.request(with(&code, "near", 5)).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
    }
    assert_eq!(scene.provider.spent(), 0);
    // What the request itself gets wrong leaves the code as it is.
    let second = RequestOptions { kill_switch: Some(tokens(5)), ..with(&out.code, "near", 5) };
    assert_eq!(scene.gate.request(second).await.unwrap_err().code, "second_budget");
    let long = "x".repeat(limits::CONVERSATION_ID_BYTES + 1);
    let wrong = RequestOptions { conversation_id: long, ..with(&out.code, "near", 5) };
    assert_eq!(scene.gate.request(wrong).await.unwrap_err().kind, Kind::InvalidArgument);
    scene.gate.request(with(&out.code, "near", 5)).await.unwrap();
    let late = scene.out(&switch).await;
    let code = late.code.clone();
    late.end().await;
    let refused = scene.gate.request(with(&code, "near", 5)).await.unwrap_err();
    assert_eq!(named(&refused), ("denied", "redeem"));
    assert_eq!(scene.provider.spent(), 5);
    out.end().await;
    // Whoever showed them is in the log of the node that makes codes.
    let by = format!("mesh:{}", scene.gate.key());
    until("the rows of the log", || {
        let rows = scene.far.audit().rows.into_iter().map(|kept| kept.row.entry);
        let ours = rows.filter(|entry| entry.reason == "denied/redeem" && entry.by == by);
        // Made up, and of a call that is over.
        ours.map(|entry| entry.count).sum::<u64>() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_root_reaches_what_was_asked_with_a_code() {
    let mut scene = Scene::new().await;
    let mut heard = waiter(&scene.gate, json!({"name": "waits"})).await;
    let switch = tokens(1_600);
    let out = scene.out(&switch).await;
    let (gate, code) = (scene.gate.clone(), out.code.clone());
    let asked = tokio::spawn(async move { gate.request(with(&code, "waits", 0)).await });
    assert_eq!(heard.recv().await.unwrap(), "runs");
    switch.trip(TripReason::Operator);
    assert_eq!(heard.recv().await.unwrap(), "killed operator");
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Killed);
    assert_eq!(out.ended.await.unwrap().unwrap_err().kind, Kind::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_with_nothing_left_gives_a_code_that_nobody_redeems() {
    let mut scene = Scene::new().await;
    let limits = hubless::budget::Allowance::UNLIMITED.with(Component::Calls, Some(1));
    let switch = KillSwitch::new(hubless::budget::Terms::of(limits));
    let out = scene.out(&switch).await;
    let refused = scene.gate.request(with(&out.code, "near", 0)).await.unwrap_err();
    assert_eq!(named(&refused), ("denied", "redeem"));
    out.end().await;
    assert!(switch.stop().is_none());
    // A call without a budget has no code at all.
    let (node, asked) = (scene.root.clone(), ask("out", Value::Null));
    let free = tokio::spawn(async move { node.request(asked).await });
    let (code, end) = scene.handed.recv().await.unwrap();
    assert!(code.is_none());
    end.send(()).unwrap();
    free.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_from_outside_has_no_context_that_it_could_have_lost() {
    let mut scene = Scene::new().await;
    let out = scene.out(&tokens(1_600)).await;
    let lost = scene.far.request(ask("near", Value::Null)).await.unwrap_err();
    assert_eq!(named(&lost), ("configuration", "orphan"));
    // Not found, since the agent is none for those outside: it was looked for.
    let edge = Some("edge:http:anonymous".to_owned());
    let outside = RequestOptions { edge, wait_ms: Some(0), ..ask("near", Value::Null) };
    assert_eq!(scene.far.request(outside).await.unwrap_err().kind, Kind::NotFound);
    out.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_sent_leaves_its_code_to_be_redeemed() {
    let mut scene = Scene::new().await;
    let out = scene.out(&tokens(1_600)).await;
    let nobody = RequestOptions { wait_ms: Some(0), ..with(&out.code, "nobody", 5) };
    // For those outside the agent is not there.
    let outside = RequestOptions {
        edge: Some("edge:http:anonymous".to_owned()),
        wait_ms: Some(0),
        ..with(&out.code, "near", 5)
    };
    for asked in [nobody, outside] {
        assert_eq!(scene.gate.request(asked).await.unwrap_err().kind, Kind::NotFound);
    }
    scene.gate.request(with(&out.code, "near", 5)).await.unwrap();
    let again = scene.gate.request(with(&out.code, "near", 5)).await.unwrap_err();
    assert_eq!(named(&again), ("denied", "redeem"));
    assert_eq!(scene.provider.spent(), 5);
    out.end().await;
}
