//! Which calls of one agent run, wait, or find no room.

use crate::error::{Error, Kind, Retry};
use crate::limits;
use crate::policy::CallerKey;
use std::collections::{BTreeMap, VecDeque};

/// What happens to a call; `C` is how the driver calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotInput<C> {
    /// It has passed the checks.
    Arrive {
        /// Who asks.
        caller: CallerKey,
        /// The call; one that is known already changes nothing.
        call: C,
    },
    /// It ended, or was given up, running or waiting.
    End {
        /// The call; an unknown one changes nothing.
        call: C,
    },
    /// The agent is leaving: what waits is refused, what runs may end.
    Close,
}

/// What the driver does.
#[expect(clippy::large_enum_variant, reason = "one or two of them live, for a moment")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotOutput<C> {
    /// Run the handler of this call.
    Run(C),
    /// The call waits.
    Wait(C),
    /// Refuse the call.
    Refuse(C, Error),
}

/// The slots of one agent: so many calls at once, and a queue behind them that is served round
/// robin by caller and of which one caller may hold a quarter.
///
/// ```
/// use hubless_proto::identity::NodeKey;
/// use hubless_proto::policy::Caller;
/// use hubless_proto::registry::{SlotInput, SlotOutput, Slots};
///
/// let caller = Caller::local(NodeKey::from_bytes([1; 32]), None).key();
/// let mut slots = Slots::new(1, 4);
/// let run = slots.handle(SlotInput::Arrive { caller, call: 1 }, 0);
/// assert_eq!(run, [SlotOutput::Run(1)]);
/// let wait = slots.handle(SlotInput::Arrive { caller, call: 2 }, 0);
/// assert_eq!(wait, [SlotOutput::Wait(2)]);
/// assert_eq!(slots.handle(SlotInput::End { call: 1 }, 9), [SlotOutput::Run(2)]);
/// ```
#[derive(Debug)]
pub struct Slots<C> {
    at_once: usize,
    queue_max: usize,
    running: BTreeMap<C, u64>,
    waiting: BTreeMap<C, CallerKey>,
    // Waiting calls by caller; no caller without one.
    queues: BTreeMap<CallerKey, VecDeque<C>>,
    // Callers with waiting calls, the next to be served first.
    turn: VecDeque<CallerKey>,
    // Milliseconds that a call took lately.
    usual_ms: u64,
    closed: bool,
}

impl<C: Ord + Clone> Slots<C> {
    /// Slots for `at_once` running calls (at least 1) and `queue_max` waiting ones.
    pub fn new(at_once: usize, queue_max: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            queue_max,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            queues: BTreeMap::new(),
            turn: VecDeque::new(),
            usual_ms: 100,
            closed: false,
        }
    }

    /// Takes one input; what is to be done follows in order.
    pub fn handle(&mut self, input: SlotInput<C>, now_ms: u64) -> Vec<SlotOutput<C>> {
        match input {
            SlotInput::Arrive { caller, call } => self.arrive(caller, call, now_ms),
            SlotInput::End { call } => self.end(&call, now_ms),
            SlotInput::Close => self.close(),
        }
    }

    /// Calls that run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Calls that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn arrive(&mut self, caller: CallerKey, call: C, now_ms: u64) -> Vec<SlotOutput<C>> {
        if self.running.contains_key(&call) || self.waiting.contains_key(&call) {
            return Vec::new();
        }
        if self.closed {
            return vec![SlotOutput::Refuse(call, leaving())];
        }
        if self.running.len() < self.at_once && self.waiting.is_empty() {
            self.running.insert(call.clone(), now_ms);
            return vec![SlotOutput::Run(call)];
        }
        let held = self.queues.get(&caller).map_or(0, VecDeque::len);
        if self.waiting.len() >= self.queue_max || held >= self.share() {
            return vec![SlotOutput::Refuse(call, self.busy())];
        }
        let queue = self.queues.entry(caller).or_default();
        if queue.is_empty() {
            self.turn.push_back(caller);
        }
        queue.push_back(call.clone());
        self.waiting.insert(call.clone(), caller);
        vec![SlotOutput::Wait(call)]
    }

    fn end(&mut self, call: &C, now_ms: u64) -> Vec<SlotOutput<C>> {
        if let Some(caller) = self.waiting.remove(call) {
            self.leave_queue(&caller, call);
            return Vec::new();
        }
        if let Some(since_ms) = self.running.remove(call) {
            let took_ms = now_ms.saturating_sub(since_ms);
            self.usual_ms = (self.usual_ms.saturating_mul(7).saturating_add(took_ms)) / 8;
        }
        let mut outputs = Vec::new();
        while self.running.len() < self.at_once {
            let Some(next) = self.next() else { break };
            self.running.insert(next.clone(), now_ms);
            outputs.push(SlotOutput::Run(next));
        }
        outputs
    }

    fn next(&mut self) -> Option<C> {
        let caller = self.turn.pop_front()?;
        let queue = self.queues.get_mut(&caller)?;
        let call = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&caller);
        } else {
            self.turn.push_back(caller);
        }
        if let Some(call) = &call {
            self.waiting.remove(call);
        }
        call
    }

    fn leave_queue(&mut self, caller: &CallerKey, call: &C) {
        let Some(queue) = self.queues.get_mut(caller) else { return };
        queue.retain(|waiting| waiting != call);
        if queue.is_empty() {
            self.queues.remove(caller);
            self.turn.retain(|other| other != caller);
        }
    }

    fn close(&mut self) -> Vec<SlotOutput<C>> {
        self.closed = true;
        let mut outputs = Vec::new();
        while let Some(call) = self.next() {
            outputs.push(SlotOutput::Refuse(call, leaving()));
        }
        outputs
    }

    /// Most that one caller may hold of the queue.
    fn share(&self) -> usize {
        (self.queue_max / limits::QUEUE_SHARE).max(1)
    }

    fn busy(&self) -> Error {
        let rounds = self.waiting.len() / self.at_once + 1;
        let after_ms = self.usual_ms.saturating_mul(rounds as u64).clamp(1, 60_000);
        Error::refusal(Kind::Busy, "queue", "the agent has no room for another call")
            .with_retry(Retry::AfterMs(after_ms))
    }
}

fn leaving() -> Error {
    Error::refusal(Kind::NotFound, "unregistered", "the agent is leaving")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use crate::policy::Caller;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn caller(n: u8) -> CallerKey {
        Caller::local(NodeKey::from_bytes([n; 32]), None).key()
    }

    fn arrive(slots: &mut Slots<u32>, who: u8, call: u32) -> SlotOutput<u32> {
        slots.handle(SlotInput::Arrive { caller: caller(who), call }, 0).remove(0)
    }

    #[test]
    fn callers_take_turns() {
        let mut slots = Slots::new(1, 16);
        arrive(&mut slots, 1, 0);
        for call in 1..=3 {
            assert_eq!(arrive(&mut slots, 1, call), SlotOutput::Wait(call));
        }
        arrive(&mut slots, 2, 20);
        arrive(&mut slots, 3, 30);
        let mut order = Vec::new();
        let mut last = 0;
        while let Some(SlotOutput::Run(next)) =
            slots.handle(SlotInput::End { call: last }, 1).into_iter().next()
        {
            order.push(next);
            last = next;
        }
        assert_eq!(order, [1, 20, 30, 2, 3]);
    }

    #[test]
    fn one_caller_holds_a_quarter_and_all_hold_the_queue() {
        let mut slots = Slots::new(1, 8);
        arrive(&mut slots, 1, 0);
        let mut refused = Vec::new();
        for call in 1..=20 {
            let who = u8::try_from(1 + call / 4).unwrap();
            if let SlotOutput::Refuse(call, error) = arrive(&mut slots, who, call) {
                assert!(error.kind == Kind::Busy && matches!(error.retry, Retry::AfterMs(1..)));
                refused.push(call);
            }
        }
        assert_eq!(refused, [3, 6, 7, 10, 11, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(slots.waiting(), 8);
    }

    #[test]
    fn no_queue_means_no_waiting() {
        let mut slots = Slots::new(2, 0);
        assert_eq!(arrive(&mut slots, 1, 1), SlotOutput::Run(1));
        assert_eq!(arrive(&mut slots, 1, 2), SlotOutput::Run(2));
        assert!(matches!(arrive(&mut slots, 1, 3), SlotOutput::Refuse(3, _)));
    }

    #[test]
    fn a_call_given_up_while_waiting_never_runs() {
        let mut slots = Slots::new(1, 8);
        arrive(&mut slots, 1, 1);
        arrive(&mut slots, 1, 2);
        arrive(&mut slots, 2, 3);
        assert!(slots.handle(SlotInput::End { call: 2 }, 0).is_empty());
        assert_eq!(slots.handle(SlotInput::End { call: 1 }, 0), [SlotOutput::Run(3)]);
        assert!(slots.handle(SlotInput::End { call: 9 }, 0).is_empty());
    }

    #[test]
    fn closing_refuses_what_waits_and_lets_run_what_runs() {
        let mut slots = Slots::new(1, 8);
        arrive(&mut slots, 1, 1);
        arrive(&mut slots, 1, 2);
        let closed = slots.handle(SlotInput::Close, 0);
        assert!(
            matches!(closed.as_slice(), [SlotOutput::Refuse(2, e)] if e.kind == Kind::NotFound)
        );
        assert!(matches!(arrive(&mut slots, 1, 3), SlotOutput::Refuse(3, _)));
        assert_eq!(slots.running(), 1);
        assert!(slots.handle(SlotInput::End { call: 1 }, 0).is_empty());
    }

    proptest! {
        /// No slot is left free while a call waits, no bound is passed, no call runs twice.
        #[test]
        fn bounds_hold_and_nothing_is_lost(
            at_once in 1usize..4,
            queue in 0usize..10,
            steps in prop::collection::vec((any::<bool>(), 0u8..4, 0u32..40), 0..200),
        ) {
            let mut slots = Slots::new(at_once, queue);
            let (mut ran, mut seen) = (Vec::new(), BTreeSet::new());
            for (begin, who, call) in steps {
                let input = if begin {
                    if !seen.insert(call) { continue }
                    SlotInput::Arrive { caller: caller(who), call }
                } else {
                    SlotInput::End { call }
                };
                for output in slots.handle(input, 0) {
                    if let SlotOutput::Run(call) = output {
                        prop_assert!(!ran.contains(&call));
                        ran.push(call);
                    }
                }
                prop_assert!(slots.running() <= at_once && slots.waiting() <= queue);
                prop_assert!(slots.waiting() == 0 || slots.running() == at_once);
                let queued: usize = slots.queues.values().map(VecDeque::len).sum();
                prop_assert_eq!(queued, slots.waiting());
                prop_assert_eq!(slots.turn.len(), slots.queues.len());
            }
        }
    }
}
