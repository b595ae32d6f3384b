//! Every code that a source gives to an error stands in the list of codes, under its kind.
//!
//! Found are texts and constants where a code belongs: in `with_code`, `refusal` and functions
//! that take a `code: &str`, beside a kind, in a field `code`, and in what `let code` chooses from.
//! Codes that somebody else tells, such as a host or a peer, are no texts of ours.

use crate::rust::{Token, tokens, without_tests};
use crate::tree::Source;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Where the list is, whose texts are no use of a code.
pub const HOME: &str = "core/proto/src/error/codes.rs";

/// Codes that are not in the list, or not under that kind, and codes that nothing says.
#[must_use]
pub fn unlisted(sources: &[Source], table: &Value) -> Vec<String> {
    let sources: Vec<_> = sources.iter().filter(|source| source.path != HOME).collect();
    let texts: Vec<_> = sources.iter().map(|source| without_tests(&source.text)).collect();
    let both = sources.iter().zip(&texts);
    let files: Vec<_> = both.map(|(source, text)| File::read(source, text)).collect();
    let constants: BTreeMap<_, _> = files.iter().flat_map(File::constants).collect();
    let takers: Vec<_> = files.iter().flat_map(File::takers).collect();
    let listed = listed(table);
    let mut places = BTreeSet::new();
    for file in &files {
        for given in file.given(&constants, &takers) {
            let fault = given.fault(&listed);
            places.extend(fault.map(|fault| format!("{}:{}: {fault}", file.path, given.line)));
        }
    }
    let said: BTreeSet<_> = files.iter().flat_map(File::texts).collect();
    let silent = listed.keys().filter(|code| !said.contains(*code));
    places.extend(silent.map(|code| format!("{HOME}: no source gives {code:?}")));
    places.into_iter().collect()
}

/// The list: codes with the names of their kinds; none: any.
fn listed(table: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut listed = BTreeMap::new();
    for row in table["codes"].as_array().into_iter().flatten() {
        let kinds = row["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str);
        listed.insert(row["code"].as_str().unwrap_or_default(), kinds.collect());
    }
    listed
}

/// A code in a source, and the kind that stands with it.
struct Given<'a> {
    line: usize,
    code: &'a str,
    kind: Option<String>,
}

impl Given<'_> {
    fn fault(&self, listed: &BTreeMap<&str, BTreeSet<&str>>) -> Option<String> {
        let Some(kinds) = listed.get(self.code) else {
            return Some(format!("the code {:?} is not in {HOME}", self.code));
        };
        let kind = self.kind.as_deref()?;
        let is_there = kinds.is_empty() || kinds.contains(kind);
        (!is_there).then(|| format!("the code {:?} is not in {HOME} under {kind}", self.code))
    }
}

/// A function or closure that takes a code.
struct Taker<'a> {
    name: &'a str,
    /// Place of the code among its arguments, `self` not counted.
    place: usize,
    /// The kind that its body names, when it is one.
    kind: Option<String>,
    /// Beginning of the paths where it can be called.
    scope: &'a str,
}

/// A source without its tests.
struct File<'a> {
    path: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
}

impl<'a> File<'a> {
    fn read(source: &'a Source, text: &'a str) -> Self {
        Self { path: &source.path, tokens: tokens(text) }
    }

    fn at(&self, index: usize) -> Option<Token<'a>> {
        self.tokens.get(index).map(|(_, token)| *token)
    }

    fn is(&self, index: usize, sign: char) -> bool {
        self.at(index) == Some(Token::Sign(sign))
    }

    fn word(&self, index: usize) -> Option<&'a str> {
        match self.at(index)? {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Sign(_) => None,
        }
    }

    /// Where a word stands.
    fn places(&self, word: &str) -> Vec<usize> {
        (0..self.tokens.len()).filter(|index| self.word(*index) == Some(word)).collect()
    }

    fn texts(&self) -> Vec<&'a str> {
        let all = self.tokens.iter();
        all.filter_map(|(_, token)| match token {
            Token::Text(text) => Some(*text),
            Token::Word(_) | Token::Sign(_) => None,
        })
        .collect()
    }

    /// Constants that hold a text, by name.
    fn constants(&self) -> Vec<(&'a str, &'a str)> {
        let constant = |at: usize| {
            let Some(Token::Text(text)) = self.at(at + 6) else { return None };
            let is_text = self.is(at + 3, '&') && self.word(at + 4) == Some("str");
            self.word(at + 1).filter(|_| is_text).map(|name| (name, text))
        };
        self.places("const").into_iter().filter_map(constant).collect()
    }

    /// Functions and closures with a parameter `code: &str`.
    fn takers(&self) -> Vec<Taker<'a>> {
        let is_text = |code: &usize| {
            self.is(code + 1, ':') && self.is(code + 2, '&') && self.word(code + 3) == Some("str")
        };
        let codes = self.places("code").into_iter().filter(is_text);
        codes.filter_map(|code| self.taker(code)).collect()
    }

    fn taker(&self, code: usize) -> Option<Taker<'a>> {
        let begins = |at: &usize| matches!(self.word(*at), Some("fn" | "let" | "struct"));
        let start = (0..code).rev().find(begins)?;
        let open = (start..code).find(|at| self.is(*at, '(') || self.is(*at, '|'))?;
        let takes_self = (open..code).any(|at| self.word(at) == Some("self"));
        let before = self.parts(open + 1..code).len().saturating_sub(1);
        let is_public = (start.saturating_sub(8)..start)
            .rev()
            .take_while(|at| !self.is_end(*at))
            .any(|at| self.word(at) == Some("pub"));
        let folder = self.path.rsplit_once('/').map_or(self.path, |(folder, _)| folder);
        Some(Taker {
            name: self.word(start + 1)?,
            place: before.saturating_sub(usize::from(takes_self)),
            kind: self.only_kind(code),
            scope: if is_public { folder } else { self.path },
        })
    }

    /// The kind that is named by what follows, up to the end of its block or statement.
    fn only_kind(&self, from: usize) -> Option<String> {
        let body = (from..self.tokens.len()).find(|at| self.is(*at, '{') || self.is(*at, ';'))?;
        let end = if self.is(body, '{') { self.closing(body) } else { body };
        let kinds: BTreeSet<_> = (from..end).filter_map(|at| self.kind(at)).collect();
        let is_one = kinds.len() == 1;
        kinds.into_iter().next().filter(|_| is_one)
    }

    /// Everything that is given as a code.
    fn given(
        &self,
        constants: &BTreeMap<&'a str, &'a str>,
        takers: &[Taker<'a>],
    ) -> Vec<Given<'a>> {
        let mut found = Vec::new();
        for (index, (line, _)) in self.tokens.iter().enumerate() {
            let mut codes = self.called(index, takers);
            codes.extend(self.beside(index));
            codes.extend(self.chosen(index));
            for (range, kind) in codes {
                let code = self.code(range, constants);
                found.extend(code.map(|code| Given { line: *line, code, kind }));
            }
        }
        found
    }

    /// The argument for a code, where a function that takes one is called.
    fn called(&self, index: usize, takers: &[Taker<'a>]) -> Vec<(Range<usize>, Option<String>)> {
        let is_call = self.is(index + 1, '(')
            && index.checked_sub(1).and_then(|at| self.word(at)) != Some("fn");
        let Some(name) = self.word(index).filter(|_| is_call) else { return Vec::new() };
        let arguments = self.parts(index + 2..self.closing(index + 1));
        let known = takers.iter().filter(|of| of.name == name && self.path.starts_with(of.scope));
        let known = known.map(|taker| (taker.place, taker.kind.clone()));
        let everywhere = match name {
            "refusal" => Some((1, None)),
            "with_code" => Some((0, self.kind_before(index))),
            _ => None,
        };
        let mut found = Vec::new();
        for (place, kind) in known.chain(everywhere) {
            let mut before = arguments.iter().take(place).cloned().flatten();
            let named = before.find_map(|at| self.kind(at));
            found.extend(arguments.get(place).map(|code| (code.clone(), named.or(kind))));
        }
        found
    }

    /// What stands beside a kind, or in a field `code`, when it is a code.
    fn beside(&self, index: usize) -> Option<(Range<usize>, Option<String>)> {
        let kind = self.kind(index);
        if kind.is_some() && self.is(index + 4, ',') && self.could_be_code(index + 5) {
            return Some((index + 5..index + 6, kind));
        }
        let is_field = self.word(index) == Some("code") && self.is(index + 1, ':');
        (is_field && self.could_be_code(index + 2))
            .then(|| (index + 2..index + 3, self.kind_before(index)))
    }

    /// What `let code = …;` chooses from.
    fn chosen(&self, index: usize) -> Vec<(Range<usize>, Option<String>)> {
        if self.word(index) != Some("let") || self.word(index + 1) != Some("code") {
            return Vec::new();
        }
        let mut depth = 0_usize;
        let end = (index..self.tokens.len()).find(|at| {
            depth = self.depth(*at, depth);
            depth == 0 && self.is(*at, ';')
        });
        let all = index..end.unwrap_or(index);
        all.filter(|at| self.could_be_code(*at)).map(|at| (at..at + 1, None)).collect()
    }

    /// A code that is an argument of its own; empty: none is given.
    fn code(
        &self,
        argument: Range<usize>,
        constants: &BTreeMap<&'a str, &'a str>,
    ) -> Option<&'a str> {
        let last = argument.clone().next_back()?;
        let is_path = argument.clone().all(|at| self.word(at).is_some() || self.is(at, ':'));
        let code = match self.at(last)? {
            Token::Text(text) => (argument.len() == 1).then_some(text),
            Token::Word(name) => constants.get(name).copied().filter(|_| is_path),
            Token::Sign(_) => None,
        };
        code.filter(|code| !code.is_empty())
    }

    /// True for a text in snake_case and for the name of a constant.
    fn could_be_code(&self, index: usize) -> bool {
        let among = |text: &str, range: std::ops::RangeInclusive<char>| {
            let fits = |c: char| range.contains(&c) || c == '_' || c.is_ascii_digit();
            !text.is_empty() && text.chars().all(fits)
        };
        match self.at(index) {
            Some(Token::Text(text)) => among(text, 'a'..='z'),
            Some(Token::Word(word)) => among(word, 'A'..='Z'),
            Some(Token::Sign(_)) | None => false,
        }
    }

    /// The kind that is named here, by its name for other languages.
    fn kind(&self, index: usize) -> Option<String> {
        let named =
            self.word(index) == Some("Kind") && self.is(index + 1, ':') && self.is(index + 2, ':');
        let mut name = String::new();
        for letter in self.word(index + 3).filter(|_| named)?.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        Some(name)
    }

    /// The last kind that the statement names before here.
    fn kind_before(&self, index: usize) -> Option<String> {
        let invalid = |at: usize| {
            let is_call = self.word(at) == Some("invalid") && self.is(at + 1, '(');
            is_call.then(|| "invalid_argument".to_owned())
        };
        let mut before = (0..index).rev().take_while(|at| !self.is_end(*at));
        before.find_map(|at| self.kind(at).or_else(|| invalid(at)))
    }

    /// Whether a statement or block begins or ends here.
    fn is_end(&self, index: usize) -> bool {
        [';', '{', '}'].into_iter().any(|sign| self.is(index, sign))
    }

    /// How deep in brackets it is behind this place.
    fn depth(&self, index: usize, depth: usize) -> usize {
        match self.at(index) {
            Some(Token::Sign('(' | '[' | '{')) => depth + 1,
            Some(Token::Sign(')' | ']' | '}')) => depth.saturating_sub(1),
            _ => depth,
        }
    }

    /// Where the bracket that opens here is closed.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        let close = (open..self.tokens.len()).find(|at| {
            depth = self.depth(*at, depth);
            depth == 0
        });
        close.unwrap_or(self.tokens.len())
    }

    /// What commas separate, brackets kept whole.
    fn parts(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let (mut depth, mut begin, mut parts) = (0, range.start, Vec::new());
        for at in range.clone() {
            depth = self.depth(at, depth);
            if depth == 0 && self.is(at, ',') {
                parts.push(begin..at);
                begin = at + 1;
            }
        }
        parts.push(begin..range.end);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "core/a/src/b.rs";

    fn judged(text: &str) -> Vec<String> {
        let table = json!({"codes": [
            {"code": "full", "kinds": ["busy", "too_large"]},
            {"code": "any", "kinds": []},
        ]});
        let all = "f(\"full\", \"any\");";
        let sources = [Source::new(FILE, text), Source::new("core/a/src/c.rs", all)];
        unlisted(&sources, &table)
    }

    #[test]
    fn catches_a_code_that_is_not_listed_or_not_under_its_kind() {
        for text in [
            "Error::new(Kind::Denied, m).with_code(\"full\")",
            "Error::new(Kind::Busy, m).with_code(\"ful\")",
            "Error::invalid(\"f\", m).with_code(\"full\")",
            "e.with_code(\"no snake\")",
            "Error::refusal(Kind::Denied, \"full\", m)",
            "Error::refusal(kind, \"empty\", m)",
            "return Err((Kind::NotFound, \"full\"))",
            "Error { kind: Kind::Denied, code: \"full\".to_owned() }",
            "let code = if a { \"full\" } else { \"ful\" };",
            "const FULL: &str = \"ful\"; fn f() { e.with_code(a::FULL) }",
            "fn no(x: u8, code: &str) { new(Kind::Auth, code) } fn f() { no(3, \"full\") }",
            "let no = |code: &str| Error::new(Kind::Auth, m).with_code(code); no(\"full\")",
            "fn no(&self, kind: Kind, code: &str) {} fn f() { x.no(Kind::Auth, \"full\") }",
        ] {
            assert_eq!(judged(text).len(), 1, "{text}");
        }
        let text = "fn f() {\n    e.with_code(\"ful\")\n}\n#[cfg(test)]\nmod tests {\n    no(\n}\n";
        let wanted = format!("{FILE}:2: the code \"ful\" is not in {HOME}");
        assert_eq!(judged(text), [wanted]);
    }

    #[test]
    fn leaves_alone_what_is_listed_and_what_is_no_code() {
        for text in [
            "Error::new(Kind::TooLarge, m).with_code(\"full\")",
            "Error::new(Kind::Denied, m).with_code(\"any\")",
            "Error::refusal(Kind::Deadline, \"\", m)",
            "Error::refusal(error.kind, &code, m)",
            "Error::new(Kind::Closed, \"the node is closed\")",
            "let at = Kind::Denied; e.with_code(\"full\")",
            "let code = match x { A => \"full\", B => other(\"a b\") };",
            "#[cfg(test)]\nmod tests {\n    e.with_code(\"ful\");\n}\n",
            "// e.with_code(\"ful\")",
            "fn no(x: &str) {} fn f() { no(\"ful\") }",
        ] {
            assert_eq!(judged(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn catches_a_listed_code_that_nothing_gives() {
        let table = json!({"codes": [{"code": "full", "kinds": ["busy"]}]});
        let home = Source::new(HOME, "code(\"full\", &[Busy], \"m\")");
        assert_eq!(unlisted(&[home], &table), [format!("{HOME}: no source gives \"full\"")]);
    }
}
