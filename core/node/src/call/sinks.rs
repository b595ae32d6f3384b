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
        // A stream that went away is removed at the next event.
        self.open.retain(|sink| !sink.is_closed());
        let Some((first, joined)) = self.open.split_first() else { return };
        let question =
            matches!(event.kind, Some(event::Kind::ToolCall(_) | event::Kind::InputRequired(_)));
        let joined = if question { &[] } else { joined };
        let copy = |_| {
            let again = bodies.again();
            let again = again.map(|(bodies, _)| Down { event: event.clone(), bodies });
            again.unwrap_or_else(kept::untold)
        };
        let copies: Vec<Down> = joined.iter().map(copy).collect();
        let _ = first.send(Down { event, bodies }).await;
        for (sink, copy) in joined.iter().zip(copies) {
            let _ = sink.send(copy).await;
        }
    }
}
