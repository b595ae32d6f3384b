//! Redeem codes at work: made for calls by way of foreign programs, and turned into grants of the
//! node that such a program asks.

use super::durable::{failed, refused};
use super::guards::Funded;
use super::treasury::{lost, now, used_before};
use super::{Allowance, Treasury};
use crate::call::handle::Call;
use crate::chance;
use crate::engine::lock;
use crate::mesh::another_answer;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{Claim, Ending, Grant, GrantId, Input, Message, RedeemCode};
use hubless_proto::limits;
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::v1::{self, answer, ask};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use zeroize::Zeroizing;

impl Call {
    /// A code for a foreign program that this call is handed on to: whoever it asks may redeem
    /// it, once, and what is spent there is paid from the grant of this call. A quarter of what is
    /// free of that, and one call, are set aside until the code is redeemed or ends: with this
    /// call, and after `REDEEM_LIFE` at the latest. None: no budget pays for this call.
    ///
    /// Where nothing is left, or as many codes are open as may be, it is a code that nobody
    /// redeems: the program is refused, and does not begin on a budget of its own.
    ///
    /// ```
    /// use hubless::budget::{Allowance, Component, KillSwitch, RedeemCode, Terms};
    /// use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let ask = handler(|call: hubless::Call, _| async move {
    ///     let code: Option<RedeemCode> = call.redeem_code().await;
    ///     Ok(Content::text(code.map_or("none".to_owned(), |code| code.text()[..4].to_owned())))
    /// });
    /// node.register(AgentOptions { name: "ask".into(), ..AgentOptions::default() }, ask).await?;
    /// let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    /// let paid = RequestOptions {
    ///     kill_switch: Some(KillSwitch::new(Terms::of(limits))),
    ///     ..RequestOptions::new("ask", Content::default())
    /// };
    /// assert_eq!(node.request(paid).await?.content.joined_text(), "hbr_");
    /// let free = RequestOptions::new("ask", Content::default());
    /// assert_eq!(node.request(free).await?.content.joined_text(), "none");
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancellation
    /// What was set aside is so until the call ends.
    pub async fn redeem_code(&self) -> Option<RedeemCode> {
        let core = self.shared_core();
        let held = core.held()?;
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let life = core.info.total_deadline.map_or(limits::REDEEM_LIFE, left);
        let until_ms = chance::now_ms().saturating_add(limits::ms(life.min(limits::REDEEM_LIFE)));
        let secret = Zeroizing::new(chance::bytes::<32>());
        let (grant, digest) = (held.id(), RedeemCode::digest(&secret));
        let claim = held.treasury().offer(grant, digest, until_ms).await.unwrap_or_else(|error| {
            tracing::debug!(%grant, %error, "a redeem code with nothing behind it");
            Claim { grant, digest, amount: Allowance::NOTHING, until_ms }
        });
        Some(RedeemCode::new(held.treasury().node(), *secret, &claim))
    }
}

/// A grant that a code became, held here for one request; dropped, it says its last word.
pub(crate) struct Redeemed {
    treasury: Arc<Treasury>,
    grant: GrantId,
}

impl Redeemed {
    pub(crate) const fn id(&self) -> GrantId {
        self.grant
    }
}

impl Drop for Redeemed {
    fn drop(&mut self) {
        // Nothing is spent from it here but by the call that was cut from it.
        self.treasury.put(Input::Finish { grant: self.grant, ending: Ending::Free });
    }
}

impl Treasury {
    async fn offer(
        self: &Arc<Self>,
        grant: GrantId,
        digest: Digest,
        until_ms: u64,
    ) -> Result<Claim> {
        let (answer, offered) = oneshot::channel();
        self.work(|state, now| {
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(failed(why)));
                return;
            }
            state.codes.insert((grant, digest), answer);
            state.ledger.handle(Input::Offer { grant, digest, until_ms }, now);
        });
        offered.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Redeems a code, of whichever node, for a request that is made here.
    ///
    /// # Errors
    /// `denied`, code `redeem`, for one that is unknown, was redeemed before or is over; `killed`;
    /// `transport` when its node cannot be reached, does not answer in time or answers something
    /// else; `busy`, code `redeem`, for one that is none after too many such.
    ///
    /// # Cancellation
    /// The code may be redeemed all the same; what it held comes back with the call it was made in.
    pub(crate) async fn redeem(self: &Arc<Self>, code: &RedeemCode) -> Result<Redeemed> {
        let own = self.node();
        if code.issuer() == own {
            let grant = self.redeem_for(own, code).await?.given().id;
            return Ok(Redeemed { treasury: Arc::clone(self), grant });
        }
        let question = ask::Question::Redeem(code.to_wire());
        let answer = self.mesh().ask(code.issuer(), question).await?;
        let answer::Answer::Granted(grant) = answer else { return Err(another_answer()) };
        self.take_redeemed(code.issuer(), Grant::decode(grant)?).await
    }

    /// A node shows a code of this one; answers the grant that it became.
    ///
    /// # Errors
    /// As [`Treasury::redeem`].
    pub(crate) fn show_code(
        self: &Arc<Self>,
        from: NodeKey,
        shown: &v1::RedeemCode,
    ) -> impl Future<Output = Result<Bytes>> + Send + use<> {
        let (treasury, code) = (Arc::clone(self), RedeemCode::of_wire(shown));
        async move { Ok(treasury.redeem_for(from, &code?).await?.given().encode()) }
    }

    async fn redeem_for(self: &Arc<Self>, by: NodeKey, code: &RedeemCode) -> Result<Funded> {
        let claim = code.claim();
        // Looked at first: those who show none keep nobody from redeeming a good one.
        if !lock(&self.state).ledger.has_code(&claim, now()) {
            lock(&self.wrong_codes).admit(&by, chance::clock_ms())?;
        }
        let (id, refund) = (GrantId::from_bytes(chance::bytes()), self.refund(by, None));
        let (answer, granted) = oneshot::channel();
        self.work(|state, now| {
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(refused(why)));
                return;
            }
            state.grants.insert(id, answer);
            state.ledger.handle(Input::Redeem { id, claim, by, refund }, now);
        });
        let granted = granted.await.unwrap_or_else(|_| Err(lost()));
        granted.inspect_err(|error| self.note_refused(by, error))
    }

    /// Who shows codes that are none is written down, and not for ever.
    fn note_refused(&self, by: NodeKey, why: &Error) {
        if why.kind != Kind::Denied {
            return;
        }
        lock(&self.state).refuse_code(by, why);
        lock(&self.wrong_codes).count(by, chance::clock_ms());
    }

    /// Takes a grant that another node's code became.
    async fn take_redeemed(self: &Arc<Self>, from: NodeKey, grant: Grant) -> Result<Redeemed> {
        let id = grant.id;
        let (answer, held) = oneshot::channel();
        let is_new = self.work(|state, now| {
            if state.ledger.knows(id) || state.holds.contains_key(&id) {
                return false;
            }
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(failed(why)));
                return true;
            }
            state.holds.insert(id, answer);
            let message = Message::Grant(Box::new(grant));
            state.ledger.handle(Input::Receive { from, message }, now);
            true
        });
        if !is_new {
            return Err(used_before());
        }
        let redeemed = Redeemed { treasury: Arc::clone(self), grant: id };
        self.answer_silence(&id);
        held.await.unwrap_or_else(|_| Err(lost()))?;
        Ok(redeemed)
    }
}
