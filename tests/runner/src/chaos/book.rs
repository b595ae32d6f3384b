//! What the provider wrote: the only count of the spending that is believed.

use crate::house::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What was used under one budget.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) input: u64,
    pub(super) output: u64,
    /// Handlers that began.
    pub(super) calls: u64,
}

/// The book, as far as it was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Book {
    /// By the label of the budget.
    pub(super) budgets: BTreeMap<String, Used>,
    /// Spendings that began, by language.
    pub(super) spendings: BTreeMap<String, u64>,
    /// Handlers of one call that began more than once.
    pub(super) twice: Vec<String>,
}

impl Book {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or a line says something else.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        // The last line may be half of one.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Self::of(whole)
    }

    fn of(text: &str) -> Result<Self> {
        let mut book = Self::default();
        let mut calls = BTreeSet::new();
        // Those that began: whatever becomes of them, so much was taken at most.
        let mut open = BTreeMap::new();
        for line in text.lines() {
            let wrong = || format!("the provider wrote {line:?}");
            let words: Vec<_> = line.split(' ').collect();
            let [verb, language, label, amounts @ ..] = &words[..] else { return Err(wrong()) };
            let (budget, _) = label.split_once('.').ok_or_else(wrong)?;
            let amounts: Vec<u64> = amounts.iter().filter_map(|one| one.parse().ok()).collect();
            match (*verb, &amounts[..]) {
                ("call", []) => {
                    book.budgets.entry(budget.to_owned()).or_default().calls += 1;
                    if !calls.insert((*language, *label)) {
                        book.twice.push(format!("{language} {label}"));
                    }
                }
                ("begin", [input, output]) => {
                    *book.spendings.entry((*language).to_owned()).or_default() += 1;
                    open.insert((*language, *label), (*input, *output));
                }
                ("end", [input, output]) => {
                    open.remove(&(*language, *label));
                    book.take(budget, (*input, *output));
                }
                _ => return Err(wrong()),
            }
        }
        for ((_, label), amounts) in open {
            let (budget, _) = label.split_once('.').unwrap_or_default();
            book.take(budget, amounts);
        }
        Ok(book)
    }

    fn take(&mut self, budget: &str, (input, output): (u64, u64)) {
        let used = self.budgets.entry(budget.to_owned()).or_default();
        used.input += input;
        used.output += output;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_ended_as_it_was_and_what_did_not_as_the_most() {
        let text = "call c 1-0.3\nbegin c 1-0.3 64 16\nend c 1-0.3 5 2\ncall node 1-0.3\n\
                    begin node 1-0.3 60 10\ncall c 1-0.4";
        let book = Book::of(text).unwrap();
        let used = Used { input: 65, output: 12, calls: 3 };
        assert_eq!(book.budgets, [("1-0".to_owned(), used)].into());
        assert_eq!(book.spendings, [("c".to_owned(), 1), ("node".to_owned(), 1)].into());
        assert!(book.twice.is_empty());
    }

    #[test]
    fn a_call_that_ran_twice_is_named_and_what_is_no_line_refused() {
        let book = Book::of("call c 1-0.3\ncall c 1-0.3").unwrap();
        assert_eq!((book.twice, book.budgets["1-0"].calls), (vec!["c 1-0.3".to_owned()], 2));
        for wrong in ["", "call c", "begin c 1-0.3 64", "end c 10 1 2", "burn c 1-0.3"] {
            assert!(Book::of(&format!("{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
