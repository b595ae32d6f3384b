//! The named templates of a node.

use super::Template;
use crate::error::{Error, Kind, Result};
use crate::limits;
use std::collections::BTreeMap;

/// Templates by name; at most `TEMPLATES`.
#[derive(Debug, Default)]
pub struct Templates {
    all: BTreeMap<String, Template>,
}

impl Templates {
    /// Keeps a template, in the place of one of the same name.
    ///
    /// # Errors
    /// `invalid_argument` for a name that is empty, above `NAME_CHARS` or holds control characters;
    /// `too_large`.
    pub fn set(&mut self, name: &str, template: Template) -> Result<()> {
        let length = name.chars().count();
        let is_long = length == 0 || length > limits::NAME_CHARS;
        if is_long || name.chars().any(char::is_control) {
            let most = limits::NAME_CHARS;
            let message = format!("expected a name of 1 to {most} letters, none to control");
            return Err(Error::invalid("name", message));
        }
        if self.all.len() >= limits::TEMPLATES && !self.all.contains_key(name) {
            return Err(Error::new(Kind::TooLarge, "no more templates can be kept")
                .with_limit("TEMPLATES", limits::TEMPLATES as u64));
        }
        self.all.insert(name.to_owned(), template);
        Ok(())
    }

    /// Forgets one; true: there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.all.remove(name).is_some()
    }

    /// The template of this name.
    ///
    /// # Errors
    /// `not_found` naming `template`.
    pub fn named(&self, name: &str) -> Result<&Template> {
        self.all.get(name).ok_or_else(|| {
            Error::new(Kind::NotFound, "no template of this name is kept").with_field("template")
        })
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_by_name() {
        let mut all = Templates::default();
        for n in 0..limits::TEMPLATES {
            all.set(&n.to_string(), Template::default()).unwrap();
        }
        all.set("5", Template::default()).unwrap();
        let error = all.set("one more", Template::default()).unwrap_err();
        assert_eq!(error.limit.map(|limit| limit.name).as_deref(), Some("TEMPLATES"));
        assert!(all.remove("5") && !all.remove("5"));
        assert_eq!(all.named("5").unwrap_err().kind, Kind::NotFound);
        for bad in ["", "a\0b", "a\n", &"x".repeat(limits::NAME_CHARS + 1)] {
            let error = all.set(bad, Template::default()).unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("name")));
        }
        assert_eq!(all.names().count(), limits::TEMPLATES - 1);
    }
}
