//! The tables of errors: kinds and codes as the core has them, with advice for each kind.

use super::samples::capital;
use crate::house::{Result, root};
use crate::language::Language;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the core writes of its two tables.
const KINDS: &str = "tests/conformance/vectors/errors.json";
const CODES: &str = "tests/conformance/vectors/codes.json";
/// By kind: what it is, and what to do.
const ADVICE: &str = "tests/runner/guide/kinds.json";

/// A table of the kinds, with their names in one language.
///
/// # Errors
/// A file cannot be read, or has other kinds than the core.
pub(super) fn kinds(language: Language) -> Result<String> {
    table(&read(KINDS)?, &read(ADVICE)?, language)
}

/// A table of the codes.
///
/// # Errors
/// The file cannot be read.
pub(super) fn codes() -> Result<String> {
    let all = read(CODES)?;
    let rows = list(&all, "codes").iter().map(|code| {
        let kinds: Vec<_> = list(code, "kinds").iter().filter_map(Value::as_str).collect();
        let kinds = if kinds.is_empty() { "any".to_owned() } else { kinds.join(", ") };
        format!("| `{}` | {kinds} | {} |\n", text(code, "code"), text(code, "meaning"))
    });
    let rows: String = rows.collect();
    Ok(format!("| code | kinds | what it means |\n|---|---|---|\n{rows}"))
}

fn table(kinds: &Value, advice: &Value, language: Language) -> Result<String> {
    let advice: BTreeMap<String, (String, String)> =
        serde_json::from_value(advice.clone()).map_err(|error| format!("{ADVICE}: {error}"))?;
    let kinds = list(kinds, "kinds");
    let unknown = |name: &&String| !kinds.iter().any(|kind| text(kind, "kind") == name.as_str());
    if let Some(name) = advice.keys().find(unknown) {
        return Err(format!("{ADVICE}: the core has no kind {name}"));
    }
    let mut rows = String::new();
    for kind in kinds {
        let name = text(kind, "kind");
        let Some((meaning, what)) = advice.get(name) else {
            return Err(format!("{ADVICE}: no advice for the kind {name}"));
        };
        let (retry, exit) = (text(kind, "retry"), &kind["exit"]);
        let own = own(language, name);
        rows += &format!("| `{name}` |{own} {retry} | {exit} | {meaning} | {what} |\n");
    }
    let (head, line) = match language {
        Language::Python => (" class |", "---|"),
        Language::Node => ("", ""),
        Language::Kotlin | Language::C => (" constant |", "---|"),
    };
    Ok(format!(
        "| kind |{head} ask again | exit code | what it is | what to do |\n\
         |---|{line}---|---|---|---|\n{rows}"
    ))
}

/// The column with a kind's own name in a language, where that is another.
fn own(language: Language, kind: &str) -> String {
    match language {
        Language::Python => format!(" `{}` |", python_class(kind)),
        Language::Node => String::new(),
        Language::Kotlin => format!(" `{}` |", kind.to_uppercase()),
        Language::C => format!(" `HUBLESS_{}` |", kind.to_uppercase()),
    }
}

fn python_class(kind: &str) -> String {
    match kind {
        // The bare words are exceptions of Python's own.
        "cancelled" | "denied" => format!("Call{}Error", capital(kind)),
        kind => format!("{}Error", kind.split('_').map(capital).collect::<String>()),
    }
}

fn read(path: &str) -> Result<Value> {
    let text = std::fs::read_to_string(root().join(path));
    let text = text.map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_has_its_own_name_in_each_language() {
        let homes = [
            (Language::Python, "python/hubless/errors.py"),
            (Language::Kotlin, "kotlin/src/main/kotlin/dev/hubless/Errors.kt"),
            (Language::C, "include/hubless.h"),
        ];
        for (language, home) in homes {
            let home = std::fs::read_to_string(root().join(home)).unwrap();
            let kinds = read(KINDS).unwrap();
            assert_eq!(list(&kinds, "kinds").len(), 28);
            for kind in list(&kinds, "kinds") {
                let own = own(language, text(kind, "kind"));
                let name = own.trim_matches([' ', '`', '|']);
                let declared =
                    [format!("class {name}("), format!("{name}(\""), format!("{name} =")];
                assert!(declared.iter().any(|form| home.contains(form.as_str())), "{name}");
            }
        }
    }

    #[test]
    fn a_kind_without_advice_or_advice_without_a_kind_is_caught() {
        let kinds = json!({"kinds": [{"kind": "busy", "retry": "later", "exit": 4}]});
        let made = table(&kinds, &json!({"busy": ["full", "wait"]}), Language::C).unwrap();
        assert!(
            made.ends_with("| `busy` | `HUBLESS_BUSY` | later | 4 | full | wait |\n"),
            "{made}"
        );
        for wrong in [json!({}), json!({"busy": ["", ""], "lazy": ["", ""]})] {
            assert!(table(&kinds, &wrong, Language::Node).is_err(), "{wrong}");
        }
    }
}
