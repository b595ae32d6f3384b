//! Files that nothing reaches.

use crate::tree::Source;
use std::collections::{BTreeMap, BTreeSet};

/// Rust files that no crate root reaches by its `mod` lines.
#[must_use]
pub fn rust(sources: &[Source], manifests: &[Source]) -> Vec<String> {
    let files: BTreeMap<_, _> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let named: BTreeSet<_> = manifests.iter().flat_map(targets).collect();
    let root = |path: &&str| is_root(path) || named.contains(*path);
    let mut open: Vec<String> =
        files.keys().filter(|path| root(path)).map(|p| (*p).to_owned()).collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = open.pop() {
        let Some(source) = files.get(path.as_str()) else { continue };
        let is_root = root(&path.as_str());
        if reached.insert(path) {
            open.extend(modules(source, is_root));
        }
    }
    let dead = files.keys().filter(|path| !reached.contains(**path));
    dead.map(|path| format!("{path}: no mod line reaches it")).collect()
}

/// Files of other languages that no test collector finds and no other file names.
#[must_use]
pub fn others(sources: &[Source], naming: &[Source]) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in naming {
        let split = |c: char| !c.is_alphanumeric() && c != '_';
        for word in source.text.split(split) {
            places.entry(word).or_default().insert(&source.path);
        }
    }
    let elsewhere = |name: &str, own: &str| {
        places.get(name).is_some_and(|paths| paths.iter().any(|path| *path != own))
    };
    let dead = |source: &&Source| {
        let by_name = || names(source).iter().any(|name| elsewhere(name, &source.path));
        let by_file =
            || naming.iter().any(|other| other.path != source.path && imports(other, source));
        !is_collected(source) && !by_name() && !by_file()
    };
    let say = |source: &Source| format!("{}: no other file names it", source.path);
    sources.iter().filter(dead).map(say).collect()
}

/// What cargo takes for a crate of its own without being told.
fn is_root(path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let named = ["lib.rs", "main.rs", "build.rs"].contains(&file);
    let beside = ["tests", "examples", "benches"].iter().any(|kind| folder.ends_with(kind));
    named || folder.ends_with("src/bin") || beside && !folder.contains("/src/")
}

/// Files that a manifest names as targets.
fn targets(manifest: &Source) -> Vec<String> {
    let folder = manifest.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = |line: &str| {
        let path = line.strip_prefix("path = \"")?.strip_suffix('"')?;
        path.ends_with(".rs").then(|| joined(folder, path))
    };
    manifest.text.lines().filter_map(path).collect()
}

/// Files that the `mod` lines of a file may mean.
fn modules(source: &Source, is_root: bool) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let own = is_root || file == "mod.rs";
    let below = if own { folder.to_owned() } else { source.path.replace(".rs", "") };
    let (mut found, mut at) = (Vec::new(), None);
    for line in source.text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"") {
            at = path.strip_suffix("\"]");
        }
        let module = line
            .split_once("mod ")
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let name = module.and_then(|(_, rest)| rest.strip_suffix(';'));
        if let Some(name) = name {
            match at.take() {
                Some(path) => found.push(joined(folder, path)),
                None => {
                    found.push(format!("{below}/{name}.rs"));
                    found.push(format!("{below}/{name}/mod.rs"));
                }
            }
        }
    }
    found
}

/// A path from a folder, with `..` taken off.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a language's own test collector finds the file, and would run something of it.
fn is_collected(source: &Source) -> bool {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    match source.ending() {
        "py" => {
            file == "conftest.py" || file.starts_with("test_") && source.text.contains("def test_")
        }
        "mjs" => file.ends_with(".test.mjs") && source.text.contains("test("),
        "kt" | "java" => source.path.contains("/test/") && source.text.contains("@Test"),
        _ => false,
    }
}

/// Whether a file names another one by its name or in an import.
fn imports(other: &Source, source: &Source) -> bool {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    if other.text.contains(file) {
        return true;
    }
    let package = folder.rsplit('/').next().unwrap_or_default();
    // A folder that a build file takes whole: the programs in it, and what a compiler checks.
    let whole = match source.ending() {
        "c" if source.text.contains("\nint main(") => format!("/{folder}/*.c"),
        "ts" | "mts" | "cts" => format!("\"include\": [\"{package}\"]"),
        _ => "\0".to_owned(),
    };
    if other.text.contains(&whole)
        && ["Makefile", "tsconfig.json"].iter().any(|f| other.path.ends_with(f))
    {
        return true;
    }
    let forms = match source.ending() {
        "py" if stem == "__init__" => vec![format!("import {package}")],
        "py" => vec![
            format!("import {stem}\n"),
            format!("import {stem} "),
            format!("import {stem},"),
            format!("from {stem} import"),
            format!(".{stem} import"),
            format!("{package}.{stem}"),
            format!("{package}/{stem}"),
        ],
        "ts" | "mts" | "mjs" | "cjs" | "cts" | "js" => {
            ["js", "mjs", "cjs"].iter().map(|end| format!("/{stem}.{end}'")).collect()
        }
        _ => Vec::new(),
    };
    forms.iter().any(|form| other.text.contains(form.as_str()))
}

/// Names that a file declares at its top level, and by which others may use it.
fn names(source: &Source) -> Vec<&str> {
    let words: &[&str] = match source.ending() {
        "kt" => &["class ", "object ", "interface ", "fun ", "val ", "var ", "typealias "],
        "java" => &["class ", "record ", "interface ", "enum "],
        "c" => &["void ", "int ", "bool ", "*", "hubless_status ", "const test "],
        _ => &[],
    };
    let mut found = Vec::new();
    let top = |line: &&str| {
        line.starts_with(char::is_alphabetic) && !line.starts_with("static")
            || line.starts_with('@')
    };
    for line in source.text.lines().filter(top) {
        let declared = words.iter().filter_map(|word| Some(line.split_once(word)?.1));
        for rest in declared {
            let rest = rest.split_once("> ").map_or(rest, |(generic, after)| {
                if generic.starts_with('<') { after } else { rest }
            });
            let rest = rest.split('(').next().unwrap_or_default();
            let own = rest.rsplit('.').next().unwrap_or_default();
            let end = own.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(own.len());
            found.extend(own.get(..end).filter(|name| !name.is_empty() && *name != "main"));
        }
    }
    if source.ending() == "kt" || source.ending() == "java" {
        let stem = source.path.rsplit('/').next().and_then(|file| file.split('.').next());
        found.extend(stem);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_rust_file_that_no_mod_line_reaches() {
        let sources = [
            Source::new("core/a/src/lib.rs", "mod b;\n#[path = \"odd.rs\"]\nmod c;\n"),
            Source::new("core/a/src/b/mod.rs", "pub(crate) mod d;\n"),
            Source::new("core/a/src/b/d.rs", "mod e;"),
            Source::new("core/a/src/b/d/e.rs", ""),
            Source::new("core/a/src/odd.rs", ""),
            Source::new("core/a/tests/whole.rs", ""),
            Source::new("core/x/y.rs", "mod z;"),
            Source::new("core/x/z.rs", ""),
        ];
        let manifest = Source::new("core/a/Cargo.toml", "[[test]]\npath = \"../x/y.rs\"\n");
        assert_eq!(rust(&sources, std::slice::from_ref(&manifest)), Vec::<String>::new());
        let mut more = sources.to_vec();
        more.push(Source::new("core/a/src/b/forgotten.rs", "mod inner;"));
        more.push(Source::new("core/a/src/b/forgotten/inner.rs", ""));
        more.push(Source::new("core/a/src/b/tests/lost.rs", ""));
        more.push(Source::new("core/a/tests/whole/part.rs", ""));
        assert_eq!(rust(&more, &[manifest]).len(), 4);
        assert_eq!(rust(&more, &[]).len(), 6);
    }

    #[test]
    fn catches_a_file_that_no_other_names() {
        let alive = [
            Source::new("python/hubless/a.py", "from .b import x\n"),
            Source::new("python/hubless/b.py", "import hubless.a\n"),
            Source::new("python/tests/test_a.py", "def test_a(): ..."),
            Source::new("node/src/a.ts", "import './b.js';"),
            Source::new("node/src/b.ts", "import './a.js';"),
            Source::new("kotlin/src/main/A.kt", "internal class A { val b = bee() }"),
            Source::new("kotlin/src/main/B.kt", "fun <T> A.bee(): T = 1"),
            Source::new("include/tests/a.c", "void suite_a(void) { suite_b(); }"),
            Source::new("include/tests/b.c", "void suite_b(void) { suite_a(); }"),
            Source::new("tests/c/main.c", "\nint main(void) { return 0; }"),
            Source::new("node/test/types/odd.mts", "const odd: number = 1;"),
        ];
        let build = [
            Source::new("include/Makefile", "$(wildcard $(ROOT)/tests/c/*.c)"),
            Source::new("node/test/tsconfig.json", "{\"include\": [\"types\"]}"),
        ];
        let naming = [&alive[..], &build].concat();
        assert_eq!(others(&alive, &naming), Vec::<String>::new());
        assert_eq!(others(&alive, &alive).len(), 2, "without its build file");
        let dead = [
            Source::new("python/hubless/c.py", "x = 1\n"),
            Source::new("python/tests/test_b.py", "x = 1\n"),
            Source::new("node/src/c.ts", "export const c = 1;"),
            Source::new("kotlin/src/main/C.kt", "class C"),
            Source::new("include/tests/c.c", "void suite_c(void) {}"),
        ];
        let all = [&alive[..], &dead].concat();
        let naming = [&all[..], &build].concat();
        assert_eq!(others(&all, &naming).len(), dead.len());
    }
}
