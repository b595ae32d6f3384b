//! Last words about grants of which only receipts free something, before a gateway that signs what
//! it is told to.

use super::gateway::Gateway;
use super::guards::Funded;
use super::refunds::Refunds;
use super::{Allowance, Amount, Component, KillSwitch, Terms, Treasury};
use crate::audit::Audit;
use crate::chance;
use crate::engine::lock;
use crate::home::Home;
use crate::mesh::tests::hosts::Told;
use crate::mesh::{Mesh, MeshOptions};
use crate::node::NodeOptions;
use bytes::Bytes;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::Kind;
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::killswitch::{
    CallId, Grant, GrantId, Message, Order, PaidTokens, Reading, Receipt, ReservationId,
    Settlement, Share,
};
use hubless_proto::metering::Micros;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::till::Paid;
use hubless_proto::metering::word;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::{RefundPolicy, Spends};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const COST: Component = Component::CostMicros;
/// What a grant is for: a quarter of the budget.
const MOST: u64 = 100;
/// The node that holds the grants.
const FAR: NodeKey = NodeKey::from_bytes([2; 32]);

fn signer() -> SecretKey {
    SecretKey::from_seed([4; 32])
}

/// A receipt of all that a key costs, as the holder of this key would get it.
fn receipt(key: &SpendKey, grant: GrantId, used: u64) -> Receipt {
    let link = key.chain().links.last().unwrap();
    Receipt {
        gateway: signer().node_key(),
        provider: "front".to_owned(),
        reservation: Receipt::WHOLE,
        grant,
        link: *link.id.as_bytes(),
        limit_micros: link.limit.of(COST).unwrap(),
        used_micros: used,
        tokens: Some(PaidTokens::default()),
        calls: 1,
        model: String::new(),
        provider_request_id: String::new(),
    }
}

/// A gateway that says of every key that it cost so much, and signs that with a key; its URL.
async fn signing(used: u64, by: SecretKey) -> String {
    signing_after(0, used, by).await
}

/// One that hangs up on so many posts before.
async fn signing_after(lost: usize, used: u64, by: SecretKey) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", socket.local_addr().unwrap());
    tokio::spawn(async move {
        for _ in 0..lost {
            drop(socket.accept().await.unwrap());
        }
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            say(stream, used, &by).await;
        }
    });
    url
}

async fn say(mut stream: TcpStream, used: u64, by: &SecretKey) {
    let mut asked = Vec::new();
    // Every body that is posted ends with a brace, and no head does.
    while !asked.ends_with(b"}") {
        if stream.read_buf(&mut asked).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let asked = String::from_utf8(asked).unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let shown = head.lines().find_map(|line| line.split_once("Bearer ")).unwrap().1;
    let key = SpendKey::read(shown.trim()).unwrap();
    let purpose = word::read_end(body.as_bytes()).unwrap().unwrap();
    let said = Receipt { gateway: by.node_key(), ..receipt(&key, purpose.grant, used) };
    let paid = Paid { spent: Micros::new(used).unwrap().into(), ..Paid::default() };
    let body = word::receipted(paid, &said.sign(by).unwrap());
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
    // Who asked may have read enough.
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn gateway(url: String) -> Arc<Gateway> {
    let options = NodeOptions {
        gateway: Some(url),
        gateway_key: Some(SpendKey::root(&SecretKey::from_seed([1; 32])).text().to_string().into()),
        gateway_signer: Some(signer().node_key().to_string()),
        ..NodeOptions::default()
    };
    Gateway::named(&options).unwrap().unwrap()
}

/// The issuer of grants.
struct Issuer {
    treasury: Arc<Treasury>,
    gateway: Arc<Gateway>,
    audit: Arc<Audit>,
    switch: KillSwitch,
}

impl Issuer {
    async fn before(url: String) -> Self {
        Self::of(gateway(url)).await
    }

    async fn of(gateway: Arc<Gateway>) -> Self {
        let options = MeshOptions::new(Home::memory());
        let mesh = Mesh::start(options, Told::nothing()).await.unwrap();
        let audit = Arc::<Audit>::default();
        audit.begin(None, Entry::of(Event::NodeStarted));
        let treasury = Treasury::in_memory(mesh, Arc::clone(&audit));
        treasury.pay_by(Arc::clone(&gateway));
        treasury.refund_by(Refunds::all(RefundPolicy::Provider));
        treasury.clock(FAR, Reading { instance: 1, clock_ms: 1 });
        let ceiling = Allowance::UNLIMITED.with(COST, Some(4 * MOST));
        let switch = KillSwitch::new(Terms::of(ceiling));
        Self { treasury, gateway, audit, switch }
    }

    async fn cut(&self) -> Funded {
        let root = self.switch.open(&self.treasury).await.unwrap();
        let order = Order {
            id: GrantId::from_bytes(chance::bytes()),
            audience: FAR,
            agent: AgentId::from_bytes([9; 32]),
            call_id: CallId::from_bytes(chance::bytes()),
            attempt: 1,
            max: Allowance::UNLIMITED,
            hint: Allowance::UNLIMITED,
            spends: Spends::Tokens,
            share: Share::Quarter,
            refund: self.treasury.refund(FAR, None),
            detached_until_ms: None,
        };
        let mut funded = self.treasury.cut(root, order).await.unwrap();
        funded.key_by(&self.gateway);
        funded
    }

    /// What a grant is charged with after this of its holder, who got its key, and what is written
    /// down of it.
    async fn charged(
        &self,
        word: impl FnOnce(&Grant, &SpendKey) -> Message,
    ) -> (u64, Option<String>) {
        let rows = self.audit.in_memory().rows.len();
        let funded = self.cut().await;
        let (grant, mut request) = (funded.grant().clone(), v1::Request::default());
        Funded::write(Some(&funded), &mut request);
        let key = request.provider.unwrap();
        assert_eq!(grant.amount.of(COST), Some(MOST));
        let key = SpendKey::read(&key.key).unwrap();
        let message = word(&grant, &key);
        // The call was answered: nobody calls the grant back.
        funded.answered();
        // It is said twice, as what is not acknowledged is.
        self.treasury.receive(FAR, message.clone());
        self.treasury.receive(FAR, message);
        loop {
            let mut settled = std::pin::pin!(self.treasury.settled.notified());
            settled.as_mut().enable();
            let is_open = lock(&self.treasury.state).ledger.is_open(&grant.id);
            // Its key is forgotten with it.
            if !is_open && lock(&self.treasury.framed).is_empty() {
                break;
            }
            settled.await;
        }
        let log = self.audit.in_memory().rows;
        let breaches =
            log.iter().skip(rows).filter(|kept| kept.row.entry.kind == Event::BudgetBreach);
        let reasons: Vec<_> = breaches.map(|kept| kept.row.entry.reason.clone()).collect();
        assert!(reasons.len() <= 1, "{reasons:?}");
        (self.switch.spent().of(COST), reasons.into_iter().next())
    }
}

fn settles(grant: &Grant, used: u64, shown: Vec<Bytes>) -> Message {
    let used = Amount::ZERO.with(COST, used).unwrap();
    let receipts = Receipt::head(&shown);
    Message::Settle(Settlement {
        grant: grant.id,
        used,
        receipts,
        shown,
        lost: false,
        overrun: Amount::ZERO,
    })
}

#[tokio::test]
async fn what_a_holder_shows_frees_and_what_it_does_not_is_asked_of_the_gateway() {
    // It would say that more was paid.
    let issuer = Issuer::before(signing(9, signer()).await).await;
    let shows = |grant: &Grant, key: &SpendKey| {
        settles(grant, 7, vec![receipt(key, grant.id, 7).sign(&signer()).unwrap()])
    };
    assert_eq!(issuer.charged(shows).await, (7, None));
    let issuer = Issuer::before(signing(7, signer()).await).await;
    assert_eq!(issuer.charged(|grant, _| settles(grant, 7, Vec::new())).await, (7, None));
    let issuer = Issuer::before(signing(0, signer()).await).await;
    let refuses = |grant: &Grant, _: &SpendKey| Message::Refused {
        grant: grant.id,
        kind: Kind::Busy,
        code: "ledger".to_owned(),
    };
    assert_eq!(issuer.charged(refuses).await, (0, None));
}

#[tokio::test]
async fn a_late_word_of_the_gateway_frees_the_rest_and_none_frees_nothing() {
    // More posts are lost than a word is waited for.
    let issuer = Issuer::before(signing_after(5, 7, signer()).await).await;
    assert_eq!(issuer.charged(|grant, _| settles(grant, 7, Vec::new())).await, (7, None));
    // Bound and not listened at: nobody else can have it meanwhile.
    let free = TcpSocket::new_v4().unwrap();
    free.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/v1", free.local_addr().unwrap());
    let silent = Arc::into_inner(gateway(url)).unwrap().hasty();
    let issuer = Issuer::of(Arc::new(silent)).await;
    assert_eq!(issuer.charged(|grant, _| settles(grant, 7, Vec::new())).await, (MOST, None));
}

#[tokio::test]
async fn lies_free_nothing_and_are_written_down() {
    let other = GrantId::from_bytes([7; 16]);
    for (way, reason) in [
        ("altered", Some("receipt_altered")),
        ("of another grant", Some("receipt_foreign")),
        ("of another gateway", Some("receipt_foreign")),
        ("repeated", Some("receipt_repeated")),
        ("of a key of its own", Some("receipts_missing")),
        ("of more than it says", Some("used_under_seen")),
        ("whole", None),
    ] {
        let issuer = Issuer::before(signing(0, signer()).await).await;
        let lies = |grant: &Grant, key: &SpendKey| {
            let good = receipt(key, grant.id, 7);
            let signed = good.sign(&signer()).unwrap();
            let shown = match way {
                "altered" => {
                    let mut bytes = signed.to_vec();
                    let last = bytes.len() - 1;
                    bytes[last] ^= 1;
                    vec![bytes.into()]
                }
                "of another grant" => vec![receipt(key, other, 7).sign(&signer()).unwrap()],
                "of another gateway" => {
                    let own = SecretKey::from_seed([5; 32]);
                    vec![Receipt { gateway: own.node_key(), ..good }.sign(&own).unwrap()]
                }
                "repeated" => vec![signed.clone(), signed],
                "of a key of its own" => {
                    let reservation = ReservationId::from_bytes([3; 16]);
                    let own = Receipt { link: [6; 32], reservation, used_micros: 0, ..good };
                    vec![own.sign(&signer()).unwrap()]
                }
                _ => vec![signed],
            };
            settles(grant, if way == "of more than it says" { 6 } else { 7 }, shown)
        };
        // The control: the whole one frees all but what was paid.
        let wanted = (if reason.is_some() { MOST } else { 7 }, reason.map(str::to_owned));
        assert_eq!(issuer.charged(lies).await, wanted, "{way}");
    }
}

#[tokio::test]
async fn who_says_less_than_the_gateway_is_charged_in_full() {
    let issuer = Issuer::before(signing(9, signer()).await).await;
    let said = issuer.charged(|grant, _| settles(grant, 7, Vec::new())).await;
    assert_eq!(said, (MOST, Some("used_under_seen".to_owned())));
    // Another gateway answers at its address: its word is none.
    let issuer = Issuer::before(signing(0, SecretKey::from_seed([5; 32])).await).await;
    assert_eq!(issuer.charged(|grant, _| settles(grant, 7, Vec::new())).await, (MOST, None));
}
