//! Whether a relay is there: what it answers by HTTP to anybody.

use crate::link::RelayUrl;
use crate::web::{self, Client, Patience, Roots};
use hubless_proto::error::Result;
use reqwest::header::CONNECTION;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// A relay answers within this time, or is not there: it takes three round trips.
const ANSWER: Duration = Duration::from_secs(3);
/// Where one has answered, the others are given so long.
const OTHERS: Duration = Duration::from_millis(1_500);
/// What a relay answers at.
const PING: &str = "ping";

/// Asks the relays of this node.
#[derive(Debug)]
pub(super) struct Probe(Vec<(RelayUrl, Client)>);

impl Probe {
    /// # Errors
    /// `configuration`, code `tls`, without the roots that this machine trusts.
    pub(super) fn new(relays: &[RelayUrl], roots: Option<&Roots>) -> Result<Self> {
        let patience = Patience { connect: ANSWER, silence: ANSWER };
        let client = |relay: &RelayUrl| {
            let own = Roots::of(relay.url());
            let roots = roots.filter(|_| relay.is_https()).unwrap_or(&own);
            Ok((relay.clone(), web::client(roots, patience)?))
        };
        relays.iter().map(client).collect::<Result<_>>().map(Self)
    }

    /// Those that answer.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn answers(&self) -> Vec<RelayUrl> {
        let mut asked = JoinSet::new();
        for (relay, client) in &self.0 {
            let (relay, client) = (relay.clone(), client.clone());
            asked.spawn(async move {
                let url = web::below("relays", relay.url(), PING).ok()?;
                let answer = timeout(ANSWER, client.get(url).header(CONNECTION, "close").send())
                    .await
                    .ok()?
                    .ok()?;
                answer.status().is_success().then_some(relay)
            });
        }
        let (began, mut answers) = (Instant::now(), Vec::new());
        loop {
            let until = began + if answers.is_empty() { ANSWER } else { OTHERS };
            // One that panicked answered nothing; those that are asked still are let go.
            match timeout_at(until, asked.join_next()).await {
                Ok(Some(answer)) => answers.extend(answer.ok().flatten()),
                Ok(None) | Err(_) => return answers,
            }
        }
    }
}
