//! Waiting until a node can be reached by a relay.

use crate::link::{Home, HomeState, RelayUrl};
use crate::mesh::Mesh;
use hubless_proto::error::{Error, Kind, Result};
use std::time::Duration;
use tokio::time::timeout;

impl Mesh {
    /// Waits until this node can be reached by one of its relays, and says by which.
    ///
    /// # Errors
    /// `transport`, code `no_relay`, where that takes longer, with what a relay refused it with, if
    /// one did; or where it was told of none.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn at_relay(&self, wait: Duration) -> Result<RelayUrl> {
        let none = |what: &str| Error::new(Kind::Transport, what).with_code("no_relay");
        let told = "this node was told of no relay: name one (relays, HUBLESS_RELAYS)";
        let mut homes = self.shared.link.homes().ok_or_else(|| none(told))?;
        let is_in = |home: &Option<Home>| {
            home.as_ref().is_some_and(|home| home.state == HomeState::Connected)
        };
        if let Ok(Ok(home)) = timeout(wait, homes.wait_for(is_in)).await
            && let Some(home) = home.as_ref()
        {
            return Ok(home.relay.clone());
        }
        Err(match homes.borrow().as_ref() {
            Some(Home { relay, state: HomeState::Refused(reason) }) => {
                none(&format!("{relay} refuses this node: {reason}"))
            }
            Some(Home { relay, .. }) => none(&format!(
                "{relay} does not answer: look whether it runs, and at its certificate"
            )),
            None => none("no relay answers: look whether they run, and at their certificates"),
        })
    }
}
