//! The pieces of an answer that is wanted whole.

use super::content::Content;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
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
            if self.bytes > limits::REQUEST_BYTES
                || self.content.message.parts.len() >= limits::CONTENT_PARTS
            {
                return Err(Error::new(Kind::TooLarge, "the answer is larger than allowed")
                    .with_limit("REQUEST_BYTES", limits::REQUEST_BYTES));
            }
            if append && self.appended(&part) {
                continue;
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
