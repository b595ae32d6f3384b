//! Events that come while an earlier one of their call is handed on.

use crate::call::pipe::{Down, is_last};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, event};
use prost::Message as _;
use std::collections::VecDeque;

/// Events of a call in order, bounded.
///
/// A callee is held back by whoever does not take its events. Where it sends bytes of a part beside
/// them that would hold back the very bytes that a reader waits for before it takes the next event:
/// from the first such part on, events are taken as far as there is room for them here.
#[derive(Default)]
pub(super) struct Waiting {
    events: VecDeque<Down>,
    bytes: usize,
    /// A streamed part was among the events.
    streams: bool,
    /// Nothing more comes.
    over: bool,
}

impl Waiting {
    /// True while further events are taken.
    pub(super) fn takes(&self) -> bool {
        let room =
            self.events.len() < limits::WAITING_EVENTS && self.bytes < limits::WAITING_EVENT_BYTES;
        self.comes() && room
    }

    /// True while bytes may follow that someone waits for.
    pub(super) const fn comes(&self) -> bool {
        self.streams && !self.over
    }

    /// Notes what is handed on.
    pub(super) fn note(&mut self, down: &Down) {
        self.streams |= !down.bodies.is_empty();
        self.over |= is_last(&down.event);
    }

    /// Nothing more comes.
    pub(super) const fn end(&mut self) {
        self.over = true;
    }

    /// Adds what came. Once many wait, the last word of progress stands for those before it.
    pub(super) fn add(&mut self, down: Down) {
        self.note(&down);
        let many = self.events.len() >= limits::CALL_EVENTS;
        if let Some(last) = self.events.back_mut().filter(|_| many)
            && is_progress(&last.event)
            && is_progress(&down.event)
        {
            self.bytes -= last.event.encoded_len();
            self.bytes += down.event.encoded_len();
            *last = down;
            return;
        }
        self.bytes += down.event.encoded_len();
        self.events.push_back(down);
    }

    /// Takes the first.
    pub(super) fn next(&mut self) -> Option<Down> {
        let down = self.events.pop_front()?;
        self.bytes -= down.event.encoded_len();
        Some(down)
    }
}

const fn is_progress(event: &v1::Event) -> bool {
    matches!(event.kind, Some(event::Kind::Progress(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::body::{Bodies, Body};

    fn down(kind: event::Kind) -> Down {
        Down { event: v1::Event { kind: Some(kind) }, bodies: Bodies::none() }
    }

    fn progress(note: &str) -> Down {
        down(event::Kind::Progress(v1::Progress { note: note.to_owned(), fraction: None }))
    }

    fn chunk(text: &str) -> Down {
        let part = Some(crate::call::content::text_part(text));
        down(event::Kind::Chunk(v1::Chunk { part, append: false }))
    }

    /// One whose callee has sent a streamed part.
    fn streaming() -> Waiting {
        let mut waiting = Waiting::default();
        let mut first = chunk("");
        first.bodies.insert(0, Body::ready(bytes::Bytes::new()));
        waiting.note(&first);
        waiting
    }

    #[test]
    fn a_callee_is_held_back_until_it_streams_a_part_and_after_its_last_event() {
        let mut waiting = Waiting::default();
        waiting.note(&chunk("x"));
        assert!(!waiting.takes());
        let mut waiting = streaming();
        assert!(waiting.takes());
        waiting.add(down(event::Kind::Final(v1::Final::default())));
        assert!(!waiting.takes() && !waiting.comes());
        let mut waiting = streaming();
        waiting.end();
        assert!(!waiting.takes());
    }

    #[test]
    fn so_many_events_wait_and_no_more() {
        let mut waiting = streaming();
        for _ in 0..limits::WAITING_EVENTS {
            assert!(waiting.takes());
            waiting.add(chunk("x"));
        }
        assert!(!waiting.takes());
        while waiting.next().is_some() {}
        assert_eq!(waiting.bytes, 0);
        waiting.add(chunk(&"x".repeat(limits::WAITING_EVENT_BYTES)));
        assert!(!waiting.takes());
        waiting.next();
        assert!(waiting.takes());
    }

    #[test]
    fn the_last_word_of_progress_stands_for_those_before_it_once_many_wait() {
        let mut waiting = streaming();
        for number in 0..3 * limits::WAITING_EVENTS {
            assert!(waiting.takes());
            waiting.add(progress(&number.to_string()));
        }
        let mut notes = Vec::new();
        while let Some(down) = waiting.next() {
            let Some(event::Kind::Progress(told)) = down.event.kind else { panic!("another") };
            notes.push(told.note);
        }
        assert_eq!(waiting.bytes, 0);
        let last = (3 * limits::WAITING_EVENTS - 1).to_string();
        assert_eq!((notes.len(), notes[0].as_str()), (limits::CALL_EVENTS, "0"));
        assert_eq!(notes.last(), Some(&last));
    }
}
