//! What the glue of each language must not do, whichever operation it carries.

use crate::tree::Source;
use serde_json::Value;

/// Words of one glue that must not stand in its code, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "bindings/python/src/",
        &["Python::attach", "Python::try_attach", "with_gil", "Py<", "future_into_py"],
        "no thread of the core may enter the interpreter: queue an event",
    ),
    (
        "bindings/node/src/",
        &["Promise", "PromiseRaw", "JsDeferred", "AsyncTask", "async fn"],
        "nothing runs on a runtime of napi: queue an event",
    ),
    (
        "bindings/node/src/",
        &["ArrayBuffer", "Uint8Array", "from_external", "from_data"],
        "bytes leave by `Buffer` or `BufferSlice::copy_from`, which copy where external buffers \
         are forbidden",
    ),
    (
        "bindings/kotlin/src/",
        &[
            "get_elements",
            "get_primitive_array",
            "critical",
            "global_ref",
            "Global",
            "weak_ref",
            "Weak",
            "JavaVM",
            "attach_current_thread",
        ],
        "no array is pinned and no reference outlives its call: copy bytes, and let the frame of \
         the call release what it made",
    ),
];

/// What catches a panic in a function of C: the body runs within one of these.
const C_GUARDS: &[&str] = &["entry(", "look(", "clear("];

/// Features by which napi brings a runtime of its own.
const RUNTIMES: &[&str] = &["async", "async-runtime", "tokio_rt"];

/// Places in the code of the glue where a forbidden word stands.
#[must_use]
pub fn forbidden(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for (home, words, why) in FORBIDDEN {
        for source in sources.iter().filter(|source| source.path.starts_with(home)) {
            for (index, line) in code(source) {
                let found = words.iter().filter(|word| line.contains(**word));
                places.extend(found.map(|word| format!("{}:{index}: {word}: {why}", source.path)));
            }
        }
    }
    places
}

/// Functions of the glue through which a panic would reach the host.
#[must_use]
pub fn unguarded(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        let lines: Vec<_> = code(source).collect();
        for (at, (index, line)) in lines.iter().enumerate() {
            let attribute = line.trim();
            let rest = lines.get(at + 1..).unwrap_or_default();
            let body = rest.iter().map(|(_, line)| line.trim());
            let guarded = match attribute {
                "#[pyfunction]" => {
                    let mut body = body.take_while(|line| *line != "#[pyfunction]");
                    body.any(|line| line.contains("guarded(") || line.contains("fn version("))
                }
                _ if attribute.starts_with("#[napi") => attribute.contains("catch_unwind"),
                _ if attribute.starts_with("#[jni_mangle(") => {
                    let mut body = body.take_while(|line| !line.starts_with("#[jni_mangle("));
                    body.any(|line| line.contains(".with_env("))
                }
                // A text of the library itself.
                _ if attribute.contains("extern \"C\" fn hubless_version(") => true,
                _ if exported(attribute) => {
                    let mut body = rest.iter().take_while(|(_, line)| *line != "}");
                    body.any(|(_, line)| C_GUARDS.iter().any(|guard| calls(line, guard)))
                }
                _ => true,
            };
            if !guarded {
                places.push(format!("{}:{index}: a panic is not caught here", source.path));
            }
        }
    }
    places
}

/// Whether a function of the C library begins here.
fn exported(line: &str) -> bool {
    line.starts_with("pub extern \"C\" fn") || line.starts_with("pub unsafe extern \"C\" fn")
}

/// Whether a function is called, not one whose name ends as its own does.
fn calls(line: &str, function: &str) -> bool {
    let mut before = line.match_indices(function).map(|(at, _)| line[..at].chars().next_back());
    before.any(|last| last.is_none_or(|last| !last.is_alphanumeric() && !"._".contains(last)))
}

/// Features of napi that are on, as cargo resolves them, and that start a runtime.
#[must_use]
pub fn runtimes(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let is_napi = |node: &&Value| {
        node["id"].as_str().is_some_and(|id| id.contains("#napi@") || id.contains("/napi@"))
    };
    let Some(napi) = nodes.iter().find(is_napi) else {
        return vec!["cargo metadata: no package napi".to_owned()];
    };
    let on = list(&napi["features"]);
    let on = on.iter().filter_map(Value::as_str).filter(|feature| RUNTIMES.contains(feature));
    on.map(|feature| format!("napi: the feature {feature} starts a runtime of its own")).collect()
}

/// Profiles that end the host's process at a panic.
#[must_use]
pub fn aborting(manifest: &str) -> Vec<String> {
    let Ok(manifest) = manifest.parse::<toml::Table>() else {
        return vec!["Cargo.toml: no TOML".to_owned()];
    };
    let profiles = manifest.get("profile").and_then(toml::Value::as_table);
    let aborts = |profile: &toml::Value| {
        profile.get("panic").and_then(toml::Value::as_str).is_some_and(|how| how != "unwind")
    };
    let found = profiles.into_iter().flatten().filter(|(_, profile)| aborts(profile));
    found.map(|(name, _)| format!("Cargo.toml: profile {name}: a panic must unwind")).collect()
}

/// Lines that are no comment, with their numbers.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let numbered = source.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn catches_each_word_in_its_own_glue_only() {
        for (home, words, _) in FORBIDDEN {
            for word in *words {
                let used = Source::new(&format!("{home}a.rs"), &format!("let x = {word}();"));
                assert!(!forbidden(&[used]).is_empty(), "{word}");
                let told = Source::new(&format!("{home}a.rs"), &format!("// never {word}"));
                let elsewhere = Source::new("bindings/c/src/a.rs", word);
                assert!(forbidden(&[told, elsewhere]).is_empty(), "{word}");
            }
        }
    }

    #[test]
    fn catches_a_function_that_lets_a_panic_through() {
        let good = [
            "#[pyfunction]\nfn a() {\n    guarded(|| b())\n}\n#[pyfunction]\nfn version() {}",
            "#[napi(catch_unwind)]\npub fn a() {}",
            "// #[napi]\nuse napi_derive::napi;",
            "#[jni_mangle(\"N\", \"a\")]\npub fn a() {\n    env.with_env(|_| b())\n}",
            "pub unsafe extern \"C\" fn a() -> s {\n    unsafe {\n        entry(err, b)\n    }\n}",
            "pub extern \"C\" fn a() -> s {\n    look(NONE, || b())\n}\nfn c() {\n    d()\n}",
            "pub unsafe extern \"C\" fn a(err: e) {\n    unsafe { clear(err) };\n}",
            "pub extern \"C\" fn hubless_version() -> s {\n    b()\n}",
        ];
        let bad = [
            "#[pyfunction]\nfn a() {\n    b()\n}\n#[pyfunction]\nfn c() { guarded(|| d()) }",
            "#[napi]\npub fn a() {}",
            "#[napi(js_name = \"a\")]\npub fn a() {}",
            "#[jni_mangle(\"N\", \"a\")]\npub fn a() {\n    b()\n}\n\
             #[jni_mangle(\"N\", \"c\")]\npub fn c() {\n    env.with_env(|_| d())\n}",
            "pub unsafe extern \"C\" fn a() -> s {\n    reentry(b())\n}\n\
             fn c() {\n    entry(d())\n}",
            "pub extern \"C\" fn a() -> s {\n    b()\n}",
        ];
        for text in good {
            assert_eq!(unguarded(&[Source::new("a.rs", text)]), Vec::<String>::new());
        }
        for text in bad {
            assert_eq!(unguarded(&[Source::new("a.rs", text)]).len(), 1, "{text}");
        }
    }

    #[test]
    fn catches_a_runtime_of_napi() {
        let with = |id: &str, features: &[&str]| {
            json!({"resolve": {"nodes": [
                {"id": "registry+https://x#tokio@1.0.0", "features": ["tokio_rt"]},
                {"id": id, "features": features},
            ]}})
        };
        let id = "registry+https://x#napi@3.0.0";
        assert!(runtimes(&with(id, &["napi8"])).is_empty());
        assert_eq!(runtimes(&with(id, &["napi8", "tokio_rt"])).len(), 1);
        assert_eq!(runtimes(&with("registry+https://x#napi-sys@3.0.0", &[])).len(), 1);
    }

    #[test]
    fn catches_a_profile_that_aborts() {
        assert!(aborting("[profile.release]\nlto = true\n").is_empty());
        assert!(aborting("[profile.release]\npanic = \"unwind\"\n").is_empty());
        assert_eq!(aborting("[profile.release]\npanic = \"abort\"\n").len(), 1);
        assert_eq!(aborting("no = [").len(), 1);
    }
}
