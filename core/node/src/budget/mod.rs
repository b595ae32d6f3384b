//! Budgets at work: what calls are paid with, and what stops them.
//!
//! Owns: the one ledger of a node and the driver that moves its outputs to its inputs, where its
//! rows are kept, the switch that a program holds, the grants of running calls, reservations,
//! redeem codes, the keys of a metering gateway that are paid from them. Must not know: how an
//! agent is found, or bytes of the wire. Tested in process and between nodes by `tests/budgets`,
//! with the spending counted outside, by `tests/mesh/tests/ledger`, which kills the nodes at any
//! moment, and before a gateway by those of `core/edge`.

mod counted;
mod counts;
#[cfg(test)]
mod dishonest_tests;
mod durable;
#[cfg(test)]
mod durable_tests;
mod gateway;
mod guards;
mod holder;
mod hourly;
mod operator;
mod provider;
mod receipts;
#[cfg(test)]
mod receipts_tests;
mod redeem;
#[cfg(test)]
mod redeem_tests;
mod refunds;
mod report;
mod rows;
mod settling;
#[cfg(test)]
mod settling_tests;
mod spend;
mod state;
mod stopping;
mod switch;
mod treasury;
mod tree;

pub use counts::Budgets;
pub(crate) use gateway::Gateway;
pub(crate) use guards::{Delivery, Funded, Held};
pub use hubless_proto::killswitch::{
    Allowance, Amount, BudgetId, Component, OperatorStop, RedeemCode, Terms,
};
pub use hubless_proto::wire::words::TripReason;
pub use operator::StopReport;
pub use provider::{Provider, ProviderMost};
pub(crate) use redeem::Redeemed;
pub(crate) use refunds::Refunds;
pub use report::{AccountReport, BudgetReport, of_home};
pub use spend::Spend;
pub use stopping::StopTimes;
pub use switch::{KillSwitch, Orphans, Stop};
pub(crate) use treasury::Treasury;
pub use tree::Branch;
