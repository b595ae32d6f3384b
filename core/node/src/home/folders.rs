//! Where the folders are, and whether they are ours alone.

use super::files::io_error;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use hubless_proto::error::{Error, Kind, Result};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

/// Version of the layout of the data folder, in the file `format`.
const FORMAT: &str = "1";

/// The folders of one user; cheap to clone.
///
/// ```
/// use hubless::home::{Folders, Home, Lock};
/// use hubless::keys::{StoredKey, stored_agent};
/// use hubless_proto::Kind;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let home = Home::open(Some(folder.path()))?;
/// let folders: &Folders = home.folders().expect("it was opened");
/// let lock = Lock::take(&folders.data().join("example.lock"))?;
/// assert_eq!(Lock::take(lock.path()).unwrap_err().kind, Kind::Conflict);
/// let first: StoredKey = stored_agent(&home, &"weather".parse()?)?;
/// let id = first.key.agent_id();
/// drop(first);
/// assert_eq!(stored_agent(&home, &"weather".parse()?)?.key.agent_id(), id, "it is kept");
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Home {
    folders: Option<Arc<Folders>>,
}

/// Both folders, checked: ours, mode 0700, no symlink.
#[derive(Debug)]
pub struct Folders {
    data: PathBuf,
    run: PathBuf,
}

impl Home {
    /// A home without folders: every key lives in memory, and no process on this machine is found
    /// through the runtime folder.
    pub const fn memory() -> Self {
        Self { folders: None }
    }

    /// Opens the folders below `root`, or those that the environment and the platform name:
    /// `HUBLESS_HOME`, else the XDG folders.
    ///
    /// Missing folders are made with mode 0700. A data folder that is open to others is closed to
    /// them; a runtime folder that is, is refused.
    ///
    /// # Errors
    /// `configuration` with the path and what is wrong with it; the message names `HUBLESS_HOME`.
    pub fn open(root: Option<&Path>) -> Result<Self> {
        let (data, run) = Self::places(root)?;
        let folders = Folders::open(data, run)?;
        Ok(Self { folders: Some(Arc::new(folders)) })
    }

    /// Where the data and the runtime folder are that [`Self::open`] opens; neither is looked at.
    ///
    /// # Errors
    /// `configuration`, code `not_writable`, where no home folder of this user is known.
    pub fn places(root: Option<&Path>) -> Result<(PathBuf, PathBuf)> {
        if let Some(root) = root.map(Path::to_owned).or_else(|| from_env("HUBLESS_HOME")) {
            return Ok((root.join("data"), root.join("run")));
        }
        let native = || choose_native_strategy().ok().map(|native| native.data_dir());
        let data = default_data(from_env("XDG_DATA_HOME"), native)?;
        let uid = rustix::process::getuid().as_raw();
        Ok((data, default_run(from_env("XDG_RUNTIME_DIR"), &std::env::temp_dir(), uid)))
    }

    /// As [`Self::open`], but a home without folders where none can be written; says that once in
    /// the life of the process, on standard error, since logging is off unless asked for.
    ///
    /// # Errors
    /// As [`Self::open`], unless the only reason is that nothing can be written there.
    pub fn open_or_memory(root: Option<&Path>) -> Result<Self> {
        match Self::open(root) {
            Err(error) if error.code == "not_writable" => {
                say_once(&error);
                Ok(Self::memory())
            }
            other => other,
        }
    }

    /// The folders; none in memory.
    pub fn folders(&self) -> Option<&Folders> {
        self.folders.as_deref()
    }

    /// True without folders.
    pub const fn is_memory(&self) -> bool {
        self.folders.is_none()
    }
}

/// Tells a person that nothing is kept, once.
fn say_once(error: &Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let line = format!(
            "hubless: {}; keys live in memory only, and this process is not found by others: set \
             HUBLESS_HOME to a folder that can be written",
            error.message
        );
        // A process whose standard error is closed cannot be told.
        let _ = writeln!(std::io::stderr(), "{line}");
    });
}

impl Folders {
    fn open(data: PathBuf, run: PathBuf) -> Result<Self> {
        let below_data = ["own", "meshes", "agents", "nodes", "invites"];
        let below_run = ["records", "locks", "tmp"];
        make_private(&data, Open::Narrowed)?;
        for name in below_data {
            make_private(&data.join(name), Open::Narrowed)?;
        }
        make_private(&run, Open::Refused)?;
        for name in below_run {
            make_private(&run.join(name), Open::Refused)?;
        }
        check_format(&data)?;
        Ok(Self { data, run })
    }

    /// The data folder: what stays.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The runtime folder: what lives as long as a process.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Record files of running nodes.
    pub fn records(&self) -> PathBuf {
        self.run.join("records")
    }

    /// Lock files of running nodes.
    pub fn locks(&self) -> PathBuf {
        self.run.join("locks")
    }

    /// Files on their way into `records`.
    pub fn tmp(&self) -> PathBuf {
        self.run.join("tmp")
    }

    /// Makes a folder below the data folder, as private as its parent.
    ///
    /// # Errors
    /// `configuration` when it cannot be made or is not ours alone.
    pub fn make_below_data(&self, path: &Path) -> Result<PathBuf> {
        let folder = self.data.join(path);
        make_private(&folder, Open::Narrowed)?;
        Ok(folder)
    }
}

fn from_env(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The data folder below the one that is named, or else below the platform's own.
fn default_data(
    named: Option<PathBuf>,
    native: impl FnOnce() -> Option<PathBuf>,
) -> Result<PathBuf> {
    let base = named.filter(|path| path.is_absolute()).or_else(native);
    let base = base.ok_or_else(|| {
        Error::new(Kind::Configuration, "no home folder is known; set HUBLESS_HOME")
            .with_code("not_writable")
    })?;
    Ok(base.join("hubless"))
}

/// The runtime folder below the one that is named and there, or else this user's temporary one.
fn default_run(named: Option<PathBuf>, temporary: &Path, uid: u32) -> PathBuf {
    let base = named.filter(|path| path.is_absolute() && path.is_dir());
    base.map_or_else(|| temporary.join(format!("hubless-{uid}")), |base| base.join("hubless"))
}

/// What becomes of a folder of ours that is open to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// It is closed: made by hand or restored from a backup, its owner wants that. Keys are read
    /// only from files that are 0600 themselves.
    Narrowed,
    /// It is not used: nobody but this library makes it, with mode 0700, so somebody opened it,
    /// and others may have put in it what would be taken for the record of a process of this user.
    Refused,
}

/// Makes `folder` with mode 0700 if it is missing, then checks that it is ours alone.
fn make_private(folder: &Path, open: Open) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(io_error("make", folder, &error));
    }
    check_private(folder, open)
}

/// The check goes through one descriptor that does not follow symlinks, so that what is checked
/// is what is there.
fn check_private(folder: &Path, open: Open) -> Result<()> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let opened = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|error| io_error("open", folder, &error.into()).with_code("folder"))?;
    let file = fs::File::from(opened);
    let meta = file.metadata().map_err(|error| io_error("read", folder, &error))?;
    let uid = rustix::process::geteuid().as_raw();
    if meta.uid() != uid {
        return Err(unsafe_folder(folder, format!("belongs to user {}, not {uid}", meta.uid())));
    }
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        if open == Open::Refused {
            return Err(unsafe_folder(folder, format!("is open to others (mode {mode:04o})")));
        }
        file.set_permissions(fs::Permissions::from_mode(0o700))
            .map_err(|error| io_error("narrow", folder, &error))?;
        tracing::warn!(path = %folder.display(), "folder was open to others; mode set to 0700");
    }
    Ok(())
}

fn unsafe_folder(folder: &Path, what: String) -> Error {
    let text = format!("{} {what}; remove it or set HUBLESS_HOME", folder.display());
    Error::new(Kind::Configuration, text).with_code("unsafe_folder")
}

fn check_format(data: &Path) -> Result<()> {
    let path = data.join("format");
    let found = match super::files::read_small(&path)? {
        Some(found) => found,
        None => {
            // Several processes may start in an empty home at once.
            let _held = super::Lock::wait(&data.join("format.lock"))?;
            match super::files::read_small(&path)? {
                Some(found) => found,
                None => {
                    super::files::replace(&path, &data.join("format.new"), FORMAT.as_bytes())?;
                    return Ok(());
                }
            }
        }
    };
    let text = String::from_utf8_lossy(&found);
    if text.trim() != FORMAT {
        let message = format!(
            "{} says {text:?}, this version reads {FORMAT}; use a newer hubless, or set \
             HUBLESS_HOME",
            path.display()
        );
        return Err(Error::new(Kind::Configuration, message).with_code("newer_format"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn makes_every_folder_private_and_says_its_format() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(Some(root.path())).unwrap();
        let folders = home.folders().unwrap();
        for folder in [folders.data(), folders.run(), &folders.records(), &folders.locks()] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        assert_eq!(fs::read_to_string(folders.data().join("format")).unwrap(), FORMAT);
        Home::open(Some(root.path())).unwrap();
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_refused_and_the_error_names_the_way_out() {
        for name in ["run", "data", "run/records", "data/agents"] {
            let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            Home::open(Some(root.path())).unwrap();
            let link = root.path().join(name);
            fs::remove_dir_all(&link).unwrap();
            symlink(other.path(), &link).unwrap();
            let error = Home::open(Some(root.path())).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "folder"));
            let message = &error.message;
            assert!(message.contains(link.to_str().unwrap()), "{message}");
            assert!(message.contains("HUBLESS_HOME"), "{message}");
            assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0, "written to behind {name}");
        }
    }

    #[test]
    fn a_data_folder_that_is_open_to_others_is_closed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["", "data", "data/agents"] {
            let folder = root.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        }
        Home::open(Some(root.path())).unwrap();
        for name in ["data", "data/agents"] {
            assert_eq!(mode(&root.path().join(name)), 0o700, "{name}");
        }
    }

    #[test]
    fn a_runtime_folder_that_is_open_to_others_is_refused_and_the_error_names_the_way_out() {
        for name in ["run", "run/records", "run/locks", "run/tmp"] {
            for open in [0o777, 0o750, 0o701] {
                let root = tempfile::tempdir().unwrap();
                Home::open(Some(root.path())).unwrap();
                let folder = root.path().join(name);
                fs::set_permissions(&folder, fs::Permissions::from_mode(open)).unwrap();
                let error = Home::open(Some(root.path())).unwrap_err();
                let told = (error.kind, error.code.as_str());
                assert_eq!(told, (Kind::Configuration, "unsafe_folder"), "{name} {open:o}");
                assert!(error.message.contains(folder.to_str().unwrap()), "{}", error.message);
                assert!(error.message.contains("HUBLESS_HOME"), "{}", error.message);
                assert_eq!(mode(&folder), open, "left as it is");
                fs::remove_dir_all(&folder).unwrap();
                Home::open(Some(root.path())).unwrap();
            }
        }
    }

    #[test]
    fn a_newer_format_is_refused_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        Home::open(Some(root.path())).unwrap();
        let format = root.path().join("data/format");
        fs::write(&format, "2").unwrap();
        let error = Home::open(Some(root.path())).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "newer_format"));
        assert!(error.message.contains("\"2\"") && error.message.contains("HUBLESS_HOME"));
        assert_eq!(fs::read_to_string(&format).unwrap(), "2");
        // A line's end behind the number is no other format.
        fs::write(&format, "1\n").unwrap();
        Home::open(Some(root.path())).unwrap();
    }

    #[test]
    fn data_is_below_the_named_folder_or_the_native_one() {
        let native = || Some(PathBuf::from("/native"));
        let named = |path: &str| Some(PathBuf::from(path));
        for (given, expected) in [
            (named("/named"), "/named/hubless"),
            // The XDG specification has relative paths ignored.
            (named("relative"), "/native/hubless"),
            (None, "/native/hubless"),
        ] {
            assert_eq!(default_data(given, native).unwrap(), Path::new(expected));
        }
        let error = default_data(None, || None).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "not_writable"));
        assert!(error.message.contains("HUBLESS_HOME"));
    }

    #[test]
    fn what_runs_is_below_the_named_folder_if_it_is_there_or_a_temporary_one() {
        let there = tempfile::tempdir().unwrap();
        let run = |named: Option<PathBuf>| default_run(named, Path::new("/tmp"), 1000);
        assert_eq!(run(Some(there.path().to_owned())), there.path().join("hubless"));
        for missing in [None, Some(there.path().join("gone")), Some(PathBuf::from("."))] {
            assert_eq!(run(missing), Path::new("/tmp/hubless-1000"));
        }
    }
}
