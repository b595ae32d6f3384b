//! What arrives from others: bad bytes, bad signatures, bad texts, and the vectors that pin the
//! good ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod frames;
mod json_form;
mod messages;
mod records;
mod signatures;
mod traces;
mod vectors;
