//! Budgets in four languages at once, while processes are killed and datagrams are lost and come
//! again (`tests/chaos/CHAOS.md`).
//!
//! `hosts` makes a network with a shim in its middle, `cast` starts and kills who lives in it,
//! `book` reads what the provider wrote, `judged` compares that with what the budgets say, and
//! `run` is the order of events.

mod book;
mod cast;
mod hosts;
mod judged;
mod run;

pub(crate) use run::{Options, everyday, long, run};
