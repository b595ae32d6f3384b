//! What each principal may spend within an hour: set aside before it is spent, counted after.
//!
//! Owns: who has set aside how much, how much was spent until when, whether one more request fits,
//! and the rows that outlive the process. Must not know: clocks, stores, listeners, how a request
//! is paid. Time is a parameter. Tested by properties beside it, which count by themselves.

mod account;
mod limit;
mod row;
#[cfg(test)]
mod tests;
mod window;

pub use limit::read_hour;
pub use row::{HourPart, HourRow, HourWrite};
pub use window::{Begun, Hours, Wanted};
