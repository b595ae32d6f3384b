//! Keys in files of 32 bytes, each with a lock beside it.

use crate::home::{self, Folders, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, SecretKey};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Folder of the keys of agents, in the data folder.
const AGENTS: &str = "agents";
/// First bytes of a key file: what it is, and its version.
const HEADER: &[u8] = b"hubless-key-1\n";
/// Bytes of an Ed25519 seed.
const SEED_BYTES: usize = 32;

/// The own root of processes without a home; one a process, so that its nodes share a mesh.
static MEMORY_ROOT: Mutex<Option<SecretKey>> = Mutex::new(None);

/// A stored key and the lock that keeps other processes from using it at the same time.
#[derive(Debug)]
pub struct StoredKey {
    /// The key.
    pub key: SecretKey,
    /// Held as long as the key is in use.
    pub lock: Lock,
}

/// `N` bytes from the system's random source.
///
/// # Errors
/// `internal` when the system has none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(Kind::Internal, format!("the system gives no random bytes: {error}"))
    })?;
    Ok(bytes)
}

/// Makes a key that lives in memory only.
///
/// # Errors
/// `internal` when the system gives no random bytes.
pub fn fresh() -> Result<SecretKey> {
    Ok(SecretKey::from_seed(random()?))
}

/// Reads or makes the key of the agent called `name`, which no other process may use at that time.
/// Afterwards those may join that share it, by [`stored_agent_shared`], and nobody else.
///
/// Blocks for milliseconds.
///
/// # Errors
/// `conflict` while another process uses it; `configuration` when the file is readable by others,
/// broken, of a newer version, or there is no home.
pub fn stored_agent(home: &Home, name: &Name) -> Result<StoredKey> {
    let StoredKey { key, lock } = stored(need(home)?, AGENTS, name)?;
    // Held alone for this moment only: a replica waits for it, and whoever is none is refused.
    let lock = lock.share().map_err(|error| in_use(name, error))?;
    Ok(StoredKey { key, lock })
}

/// Reads or makes the key of the agent called `name` beside other processes that use it; as long
/// as it is held, [`stored_agent`] is refused.
///
/// Blocks for milliseconds.
///
/// # Errors
/// `configuration` as [`stored_agent`].
pub fn stored_agent_shared(home: &Home, name: &Name) -> Result<StoredKey> {
    let folder = agents_folder(home)?;
    let lock = Lock::wait_shared(&folder.join(format!("{name}.key.lock")))?;
    // The lock of use may be shared for life: making has one of its own.
    let making = folder.join(format!("{name}.key.new.lock"));
    let key = load_or_make_under(&folder.join(format!("{name}.key")), &making)?;
    Ok(StoredKey { key, lock })
}

/// Reads the key of the agent called `name` without using it; none: there is no such key.
///
/// # Errors
/// `configuration` as [`stored_agent`].
pub fn read_agent(home: &Home, name: &Name) -> Result<Option<SecretKey>> {
    load(&agents_folder(home)?.join(format!("{name}.key")))
}

/// Keeps a key that was made elsewhere as that of the agent called `name`.
///
/// Blocks for milliseconds.
///
/// # Errors
/// `conflict`, code `name_taken`, where there is one, and `key_in_use` while it is in use;
/// `configuration` when there is no home, or it cannot be written.
#[cfg(any(test, feature = "key-export"))]
pub(super) fn import_agent(home: &Home, name: &Name, key: &SecretKey) -> Result<()> {
    let folder = agents_folder(home)?;
    let path = folder.join(format!("{name}.key"));
    let lock = Lock::take(&folder.join(format!("{name}.key.lock")));
    let _unused = lock.map_err(|error| in_use(name, error))?;
    let _making = Lock::wait(&folder.join(format!("{name}.key.new.lock")))?;
    if !write(&path, key)? {
        let message = format!("{name} has an identity already: choose another name");
        return Err(Error::new(Kind::Conflict, message).with_code("name_taken"));
    }
    Ok(())
}

/// The root key of the user's own mesh; none: there is none yet.
///
/// # Errors
/// `configuration` as [`stored_agent`].
#[cfg(any(test, feature = "key-export"))]
pub(super) fn read_root(home: &Home) -> Result<Option<SecretKey>> {
    load(&root_file(need(home)?))
}

/// Keeps a key that was made elsewhere as the root of the user's own mesh. Nodes that run go on in
/// the mesh that they are in.
///
/// Blocks for milliseconds.
///
/// # Errors
/// `conflict`, code `own_root`, where there is one; `configuration` as [`import_agent`].
#[cfg(any(test, feature = "key-export"))]
pub(super) fn import_root(home: &Home, key: &SecretKey) -> Result<()> {
    let path = root_file(need(home)?);
    let _making = Lock::wait(&path.with_extension("key.lock"))?;
    if !write(&path, key)? {
        let message = "this data folder has a mesh of its own: take another one (HUBLESS_HOME)";
        return Err(Error::new(Kind::Conflict, message).with_code("own_root"));
    }
    Ok(())
}

/// Reads or makes the key of the node called `name`, for this process alone: no two running
/// processes may share one.
///
/// # Errors
/// As [`stored_agent`].
pub fn stored_node(home: &Home, name: &Name) -> Result<StoredKey> {
    stored(need(home)?, "nodes", name)
}

/// The root key of the user's own mesh, made on first use; whoever comes first makes it, the
/// others wait and read it.
pub(crate) fn root(home: &Home) -> Result<SecretKey> {
    let Some(folders) = home.folders() else {
        let mut kept = MEMORY_ROOT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.as_ref() {
            return Ok(key.clone());
        }
        return Ok(kept.insert(fresh()?).clone());
    };
    load_or_make(&root_file(folders))
}

fn root_file(folders: &Folders) -> PathBuf {
    folders.data().join("own").join("root.key")
}

/// Reads a key file, or makes it under the lock beside it.
pub(crate) fn load_or_make(path: &Path) -> Result<SecretKey> {
    load_or_make_under(path, &path.with_extension("key.lock"))
}

fn load_or_make_under(path: &Path, lock: &Path) -> Result<SecretKey> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let _held = Lock::wait(lock)?;
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let key = fresh()?;
    write(path, &key)?;
    Ok(key)
}

/// Writes the file of a key; false: there is one.
fn write(path: &Path, key: &SecretKey) -> Result<bool> {
    home::write_new(path, &Zeroizing::new([HEADER, key.seed().as_slice()].concat()))
}

fn stored(folders: &Folders, kind: &str, name: &Name) -> Result<StoredKey> {
    let folder = folders.data().join(kind);
    let file = format!("{name}.key");
    let lock = Lock::take(&folder.join(format!("{file}.lock")));
    let lock = lock.map_err(|error| in_use(name, error))?;
    // The lock of use is also the lock of making: only its holder comes here.
    let path = folder.join(&file);
    let key = match load(&path)? {
        Some(key) => key,
        None => {
            let key = fresh()?;
            write(&path, &key)?;
            key
        }
    };
    Ok(StoredKey { key, lock })
}

fn in_use(name: &Name, error: Error) -> Error {
    if error.kind != Kind::Conflict {
        return error;
    }
    let message = format!("the key {name:?} is in use by another process");
    Error::new(Kind::Conflict, message).with_code("key_in_use")
}

fn load(path: &Path) -> Result<Option<SecretKey>> {
    let Some(bytes) = home::read_private(path)? else { return Ok(None) };
    let broken = |what: &str, code: &str| {
        let message = format!("{} {what}", path.display());
        Error::new(Kind::Configuration, message).with_code(code)
    };
    let seed = bytes
        .strip_prefix(HEADER)
        .ok_or_else(|| broken("is no key file of this version", "newer_format"))?;
    let seed: [u8; SEED_BYTES] =
        seed.try_into().map_err(|_| broken("does not hold 32 bytes", "broken_key"))?;
    Ok(Some(SecretKey::from_seed(seed)))
}

/// Where the keys of agents are, with what belongs to them.
///
/// # Errors
/// `configuration`, code `memory_only`, without a home.
pub(super) fn agents_folder(home: &Home) -> Result<PathBuf> {
    Ok(need(home)?.data().join(AGENTS))
}

fn need(home: &Home) -> Result<&Folders> {
    home.folders().ok_or_else(|| {
        let message = "a stored identity needs a home folder that can be written";
        Error::new(Kind::Configuration, message).with_code("memory_only")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        (folder, home)
    }

    #[test]
    fn root_is_made_once() {
        let (_folder, home) = home();
        assert_eq!(root(&home).unwrap().public(), root(&home).unwrap().public());
    }

    #[test]
    fn a_stored_key_is_used_by_one_at_a_time_and_stays() {
        let (_folder, home) = home();
        let name: Name = "worker".parse().unwrap();
        let first = stored_node(&home, &name).unwrap();
        assert_eq!(stored_node(&home, &name).unwrap_err().code, "key_in_use");
        let public = first.key.public();
        drop(first);
        assert_eq!(stored_node(&home, &name).unwrap().key.public(), public);
        assert_ne!(stored_agent(&home, &name).unwrap().key.public(), public);
    }

    #[test]
    fn a_key_from_elsewhere_takes_no_place_that_is_taken() {
        let (_folder, home) = home();
        let name: Name = "moved".parse().unwrap();
        let (key, other) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        import_agent(&home, &name, &key).unwrap();
        assert_eq!(import_agent(&home, &name, &other).unwrap_err().code, "name_taken");
        let used = stored_agent(&home, &name).unwrap();
        assert_eq!(used.key.public(), key.public());
        assert_eq!(import_agent(&home, &name, &other).unwrap_err().code, "key_in_use");

        assert!(read_root(&home).unwrap().is_none());
        import_root(&home, &key).unwrap();
        assert_eq!(import_root(&home, &other).unwrap_err().code, "own_root");
        assert_eq!(root(&home).unwrap().public(), key.public());
        assert_eq!(read_root(&home).unwrap().unwrap().public(), key.public());
    }

    #[test]
    fn those_who_share_a_key_keep_out_who_does_not() {
        let (_folder, home) = home();
        let name: Name = "twin".parse().unwrap();
        assert!(read_agent(&home, &name).unwrap().is_none());
        let first = stored_agent_shared(&home, &name).unwrap();
        assert_eq!(stored_agent(&home, &name).unwrap_err().code, "key_in_use");
        let public = first.key.public();
        let second = stored_agent_shared(&home, &name).unwrap();
        assert_eq!(second.key.public(), public);
        drop(first);
        assert_eq!(stored_agent(&home, &name).unwrap_err().code, "key_in_use");
        drop(second);
        let alone = stored_agent(&home, &name).unwrap();
        assert_eq!(stored_agent(&home, &name).unwrap_err().code, "key_in_use");
        assert_eq!(stored_agent_shared(&home, &name).unwrap().key.public(), public);
        // To read it is not to use it.
        assert_eq!(read_agent(&home, &name).unwrap().unwrap().public(), public);
        drop(alone);
        assert!(stored_agent(&home, &name).is_ok());
    }

    #[test]
    fn refuses_a_broken_or_newer_key_file() {
        let (folder, home) = home();
        for (bytes, code) in [
            (b"hubless-key-1\nshort".as_slice(), "broken_key"),
            (b"hubless-key-2\n00000000000000000000000000000000", "newer_format"),
        ] {
            let path = folder.path().join("data/own/root.key");
            home::replace(&path, &folder.path().join("t"), bytes).unwrap();
            assert_eq!(root(&home).unwrap_err().code, code);
        }
    }
}
