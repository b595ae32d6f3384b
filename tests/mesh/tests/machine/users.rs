//! Another user on the same machine.

use super::{SUBJECT, spawn};
use hubless_mesh_tests::{Spawn, Subject};
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The user `nobody` of every Linux.
const OTHER: u32 = 65_534;

#[test]
fn another_user_sees_nothing_joins_nothing_and_reads_no_key() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: running a process as another user needs root");
        return;
    }
    let ours = tempfile::tempdir().unwrap();
    let theirs = tempfile::tempdir().unwrap();
    chown(theirs.path(), Some(OTHER), Some(OTHER)).unwrap();
    // The way to our home is open; only our folders are not.
    std::fs::set_permissions(ours.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let subject = copy_for_all(theirs.path());
    let how = Spawn { user: Some(OTHER), ..Spawn::default() };

    let (mut a, mut b) = (spawn(ours.path(), "anna"), spawn(ours.path(), "bert"));
    let ready = a.start(&json!({"do": "start"}));
    b.start(&json!({"do": "start"}));
    // The control: one of our own sees both.
    b.sees("anna");

    let mut stranger = Subject::spawn(&subject, theirs.path(), "stranger", how);
    let other = stranger.start(&json!({"do": "start"}));
    assert_ne!(other["mesh"], ready["mesh"]);
    stranger.tell(&json!({"do": "find"}));
    assert_eq!(stranger.event("found")["names"], json!(["stranger"]));
    stranger.tell(&json!({"do": "call", "to": ready["agent"], "text": "let me in"}));
    assert_eq!(stranger.event("failed")["kind"], "not_found");
    b.tell(&json!({"do": "find"}));
    let names = b.event("found")["names"].clone();
    assert!(!names.as_array().unwrap().contains(&json!("stranger")), "{names}");

    let mut intruder = Subject::spawn(&subject, ours.path(), "intruder", how);
    intruder.tell(&json!({"do": "start"}));
    let refused = intruder.event("error");
    assert_eq!(refused["kind"], "configuration", "{refused}");

    let mut files = 0;
    walk(ours.path(), &mut |path| {
        files += 1;
        assert!(!readable_by_other(path), "{} can be read", path.display());
    });
    assert!(files >= 5, "keys, records and locks were looked at");
    // The control: the other user reads what is its own.
    let mut readable = 0;
    walk(theirs.path(), &mut |path| readable += usize::from(readable_by_other(path)));
    assert!(readable >= 3);
}

/// Every plain file below a folder, each of whose modes is checked on the way.
fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        if meta.is_dir() {
            assert_eq!(meta.mode() & 0o777, 0o700, "{}", path.display());
            walk(&path, each);
        } else if path.extension().is_none_or(|end| end != "bin") {
            assert_eq!(meta.mode() & 0o077, 0, "{}", path.display());
            each(&path);
        }
    }
}

fn readable_by_other(path: &Path) -> bool {
    let mut command = Command::new("cat");
    command.arg(path).uid(OTHER).gid(OTHER).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The subject where another user can run it: the build folder may be closed to it.
fn copy_for_all(folder: &Path) -> String {
    let copy = folder.join("subject.bin");
    std::fs::copy(SUBJECT, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy.to_str().unwrap().to_owned()
}
