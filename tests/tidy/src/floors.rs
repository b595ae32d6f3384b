//! Lowest versions below which a dependency has a known fault.

use crate::tree::Source;
use std::collections::BTreeSet;

/// Crate and lowest version; the advisories are in RustSec's database.
pub const FLOORS: &[(&str, &str)] = &[
    ("quinn-proto", "0.11.15"),
    ("noq-proto", "1.4.0"),
    ("rustls", "0.23.18"),
    ("rustls-webpki", "0.103.13"),
    ("h2", "0.4.16"),
    ("pyo3", "0.29.0"),
    ("tokio", "1.44.2"),
    ("ring", "0.17.12"),
    ("curve25519-dalek", "4.1.3"),
    ("snow", "0.9.5"),
    ("hickory-proto", "0.26.1"),
];

/// Crates that are not maintained and must not carry our bytes.
pub const BANNED: &[&str] = &["bincode", "serde_cbor"];

/// Locked crates that are below their floor or banned.
#[must_use]
pub fn below(lock: &str) -> Vec<String> {
    let table: toml::Table = match lock.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("Cargo.lock: {error}")],
    };
    let packages = table.get("package").and_then(|packages| packages.as_array());
    let mut places = Vec::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        if BANNED.contains(&name) {
            places.push(format!("{name} {version} is banned"));
        }
        let floor = FLOORS.iter().find(|(known, _)| *known == name);
        if let Some((_, floor)) = floor.filter(|(_, floor)| numbers(version) < numbers(floor)) {
            places.push(format!("{name} {version} is below {floor}"));
        }
    }
    places
}

/// What a second lock file says otherwise than that of the workspace: versions of what both hold,
/// and what our own crates depend on. `at_home` are dependencies that a lock file names of the
/// members of its own workspace alone.
#[must_use]
pub fn stale(lock: &str, other: &str, at_home: &BTreeSet<String>) -> Vec<String> {
    let (Ok(lock), Ok(other)) = (lock.parse::<toml::Table>(), other.parse::<toml::Table>()) else {
        return vec!["a lock file could not be read".to_owned()];
    };
    let mut places = Vec::new();
    for package in packages(&other) {
        let known: Vec<_> =
            packages(&lock).filter(|known| known.get("name") == package.get("name")).collect();
        let (name, version) = (text(package, "name"), text(package, "version"));
        let is_ours = package.get("source").is_none();
        if !known.is_empty() && !known.iter().any(|known| text(known, "version") == version) {
            places.push(format!("{name} {version} is another version than the workspace's"));
        }
        let differs = |known: &toml::Value| {
            let (here, there) = (bare(known), bare(package));
            let lacks = here.difference(&there).any(|name| !at_home.contains(*name));
            lacks || !there.is_subset(&here)
        };
        if is_ours && known.iter().any(|known| differs(known)) {
            places.push(format!("{name} has other dependencies in the workspace"));
        }
    }
    places
}

fn packages(lock: &toml::Table) -> impl Iterator<Item = &toml::Value> {
    lock.get("package").and_then(|packages| packages.as_array()).into_iter().flatten()
}

fn text<'a>(package: &'a toml::Value, key: &str) -> &'a str {
    package.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

/// Names of the dependencies of a package, without the versions that a lock file adds where one
/// name stands for several.
fn bare(package: &toml::Value) -> BTreeSet<&str> {
    let all = package.get("dependencies").and_then(toml::Value::as_array);
    let names = all.into_iter().flatten().filter_map(toml::Value::as_str);
    names.filter_map(|name| name.split(' ').next()).collect()
}

/// Crates that the tests of any package depend on, or a feature of it that may be off.
#[must_use]
pub fn at_home(manifests: &[Source]) -> BTreeSet<String> {
    let tables = manifests.iter().filter_map(|manifest| manifest.text.parse::<toml::Table>().ok());
    let named = |table: toml::Table| {
        let of = |kind: &str| table.get(kind).and_then(toml::Value::as_table).cloned();
        let optional =
            |row: &toml::Value| row.get("optional").is_some_and(|is| is.as_bool() == Some(true));
        let all = of("dependencies").into_iter().flatten().filter(|(_, row)| optional(row));
        let all = all.chain(of("dev-dependencies").into_iter().flatten());
        all.map(|(name, _)| name).collect::<Vec<_>>()
    };
    tables.flat_map(named).collect()
}

fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_versions_below_their_floor_and_banned_crates() {
        let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.9.0\"\n\
                    [[package]]\nname = \"ring\"\nversion = \"0.17.14\"\n\
                    [[package]]\nname = \"bincode\"\nversion = \"2.0.0\"\n";
        assert_eq!(below(lock).len(), 2);
    }

    #[test]
    fn catches_a_second_lock_file_that_is_left_behind() {
        let ours = "[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let with = |version: &str, dependencies: &str| {
            format!(
                "{ours}dependencies = [{dependencies}]\n[[package]]\nname = \"ring\"\n\
                 version = \"{version}\"\nsource = \"registry\"\n"
            )
        };
        let lock = with("0.17.14", "\"dtoa\", \"proptest\", \"ring\", \"sha2 0.10.9\"");
        let manifest = "[dependencies]\nring = { version = \"0\" }\nsha2 = \"0.10\"\n\
                        dtoa = { version = \"1\", optional = true }\n\
                        [dev-dependencies]\nproptest = \"1\"\n";
        let free = at_home(&[Source::new("a/Cargo.toml", manifest)]);
        let count = |other: &str| stale(&lock, other, &free).len();
        assert_eq!(count(&with("0.17.14", "\"sha2\", \"ring\"")), 0);
        assert_eq!(count(&with("0.17.12", "\"ring\", \"sha2\"")), 1);
        assert_eq!(count(&with("0.17.14", "\"ring\"")), 1);
        assert_eq!(count(&with("0.17.14", "\"ring\", \"sha2\", \"bytes\"")), 1);
        assert_eq!(count("no"), 1);
    }
}
