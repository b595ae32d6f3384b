//! One guide of all languages, filled with what is a language's own.

use super::errors;
use super::samples::{docs, fence, folder, source};
use crate::house::{Result, root};
use crate::language::Language;
use std::collections::BTreeMap;

/// The texts that all guides are made of.
const HOME: &str = "tests/runner/guide";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const MADE: &str =
    "<!-- Made of tests/runner/guide by `cargo run -p hubless-runner -- generate`. -->";

/// Words of one language, by name.
type Words = BTreeMap<String, String>;

/// The generated files of all guides: path from the root, and text.
///
/// # Errors
/// A text or sample cannot be read, or a word of a language is missing.
pub(crate) fn files() -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for language in Language::ALL {
        let docs = docs(language);
        let words = words(&read(&format!("{HOME}/{}.md", language.name()))?);
        let unit = fill(&read(&format!("{HOME}/greet.service"))?, &words)?;
        let guide = fill(&read(&format!("{HOME}/guide.md"))?, &words)?;
        let guide = shown(&guide, language, &unit)?;
        files.push((format!("{docs}/deploy/greet.service"), unit));
        files.push((format!("{docs}/guide.md"), format!("{MADE}\n{guide}")));
        let codes = format!(
            "{MADE}\n# Errors\n\nThe kinds are a closed set. Codes are an open one: agents give \
             codes of their own, and a newer version may give more.\n\n{}\n{}",
            errors::kinds(language)?,
            errors::codes()?
        );
        files.push((format!("{docs}/errors.md"), codes));
    }
    Ok(files)
}

/// The words of a file: `@@ name` in a line of its own, and the lines below it.
fn words(text: &str) -> Words {
    let pieces = text.split("@@ ").skip(1).filter_map(|piece| piece.split_once('\n'));
    let mut words: Words =
        pieces.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect();
    words.insert("version".to_owned(), VERSION.to_owned());
    words
}

/// Puts words where `{{name}}` stands, those inside of words as well.
fn fill(text: &str, words: &Words) -> Result<String> {
    let mut filled = text.to_owned();
    while let Some((before, rest)) = filled.split_once("{{") {
        let (name, behind) = rest.split_once("}}").ok_or("a {{ is never closed")?;
        let word = words.get(name).ok_or_else(|| format!("no word {name:?}"))?;
        filled = format!("{before}{word}{behind}");
    }
    Ok(filled)
}

/// Puts samples and tables where their marks stand.
fn shown(text: &str, language: Language, unit: &str) -> Result<String> {
    let mut lines = String::new();
    for line in text.lines() {
        let mark = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
        match mark.map(|mark| mark.split_once(": ").unwrap_or((mark, ""))) {
            Some(("sample", name)) => {
                let path = source(language, name);
                lines += &block(&path, &read(&path)?);
            }
            Some(("deploy", "greet.service")) => {
                lines += &block(&format!("{}/deploy/greet.service", docs(language)), unit);
            }
            Some(("deploy", name)) => {
                let path = format!("{}/deploy/{name}", docs(language));
                lines += &block(&path, &read(&path)?);
            }
            Some(("kinds", _)) => lines += &errors::kinds(language)?,
            Some(("names", _)) => lines += &names(language)?,
            _ => lines += &format!("{line}\n"),
        }
    }
    Ok(lines)
}

/// The table of names that the package's README has.
fn names(language: Language) -> Result<String> {
    let path = format!("{}/README.md", folder(language));
    let readme = read(&path)?;
    let section = readme.split_once("## Names in TPipe and here");
    let (_, section) = section.ok_or_else(|| format!("{path} has no table of names"))?;
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    Ok(lines.take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect())
}

/// A file with the mark by which `tests/tidy` finds it.
fn block(path: &str, text: &str) -> String {
    format!("<!-- sample: {path} -->\n```{}\n{}\n```\n", fence(path), text.trim_end())
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_each_word_and_no_other() {
        let guide = read(&format!("{HOME}/guide.md")).unwrap();
        let unit = read(&format!("{HOME}/greet.service")).unwrap();
        for language in Language::ALL {
            let own = read(&format!("{HOME}/{}.md", language.name())).unwrap();
            let words = words(&own);
            assert!(words.len() > 15, "{}", language.name());
            let all = format!("{guide}{unit}{own}");
            // The version is of use to one language only.
            let mut own_words = words.keys().filter(|name| *name != "version");
            let unused = own_words.find(|name| !all.contains(&format!("{{{{{name}}}}}")));
            assert_eq!(unused, None, "{}", language.name());
            assert!(fill(&guide, &words).is_ok() && fill(&unit, &words).is_ok());
        }
    }

    #[test]
    fn a_word_that_is_missing_is_caught() {
        let words = words("@@ one\n1 of {{two}}\n@@ two\n2\n");
        assert_eq!(fill("{{one}}.", &words).as_deref(), Ok("1 of 2."));
        assert!(fill("{{three}}", &words).unwrap_err().contains("three"));
        assert!(fill("{{one", &words).is_err());
    }
}
