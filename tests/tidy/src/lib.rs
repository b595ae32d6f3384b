//! Rules of style and architecture as ordinary tests.
//!
//! Each rule is a function from texts to the places that break it; its own test plants a breach
//! to see it caught, then `tests/house.rs` applies it to the checkout.
#![forbid(unsafe_code)]

pub mod arrows;
pub mod codes;
pub mod dead;
pub mod faults;
pub mod files;
pub mod floors;
pub mod functions;
pub mod generated;
pub mod glue;
pub mod languages;
pub mod layout;
pub mod limits;
pub mod names;
pub mod purity;
pub mod rust;
pub mod samples;
pub mod tree;
