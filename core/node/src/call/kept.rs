//! What has left of a call, as far as it can be told again: to a stream that joins the call, and
//! to whoever repeats the request after its end.

use super::body::Bodies;
use super::pipe::Down;
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, event, part};
use prost::Message as _;

/// Events of a call in order, without what its handler asked back.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    events: Vec<(v1::Event, Bodies)>,
    bytes: usize,
    /// True: something was too large to keep, or can be read only once.
    gap: bool,
}

impl Kept {
    /// Keeps one event that leaves.
    pub(crate) fn add(&mut self, event: &v1::Event, bodies: &Bodies) {
        let asks =
            matches!(event.kind, Some(event::Kind::ToolCall(_) | event::Kind::InputRequired(_)));
        if self.gap || asks {
            return;
        }
        let Some((bodies, size)) = bodies.again() else { return self.give_up() };
        self.bytes = self.bytes.saturating_add(size).saturating_add(event.encoded_len());
        if self.bytes > limits::KEPT_ANSWER_BYTES {
            return self.give_up();
        }
        if !bodies.is_empty() || !self.continues(event) {
            self.events.push((event.clone(), bodies));
        }
    }

    fn give_up(&mut self) {
        self.gap = true;
        self.events = Vec::new();
        self.bytes = 0;
    }

    /// Adds text that goes on from the chunk before to that chunk, as long as that one stays small
    /// enough for a message; false: it is a chunk of its own.
    fn continues(&mut self, event: &v1::Event) -> bool {
        let Some(event::Kind::Chunk(v1::Chunk { part: Some(next), append: true })) = &event.kind
        else {
            return false;
        };
        let Some((v1::Event { kind: Some(event::Kind::Chunk(last)) }, _)) = self.events.last_mut()
        else {
            return false;
        };
        let Some(last) = &mut last.part else { return false };
        if last.role != next.role || last.metadata_json != next.metadata_json {
            return false;
        }
        let (Some(part::Kind::Text(text)), Some(part::Kind::Text(more))) =
            (&mut last.kind, &next.kind)
        else {
            return false;
        };
        if text.len() + more.len() > limits::INLINE_PART_BYTES {
            return false;
        }
        text.push_str(more);
        true
    }

    /// What keeping it costs.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What has left, for another stream; none: not all of it is here.
    pub(crate) fn again(&self) -> Option<Vec<Down>> {
        let downs = self.events.iter().map(|(event, bodies)| {
            let (bodies, _) = bodies.again()?;
            Some(Down { event: event.clone(), bodies })
        });
        if self.gap { None } else { downs.collect() }
    }
}

/// What someone gets whose answer went elsewhere, or was too large to be kept.
pub(crate) fn untold() -> Down {
    let message = "the call has ended, and its answer was not kept for being asked again";
    let error = Error::refusal(Kind::Conflict, "answered", message);
    let event = v1::Event { kind: Some(event::Kind::Rejection(v1::Rejection::from(&error))) };
    Down { event, bodies: Bodies::none() }
}

#[cfg(test)]
mod tests {
    use super::super::body::{Body, body};
    use super::*;
    use bytes::Bytes;

    fn chunk(text: &str, append: bool) -> v1::Event {
        let part = Some(super::super::content::text_part(text));
        v1::Event { kind: Some(event::Kind::Chunk(v1::Chunk { part, append })) }
    }

    fn last() -> v1::Event {
        v1::Event { kind: Some(event::Kind::Final(v1::Final::default())) }
    }

    fn bodies(body: Body) -> Bodies {
        let mut bodies = Bodies::none();
        bodies.insert(0, body);
        bodies
    }

    #[tokio::test]
    async fn events_are_told_again_and_again_without_questions() {
        let mut kept = Kept::default();
        for (text, append) in [("a", false), ("b", true), ("c", false)] {
            kept.add(&chunk(text, append), &Bodies::none());
        }
        let question = v1::Event { kind: Some(event::Kind::ToolCall(v1::ToolCall::default())) };
        kept.add(&question, &Bodies::none());
        kept.add(&last(), &bodies(Body::ready(Bytes::from_static(b"xyz"))));
        for _ in 0..2 {
            let mut again = kept.again().unwrap();
            let told: Vec<_> = again.iter().map(|down| down.event.clone()).collect();
            assert_eq!(told, [chunk("ab", false), chunk("c", false), last()]);
            let body = again.last_mut().unwrap().bodies.take(0).unwrap();
            assert_eq!(body.gather(3).await.unwrap(), "xyz");
        }
    }

    #[test]
    fn chunks_stay_small_enough_for_a_message_and_keep_what_is_said_of_them() {
        let mut kept = Kept::default();
        let piece = "x".repeat(200 * limits::KIB);
        for number in 0..3 {
            kept.add(&chunk(&piece, number > 0), &Bodies::none());
        }
        let mut spoken = chunk("y", true);
        if let Some(event::Kind::Chunk(v1::Chunk { part: Some(part), .. })) = &mut spoken.kind {
            part.role = "assistant".to_owned();
        }
        kept.add(&spoken, &Bodies::none());
        let told: Vec<_> = kept.again().unwrap().into_iter().map(|down| down.event).collect();
        assert_eq!(told, [chunk(&piece.repeat(2), false), chunk(&piece, true), spoken]);
    }

    #[test]
    fn what_can_be_read_once_or_is_too_large_is_not_kept() {
        let (_writer, reader) = body();
        let mut once = Kept::default();
        once.add(&last(), &bodies(reader));
        assert!(once.again().is_none() && once.bytes() == 0);
        let half = Bytes::from(vec![0; limits::KEPT_ANSWER_BYTES / 2]);
        let mut large = Kept::default();
        large.add(&last(), &bodies(Body::ready(half.clone())));
        assert!(large.again().is_some());
        large.add(&last(), &bodies(Body::ready(half)));
        assert!(large.again().is_none() && large.bytes() == 0);
    }
}
