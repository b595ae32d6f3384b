//! Rules of records, gossip, comparing, suspicion and bounds, each by itself.

mod bounds;
mod compare;
mod gossip;
mod records;
mod sealed;
mod support;
