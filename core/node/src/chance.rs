//! Time and chance of the shell: the only clock and random source of the engine.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds; 0 for a clock before 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Unix time in microseconds; 0 for a clock before 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds of a clock that never jumps and goes on while the machine sleeps
/// (`CLOCK_BOOTTIME`): what leases are counted on. It begins anew with the machine.
pub(crate) fn clock_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(millis)
}

/// Random bytes of the system, fit for keys.
///
/// # Panics
/// When the system has no random source: nothing of ours could be safe then.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("invariant: the system has a random source");
    bytes
}
