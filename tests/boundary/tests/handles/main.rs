//! The handle tables of the bindings and the open operations of the C library, compiled from their
//! own files with locks that decide what runs next: over many schedules each thing is taken once,
//! none is left, and each end is told once. `HUBLESS_TEST_SCHEDULES` sets how many.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fault;
mod sync;

#[path = "../../../../bindings/c/src/handles.rs"]
#[allow(dead_code, unreachable_pub, reason = "what one of its users needs is enough")]
mod handles;
#[path = "../../../../bindings/c/src/pending.rs"]
#[allow(dead_code, unreachable_pub, reason = "what one of its users needs is enough")]
mod pending;
#[path = "../../../../bindings/shared/src/table.rs"]
#[allow(dead_code, unreachable_pub, reason = "what one of its users needs is enough")]
mod table;

mod ends;
mod schedules;
mod things;
