//! The till of a metering gateway, on disk: nothing is paid that a crash could forget.
//!
//! Owns: the store of a gateway (`data/gateways/<name>.db`), which one process has open; the order
//! of its rows around each call (set aside before, charged after); its audit log. Must not know:
//! prices, HTTP, the provider. A call below a key that is ended, or whose budget is stopped, is
//! told to be cut. A reservation that is dropped is charged at its most, since nobody knows what
//! the call used. Tested beside the code, with a process that is killed while calls are open.

mod ends;
mod held;
mod keys;
mod manage;
mod open;

#[cfg(test)]
mod tests;

pub use held::Held;
pub use keys::{fresh_root, issue};
pub use manage::{accounts, add_root, remove_root};
pub(crate) use open::FOLDER_OF_GATEWAYS;
pub use open::GatewayTill;
