//! Size of functions outside Rust, where clippy counts them.
//!
//! Every language here has a formatter, so a function ends at the first line of its own indent.

use crate::tree::Source;

/// Most lines of a function.
pub const LINES: usize = 70;
/// Most parameters that a caller gives by their place.
pub const PARAMETERS: usize = 5;

/// Functions that are too long, or take too much by place.
#[must_use]
pub fn too_large(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(in_file).collect()
}

/// How many functions were read, by which a reader that sees none is noticed.
#[must_use]
pub fn count(sources: &[Source]) -> usize {
    let of =
        |source: &Source| source.text.lines().filter(|line| begins(source.ending(), line)).count();
    sources.iter().map(of).sum()
}

fn in_file(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut places = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !begins(source.ending(), line) {
            continue;
        }
        let rest = lines.get(index..).unwrap_or_default();
        let (count, place) =
            (length(source.ending(), rest), format!("{}:{}", source.path, index + 1));
        if count > LINES {
            places.push(format!("{place}: a function of {count} lines"));
        }
        let by_place = parameters(source.ending(), rest);
        if by_place > PARAMETERS {
            places.push(format!("{place}: {by_place} parameters by place"));
        }
    }
    places
}

/// Whether a function with a body begins in this line.
fn begins(ending: &str, line: &str) -> bool {
    let code = line.trim_start();
    let first = code.split(['(', '<', ' ']).next().unwrap_or_default();
    match ending {
        "py" => code.starts_with("def ") || code.starts_with("async def "),
        "kt" => code.contains("fun ") && !code.starts_with("//") && !code.starts_with('*'),
        "ts" | "mts" | "cts" | "mjs" | "cjs" | "js" => {
            let control = ["if", "for", "while", "switch", "return", "catch", "}"].contains(&first);
            let named = code.contains("function ") || code.starts_with("async ");
            let method = line.ends_with(") {") || line.ends_with("> {") || line.ends_with('(');
            !control && (named || line.starts_with("  ") && method && is_method(code))
        }
        "c" => {
            let top = line.starts_with(|c: char| c.is_alphabetic());
            top && line.contains('(') && !line.ends_with(';') && !code.starts_with("typedef")
        }
        _ => false,
    }
}

/// Whether a line of a class body names a method: modifiers, a name, parameters.
fn is_method(code: &str) -> bool {
    let head = code.split('(').next().unwrap_or_default();
    let word = |word: &str| word.chars().all(|c| c.is_alphanumeric() || "_#$*<>[].,".contains(c));
    !head.is_empty() && !head.contains('=') && head.split(' ').all(word) && !head.contains('.')
}

/// Lines from the first one to the end of the body.
fn length(ending: &str, lines: &[&str]) -> usize {
    let Some(first) = lines.first() else { return 0 };
    let own = indent(first);
    let closes = |line: &&str| match ending {
        "py" => !line.trim().is_empty() && indent(line) <= own && !line.trim().starts_with(')'),
        "c" => line.starts_with('}'),
        _ => indent(line) == own && line.trim_start().starts_with('}'),
    };
    // Without a body of its own lines (an expression), the next line of that indent is another's.
    let single = ending != "py" && ending != "c" && !opens(lines);
    let body = lines.iter().skip(1).position(closes);
    let blank = |n: &usize| lines.get(*n).is_some_and(|line| line.trim().is_empty());
    match (single, body) {
        (true, _) => 1,
        (false, Some(at)) if ending == "py" => {
            (1..=at).rev().find(|n| !blank(n)).map_or(1, |n| n + 1)
        }
        (false, Some(at)) => at + 2,
        (false, None) => lines.len(),
    }
}

/// Whether the head of a function ends with a brace.
fn opens(lines: &[&str]) -> bool {
    let mut depth = 0;
    for line in lines.iter().take(20) {
        for c in line.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
        }
        if depth == 0 {
            return line.trim_end().ends_with('{');
        }
    }
    false
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Parameters that are given by place: no receiver, no result, no named-only ones, no callbacks.
fn parameters(ending: &str, lines: &[&str]) -> usize {
    let head = lines.iter().take(20).copied().collect::<Vec<_>>().join(" ");
    let from = match ending {
        "kt" => head.find("fun ").and_then(|at| Some(at + head.get(at..)?.find('(')?)),
        _ => head.find('('),
    };
    let Some(list) = from.and_then(|at| inside(head.get(at + 1..)?)) else { return 0 };
    let given = split(list);
    let by_place = given.iter().take_while(|one| **one != "*" || ending != "py");
    by_place
        .filter(|one| match ending {
            "py" => !["self", "cls", "/"].contains(one) && !one.starts_with('*'),
            // What has a default is given by its name.
            "kt" => !one.contains(" = "),
            // What a function fills is its result.
            "c" => !one.contains("**") && !one.contains("hubless_error *") && **one != "void",
            _ => true,
        })
        .count()
}

/// Text up to the bracket that closes the one before it.
fn inside(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return text.get(..at),
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Pieces between the commas that stand in no bracket.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut pieces) = (0, 0, Vec::new());
    let mut before = ' ';
    for (at, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            ',' if depth == 0 => {
                pieces.extend(list.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    pieces.extend(list.get(from..));
    pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ending: &str, text: &str) -> usize {
        too_large(&[Source::new(&format!("a.{ending}"), text)]).len()
    }

    #[test]
    fn catches_a_function_that_is_too_long() {
        let shapes = [
            ("py", "async def f(x: int) -> int:\n", "    x += 1\n", "\n\ny = 1\n"),
            ("kt", "    suspend fun f(x: Int): Int {\n", "        x()\n", "    }\n"),
            ("ts", "export async function f(x: number) {\n", "  x();\n", "}\n"),
            ("ts", "  async f(x: number): Promise<void> {\n", "    x();\n", "  }\n"),
            ("mjs", "function f(x) {\n", "  x();\n", "}\n"),
            ("js", "function f(x) {\n", "  x();\n", "}\n"),
            ("c", "static int f(int x)\n{\n", "    x();\n", "}\n"),
        ];
        for (ending, head, line, end) in shapes {
            let heads = head.lines().count() + usize::from(ending != "py");
            let of = |count: usize| format!("{head}{}{end}", line.repeat(count - heads));
            assert_eq!(found(ending, &of(LINES)), 0, "{head}");
            assert_eq!(found(ending, &of(LINES + 1)), 1, "{head}");
        }
    }

    #[test]
    fn catches_a_function_that_takes_too_much_by_place() {
        let bad = [
            ("py", "def f(self, a, b, c, d, e: int, f=1):\n    pass\n"),
            ("kt", "fun <T> List<T>.f(a: A, b: B, c: C, d: D, e: E, f: Map<K, V>) {\n}\n"),
            ("ts", "export function f(a: A, b: B, c: C,\n  d: D, e: E, f: F) {\n}\n"),
            ("mjs", "function f(a, b, c, d, e, f) {\n}\n"),
            ("c", "int f(int a, int b, int c, int d, int e, int f) {\n}\n"),
        ];
        for (ending, text) in bad {
            assert_eq!(found(ending, text), 1, "{text}");
        }
        let good = [
            ("py", "def f(self, a, b, c, d, e: dict[str, int], *, f, g):\n    pass\n"),
            ("kt", "fun f(a: A, b: B, c: C, d: D, e: Map<K, V>, f: F = 1) {\n}\n"),
            ("ts", "function f(a: A, b: B, c: C, d: D, { e, f }: { e: E; f: F }) {\n}\n"),
            ("c", "int f(int a, int b, int c, int d, int e, x **out, hubless_error *err) {\n}\n"),
        ];
        for (ending, text) in good {
            assert_eq!(found(ending, text), 0, "{text}");
        }
    }
}
