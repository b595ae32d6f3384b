//! A budget that is never exceeded, and a stop that reaches everything below it.
//!
//! Owns: amounts, grants, the ledger of one node as an escrow tree (set aside before it is spent;
//! charged in full until the holder's last word), leases, trips, redeem codes, and the rows that
//! outlive a crash. A pure machine: calls, messages, what the store says and time go in; writes,
//! messages and verdicts come out. Must not know: connections, files, clocks, keys, prices. Tested
//! by properties over simulated networks whose spending is counted outside, in
//! `core/proto/tests/killswitch`, and by exhausting small ones with planted faults (`tests/model`).

mod account;
mod amount;
mod beacon;
mod closed;
mod codes;
mod fault;
mod fingerprint;
mod fold;
mod folding;
mod forgot;
mod grant;
mod hold;
mod ids;
mod io;
mod issue;
mod lease;
mod ledger;
mod message;
mod operator;
mod outbox;
mod receipt;
mod recover;
mod redeem;
mod release;
mod row;
mod spend;
mod stop;
mod strict;
mod terms;
mod time;
mod timers;
mod trip;
mod wrong_codes;

pub use amount::{Allowance, Amount, Component};
pub use beacon::{Beacon, Proof, Round};
pub use fold::Fold;
pub use grant::{Grant, Life};
pub use ids::{BudgetId, CallId, GrantId, Origin, ReservationId};
pub use io::{Asked, Breach, Ending, Input, Order, Output, Share};
pub use ledger::{CutView, Ledger, Owner, View};
pub use message::{Message, Settlement};
pub use operator::OperatorStop;
pub use outbox::Keeping;
pub use receipt::{Frame, PaidTokens, Receipt};
pub use redeem::{Claim, RedeemCode};
pub use row::{Key, Row, Write};
pub use terms::{Budget, Terms};
pub use time::{Now, Reading};
pub use trip::{Statement, Trip};
pub use wrong_codes::WrongCodes;
