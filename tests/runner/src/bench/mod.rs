//! `cargo bench-all`.

mod start;

pub(crate) use start::{Which, run};
