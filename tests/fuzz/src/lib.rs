//! Fuzz targets: plain functions over bytes, one for each decoder of what others send.
//!
//! A target panics where a decoder breaks a promise: it accepts what its own check refuses, reads
//! back something else than it wrote, or differs from a second opinion. `corpus/<target>` holds
//! the seeds, `dictionary.txt` the pieces that mutation puts in. `tests/corpus.rs` runs every
//! target over seeds and seeded mutations of them, and bounds the memory of each run;
//! `HUBLESS_FUZZ_CASES` sets how many. `cargo-fuzz/` is a shell for a fuzzer with coverage, which
//! needs nightly Rust.

pub mod gateway;
pub mod mutate;
pub mod outside;
pub mod spread;
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
    ($($place:ident::$name:ident),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: $place::$name }),*];
    };
}

targets! {
    targets::frame,
    targets::hello,
    targets::show,
    targets::control,
    targets::request,
    targets::event,
    targets::tool_result,
    targets::answer,
    targets::revoked,
    targets::record,
    targets::record_body,
    targets::announcement,
    targets::skill_document,
    targets::json_text,
    targets::json_message,
    targets::identity,
    targets::requirements,
    targets::query,
    targets::schema,
    targets::ledger_message,
    targets::ledger_row,
    targets::redeem_code,
    targets::terms,
    targets::template,
    targets::audit_row,
    outside::ticket,
    outside::token,
    outside::credential,
    outside::trace_id,
    outside::stdio_line,
    outside::http_connection,
    outside::http_body,
    gateway::spend_key,
    gateway::chat_request,
    gateway::embeddings_request,
    gateway::prices,
    gateway::word,
    gateway::till_row,
    spread::digests,
    spread::delta,
}
