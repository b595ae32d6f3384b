//! What is written down of the things that a node does.

use crate::engine::Hosted;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind};
use hubless_proto::identity::NodeKey;
use hubless_proto::policy::Caller;

/// A call was refused before its handler ran; none: it was not refused, but failed.
pub(crate) fn call_refused(caller: &Caller, called: Option<&Hosted>, why: &Error) -> Option<Entry> {
    let failed = matches!(why.kind, Kind::HandlerFailed | Kind::Internal | Kind::Cancelled);
    let entry = || {
        let entry = Entry::of(Event::CallRefused).by(&caller.principal).by_agent(caller.agent);
        let entry = entry.refused(why);
        match called {
            Some(hosted) => entry.agent(hosted.id()).named(hosted.name.as_str()),
            None => entry,
        }
    };
    (!failed).then(entry)
}

/// The introduction of a node was taken, as what it is: a role, or `external`.
pub(crate) fn peer_accepted(caller: &Caller) -> Entry {
    let role = if caller.role.is_empty() { caller.kind.name() } else { &caller.role };
    Entry::of(Event::PeerAccepted).node(caller.node).because(role)
}

/// The introduction of a node was refused.
pub(crate) fn peer_refused(node: NodeKey, why: &Error) -> Entry {
    Entry::of(Event::PeerRefused).node(node).refused(why)
}
