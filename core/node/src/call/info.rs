//! What is known of a call from its request on.

use super::trace::Place;
use crate::budget::Delivery;
use crate::spans::Recorder;
use crate::usage::Tally;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// What is known of a call when its handler starts.
pub(crate) struct CallInfo {
    /// The key of a gateway that came with its grant: no handler sees it.
    pub(crate) provider: Option<v1::ProviderKey>,
    /// The request; its content and the key of its grant were moved out.
    pub(crate) request: v1::Request,
    pub(crate) caller: Caller,
    pub(crate) agent: AgentId,
    pub(crate) agent_name: String,
    /// True when the agent has the skill that is meant, or is asked as a whole.
    pub(crate) known_skill: bool,
    /// Node that runs it.
    pub(crate) node: NodeKey,
    /// Span of this call (W3C Trace Context).
    pub(crate) trace: v1::Trace,
    /// The same, read.
    pub(crate) place: Place,
    /// Bytes of the parts of the request, where they are known.
    pub(crate) request_bytes: Option<u64>,
    /// Where its span goes.
    pub(crate) spans: Arc<Recorder>,
    /// Where its usage goes.
    pub(crate) tally: Arc<Tally>,
    /// Turns before this one, when the agent keeps them; set when the handler starts.
    pub(crate) history: OnceLock<Vec<v1::Part>>,
    /// First event, then between events.
    pub(crate) timeout: Duration,
    pub(crate) total_deadline: Option<Instant>,
    pub(crate) arrived: Instant,
    /// True: the caller is another process, large parts travel as streams.
    pub(crate) remote: bool,
    /// The way of its answer, where that does not go to the caller.
    pub(crate) delivery: Option<Arc<Delivery>>,
}
