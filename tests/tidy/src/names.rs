//! Words that no name of ours may have.

use crate::tree::Source;

/// What stands before the name of a function.
const FUNCTIONS: [&str; 4] = ["fn ", "def ", "function ", "fun "];
/// What stands before the name of a type.
const TYPES: [&str; 8] =
    ["struct ", "enum ", "trait ", "class ", "interface ", "object ", "record ", "type "];
/// Ends of a type's name that say nothing of what it is.
const EMPTY: [&str; 4] = ["Manager", "Helper", "Util", "Utils"];

/// Functions called `get_…`, and types whose name ends in an empty word.
#[must_use]
pub fn empty_words(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            for name in named(line, &FUNCTIONS).filter(|name| name.starts_with("get_")) {
                places.push(format!("{}:{}: {name} begins with get_", source.path, index + 1));
            }
            for name in named(line, &TYPES).filter(|name| EMPTY.iter().any(|e| name.ends_with(e))) {
                places.push(format!("{}:{}: say what {name} is", source.path, index + 1));
            }
            if line.contains("hubless_get_") {
                places.push(format!("{}:{}: hubless_get_", source.path, index + 1));
            }
        }
    }
    places
}

/// Names that one of these words declares in a line of code.
fn named<'a>(line: &'a str, words: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let remark = ["//", "#", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
    let code = if remark { "" } else { line };
    words.iter().flat_map(move |word| code.match_indices(word)).filter_map(move |(at, word)| {
        let whole = !code.get(..at)?.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = code.get(at + word.len()..)?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end).filter(|name| whole && !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_names_that_say_nothing() {
        let bad = [
            ("a.rs", "pub fn get_name(&self) -> &str {"),
            ("a.py", "    async def get_peer(self):"),
            ("a.rs", "pub struct CallManager {"),
            ("a.kt", "internal object TextUtil {"),
            ("a.ts", "export class PeerHelper {"),
            ("a.h", "int hubless_get_peer(void);"),
        ];
        for (path, text) in bad {
            assert_eq!(empty_words(&[Source::new(path, text)]).len(), 1, "{text}");
        }
        for text in ["let x = map.get_mut(&key);", "// class Manager", "struct Managers {"] {
            assert!(empty_words(&[Source::new("a.rs", text)]).is_empty(), "{text}");
        }
    }
}
