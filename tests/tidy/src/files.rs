//! Size, width and leftovers of single files.

use crate::tree::{Source, code};

/// Most code lines of a file: comments, blank lines and tests not counted.
pub const CODE_LINES: usize = 400;
/// Most characters of a line.
pub const COLUMNS: usize = 100;
/// Most lines of a `mod.rs`, which is a table of contents.
pub const CONTENTS_LINES: usize = 60;

/// Files that hold more code than one idea needs.
#[must_use]
pub fn too_long(sources: &[Source]) -> Vec<String> {
    let over = |source: &&Source| code_lines(source) > CODE_LINES && !generated(source);
    let say = |source: &Source| {
        format!("{}: {} code lines, split it by idea", source.path, code_lines(source))
    };
    sources.iter().filter(over).map(say).collect()
}

/// Lines that are too wide.
#[must_use]
pub fn too_wide(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !generated(source)) {
        for (index, line) in source.text.lines().enumerate() {
            let width = line.chars().count();
            if width > COLUMNS && !line.contains("://") {
                places.push(format!("{}:{}: {width} columns", source.path, index + 1));
            }
        }
    }
    places
}

/// `mod.rs` files that hold more than a table of contents.
#[must_use]
pub fn fat_contents(sources: &[Source]) -> Vec<String> {
    let fat = |source: &&Source| {
        let file = source.path.ends_with("/mod.rs") && source.path.contains("/src/");
        file && source.text.lines().count() > CONTENTS_LINES
    };
    let say = |source: &Source| format!("{}: move the logic into files of its own", source.path);
    sources.iter().filter(fat).map(say).collect()
}

/// Work left open without the number of an issue, such as `#12`.
#[must_use]
pub fn leftovers(sources: &[Source]) -> Vec<String> {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["to", "do!("].concat()];
    let mut places = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let open = marks.iter().any(|mark| line.contains(mark.as_str()));
            if open && !numbered(line) {
                places.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    places
}

/// Whether a line names an issue: a comment of Python begins with the same letter.
fn numbered(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn generated(source: &Source) -> bool {
    source.path == "include/hubless.h"
}

fn code_lines(source: &Source) -> usize {
    let body: Vec<&str> = match source.ending() {
        "rs" => code(&source.text).map(|(_, line)| line).collect(),
        _ => source.text.lines().collect(),
    };
    let comment = ["//", "#", "*", "/*", "\"\"\""];
    let tests = ["/tests/", "/test/", "tests.rs"].iter().any(|part| source.path.contains(part));
    let counts = |line: &&str| {
        let line = line.trim();
        let remark = comment.iter().any(|mark| line.starts_with(mark));
        !line.is_empty() && (!remark || line.starts_with("#["))
    };
    if tests { 0 } else { body.into_iter().filter(counts).count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_file_that_is_too_long() {
        let long = Source::new("core/a/src/x.rs", &"let x = 1;\n".repeat(CODE_LINES + 1));
        let fits = Source::new("core/a/src/y.rs", &"// why\n".repeat(CODE_LINES + 1));
        assert_eq!(too_long(&[long, fits]).len(), 1);
        let lines = "let x = 1;\n".repeat(CODE_LINES + 1);
        let behind = format!("#[cfg(test)]\nuse a::b;\n{lines}");
        assert_eq!(too_long(&[Source::new("core/a/src/x.rs", &behind)]).len(), 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines.replace("let", "    let"));
        assert!(too_long(&[Source::new("core/a/src/x.rs", &tests)]).is_empty());
        assert_eq!(
            too_long(&[Source::new("python/x.py", &"x = 1\n".repeat(CODE_LINES + 1))]).len(),
            1
        );
    }

    #[test]
    fn catches_a_line_that_is_too_wide() {
        assert_eq!(too_wide(&[Source::new("a.rs", &"x".repeat(COLUMNS + 1))]).len(), 1);
        assert!(too_wide(&[Source::new("a.rs", &"x".repeat(COLUMNS))]).is_empty());
        let about = format!("use http::{};", "x".repeat(COLUMNS));
        assert_eq!(too_wide(&[Source::new("a.rs", &about)]).len(), 1);
        let link = format!("// https://{}", "x".repeat(COLUMNS));
        assert!(too_wide(&[Source::new("a.rs", &link)]).is_empty());
    }

    #[test]
    fn catches_logic_in_a_table_of_contents() {
        let fat = Source::new("core/a/src/b/mod.rs", &"\n".repeat(CONTENTS_LINES + 1));
        let full = Source::new("core/a/src/b/mod.rs", &"\n".repeat(CONTENTS_LINES));
        let other = Source::new("core/a/src/b/c.rs", &"\n".repeat(CONTENTS_LINES + 1));
        assert_eq!(fat_contents(&[fat, full, other]).len(), 1);
    }

    #[test]
    fn catches_work_left_open() {
        for open in [["// TO", "DO later"], ["# TO", "DO later"], ["x(); // FIX", "ME"]] {
            assert_eq!(leftovers(&[Source::new("a", &open.concat())]).len(), 1, "{open:?}");
        }
        for numbered in [["// TO", "DO(#12) later"], ["# TO", "DO: see #12"]] {
            assert!(leftovers(&[Source::new("a", &numbered.concat())]).is_empty(), "{numbered:?}");
        }
    }
}
