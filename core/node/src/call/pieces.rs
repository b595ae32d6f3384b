//! The pieces of an answer that is wanted whole.

use super::content::Content;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits::{CONTENT_PARTS, REQUEST_BYTES};
use hubless_proto::wire::v1;

/// Chunks of an answer that is wanted whole.
#[derive(Default)]
pub(crate) struct Pieces {
    content: Content,
    bytes: u64,
}

impl Pieces {
    pub(crate) fn add(&mut self, chunk: Content, append: bool) -> Result<()> {
        let Content { message, mut bodies } = chunk;
        for mut part in message.parts {
            let size = prost::Message::encoded_len(&part) as u64;
            self.bytes = self.bytes.saturating_add(size);
            if self.bytes > REQUEST_BYTES {
                let message = format!("expected an answer of at most {REQUEST_BYTES} bytes");
                return Err(too_large(message, ("REQUEST_BYTES", REQUEST_BYTES)));
            }
            if append && self.appended(&part) {
                continue;
            }
            if self.content.message.parts.len() >= CONTENT_PARTS {
                let most = CONTENT_PARTS as u64;
                let message = format!("expected an answer of at most {most} parts");
                return Err(too_large(message, ("CONTENT_PARTS", most)));
            }
            if let Some(v1::part::Kind::Stream(stream)) = &mut part.kind
                && let Some(body) = bodies.take(stream.index)
            {
                stream.index = self.content.bodies.next_index();
                self.content.bodies.insert(stream.index, body);
            }
            self.content.message.parts.push(part);
        }
        Ok(())
    }

    /// The whole answer: what the last event holds, or all that came before it.
    pub(crate) fn end(self, mut last: Content) -> Content {
        if !last.message.parts.is_empty() {
            return last;
        }
        let metadata = std::mem::take(&mut last.message.metadata_json);
        let mut content = self.content;
        content.message.metadata_json.extend(metadata);
        content
    }

    fn appended(&mut self, part: &v1::Part) -> bool {
        let Some(last) = self.content.message.parts.last_mut() else { return false };
        match (&mut last.kind, &part.kind) {
            (Some(v1::part::Kind::Text(text)), Some(v1::part::Kind::Text(more))) => {
                text.push_str(more);
                true
            }
            _ => false,
        }
    }
}

fn too_large(message: String, (limit, most): (&str, u64)) -> Error {
    Error::new(Kind::TooLarge, message).with_field("answer").with_limit(limit, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::content::text_part;

    fn piece(part: v1::Part) -> Content {
        Content::from(v1::Content { parts: vec![part], ..v1::Content::default() })
    }

    fn named(error: Error) -> (Kind, String, String, u64) {
        let limit = error.limit.unwrap();
        (error.kind, error.field.unwrap(), limit.name, limit.value)
    }

    #[test]
    fn so_many_parts_and_no_more_but_text_goes_on() {
        let mut pieces = Pieces::default();
        for _ in 0..CONTENT_PARTS {
            pieces.add(piece(text_part("x")), false).unwrap();
        }
        pieces.add(piece(text_part("x")), true).unwrap();
        let over = pieces.add(piece(text_part("x")), false).unwrap_err();
        let most = CONTENT_PARTS as u64;
        let wanted = (Kind::TooLarge, "answer".to_owned(), "CONTENT_PARTS".to_owned(), most);
        assert_eq!(named(over), wanted);
    }

    #[test]
    fn so_many_bytes_and_no_more() {
        let mut pieces = Pieces::default();
        let large = text_part("x".repeat(usize::try_from(REQUEST_BYTES).unwrap() - 100));
        pieces.add(piece(large), false).unwrap();
        let over = pieces.add(piece(text_part("x".repeat(100))), true).unwrap_err();
        let wanted = "REQUEST_BYTES".to_owned();
        assert_eq!(named(over), (Kind::TooLarge, "answer".to_owned(), wanted, REQUEST_BYTES));
    }
}
