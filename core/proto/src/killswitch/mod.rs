//! A budget that is never exceeded, and a stop that reaches everything below it.
//!
//! Owns: amounts, grants, the ledger of one node as an escrow tree (set aside before it is spent;
//! charged in full until the holder's last word), leases, trips, and the rows that outlive a
//! crash. A pure machine: calls, messages, answers of the store and time go in; writes, messages
//! and verdicts come out. Must not know: connections, files, clocks, keys, prices, who runs the
//! handlers. Tested by properties over simulated networks of ledgers whose spending is counted
//! outside (`core/proto/tests/killswitch`), and by exhausting small configurations, with planted
//! faults that must be caught (`tests/model`).

mod account;
mod amount;
mod beacon;
mod closed;
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
mod release;
mod row;
mod spend;
mod stop;
mod strict;
mod terms;
mod time;
mod timers;
mod trip;

pub use amount::{Allowance, Amount, Component};
pub use beacon::{Beacon, Proof, Round};
pub use fold::Fold;
pub use grant::{Grant, Life};
pub use ids::{BudgetId, CallId, GrantId, Origin, ReservationId};
pub use io::{Asked, Breach, Ending, Input, Order, Output};
pub use ledger::{CutView, Ledger, Owner, View};
pub use message::{Message, Settlement};
pub use operator::OperatorStop;
pub use outbox::Keeping;
pub use receipt::{Frame, Receipt};
pub use row::{Key, Row, Write};
pub use terms::{Budget, Terms};
pub use time::{Now, Reading};
pub use trip::{Statement, Trip};
