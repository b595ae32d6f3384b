//! What the options of a node, and the variables around it, say to its mesh.

use crate::home::Home;
use crate::mesh::{self, MeshChoice, MeshOptions, RelayUrl};
use crate::node::options::{Listen, NodeOptions};
use hubless_proto::error::{Error, Result};
use std::path::PathBuf;

/// Options of the mesh of a node.
///
/// # Errors
/// `invalid_argument` naming the option.
pub(in crate::node) fn options(options: &NodeOptions, home: Home) -> Result<MeshOptions> {
    Ok(MeshOptions {
        name: options.name.clone(),
        mesh: choice(options.mesh.clone().or_else(|| options.surrounding("HUBLESS_MESH")))?,
        listen: listen(options)?,
        port: options.port.unwrap_or_default(),
        lan: lan(options)?,
        zones: zones(options),
        relays: relays(options)?,
        relay_ca: relay_ca(options),
        ..MeshOptions::new(home)
    })
}

fn choice(mesh: Option<String>) -> Result<MeshChoice> {
    match mesh.as_deref() {
        None | Some("") => Ok(MeshChoice::Default),
        Some("own") => Ok(MeshChoice::Own),
        Some(id) => id.parse().map(MeshChoice::Id),
    }
}

fn listen(options: &NodeOptions) -> Result<mesh::Listen> {
    let chosen = match &options.listen {
        Some(listen) => listen.clone(),
        None => match options.surrounding("HUBLESS_LISTEN") {
            Some(text) => Listen::parse(&text)?,
            None => Listen::Loopback,
        },
    };
    Ok(match chosen {
        Listen::Loopback => mesh::Listen::Loopback,
        Listen::All => mesh::Listen::All,
        Listen::Addresses(addresses) => mesh::Listen::Addresses(addresses),
    })
}

fn lan(options: &NodeOptions) -> Result<bool> {
    if let Some(lan) = options.lan {
        return Ok(lan);
    }
    match options.surrounding("HUBLESS_LAN").as_deref() {
        None | Some("" | "0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Error::invalid("lan", "expected 1 or 0 in HUBLESS_LAN")),
    }
}

fn zones(options: &NodeOptions) -> Vec<String> {
    if !options.zones.is_empty() {
        return options.zones.clone();
    }
    let named = options.surrounding("HUBLESS_ZONES").unwrap_or_default();
    named.split(',').map(str::trim).filter(|zone| !zone.is_empty()).map(str::to_owned).collect()
}

fn relays(options: &NodeOptions) -> Result<Vec<RelayUrl>> {
    if !options.relays.is_empty() {
        return Ok(options.relays.clone());
    }
    let named = options.surrounding("HUBLESS_RELAYS").unwrap_or_default();
    let named = named.split(',').map(str::trim).filter(|relay| !relay.is_empty());
    named.map(str::parse).collect()
}

fn relay_ca(options: &NodeOptions) -> Option<PathBuf> {
    let around = || options.surrounding("HUBLESS_RELAY_CA").map(PathBuf::from);
    options.relay_ca.clone().or_else(around)
}
