//! Where the samples of a language are, and which of them a guide shows.

use crate::language::Language;

/// A program that a guide shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The file, from the root.
    pub(crate) path: String,
    /// What it prints, where the guide says so.
    pub(crate) prints: Option<String>,
}

/// The folder of a language's guide, from the root.
pub(crate) fn docs(language: Language) -> String {
    format!("{}/docs", folder(language))
}

/// The file of a sample, from the root.
pub(crate) fn source(language: Language, name: &str) -> String {
    let (folder, docs) = (folder(language), docs(language));
    match name {
        "agent" | "caller" => {
            format!("{folder}/examples/{}", file(language, &format!("hello_{name}")))
        }
        "shout" => "core/cli/examples/shout.py".to_owned(),
        name => format!("{docs}/samples/{}", file(language, name)),
    }
}

/// The class that Kotlin makes of a file of functions.
pub(crate) fn class(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.replace(".kt", "Kt")
}

/// The name of the language's fence for a file.
pub(super) fn fence(path: &str) -> &str {
    match path.rsplit('.').next() {
        Some("py") => "python",
        Some("mjs") => "js",
        Some("kt") => "kotlin",
        Some("service") => "ini",
        Some("c") => "c",
        _ => "dockerfile",
    }
}

/// The files that a guide shows, in their order.
pub(crate) fn programs(guide: &str) -> Vec<Sample> {
    let pieces = guide.split("<!-- sample: ").skip(1);
    pieces
        .filter_map(|piece| {
            let (path, rest) = piece.split_once(" -->")?;
            let (_, behind) = rest.split_once("```")?.1.split_once("\n```\n")?;
            let prints = behind.trim_start_matches('\n').strip_prefix("```text\n");
            let prints = prints.and_then(|text| text.split_once("```")).map(|(text, _)| text);
            Some(Sample { path: path.to_owned(), prints: prints.map(str::to_owned) })
        })
        .collect()
}

/// The folder of a language's package.
pub(super) const fn folder(language: Language) -> &'static str {
    match language {
        Language::Python => "python",
        Language::Node => "node",
        Language::Kotlin => "kotlin",
        Language::C => "include",
    }
}

fn file(language: Language, name: &str) -> String {
    match language {
        Language::Python => format!("{name}.py"),
        Language::Node => format!("{name}.mjs"),
        Language::C => format!("{name}.c"),
        Language::Kotlin => format!("{}.kt", name.split('_').map(capital).collect::<String>()),
    }
}

/// A word that begins with a capital.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_of_a_sample_in_each_language() {
        assert_eq!(source(Language::Kotlin, "caller"), "kotlin/examples/HelloCaller.kt");
        assert_eq!(source(Language::C, "busy"), "include/docs/samples/busy.c");
        assert_eq!(class("kotlin/docs/samples/Find.kt"), "FindKt");
    }

    #[test]
    fn reads_what_a_sample_prints_where_the_guide_says_it() {
        let guide = "<!-- sample: a.py -->\n```python\nx\n```\n\n```text\n1\n2\n```\nmore\n\
                     <!-- sample: b.py -->\n```python\ny\n```\n\nwords\n\n```text\nno\n```\n";
        let told = |path: &str, prints: Option<&str>| Sample {
            path: path.to_owned(),
            prints: prints.map(str::to_owned),
        };
        assert_eq!(programs(guide), [told("a.py", Some("1\n2\n")), told("b.py", None)]);
    }
}
