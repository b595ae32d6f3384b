//! The streams that the events of one call go to.

use super::body::Bodies;
use super::kept;
use super::pipe::Down;
use hubless_proto::wire::v1::{self, event};
use tokio::sync::mpsc;

/// The caller's stream first, then those that joined it.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) open: Vec<mpsc::Sender<Down>>,
}

impl Sinks {
    /// Gives one event to every open stream; questions, and bytes that can be read once, go to the
    /// first alone.
    pub(super) async fn hand_over(&mut self, event: v1::Event, bodies: Bodies) {
        self.open.retain(|sink| !sink.is_closed());
        let question =
            matches!(event.kind, Some(event::Kind::ToolCall(_) | event::Kind::InputRequired(_)));
        let others = if question { None } else { bodies.again() };
        let mut first = Some(bodies);
        for sink in &self.open {
            let down = match (first.take(), &others) {
                (Some(bodies), _) => Down { event: event.clone(), bodies },
                (None, Some((bodies, _))) => {
                    let bodies = bodies.again().map(|(bodies, _)| bodies).unwrap_or_default();
                    Down { event: event.clone(), bodies }
                }
                (None, None) if question => break,
                (None, None) => kept::untold(),
            };
            // A stream that went away is removed at the next event.
            let _ = sink.send(down).await;
        }
    }
}
