//! Licences of everything that is linked into a library, and the list of it as CycloneDX.

use super::dist::{Dist, RUST_TARGET, VERSION, write};
use crate::house::{Result, root};
use crate::step::Step;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The file with the licence texts.
pub(crate) const LICENCES: &str = "THIRD-PARTY-LICENSES.txt";
/// The file with the components.
pub(crate) const SBOM: &str = "sbom.cdx.json";
/// The project's own licences.
const OWN: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// The crate of each library.
pub(super) const CRATES: [&str; 4] = ["hubless-python", "hubless-node", "hubless-jvm", "hubless-c"];

/// Writes the two files for each of the four libraries.
pub(super) fn prepare(dist: Dist) -> Result<()> {
    let done = Step::new("package: list what is linked", "cargo")
        .args(["metadata", "--format-version", "1", "--locked", "--quiet"])
        .args(["--filter-platform", RUST_TARGET])
        .must()?;
    let line = done.output.lines().find(|line| line.starts_with('{')).unwrap_or_default();
    let metadata: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let checksums = checksums()?;
    for name in CRATES {
        let crates = linked(&metadata, name)?;
        let folder = folder(dist, name);
        write(&folder.join(LICENCES), licences(&crates)?)?;
        let bill = bill(name, &crates, &checksums);
        let text = serde_json::to_string_pretty(&bill).map_err(|error| error.to_string())?;
        write(&folder.join(SBOM), text)?;
        for own in OWN {
            super::dist::copy(&root().join(own), &folder.join(own))?;
        }
    }
    Ok(())
}

/// The folder with a library's notices: licences, ours and others', and the list of components.
pub(super) fn folder(dist: Dist, name: &str) -> PathBuf {
    dist.work("notices").join(name)
}

/// Copies a library's notices into `to`.
pub(super) fn copy_into(dist: Dist, name: &str, to: &Path) -> Result<()> {
    for file in names() {
        super::dist::copy(&folder(dist, name).join(file), &to.join(file))?;
    }
    Ok(())
}

/// The names of the files that every package carries.
pub(crate) fn names() -> [&'static str; 4] {
    let [apache, mit] = OWN;
    [apache, mit, LICENCES, SBOM]
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The packages that are linked into `name`: those reached by ordinary dependencies. Procedural
/// macros and build scripts run at build time only, and what they need is not linked.
fn linked<'a>(metadata: &'a Value, name: &str) -> Result<Vec<&'a Value>> {
    let packages: BTreeMap<_, _> =
        array(metadata, "packages").iter().map(|package| (text(package, "id"), package)).collect();
    let resolve = metadata.get("resolve").unwrap_or(&Value::Null);
    let nodes: BTreeMap<_, _> =
        array(resolve, "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let start = packages.iter().find(|(_, package)| text(package, "name") == name);
    let (start, _) = start.ok_or_else(|| format!("cargo metadata does not name {name}"))?;
    let (mut open, mut seen) = (vec![*start], BTreeSet::new());
    while let Some(id) = open.pop() {
        let Some(package) = packages.get(id) else { continue };
        let kinds = array(package, "targets").iter().flat_map(|target| array(target, "kind"));
        if kinds.into_iter().any(|kind| kind == "proc-macro") || !seen.insert(id) {
            continue;
        }
        let depends = nodes.get(id).map(|node| array(node, "deps")).unwrap_or_default();
        let ordinary = |dep: &&Value| {
            array(dep, "dep_kinds").iter().any(|kind| kind.get("kind").is_none_or(Value::is_null))
        };
        open.extend(depends.iter().filter(ordinary).map(|dep| text(dep, "pkg")));
    }
    let mut crates: Vec<_> = seen.iter().filter_map(|id| packages.get(id).copied()).collect();
    crates.sort_by_key(|package| (text(package, "name"), text(package, "version")));
    Ok(crates)
}

/// Names, licences and licence texts, each text once.
fn licences(crates: &[&Value]) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut list = String::from(
        "This package contains compiled code of the crates below and of the Rust standard\n\
         library (MIT OR Apache-2.0, https://github.com/rust-lang/rust).\n\n",
    );
    for package in crates.iter().filter(|package| !package["source"].is_null()) {
        let title = format!("{} {}", text(package, "name"), text(package, "version"));
        let licence = match text(package, "license") {
            "" => "see its text below",
            licence => licence,
        };
        let home = text(package, "repository");
        list.push_str(&format!("{title}: {licence} {home}\n"));
        for text in licence_files(Path::new(text(package, "manifest_path")))? {
            texts.entry(text).or_default().push(title.clone());
        }
    }
    for (text, titles) in texts {
        let line = "-".repeat(80);
        list.push_str(&format!("\n{line}\n{}\n{line}\n{}\n", titles.join(", "), text.trim()));
    }
    Ok(list)
}

/// The licence texts beside a crate's manifest.
fn licence_files(manifest: &Path) -> Result<Vec<String>> {
    let folder = manifest.parent().unwrap_or(manifest);
    let entries = std::fs::read_dir(folder).map_err(|error| super::dist::say(folder, &error))?;
    let wanted = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase());
        let starts = ["LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        path.is_file()
            && name.is_some_and(|name| starts.iter().any(|start| name.starts_with(start)))
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(wanted).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path).map_err(|error| super::dist::say(path, &error))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    paths.iter().map(read).collect()
}

/// Name and version of each locked crate, with the checksum of its archive.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"));
    let lock = lock.map_err(|error| format!("Cargo.lock: {error}"))?;
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let entry = |block: &str| {
        let key = (value(block, "name")?, value(block, "version")?);
        Some((key, value(block, "checksum")?))
    };
    Ok(lock.split("[[package]]").filter_map(entry).collect())
}

/// The list as CycloneDX 1.5.
fn bill(name: &str, crates: &[&Value], checksums: &BTreeMap<(String, String), String>) -> Value {
    let component = |package: &&Value| {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let url = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({
            "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url,
            // Old crates write MIT/Apache-2.0, which is no SPDX expression.
            "licenses": [{ "expression": text(package, "license").replace('/', " OR ") }],
        });
        if let Some(sum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        component
    };
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": {
            "type": "library", "bom-ref": name, "name": name, "version": VERSION,
        } },
        "components": crates.iter().filter(|c| text(c, "name") != name).map(component)
            .collect::<Vec<_>>(),
    })
}
