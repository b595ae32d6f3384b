//! What the hosts of one stored identity publish: the same, whichever comes first.
//!
//! Beside the key lies the digest of the descriptor of its hosts, and a lock that each of them
//! shares as long as it publishes that one. Who comes while nobody holds it writes its own digest;
//! who comes later finds that, before either was announced to the other. A third lock lets one at
//! a time look and write. Must not know: what a descriptor says. Tested here and between nodes in
//! `core/node/tests/two_nodes`.

use super::store::agents_folder;
use crate::home::{self, Home, Lock};
use hubless_proto::error::{Kind, Result};
use hubless_proto::identity::Name;
use hubless_proto::wire::record::Digest;
use std::path::{Path, PathBuf};

/// One host's word for the descriptor that it publishes; dropping it takes it back.
#[derive(Debug)]
pub(crate) struct Body {
    file: PathBuf,
    /// Shared with the other hosts, and held for its life alone.
    _shared: Lock,
}

impl Body {
    /// Stands by the descriptor of this digest; none: other hosts of the key stand by another one.
    /// Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration` when a file cannot be used, or there is no home.
    pub(crate) fn stand_by(home: &Home, name: &Name, digest: &Digest) -> Result<Option<Self>> {
        let file = agents_folder(home)?.join(format!("{name}.body"));
        let _looking = Lock::wait(&beside(&file, "new.lock"))?;
        let lock = beside(&file, "lock");
        let shared = match Lock::take(&lock) {
            Ok(alone) => {
                write(&file, digest)?;
                // Nobody takes it alone between the two: that is done under the lock above.
                alone.share()?
            }
            Err(error) if error.kind == Kind::Conflict => {
                let theirs = home::read_private(&file)?;
                if theirs.is_none_or(|theirs| theirs.as_slice() != digest) {
                    return Ok(None);
                }
                Lock::wait_shared(&lock)?
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Self { file, _shared: shared }))
    }

    /// Publishes another descriptor from now on: who joins is held to that one. Blocks for
    /// milliseconds.
    ///
    /// # Errors
    /// `configuration` when the file cannot be written.
    pub(crate) fn change(&self, digest: &Digest) -> Result<()> {
        let _looking = Lock::wait(&beside(&self.file, "new.lock"))?;
        write(&self.file, digest)
    }
}

/// What stands there counts as long as a lock is held: it need not outlive the machine.
fn write(file: &Path, digest: &Digest) -> Result<()> {
    home::replace_volatile(file, &beside(file, "new"), digest)
}

/// A file of the same name with one more ending: names of agents may have dots.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_key_stand_by_one_descriptor_until_the_last_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let name: Name = "twin".parse().unwrap();
        let stand_by = |byte| Body::stand_by(&home, &name, &[byte; 32]).unwrap();
        let first = stand_by(1).expect("nobody was there before");
        let second = stand_by(1).expect("it is the same");
        assert!(stand_by(2).is_none());
        drop(first);
        assert!(stand_by(2).is_none(), "one still stands by the first");
        drop(second);
        let other = stand_by(2).expect("nobody stands by the first");
        other.change(&[3; 32]).unwrap();
        assert!(stand_by(2).is_none() && stand_by(3).is_some());
    }
}
