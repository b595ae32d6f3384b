//! The streams that the events of one call go to.

use super::body::Bodies;
use super::core::accepted;
use super::kept;
use super::pipe::Down;
use hubless_proto::wire::v1::{self, event};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a caller may take to leave all streams of its call but one, once it heard of it.
const CHOICE: Duration = Duration::from_secs(2);

/// Whose a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The call's own, or one on which its caller sent the same once more: of those the caller
    /// follows one, the first on which it hears anything, and resets the others.
    Same,
    /// That of another request, which has the same answer.
    Another,
}

/// A stream of a call.
struct Sink {
    whose: Whose,
    events: mpsc::Sender<Down>,
    is_told: bool,
}

/// The caller's stream first, then those that joined it.
pub(super) struct Sinks {
    open: Vec<Sink>,
}

impl Sinks {
    pub(super) fn new(events: mpsc::Sender<Down>) -> Self {
        Self { open: vec![Sink { whose: Whose::Same, events, is_told: false }] }
    }

    pub(super) const fn count(&self) -> usize {
        self.open.len()
    }

    /// Adds a stream, after it was given what has left so far.
    pub(super) async fn join(&mut self, sink: (Whose, mpsc::Sender<Down>), so_far: Vec<Down>) {
        let ((whose, events), is_told) = (sink, !so_far.is_empty());
        for down in so_far {
            // A stream that went away is removed at the next event.
            let _ = events.send(down).await;
        }
        self.open.push(Sink { whose, events, is_told });
    }

    /// Gives one event to every open stream; questions, and bytes that can be read once, go to the
    /// one that the caller follows alone.
    pub(super) async fn hand_over(&mut self, event: v1::Event, bodies: Bodies) {
        // A stream that went away is removed at the next event.
        self.open.retain(|sink| !sink.events.is_closed());
        let question =
            matches!(event.kind, Some(event::Kind::ToolCall(_) | event::Kind::InputRequired(_)));
        if self.open.len() > 1 && (question || bodies.again().is_none()) {
            self.keep_one().await;
        }
        let Some((first, joined)) = self.open.split_first_mut() else { return };
        let joined = if question { &mut [] } else { joined };
        let copy = |_: &Sink| {
            let again = bodies.again();
            let again = again.map(|(bodies, _)| Down { event: event.clone(), bodies });
            again.unwrap_or_else(kept::untold)
        };
        let copies: Vec<Down> = joined.iter().map(copy).collect();
        first.send(Down { event, bodies }).await;
        for (sink, copy) in joined.iter_mut().zip(copies) {
            sink.send(copy).await;
        }
    }

    /// Waits until the caller follows one of the streams of its call, and puts that one first.
    /// Where it says nothing of the others, they are of a path on which nothing arrives: the last
    /// one is taken.
    async fn keep_one(&mut self) {
        let (mut own, others): (Vec<_>, Vec<_>) =
            self.open.drain(..).partition(|sink| sink.whose == Whose::Same);
        if own.len() > 1 {
            // It follows the first one on which it hears anything.
            for sink in own.iter_mut().filter(|sink| !sink.is_told) {
                sink.send(Down { event: accepted(), bodies: Bodies::none() }).await;
            }
            let one_is_left = async {
                while own.len() > 1 {
                    any_closed(&own).await;
                    own.retain(|sink| !sink.events.is_closed());
                }
            };
            // Whichever was closed by then is gone.
            let _ = timeout(CHOICE, one_is_left).await;
        }
        let kept = own.pop();
        for mut sink in own {
            sink.send(kept::untold()).await;
        }
        self.open.extend(kept.into_iter().chain(others));
    }
}

impl Sink {
    async fn send(&mut self, down: Down) {
        self.is_told = true;
        let _ = self.events.send(down).await;
    }
}

/// Waits until one of these streams is over.
async fn any_closed(sinks: &[Sink]) {
    let mut closings: Vec<_> = sinks.iter().map(|sink| Box::pin(sink.events.closed())).collect();
    let closed = poll_fn(|context| {
        let closed = closings.iter_mut().any(|one| one.as_mut().poll(context).is_ready());
        if closed { Poll::Ready(()) } else { Poll::Pending }
    });
    closed.await;
}

#[cfg(test)]
mod tests {
    use super::super::body::body;
    use super::*;

    type Stream = mpsc::Receiver<Down>;

    fn last() -> v1::Event {
        v1::Event { kind: Some(event::Kind::Final(v1::Final::default())) }
    }

    fn question() -> v1::Event {
        v1::Event { kind: Some(event::Kind::ToolCall(v1::ToolCall::default())) }
    }

    /// Bytes that can be read once.
    fn once() -> Bodies {
        let mut bodies = Bodies::none();
        bodies.insert(0, body().1);
        bodies
    }

    async fn streams(joined: &[Whose]) -> (Sinks, Vec<Stream>) {
        let (events, first) = mpsc::channel(8);
        let (mut sinks, mut streams) = (Sinks::new(events), vec![first]);
        for whose in joined {
            let (events, stream) = mpsc::channel(8);
            sinks.join((*whose, events), Vec::new()).await;
            streams.push(stream);
        }
        (sinks, streams)
    }

    fn kinds(stream: &mut Stream) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        while let Ok(down) = stream.try_recv() {
            kinds.push(match down.event.kind {
                Some(event::Kind::Accepted(_)) => "accepted",
                Some(event::Kind::Final(_)) => "final",
                Some(event::Kind::ToolCall(_)) => "question",
                Some(event::Kind::Rejection(_)) => "untold",
                Some(
                    event::Kind::Progress(_)
                    | event::Kind::Chunk(_)
                    | event::Kind::InputRequired(_),
                )
                | None => "other",
            });
        }
        kinds
    }

    #[tokio::test]
    async fn what_can_be_told_again_goes_to_every_stream() {
        let (mut sinks, mut all) = streams(&[Whose::Same, Whose::Another]).await;
        sinks.hand_over(last(), Bodies::none()).await;
        assert!(all.iter_mut().all(|stream| kinds(stream) == ["final"]));
    }

    /// The caller may follow either: it is told on both, and the one that it leaves is not asked.
    #[tokio::test]
    async fn what_cannot_be_told_again_waits_for_the_choice_of_the_caller() {
        for (event, bodies) in [(question(), Bodies::none()), (last(), once())] {
            for followed in [0, 1] {
                let (mut sinks, mut all) = streams(&[Whose::Same]).await;
                let mut left = all.remove(1 - followed);
                let follows = async {
                    let said = left.recv().await.unwrap();
                    assert_eq!(said.event, accepted());
                    drop(left);
                };
                let event = event.clone();
                let bodies = if bodies.is_empty() { Bodies::none() } else { once() };
                tokio::join!(sinks.hand_over(event, bodies), follows);
                let kinds = kinds(&mut all[0]);
                assert!(matches!(kinds[..], ["accepted", "question" | "final"]), "{kinds:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_caller_that_leaves_none_of_its_streams_is_told_on_the_last_one() {
        let (mut sinks, mut all) = streams(&[Whose::Another, Whose::Same]).await;
        sinks.hand_over(last(), once()).await;
        assert_eq!(kinds(&mut all[0]), ["accepted", "untold"]);
        assert_eq!(kinds(&mut all[1]), ["untold"], "another request has no share in bytes");
        assert_eq!(kinds(&mut all[2]), ["accepted", "final"]);
    }
}
