//! Keys that move from one data folder to another, in files that a passphrase opens.

use super::sealed::{seal, unseal};
use super::store::{import_agent, import_root, read_agent, read_root};
use crate::audit::record_in;
use crate::home::Home;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, SecretKey};
use zeroize::Zeroizing;

/// Which key of a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The stored identity of the agent of this name.
    Agent(Name),
    /// The root of the user's own mesh: who has it owns the mesh.
    Root,
}

impl Which {
    fn read(&self, home: &Home) -> Result<SecretKey> {
        let (key, none) = match self {
            Self::Agent(name) => (
                read_agent(home, name)?,
                format!("there is no stored identity {name}: hubless id show lists them"),
            ),
            Self::Root => {
                (read_root(home)?, "this data folder has no mesh of its own yet".to_owned())
            }
        };
        key.ok_or_else(|| Error::new(Kind::NotFound, none))
    }

    fn entry(&self, event: Event, key: &SecretKey) -> Entry {
        match self {
            Self::Agent(name) => Entry::of(event).named(name.as_str()).agent(key.agent_id()),
            Self::Root => Entry::of(event).mesh(key.mesh_id()),
        }
    }
}

/// The text of a file that holds a key, encrypted by a passphrase, and the public half of the key.
///
/// Takes about half a second and 128 MiB; one row of the folder's audit log says it.
///
/// ```
/// use hubless::home::Home;
/// use hubless::keys::{Which, export, import, stored_agent};
///
/// # let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
/// let (old, new) = (Home::open(Some(one.path()))?, Home::open(Some(other.path()))?);
/// let name: hubless_proto::identity::Name = "weather".parse()?;
/// drop(stored_agent(&old, &name)?);
/// let (text, public) = export(&old, &Which::Agent(name.clone()), "correct horse")?;
/// assert_eq!(import(&new, &Which::Agent(name), &text, "correct horse")?, public);
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// # Errors
/// `not_found` where there is no such key; `invalid_argument` (`passphrase`) for one that is too
/// short; `configuration` for the folder.
pub fn export(
    home: &Home,
    which: &Which,
    passphrase: &str,
) -> Result<(Zeroizing<String>, [u8; 32])> {
    let key = which.read(home)?;
    let text = seal(&key, passphrase)?;
    record_in(home, which.entry(Event::KeyExported, &key));
    Ok((text, key.public()))
}

/// Keeps the key of such a file in this data folder, and gives its public half. One that is there
/// stays. Nodes that run go on with the keys that they have.
///
/// Takes about half a second and the memory that the file asks for, at most 1 GiB.
///
/// # Errors
/// `configuration`, code `bad_file`, for what is no such file; `auth`, code `bad_passphrase`, where
/// the passphrase does not open it; `conflict`, code `name_taken`, `key_in_use` or `own_root`,
/// where there is a key already.
pub fn import(home: &Home, which: &Which, text: &str, passphrase: &str) -> Result<[u8; 32]> {
    let key = unseal(text, passphrase)?;
    match which {
        Which::Agent(name) => import_agent(home, name, &key)?,
        Which::Root => import_root(home, &key)?,
    }
    record_in(home, which.entry(Event::KeyImported, &key));
    Ok(key.public())
}
