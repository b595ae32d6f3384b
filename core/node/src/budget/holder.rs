//! The stop that the handler of a call may say: of what its own grant pays for, and of no more.

use super::{Held, Treasury};
use crate::call::handle::Call;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::Grant;
use std::sync::Arc;

impl Call {
    /// Stops this call and everything that is below it, on any node, for good: this handler and
    /// those that it asked are cancelled, what waits is refused with `killed`, and nothing more is
    /// spent from the grant of the call. The caller gets `killed`, code `operator`; its budget and
    /// what else it asked go on, with what was not used of this grant. The first stop stands. A
    /// call below that was still waiting for its place has spent nothing, and costs nothing.
    ///
    /// ```
    /// use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
    /// use hubless::{AgentOptions, Content, Kind, Node, NodeOptions, RequestOptions, handler};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let doubt = handler(|call: hubless::Call, _| async move {
    ///     let most = Amount::ZERO.with(Component::OutputTokens, 100)?;
    ///     call.spend(most).await?.used(Amount::ZERO.with(Component::OutputTokens, 60)?);
    ///     call.trip().await?;
    ///     Ok(Content::text("nobody gets this"))
    /// });
    /// let options = AgentOptions { name: "doubt".into(), ..AgentOptions::default() };
    /// node.register(options, doubt).await?;
    /// let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    /// let switch = KillSwitch::new(Terms::of(limits));
    /// let asked = RequestOptions {
    ///     kill_switch: Some(switch.clone()),
    ///     ..RequestOptions::new("doubt", Content::default())
    /// };
    /// let stopped = node.request(asked).await.unwrap_err();
    /// assert_eq!((stopped.kind, stopped.code.as_str()), (Kind::Killed, "operator"));
    /// assert_eq!(switch.remaining().of(Component::OutputTokens), Some(940));
    /// assert!(switch.stop().is_none());
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `not_found`, code `grant`: no budget pays for the call, so it holds nothing.
    ///
    /// # Cancellation
    /// The stop stands.
    pub async fn trip(&self) -> Result<()> {
        let core = self.shared_core();
        let Some(held) = core.held() else {
            let message = "expected a call that a budget pays for: without one it holds nothing \
                           that could be stopped";
            return Err(Error::new(Kind::NotFound, message).with_code("grant"));
        };
        held.trip();
        if core.cancelled.is_cancelled() {
            // Before an answer of the handler could overtake it; it may have ended by itself.
            let _ = core.reject(&core.cancel_refusal()).await;
        }
        Ok(())
    }
}

impl Held {
    /// Stops what it pays for.
    fn trip(&self) {
        self.treasury().trip_held(self.grant());
    }
}

impl Treasury {
    /// The holder of a grant stops what is below it.
    fn trip_held(self: &Arc<Self>, grant: &Grant) {
        self.work(|state, now| state.trip_held(grant, now));
    }
}
