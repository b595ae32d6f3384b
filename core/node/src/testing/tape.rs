//! What a recorder keeps, and how much of it.
//!
//! Pure: events of requests in, steps out. Bytes are counted as they come, not only at the end of
//! a request: one that streams for long is bounded as well.

use super::script::{Event, Step, too_many_bytes, too_many_steps};
use crate::engine::lock;
use hubless_proto::error::{Error, Result};
use hubless_proto::limits;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
pub(super) struct Tape(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    /// Requests by their order; none: not ended.
    steps: BTreeMap<u64, Option<Step>>,
    /// Of the steps, and of what has come of requests that have not ended.
    bytes: usize,
    /// Why it can no longer be saved; nothing more is kept.
    full: Option<Error>,
}

impl State {
    /// Counts more; whether there was room for it.
    fn count(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > limits::TESTING_BYTES {
            self.fill(too_many_bytes());
        }
        self.full.is_none()
    }

    fn fill(&mut self, why: Error) {
        self.full.get_or_insert(why);
        self.steps.clear();
    }
}

impl Tape {
    /// A place for a request that begins.
    pub(super) fn begin(&self) -> Take<'_> {
        let mut state = lock(&self.0);
        state.last += 1;
        let number = state.last;
        if state.full.is_none() && state.steps.len() < limits::TESTING_STEPS {
            state.steps.insert(number, None);
        } else {
            state.fill(too_many_steps());
        }
        Take { tape: self, number, bytes: 0, events: Vec::new() }
    }

    /// The requests that have ended, and how many have not.
    ///
    /// # Errors
    /// `too_large` once there was more than is kept.
    pub(super) fn steps(&self) -> Result<(Vec<Step>, usize)> {
        let state = lock(&self.0);
        if let Some(full) = &state.full {
            return Err(full.clone());
        }
        let steps: Vec<Step> = state.steps.values().flatten().cloned().collect();
        let open = state.steps.len() - steps.len();
        Ok((steps, open))
    }
}

/// A request while it runs; dropped, it was given up and is not in the recording.
pub(super) struct Take<'a> {
    tape: &'a Tape,
    number: u64,
    /// How much of it is counted.
    bytes: usize,
    events: Vec<Event>,
}

impl Take<'_> {
    /// Counts what is to be kept of it; whether it is still wanted.
    pub(super) fn count(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        lock(&self.tape.0).count(bytes)
    }

    pub(super) fn add(&mut self, event: Event) {
        let bytes = match &event {
            Event::Progress { note, .. } => note.len(),
            Event::Chunk { part, .. } => part.encoded_len(),
        };
        // An event without a text takes place as well.
        if self.count(bytes.saturating_add(size_of::<Event>())) {
            self.events.push(event);
        } else {
            self.events = Vec::new();
        }
    }

    /// What has come of it.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// It ended.
    pub(super) fn keep(mut self, step: Step) {
        // Exactly, and before the others have to wait.
        let bytes = step.to_json().to_string().len();
        let mut state = lock(&self.tape.0);
        state.bytes = state.bytes.saturating_sub(std::mem::take(&mut self.bytes));
        if state.count(bytes)
            && let Some(place) = state.steps.get_mut(&self.number)
        {
            *place = Some(step);
        }
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.tape.0);
        state.bytes = state.bytes.saturating_sub(self.bytes);
        if state.steps.get(&self.number).is_some_and(Option::is_none) {
            state.steps.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matching::When;
    use super::super::script::{End, Reaction};
    use super::*;
    use crate::call::content::text_part;
    use hubless_proto::wire::v1;

    fn chunk(bytes: usize) -> Event {
        Event::Chunk { part: text_part("x".repeat(bytes)), append: true }
    }

    fn step(events: Vec<Event>) -> Step {
        let reaction = Reaction { events, ..Reaction::of(End::Answer(v1::Content::default())) };
        Step { when: When::default(), times: Some(1), reaction }
    }

    fn limit(tape: &Tape) -> Option<String> {
        tape.steps().err().and_then(|error| error.limit).map(|limit| limit.name)
    }

    #[test]
    fn a_request_that_streams_more_than_may_be_is_bounded_before_it_ends() {
        let tape = Tape::default();
        let mut take = tape.begin();
        let mut other = tape.begin();
        let piece = limits::TESTING_BYTES / 4;
        for kept in 1..=3 {
            take.add(chunk(piece));
            assert_eq!(take.events.len(), kept);
        }
        assert_eq!(tape.steps().map(|(steps, open)| (steps.len(), open)), Ok((0, 2)));
        take.add(chunk(piece));
        assert_eq!(limit(&tape).as_deref(), Some("TESTING_BYTES"));
        // Neither it nor others collect any more.
        other.add(chunk(1));
        assert!(take.events.is_empty() && other.events.is_empty());
        take.keep(step(Vec::new()));
        assert!(lock(&tape.0).steps.is_empty());
    }

    #[test]
    fn what_was_given_up_takes_no_room() {
        let tape = Tape::default();
        let piece = limits::TESTING_BYTES / 2;
        for _ in 0..3 {
            let mut given_up = tape.begin();
            given_up.add(chunk(piece));
            assert_eq!(given_up.events.len(), 1);
        }
        assert_eq!(lock(&tape.0).bytes, 0);
        assert_eq!(tape.steps().map(|(_, open)| open), Ok(0));
        let mut take = tape.begin();
        take.add(chunk(8));
        let events = take.events();
        let kept = step(events);
        let bytes = kept.to_json().to_string().len();
        take.keep(kept);
        assert_eq!(lock(&tape.0).bytes, bytes);
        assert_eq!(tape.steps().map(|(steps, open)| (steps.len(), open)), Ok((1, 0)));
    }

    #[test]
    fn more_requests_than_may_be_are_refused_at_the_end() {
        let tape = Tape::default();
        for _ in 0..limits::TESTING_STEPS {
            tape.begin().keep(step(Vec::new()));
        }
        assert_eq!(limit(&tape), None);
        drop(tape.begin());
        assert_eq!(limit(&tape).as_deref(), Some("TESTING_STEPS"));
        assert!(lock(&tape.0).steps.is_empty());
    }
}
