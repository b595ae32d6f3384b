//! Meshes that this data folder joined: `meshes/<mesh id>/{member.key, token, trust.json}`.

use super::ticket::Ticket;
use super::token;
use crate::home::{self, Folders, Home, Lock};
use crate::keys;
use crate::link::RelayUrl;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Version of `trust.json`.
const VERSION: u32 = 1;

/// A node that can be dialled without anyone's help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) node: NodeKey,
    pub(crate) addresses: Vec<SocketAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) relays: Vec<RelayUrl>,
}

/// A joined mesh.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) key: SecretKey,
    pub(super) token: Vec<u8>,
    pub(super) contacts: Vec<Contact>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Trust {
    version: u32,
    contacts: Vec<Contact>,
}

/// The member key for a mesh, made once.
pub(crate) fn member_key(home: &Home, mesh: MeshId) -> Result<SecretKey> {
    let folder = folder(need(home)?, mesh)?;
    keys::load_or_make(&folder.join("member.key"))
}

/// Keeps what a join brought, and makes the mesh the default of this data folder.
///
/// A ticket takes nothing away: one that names no node leaves those that are known, and one that
/// admits without a minter, for minutes, leaves a token on the same terms that lasts longer.
pub(crate) fn save(home: &Home, ticket: &Ticket, token: &[u8], now_ms: u64) -> Result<()> {
    let mesh = ticket.mesh;
    let folders = need(home)?;
    let folder = folder(folders, mesh)?;
    let contacts = ticket.contacts();
    if !contacts.is_empty() {
        save_contacts(&folder, &contacts)?;
    }
    {
        let _held = Lock::wait(&folder.join("token.lock"))?;
        let kept = home::read_private(&folder.join("token"))?;
        if !kept.is_some_and(|kept| outlasts(&kept, token, mesh, now_ms)) {
            write_token(&folder, token)?;
        }
    }
    let default = folders.data().join("meshes").join("default");
    let temporary = folders.data().join("meshes").join("default.new");
    home::replace(&default, &temporary, mesh.to_string().as_bytes())
}

/// True for a kept token that lasts longer than that of a bearer ticket, and says all that it says
/// of the same member key.
fn outlasts(kept: &[u8], new: &[u8], mesh: MeshId, now_ms: u64) -> bool {
    let stated = |token| token::stated_of(token, mesh, now_ms);
    let (Ok(kept), Ok(new)) = (stated(kept), stated(new)) else { return false };
    let says = |zone| kept.zones.contains(zone);
    new.named.bearer.is_some()
        && kept.named.member == new.named.member
        && kept.until_ms > new.until_ms
        && (kept.role, kept.groups) == (new.role, new.groups)
        && new.zones.iter().all(says)
}

/// The token of a joined mesh, as it is kept; none: it was not joined.
pub(super) fn token(home: &Home, mesh: MeshId) -> Result<Option<Vec<u8>>> {
    let Some(folders) = home.folders() else { return Ok(None) };
    let token = home::read_private(&path_of(folders, mesh).join("token"))?;
    Ok(token.map(|token| token.to_vec()))
}

/// Keeps a token in place of the one that it renews; false: another one was put there meanwhile.
pub(crate) fn replace_token(home: &Home, mesh: MeshId, old: &[u8], new: &[u8]) -> Result<bool> {
    let folder = folder(need(home)?, mesh)?;
    let _held = Lock::wait(&folder.join("token.lock"))?;
    if home::read_private(&folder.join("token"))?.is_none_or(|kept| kept.as_slice() != old) {
        return Ok(false);
    }
    write_token(&folder, new)?;
    Ok(true)
}

/// The turn to renew the token of a mesh; none: another process of this user has it.
pub(crate) fn renewal_turn(home: &Home, mesh: MeshId) -> Result<Option<Lock>> {
    match Lock::take(&folder(need(home)?, mesh)?.join("renewal.lock")) {
        Err(error) if error.kind == Kind::Conflict => Ok(None),
        taken => taken.map(Some),
    }
}

/// Puts a token there; the caller holds the lock beside it.
fn write_token(folder: &Path, token: &[u8]) -> Result<()> {
    home::replace(&folder.join("token"), &folder.join("token.new"), token)
}

/// Keeps the nodes by which the mesh can be reached again.
fn save_contacts(folder: &Path, contacts: &[Contact]) -> Result<()> {
    let kept = contacts.iter().take(limits::TICKET_MINTERS).cloned().collect();
    let trust = serde_json::to_vec(&Trust { version: VERSION, contacts: kept })
        .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    home::replace(&folder.join("trust.json"), &folder.join("trust.json.new"), &trust)
}

/// The mesh that was joined last; none: the user's own.
pub(super) fn default_mesh(home: &Home) -> Result<Option<MeshId>> {
    let Some(folders) = home.folders() else { return Ok(None) };
    let path = folders.data().join("meshes").join("default");
    let Some(bytes) = home::read_private(&path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map(Some).map_err(|_| broken(&path))
}

/// Reads a joined mesh; none when it was not joined.
pub(super) fn load(home: &Home, mesh: MeshId) -> Result<Option<Joined>> {
    let Some(folders) = home.folders() else { return Ok(None) };
    let folder = path_of(folders, mesh);
    let Some(token) = home::read_private(&folder.join("token"))? else { return Ok(None) };
    let key = keys::load_or_make(&folder.join("member.key"))?;
    let path = folder.join("trust.json");
    let contacts = match home::read_private(&path)? {
        None => Vec::new(),
        Some(bytes) => {
            let trust: Trust = serde_json::from_slice(&bytes).map_err(|_| broken(&path))?;
            if trust.version != VERSION {
                return Err(broken(&path).with_code("newer_format"));
            }
            trust.contacts
        }
    };
    Ok(Some(Joined { key, token: token.to_vec(), contacts }))
}

fn path_of(folders: &Folders, mesh: MeshId) -> PathBuf {
    folders.data().join("meshes").join(mesh.to_string())
}

fn folder(folders: &Folders, mesh: MeshId) -> Result<PathBuf> {
    folders.make_below_data(&Path::new("meshes").join(mesh.to_string()))
}

fn need(home: &Home) -> Result<&Folders> {
    home.folders().ok_or_else(|| {
        let message = "joining a mesh needs a home folder that can be written";
        Error::new(Kind::Configuration, message).with_code("memory_only")
    })
}

fn broken(path: &Path) -> Error {
    let message = format!("{} is not what this version writes; join again", path.display());
    Error::new(Kind::Configuration, message).with_code("broken_file")
}
