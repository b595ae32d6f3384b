//! Keys in files of 32 bytes, each with a lock beside it.

use crate::home::{self, Folders, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, SecretKey};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

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

/// Reads or makes the key of the agent called `name`, for this process alone.
///
/// Blocks for milliseconds; a home in memory gives a fresh key without a lock on others.
///
/// # Errors
/// `conflict` while another process uses it; `configuration` when the file is readable by others,
/// broken, of a newer version, or there is no home.
pub fn stored_agent(home: &Home, name: &Name) -> Result<StoredKey> {
    stored(need(home)?, "agents", name)
}

/// Reads the key of the agent called `name` beside other processes that use it, or makes it.
///
/// # Errors
/// `configuration` as [`stored_agent`].
pub fn stored_agent_shared(home: &Home, name: &Name) -> Result<SecretKey> {
    load_or_make_beside(&need(home)?.data().join("agents"), name)
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
    let path = folders.data().join("own").join("root.key");
    load_or_make(&path)
}

/// Reads a key file, or makes it under the lock beside it.
pub(crate) fn load_or_make(path: &Path) -> Result<SecretKey> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let _held = Lock::wait(&path.with_extension("key.lock"))?;
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let key = fresh()?;
    home::write_new(path, &[HEADER, key.seed().as_slice()].concat())?;
    Ok(key)
}

fn stored(folders: &Folders, kind: &str, name: &Name) -> Result<StoredKey> {
    let folder = folders.data().join(kind);
    let file = format!("{name}.key");
    let lock = Lock::take(&folder.join(format!("{file}.lock"))).map_err(|error| {
        if error.kind == Kind::Conflict {
            let message = format!("the key {name:?} is in use by another process");
            return Error::new(Kind::Conflict, message).with_code("key_in_use");
        }
        error
    })?;
    // The lock of use is also the lock of making: only its holder comes here.
    let path = folder.join(&file);
    let key = match load(&path)? {
        Some(key) => key,
        None => {
            let key = fresh()?;
            home::write_new(&path, &[HEADER, key.seed().as_slice()].concat())?;
            key
        }
    };
    Ok(StoredKey { key, lock })
}

/// The lock of use may be held by another process for life: only the making needs it.
fn load_or_make_beside(folder: &Path, name: &Name) -> Result<SecretKey> {
    let path = folder.join(format!("{name}.key"));
    if let Some(key) = load(&path)? {
        return Ok(key);
    }
    let _held = Lock::wait(&folder.join(format!("{name}.key.lock")))?;
    if let Some(key) = load(&path)? {
        return Ok(key);
    }
    let key = fresh()?;
    home::write_new(&path, &[HEADER, key.seed().as_slice()].concat())?;
    Ok(key)
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
