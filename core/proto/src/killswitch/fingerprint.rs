//! What decides how a ledger goes on, as a hash: a checker that meets millions of ledgers keeps
//! only this of each.

use super::closed::Closed;
use super::ledger::Ledger;
use super::timers::Timer;
use std::hash::{Hash, Hasher};

/// Writes count from the last durable one, and when and how often something is said again or
/// forgotten does not count: ledgers that differ in nothing else promise the same.
impl Hash for Ledger {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.owner.hash(state);
        self.since.hash(state);
        self.accounts.hash(state);
        self.closed.hash(state);
        self.trips.hash(state);
        self.stops.hash(state);
        self.readings.hash(state);
        self.waiting.hash(state);
        self.nonces.hash(state);
        self.out.behind().hash(state);
        let waiting: Vec<_> = self.out.waiting().collect();
        for (at, (writes, output)) in waiting.iter().enumerate() {
            let is_said = waiting.iter().take(at).any(|(_, earlier)| earlier == output);
            if !is_said {
                (writes, output).hash(state);
            }
        }
        let repeats = [Timer::Recall, Timer::Settle, Timer::Forget];
        let decisive = self.timers.all().filter(|(_, timer, _)| !repeats.contains(timer));
        decisive.for_each(|timer| timer.hash(state));
    }
}

impl Hash for Closed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.issuer.hash(state);
        self.digest.hash(state);
        self.settlement.hash(state);
        self.refused.hash(state);
        self.acknowledged.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use crate::killswitch::{
        Allowance, Budget, Component, Input, Keeping, Now, Output, Owner, ReservationId, Terms,
    };
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    fn of(ledger: &Ledger) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(ledger)
    }

    fn persisted(ledger: &mut Ledger) {
        while let Some(output) = ledger.poll_output() {
            if let Output::Persist { seq, .. } = output {
                ledger.handle(Input::Persisted { seq }, Now::default());
            }
        }
    }

    #[test]
    fn counts_what_is_held_and_not_how_many_writes_there_were() {
        let node = NodeKey::from_bytes([1; 32]);
        let mut ledger = Ledger::new(Owner { node, instance: 1, keeping: Keeping::Durable });
        let ceiling = Allowance::UNLIMITED.with(Component::Calls, Some(9));
        let budget = Budget::new(node, [7; 16], Terms::of(ceiling), 0);
        let grant = budget.origin.account();
        let empty = of(&ledger);
        ledger.handle(Input::Open(budget), Now::default());
        let waits = of(&ledger);
        persisted(&mut ledger);
        let open = of(&ledger);
        assert!(empty != waits && waits != open);

        let id = ReservationId::from_bytes([1; 16]);
        let most = crate::killswitch::Amount::ZERO;
        ledger.handle(Input::Reserve { grant, id, most }, Now::default());
        persisted(&mut ledger);
        let used = Some(most);
        let first = of(&ledger);
        assert!(first != open);
        ledger.handle(Input::Commit { grant, id, used, receipt: None }, Now::default());
        persisted(&mut ledger);
        let once = of(&ledger);
        ledger.handle(Input::Reserve { grant, id, most }, Now::default());
        persisted(&mut ledger);
        assert_eq!(of(&ledger), first);
        ledger.handle(Input::Commit { grant, id, used, receipt: None }, Now::default());
        persisted(&mut ledger);
        assert_eq!(of(&ledger), once);
    }
}
