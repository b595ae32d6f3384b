//! The contract end to end, through the public functions alone.

mod calls;
mod closing;
mod defaults;
mod given_up;
mod harness;
mod session;
mod vectors;
