//! Fuzz targets: plain functions over bytes, one for each decoder of what others send.
//!
//! A target panics where a decoder breaks a promise: it accepts what its own check refuses, reads
//! back something else than it wrote, or differs from a second opinion. `corpus/<target>` holds
//! the seeds, `dictionary.txt` the pieces that mutation puts in. `tests/corpus.rs` runs every
//! target over seeds and seeded mutations of them, and bounds the memory of each run;
//! `HUBLESS_FUZZ_CASES` sets how many. A fuzzer with coverage needs one line:
//! `fuzz_target!(|data: &[u8]| drop(hubless_fuzz::targets::request(data)));`

pub mod mutate;
pub mod targets;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name, and folder of its corpus.
    pub name: &'static str,
    /// Runs it once; true: the input was taken.
    pub run: fn(&[u8]) -> bool,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: targets::$name }),*];
    };
}

targets! {
    frame,
    hello,
    show,
    request,
    event,
    tool_result,
    answer,
    record,
    record_body,
    announcement,
    skill_document,
    json_text,
    json_message,
    identity,
    requirements,
    query,
    schema,
    ledger_message,
    ledger_row,
    terms,
}
