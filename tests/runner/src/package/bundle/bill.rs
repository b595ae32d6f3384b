//! The components of everything in the bundle, as CycloneDX.

use crate::house::{Result, text};
use crate::package::all::files;
use crate::package::dist::{Dist, VERSION, say, write};
use crate::package::notices::{self, SBOM};
use crate::step::Step;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Components by their package URL.
type Components = BTreeMap<String, Value>;

/// Writes the list: what is linked into the four libraries, and what stands beside them.
///
/// # Errors
/// A list of a library is missing, or a packed file cannot be read.
pub(super) fn write_into(dist: Dist, folder: &Path, sums: &str) -> Result<()> {
    let sums = by_name(sums);
    let mut components = linked(dist)?;
    for path in files(folder)? {
        let name = text(path.strip_prefix(folder).unwrap_or(&path));
        let sum = sums.get(name.as_str()).copied().unwrap_or_default();
        let found = match name.split_once('/') {
            Some(("maven", file)) => of_maven(file, &path),
            Some(("node", _)) => Some(of_npm(&path)?),
            Some(("python", file)) => of_wheel(file),
            _ => None,
        };
        if let Some(mut component) = found {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
            let url = component["purl"].as_str().unwrap_or_default().to_owned();
            component["bom-ref"] = json!(url);
            components.insert(url, component);
        }
    }
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": "hubless-bundle", "name": "hubless-bundle",
            "version": VERSION,
        } },
        "components": components.into_values().collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&bill).map_err(|error| error.to_string())?;
    write(&folder.join(SBOM), text)
}

/// The sum of each file, of lines as `sha256sum` writes them.
fn by_name(sums: &str) -> BTreeMap<&str, &str> {
    let pairs = sums.lines().filter_map(|line| line.split_once("  "));
    pairs.map(|(sum, name)| (name, sum)).collect()
}

/// The crates of all four libraries, each once.
fn linked(dist: Dist) -> Result<Components> {
    let mut components = Components::new();
    for name in notices::CRATES {
        let file = notices::folder(dist, name).join(SBOM);
        let read = std::fs::read_to_string(&file).map_err(|error| say(&file, &error))?;
        let bill: Value = serde_json::from_str(&read).map_err(|error| say_json(&file, &error))?;
        for component in bill["components"].as_array().into_iter().flatten() {
            let url = component["purl"].as_str().unwrap_or_default().to_owned();
            components.insert(url, component.clone());
        }
    }
    Ok(components)
}

fn say_json(file: &Path, error: &serde_json::Error) -> String {
    format!("{}: {error}", file.display())
}

/// A jar of a Maven repository, whose path names it; its licence is what its own project says.
fn of_maven(file: &str, path: &Path) -> Option<Value> {
    let stem = file.strip_suffix(".jar")?;
    let mut parts: Vec<_> = stem.split('/').collect();
    let (jar, version, artifact) = (parts.pop()?, parts.pop()?, parts.pop()?);
    let group = parts.join(".");
    // Sources, docs and the like are of the same component.
    if group.is_empty() || jar != format!("{artifact}-{version}") {
        return None;
    }
    let mut component = json!({
        "type": "library", "group": group, "name": artifact, "version": version,
        "purl": format!("pkg:maven/{group}/{artifact}@{version}"),
    });
    let project = std::fs::read_to_string(path.with_extension("pom")).unwrap_or_default();
    if let Some(licence) = licence(&project) {
        component["licenses"] = json!([{ "license": { "name": licence } }]);
    }
    Some(component)
}

/// The name of the first licence in a Maven project; it may have none and mean that of its parent.
fn licence(project: &str) -> Option<&str> {
    let (_, licences) = project.split_once("<licenses>")?;
    let (_, name) = licences.split_once("<name>")?;
    name.split_once("</name>").map(|(name, _)| name.trim())
}

/// A packed npm package, by the manifest in it.
fn of_npm(path: &Path) -> Result<Value> {
    let done = Step::new("package: bundle, read a manifest", "tar")
        .args(["--extract", "--to-stdout", "--file", &text(path), "package/package.json"])
        .must()?;
    let manifest: Value =
        serde_json::from_str(&done.output).map_err(|error| say_json(path, &error))?;
    let said = |key: &str| manifest[key].as_str().unwrap_or_default().to_owned();
    let (name, version) = (said("name"), said("version"));
    Ok(json!({
        "type": "library", "name": name, "version": version,
        "purl": format!("pkg:npm/{}@{version}", name.replace('@', "%40")),
        "licenses": [{ "expression": said("license") }],
    }))
}

/// A wheel, whose name says what it is.
fn of_wheel(file: &str) -> Option<Value> {
    let mut parts = file.strip_suffix(".whl")?.split('-');
    let (name, version) = (parts.next()?.replace('_', "-").to_lowercase(), parts.next()?);
    Some(json!({
        "type": "library", "name": name, "version": version,
        "purl": format!("pkg:pypi/{name}@{version}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_components_of_their_names() {
        let jar = "org/slf4j/slf4j-api/2.0.20/slf4j-api-2.0.20.jar";
        let component = of_maven(jar, Path::new("nowhere.jar")).unwrap();
        assert_eq!(component["purl"], "pkg:maven/org.slf4j/slf4j-api@2.0.20");
        for other in [
            "org/slf4j/slf4j-api/2.0.20/slf4j-api-2.0.20-sources.jar",
            "org/slf4j/slf4j-api/2.0.20/slf4j-api-2.0.20.pom",
            "settings.xml",
            "a.jar",
        ] {
            assert!(of_maven(other, Path::new("nowhere")).is_none(), "{other}");
        }
        let wheel = of_wheel("typing_extensions-4.1-py3-none-any.whl").unwrap();
        assert_eq!(wheel["purl"], "pkg:pypi/typing-extensions@4.1");
        assert!(of_wheel("hubless-0.1.tar.gz").is_none());
    }

    #[test]
    fn reads_the_licence_of_a_project_and_the_sums_of_files() {
        let project = "<name>x</name><licenses><license><name> MIT </name></license></licenses>";
        assert_eq!(licence(project), Some("MIT"));
        assert_eq!(licence("<name>x</name>"), None);
        let sums = by_name("0a  b/c d\n1f  e\nbroken\n");
        assert_eq!(sums.into_iter().collect::<Vec<_>>(), [("b/c d", "0a"), ("e", "1f")]);
    }
}
