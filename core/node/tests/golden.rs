//! Files of every release, which each later version reads with the values that they had then.
//!
//! `tests/golden/<version>` holds frames, records, tokens and texts (`wire.json`), a data folder
//! with its keys and stores (`home`), one that joined its mesh (`guest`), a trace file, and what
//! all of them said (`home.json`). `HUBLESS_GOLDEN=write` writes the folder of this version, as
//! long as CHANGELOG.md does not say that it is released.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test that cannot go on fails")]

#[path = "golden/alter.rs"]
mod alter;
#[path = "golden/folder.rs"]
mod folder;
#[path = "golden/home.rs"]
mod home;
#[path = "golden/make.rs"]
mod make;
mod support;
#[path = "golden/wire.rs"]
mod wire;

use folder::{Folder, may_write, released};
use hubless_proto::identity::SecretKey;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the clock said when the signed things of the corpus were made, in Unix milliseconds.
const NOW: u64 = 1_700_000_000_000;
/// When what is signed here ends, far from now, in Unix milliseconds.
const END: u64 = 4_000_000_000_000;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// What of `kept` is not in `seen`: a later version may say more, and nothing else.
fn differs(at: &str, kept: &Value, seen: &Value) -> Result<(), String> {
    match (kept, seen) {
        (Value::Object(kept), Value::Object(seen)) => kept.iter().try_for_each(|(key, value)| {
            let seen = seen.get(key).ok_or_else(|| format!("{at}.{key} is gone"))?;
            differs(&format!("{at}.{key}"), value, seen)
        }),
        (Value::Array(kept), Value::Array(seen)) if kept.len() == seen.len() => {
            let pairs = kept.iter().zip(seen).enumerate();
            let mut pairs =
                pairs.map(|(index, (kept, seen))| (format!("{at}[{index}]"), kept, seen));
            pairs.try_for_each(|(at, kept, seen)| differs(&at, kept, seen))
        }
        _ if kept == seen => Ok(()),
        _ => Err(format!("{at}: {kept} became {seen}")),
    }
}

/// What a folder says means the same as it did.
async fn means_the_same(folder: &Folder) -> Result<(), String> {
    wire::check(&folder.json("wire.json"))?;
    home::check(folder).await
}

/// Makes the files of this version.
async fn made() -> Folder {
    let folder = Folder::temporary();
    folder.write_json("wire.json", &wire::made());
    make::home(&folder).await;
    folder.seal();
    folder
}

#[tokio::test]
async fn the_files_of_every_release_are_read_with_their_values() {
    let changelog = std::fs::read_to_string(place("CHANGELOG.md")).unwrap();
    if std::env::var("HUBLESS_GOLDEN").as_deref() == Ok("write") {
        let version = env!("CARGO_PKG_VERSION");
        may_write(&changelog, version).unwrap();
        made().await.replace(&place("tests/golden").join(version));
    }
    let kept = folder::kept(&place("tests/golden"));
    assert!(!kept.is_empty(), "HUBLESS_GOLDEN=write writes the files of this version");
    for version in released(&changelog) {
        assert!(kept.contains_key(version), "{version} was released without files of its own");
    }
    for (version, path) in kept {
        let folder = Folder::copy_of(&path);
        let same = folder.is_sealed();
        assert_eq!(same, Ok(()), "{version} is kept as it was written: take it back");
        assert_eq!(means_the_same(&folder).await, Ok(()), "{version}");
        home::goes_on(&folder).await;
    }
}

/// The control of the test above: what is made here passes, and nothing of it can change.
#[tokio::test]
async fn an_altered_file_is_told_from_one_that_was_kept() {
    let whole = made().await;
    assert_eq!(whole.is_sealed(), Ok(()));
    assert_eq!(means_the_same(&whole).await, Ok(()));
    for file in whole.files() {
        let altered = Folder::copy_of(whole.path());
        altered.flip(&file);
        assert!(altered.is_sealed().unwrap_err().contains(&file), "{file}");
    }
    // What the digests do not tell, the values do.
    for (what, alter) in alter::ALL {
        let altered = Folder::copy_of(whole.path());
        alter(&altered);
        assert!(means_the_same(&altered).await.is_err(), "{what} was altered");
    }
    let rows = whole.json("wire.json");
    for (index, row) in rows.as_array().unwrap().iter().enumerate() {
        let mut rows = rows.clone();
        alter::first_value(&mut rows[index]["value"]);
        assert!(wire::check(&rows).is_err(), "{}", row["what"]);
    }
}

#[test]
fn the_files_of_a_released_version_are_not_written_again() {
    let changelog = "# Changelog\n\n## 0.2.0 (unreleased)\n- x\n\n## 0.1.0 (2026-11-30)\n- y\n";
    assert_eq!(may_write(changelog, "0.2.0"), Ok(()));
    assert!(may_write(changelog, "0.1.0").unwrap_err().contains("released"));
    assert!(may_write(changelog, "0.3.0").unwrap_err().contains("CHANGELOG.md"));
    assert_eq!(released(changelog).collect::<Vec<_>>(), ["0.1.0"]);
}
