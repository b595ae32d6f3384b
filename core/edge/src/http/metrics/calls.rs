//! Counters of calls, told of each as it ends.

use super::names::{Names, OTHER};
use hubless::Kind;
use hubless::spans::{CallWatcher, EndedCall, Refuser};
use hubless_proto::wire::words::CallSide;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Outcome of a call that was answered; others have the kind of their error.
const OK: &str = "ok";
/// Upper ends of the buckets of durations, in seconds: from a call in process to one of a model
/// that thinks for minutes.
const BUCKETS_S: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// Which calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Which {
    side: &'static str,
    agent: String,
    skill: String,
}

/// The same, by how they ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    side: &'static str,
    agent: String,
    skill: String,
    outcome: &'static str,
}

/// Bytes of which part of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Bytes {
    side: &'static str,
    part: &'static str,
}

/// Who refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    by: &'static str,
    kind: &'static str,
}

/// What is counted of calls.
#[derive(Debug)]
pub(super) struct Calls {
    made: Names<(String, String)>,
    handled: Names<(String, String)>,
    ended: Family<Ended, Counter>,
    took: Family<Which, Histogram>,
    bytes: Family<Bytes, Counter>,
    refused: Family<Refused, Counter>,
}

impl Default for Calls {
    fn default() -> Self {
        let durations: fn() -> Histogram = || Histogram::new(BUCKETS_S);
        Self {
            made: Names::default(),
            handled: Names::default(),
            ended: Family::default(),
            took: Family::new_with_constructor(durations),
            bytes: Family::default(),
            refused: Family::default(),
        }
    }
}

impl Calls {
    /// Names the counters; the registry ends each text with a full stop.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Attempts of calls that ended, by outcome: ok, or the kind of the error";
        registry.register("calls", help, self.ended.clone());
        let help = "From the arrival of a call, or from when it was made, to its end";
        registry.register("call_duration_seconds", help, self.took.clone());
        let help = "Bytes of the parts of calls, where their sizes are known";
        registry.register("call_bytes", help, self.bytes.clone());
        let help = "Requests that were refused before a handler ran";
        registry.register("refusals", help, self.refused.clone());
    }

    fn which(&self, call: &EndedCall<'_>) -> Which {
        let names = match call.side {
            CallSide::Made => &self.made,
            CallSide::Handled => &self.handled,
        };
        let own = (call.agent.to_owned(), call.skill.unwrap_or(OTHER).to_owned());
        let other = || (OTHER.to_owned(), OTHER.to_owned());
        let (agent, skill) = if names.takes(&own) { own } else { other() };
        Which { side: call.side.name(), agent, skill }
    }
}

impl CallWatcher for Calls {
    fn ended(&self, call: &EndedCall<'_>) {
        let which = self.which(call);
        self.took.get_or_create(&which).observe(call.took.as_secs_f64());
        let Which { side, agent, skill } = which;
        let outcome = outcome(call.kind);
        self.ended.get_or_create(&Ended { side, agent, skill, outcome }).inc();
        for (part, bytes) in [("request", call.request_bytes), ("answer", call.answer_bytes)] {
            if let Some(bytes) = bytes {
                self.bytes.get_or_create(&Bytes { side, part }).inc_by(bytes);
            }
        }
    }

    fn refused(&self, by: Refuser, kind: Kind) {
        self.refused.get_or_create(&Refused { by: by.name(), kind: kind.name() }).inc();
    }
}

/// The word for a kind; a newer node may have told one that this version does not know.
fn outcome(kind: &str) -> &'static str {
    if kind.is_empty() {
        return OK;
    }
    kind.parse().map_or(OTHER, Kind::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_a_word_of_ours_whatever_a_peer_says() {
        for kind in Kind::ALL {
            assert_eq!(outcome(kind.name()), kind.name());
            assert!(kind.name() != OK && kind.name() != OTHER);
        }
        assert_eq!((outcome(""), outcome("canary{}\"")), (OK, OTHER));
    }
}
