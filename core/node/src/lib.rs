//! Let agents that exist find each other and talk directly.
#![forbid(unsafe_code)]

pub mod call;
