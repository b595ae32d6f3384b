//! The contract end to end, through the public functions alone.

mod behind;
#[cfg(feature = "testing")]
mod bridge;
mod budgets;
mod calls;
mod closing;
mod defaults;
mod given_up;
mod harness;
mod kept;
mod numbers;
mod provider;
mod session;
mod testing;
mod vectors;
