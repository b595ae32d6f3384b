//! The metering gateway over real sockets, before a provider that keeps its own bill.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "gateway/bill.rs"]
mod bill;
#[path = "gateway/calls.rs"]
mod calls;
#[path = "gateway/house.rs"]
mod house;
#[path = "gateway/keys.rs"]
mod keys;
#[path = "gateway/provider.rs"]
mod provider;
#[path = "gateway/receipts.rs"]
mod receipts;
#[path = "gateway/refusals.rs"]
mod refusals;
#[path = "gateway/streams.rs"]
mod streams;
#[path = "gateway/tls.rs"]
mod tls;
#[path = "gateway/trips.rs"]
mod trips;
