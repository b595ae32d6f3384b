//! Files that only their owner reads, written whole or not at all.

use hubless_proto::error::{Error, Kind, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Largest file of the data folder, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;

/// Reads a file that holds a secret; none when it is missing.
///
/// # Errors
/// `configuration` with code `readable_by_others` unless it is a plain file of ours that nobody
/// else may read, and when it cannot be read or is larger than 1 MiB.
pub fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = open_plain(path)? else { return Ok(None) };
    let meta = file.metadata().map_err(|error| io_error("read", path, &error))?;
    check_owner(path, &meta)?;
    read_all(file, path).map(Some)
}

/// Checks a file that others than we read and write for us, such as a database.
///
/// # Errors
/// `configuration` with code `readable_by_others` unless it is a plain file of ours that nobody
/// else may read, and when it cannot be looked at.
pub(crate) fn check_private(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(|error| io_error("read", path, &error))?;
    if !meta.is_file() {
        let message = format!("{} must be a plain file; move it away", path.display());
        return Err(Error::new(Kind::Configuration, message).with_code("readable_by_others"));
    }
    check_owner(path, &meta)
}

fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    if meta.uid() == uid && meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    let mode = meta.mode() & 0o777;
    let message = format!(
        "{} must be ours with mode 0600, is of user {} with mode {mode:04o}; \
         run chmod 600 on it or set HUBLESS_HOME",
        path.display(),
        meta.uid()
    );
    Err(Error::new(Kind::Configuration, message).with_code("readable_by_others"))
}

/// Reads a small file without a secret; none when it is missing.
pub(super) fn read_small(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = open_plain(path)? else { return Ok(None) };
    read_all(file, path).map(Some)
}

/// Puts `bytes` at `path` by way of `temporary`, which must be on the same file system: mode
/// 0600, synced, renamed. A reader sees the old or the new file, never a part.
///
/// # Errors
/// `configuration` with the path and the reason.
pub fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<()> {
    let written = write_file(temporary, bytes, true).and_then(|()| fs::rename(temporary, path));
    written.map_err(|error| {
        // The first failure is the one to tell; a left-over is replaced by the next try.
        let _ = fs::remove_file(temporary);
        io_error("write", path, &error)
    })?;
    sync_folder(path)
}

/// The same without syncing, for files that need not outlive the machine.
pub(crate) fn replace_volatile(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<()> {
    let written = write_file(temporary, bytes, false).and_then(|()| fs::rename(temporary, path));
    written.map_err(|error| {
        let _ = fs::remove_file(temporary);
        io_error("write", path, &error)
    })
}

/// Writes a file that must not exist yet; false when it does.
///
/// # Errors
/// `configuration` with the path and the reason.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    replace(path, Path::new(&temporary), bytes)?;
    Ok(true)
}

/// Removes a file; a missing one is fine.
///
/// # Errors
/// `configuration` with the path and the reason.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", path, &error)),
        _ => Ok(()),
    }
}

/// An I/O failure on one of our files.
pub(crate) fn io_error(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {what} {}: {error}; see HUBLESS_HOME", path.display());
    let kind = error.kind();
    let code = if matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
        "not_writable"
    } else if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        "disk_full"
    } else {
        "file"
    };
    Error::new(Kind::Configuration, message).with_code(code)
}

fn open_plain(path: &Path) -> Result<Option<File>> {
    use rustix::fs::OFlags;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("open", path, &error)),
    }
}

fn read_all(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| io_error("read", path, &error))?;
    if bytes.len() as u64 > FILE_BYTES {
        let message = format!("{} is larger than {FILE_BYTES} bytes", path.display());
        return Err(Error::new(Kind::Configuration, message).with_code("too_large"));
    }
    Ok(bytes)
}

fn write_file(path: &Path, bytes: &[u8], sync: bool) -> std::io::Result<()> {
    // Made anew, so that the mode is ours and no link is followed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if sync { file.sync_all() } else { Ok(()) }
}

fn sync_folder(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    // That of a bare name is the one of this process.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error("sync", folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn refuses_a_key_that_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        assert!(write_new(&path, b"secret").unwrap());
        assert_eq!(read_private(&path).unwrap().unwrap().as_slice(), b"secret");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path).unwrap_err().code, "readable_by_others");
        }
    }

    #[test]
    fn refuses_a_link_in_place_of_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        write_new(&path, b"secret").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_private(&link).unwrap_err().kind, Kind::Configuration);
    }

    #[test]
    fn writes_once_and_replaces_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(write_new(&path, b"one").unwrap());
        assert!(!write_new(&path, b"two").unwrap());
        replace(&path, &folder.path().join("t"), b"three").unwrap();
        assert_eq!(read_private(&path).unwrap().unwrap().as_slice(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
