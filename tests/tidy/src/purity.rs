//! What the protocol crate stands on, as cargo resolves it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The pure crate.
pub const PURE: &str = "hubless-proto";

/// Crates that it may name, by kind of dependency.
pub const ALLOWED: &[(&str, &[&str])] = &[
    (
        "normal",
        &[
            "bs58",
            "bytes",
            "data-encoding",
            "ed25519-dalek",
            "jsonschema",
            "prost",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tiktoken-rs",
            "zeroize",
        ],
    ),
    ("build", &["prost-build", "prost-types", "protox"]),
    // Itself, with the feature by which its tests read vectors.
    ("dev", &["hubless-proto", "proptest"]),
];

/// Crates that must not be linked into it, however far below.
pub const REFUSED: &[&str] = &[
    "async-std",
    "chrono",
    "hyper",
    "iroh",
    "mio",
    "noq",
    "noq-proto",
    "quinn",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
];

/// Dependencies of the pure crate that are not allowed, in what `cargo metadata` prints.
#[must_use]
pub fn impure(metadata: &Value) -> Vec<String> {
    let packages = list(metadata, "packages");
    let Some(own) = packages.iter().find(|package| text(package, "name") == PURE) else {
        return vec![format!("cargo metadata: no package {PURE}")];
    };
    let mut places = Vec::new();
    for dependency in list(own, "dependencies") {
        let kind = dependency["kind"].as_str().unwrap_or("normal");
        let allowed = ALLOWED.iter().find(|(known, _)| *known == kind);
        let name = text(dependency, "name");
        if !allowed.is_some_and(|(_, names)| names.contains(&name)) {
            places.push(format!("{PURE}: {kind} dependency {name} is not in the table"));
        }
    }
    let linked = linked(metadata, text(own, "id"));
    if linked.len() < 2 {
        places.push("cargo metadata: nothing is resolved".to_owned());
    }
    let names = packages.iter().filter(|package| linked.contains(text(package, "id")));
    for name in names.map(|package| text(package, "name")).filter(|name| REFUSED.contains(name)) {
        places.push(format!("{PURE}: {name} would be linked in"));
    }
    places
}

/// Ids of everything that a crate links, itself included: no build or test dependencies.
fn linked<'a>(metadata: &'a Value, from: &'a str) -> BTreeSet<&'a str> {
    let nodes = list(&metadata["resolve"], "nodes");
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (text(node, "id"), node)).collect();
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for used in nodes.get(id).into_iter().flat_map(|node| list(node, "deps")) {
            if list(used, "dep_kinds").iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(used, "pkg"));
            }
        }
    }
    seen
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The pure crate with these dependencies, and what `bytes` depends on.
    fn metadata(dependencies: &Value, below: &str, kind: &Value) -> Value {
        json!({
            "packages": [
                {"name": PURE, "id": "own", "dependencies": dependencies},
                {"name": "bytes", "id": "bytes", "dependencies": []},
                {"name": below, "id": "below", "dependencies": []},
            ],
            "resolve": {"nodes": [
                {"id": "own", "deps": [{"pkg": "bytes", "dep_kinds": [{"kind": null}]}]},
                {"id": "bytes", "deps": [{"pkg": "below", "dep_kinds": [{"kind": kind}]}]},
                {"id": "below", "deps": []},
            ]},
        })
    }

    #[test]
    fn catches_a_dependency_of_any_kind_that_is_not_in_the_table() {
        let good = json!([{"name": "bytes", "kind": null}, {"name": "proptest", "kind": "dev"}]);
        assert!(impure(&metadata(&good, "memchr", &Value::Null)).is_empty());
        for kind in [Value::Null, json!("build"), json!("dev")] {
            let bad = json!([{"name": "rand", "kind": kind}]);
            assert_eq!(impure(&metadata(&bad, "memchr", &Value::Null)).len(), 1, "{kind}");
        }
    }

    #[test]
    fn catches_what_would_be_linked_from_below() {
        let good = json!([{"name": "bytes", "kind": null}]);
        assert_eq!(impure(&metadata(&good, "tokio", &Value::Null)).len(), 1);
        assert!(impure(&metadata(&good, "tokio", &json!("dev"))).is_empty());
        assert_eq!(impure(&json!({"packages": []})).len(), 1);
    }
}
