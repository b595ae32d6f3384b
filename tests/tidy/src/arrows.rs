//! Who may depend on whom: crates, modules of the protocol crate, purity.

use crate::tree::Source;

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
    &["policy"],
    &["query", "template", "memo"],
    &["directory"],
    &["registry"],
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
        let name = table.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str());
        let Some((_, allowed)) = CRATES.iter().find(|(known, _)| Some(*known) == name) else {
            continue;
        };
        let used = table.get("dependencies").and_then(|d| d.as_table());
        for used in used.into_iter().flat_map(|table| table.keys()) {
            if used.starts_with("hubless") && !allowed.contains(&used.as_str()) {
                places.push(format!("{}: must not depend on {used}", manifest.path));
            }
        }
    }
    places
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
        for (index, line) in code(&source.text) {
            for used in line.split("crate::").skip(1) {
                let used: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let higher = crate::arrows::step(&used).is_some_and(|other| other >= step);
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
        for (index, line) in code(&source.text) {
            for name in IMPURE.iter().filter(|name| line.contains(*name)) {
                places.push(format!("{}:{index}: pure code names {name}", source.path));
            }
        }
    }
    places
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

/// Lines before the tests, without comments, numbered from one.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    let numbered = body.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_an_arrow_that_points_up() {
        let text = "[package]\nname = \"hubless-proto\"\n[dependencies]\nhubless = \"1\"\n";
        assert_eq!(crates(&[Source::new("core/proto/Cargo.toml", text)]).len(), 1);
        let up = Source::new("core/proto/src/wire/a.rs", "use crate::registry::Slots;");
        let down = Source::new("core/proto/src/registry/a.rs", "use crate::wire::v1;");
        assert_eq!(modules(&[up, down]).len(), 1);
    }

    #[test]
    fn catches_impure_code() {
        let clock = Source::new("core/proto/src/a.rs", "let now = Instant::now();");
        let remark = Source::new("core/proto/src/b.rs", "// never Instant::now()");
        assert_eq!(impure(&[clock, remark]).len(), 1);
    }
}
