//! Grants of which only receipts of a gateway free something: the key that goes with each, and the
//! receipt that its issuer asks for where the holder shows none.

use super::gateway::Gateway;
use super::guards::{Funded, Held};
use super::{Component, Treasury};
use crate::call::core::CallCore;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::executor;
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{
    Amount, Frame, Grant, GrantId, Input, Message, Receipt, Settlement,
};
use hubless_proto::limits;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::word::Purpose;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::RefundPolicy;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The key that went with a grant.
pub(super) struct Framed {
    /// Node that holds the grant.
    audience: NodeKey,
    gateway: Arc<Gateway>,
    /// True while its end is asked for: what is said of the grant meanwhile is said again.
    asking: bool,
}

/// The key that came with a grant that is held here, and its end.
pub(super) struct Whole {
    gateway: Arc<Gateway>,
    grant: GrantId,
    treasury: Arc<Treasury>,
    /// True: the ledger has its receipt.
    shown: OnceCell<bool>,
}

impl Whole {
    /// Ends it, once, and hands its receipt to the ledger; true: there is one.
    pub(super) async fn end(&self) -> bool {
        let ending = async {
            let purpose = Purpose { grant: self.grant, reservation: Receipt::WHOLE };
            let ended = self.gateway.end(self.gateway.key(), Some(purpose)).await;
            let Some((_, Some(receipt))) = ended else { return false };
            self.treasury.put(Input::Receipt { grant: self.grant, receipt });
            true
        };
        *self.shown.get_or_init(|| ending).await
    }
}

impl Held {
    /// What is paid at a gateway is paid by this key.
    pub(super) fn paid_by(mut self, gateway: Option<Arc<Gateway>>) -> Self {
        let whole = gateway.as_ref().filter(|_| self.grant().refund == RefundPolicy::Provider);
        let whole = whole.map(|gateway| Whole {
            gateway: Arc::clone(gateway),
            grant: self.id(),
            treasury: Arc::clone(self.treasury()),
            shown: OnceCell::new(),
        });
        self.whole = whole.map(Arc::new);
        self.gateway = gateway;
        self
    }
}

impl Treasury {
    /// The gateway that keys for grants below `above` are issued by.
    pub(crate) fn gateway_for(&self, above: Option<&Held>) -> Option<Arc<Gateway>> {
        let own = || self.gateway.get();
        above.and_then(Held::gateway).or_else(own).map(Arc::clone)
    }

    /// The gateway with the key that pays under a grant that is taken here; none: the node's own.
    pub(super) fn key_of(&self, grant: &Grant, core: &CallCore) -> Option<Arc<Gateway>> {
        // A key of a grant is only taken where the node has one of its own.
        let own = self.gateway.get()?;
        if grant.audience == grant.issuer {
            // Let go after the lock is: with it a call may end.
            let above = {
                let state = lock(&self.state);
                state.calls.get(&grant.parent).and_then(|held| held.call.upgrade())
            };
            return above?.held()?.gateway().cloned();
        }
        let shown = core.info.provider.as_ref()?;
        let signer = NodeKey::from_slice(&shown.signer).ok()?;
        if grant.refund != RefundPolicy::Provider || own.signer() != Some(signer) {
            // Where to ask is not for a peer to say: of another gateway nothing is known here.
            tracing::debug!("a key of another gateway came with a grant");
            return None;
        }
        let key = SpendKey::read(&shown.key).ok()?;
        let of = key.chain().links.last()?.budget;
        (of == Some(grant.budget_id())).then(|| Arc::new(own.under(key)))
    }

    /// Passes a message on, but for a last word without receipts about a grant of which only those
    /// free something: its key is ended first, and the word goes on with the receipt. As long as
    /// the gateway is silent the grant is open, and charged in full.
    pub(super) fn ask_gateway(
        self: &Arc<Self>,
        from: NodeKey,
        message: Message,
    ) -> Option<Message> {
        let (grant, used, overrun) = match &message {
            Message::Settle(settlement) if settlement.shown.is_empty() && !settlement.lost => {
                (settlement.grant, settlement.used, settlement.overrun)
            }
            Message::Refused { grant, .. } => (*grant, Amount::ZERO, Amount::ZERO),
            Message::Settle(_)
            | Message::Grant(_)
            | Message::Progress { .. }
            | Message::SettleAck { .. }
            | Message::RenewAsk { .. }
            | Message::Renew { .. }
            | Message::Recall { .. }
            | Message::Beacon(_)
            | Message::Trip(_)
            | Message::OperatorStop(_) => return Some(message),
        };
        let gateway = {
            let mut framed = lock(&self.framed);
            let known = framed.get_mut(&grant).filter(|framed| framed.audience == from);
            let Some(framed) = known else { return Some(message) };
            if std::mem::replace(&mut framed.asking, true) {
                return None;
            }
            Arc::clone(&framed.gateway)
        };
        let own = Arc::clone(self);
        let asking = async move {
            let purpose = Purpose { grant, reservation: Receipt::WHOLE };
            let ended = gateway.end_at_last(gateway.key(), Some(purpose)).await;
            let message = match ended.and_then(|(_, receipt)| receipt) {
                Some(receipt) => {
                    let shown = vec![receipt];
                    let receipts = Receipt::head(&shown);
                    let lost = false;
                    Message::Settle(Settlement { grant, used, receipts, shown, lost, overrun })
                }
                // It is said without, and all of the grant is charged.
                None => message,
            };
            own.receive_now(from, message);
            // A ledger that did not hear it hears it again.
            if let Some(framed) = lock(&own.framed).get_mut(&grant) {
                framed.asking = false;
            }
        };
        // In a forked child nobody is asked.
        let _ = executor::spawn(self.telling.track_future(asking));
        None
    }

    /// Nothing more is said of a grant.
    pub(super) fn forget_key(&self, grant: &GrantId) {
        lock(&self.framed).remove(grant);
    }
}

impl Funded {
    /// Issues the key that goes with the grant, for all that it may take of each component; without
    /// one all of the grant is charged. Below a key that cannot limit tokens there is none for a
    /// grant that does.
    pub(crate) fn key_by(&mut self, gateway: &Gateway) {
        let (grant, signer) = (self.grant().clone(), gateway.signer());
        let limit = grant.amount.min(&gateway.most()).with(Component::Calls, None);
        let life_ms = u64::try_from(limits::PROVIDER_KEY_LIFE.as_millis()).unwrap_or(u64::MAX);
        let now_ms = now_ms();
        let times = (now_ms, now_ms.saturating_add(life_ms));
        let issued = gateway.issue(grant.budget_id(), limit, times);
        let key = issued.inspect_err(|error| tracing::warn!(%error, "no key goes with a grant"));
        let Some((key, signer)) = key.ok().zip(signer) else { return };
        let Some(link) = key.chain().links.last().map(|link| *link.id.as_bytes()) else { return };
        let shown = v1::ProviderKey { key: key.text().to_string(), signer: signer.to_wire() };
        let gateway = Arc::new(gateway.under(key));
        let framed = Framed { audience: grant.audience, gateway, asking: false };
        let treasury = self.treasury();
        lock(&treasury.framed).insert(grant.id, framed);
        if !lock(&treasury.state).ledger.is_open(&grant.id) {
            // Given up meanwhile.
            treasury.forget_key(&grant.id);
        }
        let (limit_input, limit_output) =
            (limit.of(Component::InputTokens), limit.of(Component::OutputTokens));
        let limit_micros = limit.of(Component::CostMicros).unwrap_or(limits::AMOUNT_MAX);
        self.frame(shown, Frame { link, limit_micros, limit_input, limit_output, signer });
    }
}
