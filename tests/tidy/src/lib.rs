//! Rules of style and architecture as ordinary tests.
//!
//! Each rule is a function from texts to the places that break it; its own test plants a breach
//! to see it caught, then `tests/house.rs` applies it to the checkout.
#![forbid(unsafe_code)]

pub mod arrows;
pub mod files;
pub mod floors;
pub mod languages;
pub mod samples;
pub mod tree;
