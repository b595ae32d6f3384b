//! The two clocks of a ledger.

use crate::limits::ms;
use crate::wire::v1;
use std::time::Duration;

/// What both clocks of a node say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Now {
    /// Milliseconds of a clock that never jumps and goes on while the machine sleeps: leases.
    pub clock_ms: u64,
    /// Unix time in milliseconds: what is written down for people and for after a restart.
    pub unix_ms: u64,
}

impl Now {
    /// The moment of the clock at which this Unix time comes.
    pub(super) const fn clock_at(&self, unix_ms: u64) -> u64 {
        self.clock_ms.saturating_add(unix_ms.saturating_sub(self.unix_ms))
    }

    /// The moment of the clock after this time.
    pub(super) fn after(&self, time: Duration) -> u64 {
        self.clock_ms.saturating_add(ms(time))
    }
}

/// A reading of the clock of one process of a node; it says nothing about that of another process,
/// since the clock begins anew with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reading {
    /// Which process, as in its HELLO.
    pub instance: u64,
    /// What its clock said.
    pub clock_ms: u64,
}

impl Reading {
    /// The message.
    pub const fn to_wire(&self) -> v1::Reading {
        v1::Reading { instance: self.instance, clock_ms: self.clock_ms }
    }

    /// From a message.
    pub const fn of_wire(wire: &v1::Reading) -> Self {
        Self { instance: wire.instance, clock_ms: wire.clock_ms }
    }
}
