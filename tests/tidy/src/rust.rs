//! Rust, read as words, texts and signs: enough to find who gives what to whom.

use crate::tree;

/// A piece of a source; comments and white space are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A name, a keyword or a number.
    Word(&'a str),
    /// A string as it is written, without its quotes.
    Text(&'a str),
    /// Anything else but the letters of a `char`.
    Sign(char),
}

/// The pieces of a text, each with its line.
#[must_use]
pub fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let (mut rest, mut line, mut found) = (text, 1, Vec::new());
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        let (read, after) = rest.split_at(length.min(rest.len()));
        found.extend(token.map(|token| (line, token)));
        line += read.matches('\n').count();
        rest = after;
    }
    found
}

/// The text with an empty line for each line of its tests.
#[must_use]
pub fn without_tests(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut line = 1;
    for (number, one) in tree::code(text) {
        code.extend(std::iter::repeat_n('\n', number - line));
        code.push_str(one);
        line = number;
    }
    code
}

/// Length of what `rest` begins with, and what it is.
fn next(rest: &str, first: char) -> (usize, Option<Token<'_>>) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if let Some(raw) = rest.strip_prefix("r#\"") {
        let end = raw.find("\"#").unwrap_or(raw.len());
        return (end + 5, Some(Token::Text(raw.get(..end).unwrap_or_default())));
    }
    if let Some(inside) = rest.strip_prefix('"') {
        let end = end_of_text(inside);
        return (end + 2, Some(Token::Text(inside.get(..end).unwrap_or_default())));
    }
    if let Some(letter) = rest.strip_prefix('\'').and_then(letter) {
        return (letter + 2, None);
    }
    if is_word(first) {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        return (end, rest.get(..end).map(Token::Word));
    }
    (first.len_utf8(), (!first.is_whitespace()).then_some(Token::Sign(first)))
}

/// Where the quote is that ends a text.
fn end_of_text(inside: &str) -> usize {
    let mut escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        end
    };
    inside.char_indices().find(ends).map_or(inside.len(), |(at, _)| at)
}

/// Length of the letter of a `char` that begins here; none: it is a lifetime.
fn letter(inside: &str) -> Option<usize> {
    let first = inside.chars().next()?;
    let least = if first == '\\' { 2 } else { first.len_utf8() };
    let end = least + inside.get(least..)?.find('\'')?;
    (first == '\\' || end == least).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_letters_and_comments_do_not_break_each_other() {
        let text = "f(\"a\\\"b\", '\"', 'x', '\\'', b'\\u{7f}'); // \"c\"\nr#\"d \"e\"\"#, &'a str";
        let all = tokens(text);
        let texts: Vec<_> =
            all.iter().filter(|(_, token)| matches!(token, Token::Text(_))).copied().collect();
        assert_eq!(texts, [(1, Token::Text("a\\\"b")), (2, Token::Text("d \"e\""))]);
        let words: Vec<_> = tokens("&'a str { x }").into_iter().map(|(_, token)| token).collect();
        let wanted = [
            Token::Sign('&'),
            Token::Sign('\''),
            Token::Word("a"),
            Token::Word("str"),
            Token::Sign('{'),
            Token::Word("x"),
            Token::Sign('}'),
        ];
        assert_eq!(words, wanted);
        assert_eq!(tokens("\"open"), [(1, Token::Text("open"))]);
    }

    #[test]
    fn lines_keep_their_numbers_without_the_tests() {
        let text = "one\n#[cfg(test)]\nuse a;\nfour\n";
        let code = without_tests(text);
        assert_eq!(tokens(&code), [(1, Token::Word("one")), (4, Token::Word("four"))]);
    }
}
