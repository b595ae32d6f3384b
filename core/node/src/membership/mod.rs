//! Who belongs to a mesh: tokens under its root key, and the ways to get one.
//!
//! Owns: minting and checking tokens (biscuits), tickets and invites, what a data folder joined.
//! Must not know: connections, agents. Tested here; joins between machines in `tests/network`.

mod credential;
mod invite;
mod joined;
mod narrowed;
mod renewal;
mod revoked;
mod standing;
mod ticket;
mod token;

#[cfg(test)]
mod bearer_tests;

pub use credential::Credential;
pub(crate) use credential::{Shown, check as check_credential};
pub(crate) use invite::redeem;
pub use invite::{InviteOptions, invite};
pub(crate) use joined::{Contact, member_key, renewal_turn, replace_token, save};
pub(crate) use standing::OWN_ROLE;
pub use standing::{Membership, Standing};
pub use ticket::{Minter, Ticket};
pub(crate) use token::check_member;
