//! Who may depend on whom: crates, modules of the protocol crate, purity.

use crate::tree::{Source, code};

/// Crates of the workspace and the ones of ours that each may use.
pub const CRATES: &[(&str, &[&str])] = &[
    ("hubless-proto", &[]),
    ("hubless", &["hubless-proto"]),
    ("hubless-edge", &["hubless", "hubless-proto"]),
    ("hubless-cli", &["hubless-edge", "hubless", "hubless-proto"]),
    ("hubless-shared", &["hubless", "hubless-proto"]),
    ("hubless-python", &["hubless-shared", "hubless-proto"]),
    ("hubless-node", &["hubless-shared", "hubless-proto"]),
    ("hubless-jvm", &["hubless-shared", "hubless-proto"]),
    ("hubless-c", &["hubless-shared", "hubless-proto"]),
];

/// Modules of the protocol crate by step; a module uses only lower ones, or its own.
pub const STEPS: &[&[&str]] = &[
    &["error", "limits"],
    &["identity"],
    &["wire"],
    &["fields", "schema", "tokens", "killswitch"],
    &["audit", "metering", "policy"],
    &["query", "template", "memo"],
    &["directory"],
    &["registry"],
    &["vectors"],
];

/// What pure code never names.
pub const IMPURE: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "getrandom",
    "rand::",
    "HashMap",
    "HashSet",
];

/// Dependencies between crates of ours that are not in the table.
#[must_use]
pub fn crates(manifests: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for manifest in manifests {
        let table: toml::Table = match manifest.text.parse() {
            Ok(table) => table,
            Err(error) => {
                places.push(format!("{}: {error}", manifest.path));
                continue;
            }
        };
        let name = name(&table);
        let Some((_, allowed)) = CRATES.iter().find(|(known, _)| Some(*known) == name) else {
            continue;
        };
        for used in dependencies(&table) {
            if used.starts_with("hubless") && !allowed.contains(&used) {
                places.push(format!("{}: must not depend on {used}", manifest.path));
            }
        }
    }
    places
}

/// Crates of the house that have no row in the table, and rows whose crate is not there: nothing
/// would be known of what they may use.
#[must_use]
pub fn untabled(manifests: &[Source]) -> Vec<String> {
    let ours = |manifest: &&Source| {
        ["core/", "bindings/"].iter().any(|home| manifest.path.starts_with(home))
    };
    let tables = manifests.iter().filter(ours).filter_map(|manifest| manifest.text.parse().ok());
    let tables: Vec<toml::Table> = tables.collect();
    let found: Vec<&str> = tables.iter().filter_map(name).collect();
    let known = |name: &str| CRATES.iter().any(|(known, _)| *known == name);
    let stray = found.iter().filter(|name| !known(name)).map(|name| format!("{name}: no row"));
    let gone = CRATES.iter().filter(|(name, _)| !found.contains(name));
    stray.chain(gone.map(|(name, _)| format!("{name}: no such crate"))).collect()
}

/// Heading of the dependencies of all members, in the manifest of the workspace.
pub const SHARED: &str = "[workspace.dependencies]";

/// Shared dependencies that stand there without a reason, which is a comment at the end of their
/// line, or that no member names; those that are a path are ours.
#[must_use]
pub fn unreasoned(workspace: &Source, manifests: &[Source]) -> Vec<String> {
    let tables: Vec<toml::Table> = members(manifests).map(|(_, table)| table).collect();
    let is_named = |name: &str| tables.iter().flat_map(named).any(|(own, _)| own == name);
    let mut places = Vec::new();
    for (name, how) in shared(&workspace.text) {
        let (how, reason) = commented(how).unwrap_or((how, ""));
        if !how.contains("path = ") && reason.trim().is_empty() {
            places.push(format!("{}: {name} stands without a reason", workspace.path));
        }
        if !is_named(name) {
            places.push(format!("{}: no member names {name}", workspace.path));
        }
    }
    places
}

/// Dependencies of members with a version of their own: what two members name has one version.
#[must_use]
pub fn unshared(manifests: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for (path, table) in members(manifests) {
        for (name, how) in named(&table) {
            let has = |key: &str| how.get(key).is_some();
            let is_shared = how.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !is_shared && !has("path") {
                places.push(format!("{path}: {name} has a version of its own, see {SHARED}"));
            }
        }
    }
    places
}

/// Names and values of the shared dependencies, as they are written.
fn shared(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let (_, behind) = text.split_once(SHARED).unwrap_or_default();
    let table = behind.split("\n[").next().unwrap_or_default();
    let rows = table.lines().filter(|line| !line.trim_start().starts_with('#'));
    rows.filter_map(|line| line.split_once(" = "))
}

/// A value and the comment behind it: none of one that has none. A mark inside quotes is text.
fn commented(value: &str) -> Option<(&str, &str)> {
    let is_outside = |at: usize| value.get(..at).is_some_and(|v| v.matches('"').count() % 2 == 0);
    let (at, _) = value.match_indices('#').find(|(at, _)| is_outside(*at))?;
    Some((value.get(..at)?, value.get(at + 1..)?))
}

/// The manifests of the workspace's packages; what is a workspace of its own is none of them.
fn members(manifests: &[Source]) -> impl Iterator<Item = (&str, toml::Table)> {
    let packages = manifests.iter().filter(|manifest| manifest.path.ends_with("/Cargo.toml"));
    packages.filter_map(|manifest| {
        let table: toml::Table = manifest.text.parse().ok()?;
        (!table.contains_key("workspace")).then_some((manifest.path.as_str(), table))
    })
}

/// What a manifest depends on, for whatever purpose and platform, by the names that it uses.
fn named(manifest: &toml::Table) -> impl Iterator<Item = (&str, &toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(_, target)| target.as_table());
    std::iter::once(manifest).chain(targets).flat_map(move |place| {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let tables = kinds.into_iter().filter_map(move |kind| place.get(kind)?.as_table());
        tables.flatten().map(|(name, how)| (name.as_str(), how))
    })
}

/// Uses of a higher or equal step among the modules of the protocol crate.
#[must_use]
pub fn modules(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        let Some(own) = module(&source.path) else { continue };
        let Some(step) = step(own) else {
            places.push(format!("{}: module {own} has no step in the table", source.path));
            continue;
        };
        for (index, line) in lines(&source.text) {
            for used in used(&line, &source.path) {
                let higher = crate::arrows::step(used).is_some_and(|other| other >= step);
                if used != own && higher {
                    places.push(format!("{}:{index}: {own} must not use {used}", source.path));
                }
            }
        }
    }
    places
}

/// Lines of pure code that name the outside world.
#[must_use]
pub fn impure(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        for (index, line) in lines(&source.text) {
            let grouped: Vec<String> =
                after(&line, "std::").iter().map(|name| format!("std::{name}")).collect();
            let names = |name: &&&str| line.contains(**name) || grouped.iter().any(|g| g == **name);
            for name in IMPURE.iter().filter(names) {
                places.push(format!("{}:{index}: pure code names {name}", source.path));
            }
        }
    }
    places
}

/// Where the private rules of agents are. Nothing there is ever written out.
pub const PRIVATE: &str = "core/proto/src/policy/";

/// Lines by which a private rule could be written out.
#[must_use]
pub fn encoders(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with(PRIVATE)) {
        for (index, line) in lines(&source.text) {
            if line.contains("Serialize") || line.contains("to_json") {
                places.push(format!("{}:{index}: a private rule has no encoder", source.path));
            }
        }
    }
    places
}

fn name(manifest: &toml::Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// Packages that a manifest names, whatever for but tests, and by whatever other name.
fn dependencies(manifest: &toml::Table) -> Vec<&str> {
    let mut places = vec![manifest];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    places
        .extend(targets.into_iter().flat_map(|all| all.values()).filter_map(|one| one.as_table()));
    let mut found = Vec::new();
    for place in places {
        for kind in ["dependencies", "build-dependencies"] {
            let used = place.get(kind).and_then(toml::Value::as_table);
            for (key, how) in used.into_iter().flatten() {
                let package = how.get("package").and_then(toml::Value::as_str);
                found.push(package.unwrap_or(key));
            }
        }
    }
    found
}

fn module(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("core/proto/src/")?;
    let first = inside.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

fn step(module: &str) -> Option<usize> {
    STEPS.iter().position(|step| step.contains(&module))
}

/// Names at the top of the crate that a piece of code uses: behind `crate::`, or behind as many
/// `super::` as lead there.
fn used<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let inside = path.trim_start_matches("core/proto/src/").trim_end_matches(".rs");
    let depth = inside.trim_end_matches("/mod").split('/').count();
    [after(code, "crate::"), after(code, &"super::".repeat(depth))].concat()
}

/// First names behind this prefix, those of a group in braces included.
fn after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let behind = code.match_indices(prefix).filter_map(|(at, _)| code.get(at + prefix.len()..));
    let names = behind.flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => heads(group),
        None => vec![word(rest)],
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// First name of each piece of a group, up to the brace that closes it.
fn heads(group: &str) -> Vec<&str> {
    let (mut depth, mut heads) = (0, vec![word(group.trim_start())]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(group.get(at + 1..).map(|rest| word(rest.trim_start())));
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Lines that are neither tests nor comments, numbered from one; a group of imports is one line.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in code(text).filter(|(_, line)| !line.trim_start().starts_with("//")) {
        match lines.last_mut().filter(|_| open) {
            Some((_, group)) => group.push_str(line),
            None => lines.push((index, line.to_owned())),
        }
        let group = line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub");
        open = (open || group && line.contains("::{")) && !line.trim_end().ends_with(';');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_an_arrow_that_points_up() {
        let of = |dependencies: &str| {
            let text = format!("[package]\nname = \"hubless-proto\"\n{dependencies}");
            crates(&[Source::new("core/proto/Cargo.toml", &text)])
        };
        for up in [
            "[dependencies]\nhubless = \"1\"\n",
            "[dependencies]\nother = { package = \"hubless\" }\n",
            "[build-dependencies]\nhubless = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\nhubless = \"1\"\n",
        ] {
            assert_eq!(of(up).len(), 1, "{up}");
        }
        assert!(
            of("[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nhubless = \"1\"\n").is_empty()
        );
        assert_eq!(of("[dependencies").len(), 1, "what is no manifest");
    }

    #[test]
    fn catches_a_crate_of_which_the_table_says_nothing() {
        let manifest = |name: &str| {
            let text = format!("[package]\nname = \"{name}\"\n");
            Source::new(&format!("core/{name}/Cargo.toml"), &text)
        };
        let mut all: Vec<_> = CRATES.iter().map(|(name, _)| manifest(name)).collect();
        assert!(untabled(&all).is_empty());
        all.push(manifest("hubless-new"));
        all.retain(|one| !one.path.contains("hubless-edge"));
        assert_eq!(untabled(&all), ["hubless-new: no row", "hubless-edge: no such crate"]);
    }

    #[test]
    fn catches_a_dependency_without_a_reason_and_one_that_nobody_names() {
        let member = "[package]\nname = \"x\"\n[dev-dependencies]\na.workspace = true\n\
                      [target.'cfg(unix)'.dependencies]\nb = { workspace = true }\n";
        let members = [Source::new("core/x/Cargo.toml", member)];
        let judged = |rows: &str| {
            let text = format!("[a]\nx = 1\n\n{SHARED}\n# heading\n{rows}\n[b]\ny = 1\n");
            unreasoned(&Source::new("Cargo.toml", &text), &members)
        };
        assert!(judged("a = \"1\"  # why\nb = { x = [\"#\"] }  # why").is_empty());
        assert!(judged("a = { path = \"a\" }").is_empty());
        let bare = ["a = \"1\"", "# why\na = \"1\"", "a = \"1\"  #", "a = { x = \"# why\" }"];
        for bare in bare {
            assert_eq!(judged(bare), ["Cargo.toml: a stands without a reason"], "{bare}");
        }
        assert_eq!(judged("c = \"1\"  # why"), ["Cargo.toml: no member names c"]);
    }

    #[test]
    fn catches_a_version_that_a_member_has_alone() {
        let of = |path: &str, rows: &str| {
            let text = format!("[package]\nname = \"x\"\n{rows}");
            unshared(&[Source::new(path, &text)]).len()
        };
        for own in [
            "[dependencies]\na = \"1\"\n",
            "[dev-dependencies]\na = { version = \"1\" }\n",
            "[build-dependencies]\na = { workspace = false, version = \"1\" }\n",
            "[target.'cfg(unix)'.dependencies]\na = \"1\"\n",
        ] {
            assert_eq!(of("core/x/Cargo.toml", own), 1, "{own}");
            assert_eq!(of("core/x/Cargo.toml", &format!("{own}[workspace]\n")), 0, "{own}");
        }
        let shared = "[dependencies]\na.workspace = true\nb = { path = \"../b\" }\n";
        assert_eq!(of("core/x/Cargo.toml", shared), 0);
    }

    #[test]
    fn catches_a_module_that_uses_a_higher_one_however_it_says_so() {
        let of = |path: &str, text: &str| {
            modules(&[Source::new(&format!("core/proto/src/{path}"), text)]).len()
        };
        for text in [
            "use crate::registry::Slots;",
            "use crate::{error::Kind, registry::Slots};",
            "use crate::{\n    error::{Error, Kind},\n    // why\n    registry::Slots,\n};",
            "fn f(slots: &crate::registry::Slots) {}",
            "use super::super::registry::Slots;",
            "#[cfg(test)]\nuse a::b;\nuse crate::registry::Slots;",
        ] {
            assert_eq!(of("wire/a.rs", text), 1, "{text}");
        }
        assert_eq!(of("wire/mod.rs", "use super::registry::Slots;"), 1);
        assert_eq!(of("novel/a.rs", ""), 1, "a module that has no step");
        for text in [
            "use crate::{error::{Error, Kind}, identity::registry};",
            "use super::registry::of_wire;",
            "// use crate::registry::Slots;",
            "#[cfg(test)]\nmod tests {\n    use crate::registry::Slots;\n}",
        ] {
            assert_eq!(of("wire/a.rs", text), 0, "{text}");
        }
        assert_eq!(of("registry/a.rs", "use crate::{wire::v1, registry::Slots};"), 0);
    }

    #[test]
    fn catches_a_rule_that_could_be_written_out() {
        let place = |path: &str, text: &str| encoders(&[Source::new(path, text)]).len();
        let inside = format!("{PRIVATE}requirements.rs");
        for text in ["#[derive(Clone, Serialize)]", "impl serde::Serialize for Rules {"] {
            assert_eq!(place(&inside, text), 1, "{text}");
            assert_eq!(place("core/proto/src/query/fact.rs", text), 0, "{text}");
        }
        assert_eq!(place(&inside, "#[derive(Clone, Deserialize)]"), 0);
    }

    #[test]
    fn catches_impure_code() {
        for text in [
            "let now = Instant::now();",
            "use std::fs;",
            "use std::{fmt, fs};",
            "use std::{\n    fmt,\n    net::TcpStream,\n};",
            "#[cfg(test)]\nuse a::b;\nuse std::thread;",
        ] {
            assert_eq!(impure(&[Source::new("core/proto/src/a.rs", text)]).len(), 1, "{text}");
        }
        for text in [
            "// never Instant::now()",
            "use std::{fmt, collections::BTreeMap};",
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
        ] {
            assert!(impure(&[Source::new("core/proto/src/b.rs", text)]).is_empty(), "{text}");
        }
    }
}
