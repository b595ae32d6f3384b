//! The roots of a gateway that does not run, and its accounts for those who look.

use super::open::{GatewayTill, place, root_added};
use crate::executor::blocking;
use crate::home::Home;
use crate::store::View;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, RootKey};
use hubless_proto::metering::till::{AccountView, Root, Till};

/// Registers a root at the gateway of this name, which must not run.
///
/// A root is to be registered at one gateway only: each would pay its ceiling.
///
/// # Errors
/// As [`Till::add`] and [`GatewayTill::open`].
pub async fn add_root(home: &Home, name: &Name, root: Root) -> Result<()> {
    let add = |till: &mut Till| {
        let entry = root_added(&root);
        Ok((till.add(root)?, entry))
    };
    GatewayTill::begin(home, name, add).await?.release().await
}

/// Takes a root out of the gateway of this name, which must not run; what was paid below it is
/// forgotten.
///
/// # Errors
/// As [`Till::remove`] and [`GatewayTill::open`].
pub async fn remove_root(home: &Home, name: &Name, root: &RootKey) -> Result<()> {
    let remove = |till: &mut Till| {
        let entry = Entry::of(Event::GatewayRootRemoved).named(&root.to_string());
        Ok((till.remove(root)?, entry))
    };
    GatewayTill::begin(home, name, remove).await?.release().await
}

/// The accounts of a gateway, whether it runs or not: each root before its links.
///
/// # Errors
/// `not_found`: there is no such gateway; `configuration`: a store that cannot be read.
pub async fn accounts(home: &Home, name: &Name) -> Result<Vec<AccountView>> {
    let path = place(home, name)?;
    if !path.exists() {
        let message = format!("there is no gateway {name} in this data folder");
        return Err(Error::new(Kind::NotFound, message).with_field("name"));
    }
    let rows = blocking(move || View::open(&path)?.till()).await?;
    Ok(Till::load(rows)?.accounts())
}
