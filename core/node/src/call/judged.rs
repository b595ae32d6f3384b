//! The value of an answer that comes in pieces, kept for its output schema.

use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, part};

/// The first text or data part of the pieces so far: what callers read as the answer's value.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    part: Option<v1::Part>,
    /// True while it is the last part, so that text may still go on.
    is_open: bool,
}

impl Judged {
    /// Takes a piece that is sent.
    ///
    /// # Errors
    /// `too_large`, limit `REQUEST_BYTES`.
    pub(crate) fn take(&mut self, piece: &v1::Part, append: bool) -> Result<()> {
        match (self.part.as_mut().and_then(|part| part.kind.as_mut()), &piece.kind) {
            (None, Some(part::Kind::Text(_) | part::Kind::DataJson(_))) => {
                self.part = Some(piece.clone());
                self.is_open = true;
            }
            (Some(part::Kind::Text(text)), Some(part::Kind::Text(more)))
                if append && self.is_open =>
            {
                if (text.len() + more.len()) as u64 > limits::REQUEST_BYTES {
                    let message = "the answer is larger than can be checked";
                    return Err(Error::new(Kind::TooLarge, message)
                        .with_field("answer")
                        .with_limit("REQUEST_BYTES", limits::REQUEST_BYTES));
                }
                text.push_str(more);
            }
            _ => self.is_open = false,
        }
        Ok(())
    }

    /// What was kept, as a content.
    pub(crate) fn end(&mut self) -> v1::Content {
        let parts = self.part.take().into_iter().collect();
        v1::Content { parts, ..v1::Content::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> v1::Part {
        v1::Part { kind: Some(part::Kind::Text(text.to_owned())), ..v1::Part::default() }
    }

    fn data(json: &str) -> v1::Part {
        v1::Part { kind: Some(part::Kind::DataJson(json.to_owned())), ..v1::Part::default() }
    }

    fn value(pieces: &[(v1::Part, bool)]) -> Vec<v1::Part> {
        let mut judged = Judged::default();
        pieces.iter().try_for_each(|(piece, append)| judged.take(piece, *append)).unwrap();
        judged.end().parts
    }

    #[test]
    fn the_value_is_the_first_part_with_the_text_that_goes_on_it() {
        let uri = v1::Part { kind: Some(part::Kind::Uri(v1::Uri::default())), ..text("") };
        for (pieces, wanted) in [
            (vec![], vec![]),
            (vec![(text("a"), true), (text("b"), true)], vec![text("ab")]),
            (vec![(text("a"), false), (text("b"), false)], vec![text("a")]),
            (vec![(text("a"), false), (text("b"), false), (text("c"), true)], vec![text("a")]),
            (vec![(data("1"), false), (data("2"), true)], vec![data("1")]),
            (vec![(data("1"), false), (text("b"), true)], vec![data("1")]),
            (vec![(uri, false), (text("a"), true)], vec![text("a")]),
        ] {
            assert_eq!(value(&pieces), wanted);
        }
    }

    #[test]
    fn many_parts_cost_no_more_than_the_first() {
        let many = vec![(data("1"), false); limits::CONTENT_PARTS + 1];
        assert_eq!(value(&many), [data("1")]);
    }

    #[test]
    fn a_text_is_kept_up_to_its_bound() {
        let half = text(&"x".repeat(usize::try_from(limits::REQUEST_BYTES).unwrap() / 2));
        let mut judged = Judged::default();
        judged.take(&half, true).unwrap();
        judged.take(&half, true).unwrap();
        let error = judged.take(&text("x"), true).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("answer"));
        assert_eq!(error.limit.unwrap().name, "REQUEST_BYTES");
    }
}
