//! How messages print for developers: shapes and sizes, never a prompt, a result or a credential,
//! because what prints with `{:?}` ends in logs and panics.

use super::v1;
use crate::identity::hex;
use std::fmt::{Debug, Formatter, Result};

impl Debug for v1::Auth {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Debug for v1::ProviderKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ProviderKey").finish_non_exhaustive()
    }
}

impl Debug for v1::Redeem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Redeem").finish_non_exhaustive()
    }
}

impl Debug for v1::RedeemCode {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("RedeemCode").finish_non_exhaustive()
    }
}

impl Debug for v1::Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            Some(kind) => kind.fmt(f),
            None => f.write_str("Part"),
        }
    }
}

impl Debug for v1::part::Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => sized(f, "Text", text.len()),
            Self::DataJson(text) => sized(f, "Data", text.len()),
            Self::Blob(blob) => blob.fmt(f),
            Self::Uri(uri) => sized(f, "Uri", uri.uri.len()),
            Self::Stream(stream) => {
                write!(f, "Stream({} {}, {:?} bytes)", stream.index, stream.kind, stream.size)
            }
        }
    }
}

impl Debug for v1::Blob {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        sized(f, "Blob", self.bytes.len())
    }
}

impl Debug for v1::ContextEntry {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ContextEntry").field("value", &self.value).finish_non_exhaustive()
    }
}

impl Debug for v1::context_entry::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => sized(f, "Text", text.len()),
            Self::DataJson(text) => sized(f, "Data", text.len()),
        }
    }
}

impl Debug for v1::ContextReference {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let digest = hex::encode(&self.digest);
        f.debug_struct("ContextReference").field("digest", &digest).finish_non_exhaustive()
    }
}

impl Debug for v1::ToolCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { id, name, .. } = self;
        f.debug_struct("ToolCall").field("id", id).field("name", name).finish_non_exhaustive()
    }
}

impl Debug for v1::Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Request")
            .field("id", &hex::encode(&self.id))
            .field("attempt", &self.attempt)
            .field("to", &hex::encode(&self.to))
            .field("skill", &self.skill)
            .field("parts", &self.content.as_ref().map(|content| &content.parts))
            .field("tools", &self.tools.len())
            .field("deadline_ms", &self.deadline_ms)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

fn sized(f: &mut Formatter<'_>, kind: &str, bytes: usize) -> Result {
    write!(f, "{kind}({bytes} bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "marker-7c1e";

    #[test]
    fn no_payload_and_no_credential_is_printed() {
        let text = || v1::Part {
            kind: Some(v1::part::Kind::Text(SECRET.into())),
            role: "user".into(),
            metadata_json: [("k".to_owned(), format!("\"{SECRET}\""))].into(),
        };
        let data = v1::part::Kind::DataJson(format!("\"{SECRET}\""));
        let blob = v1::Blob { bytes: SECRET.into(), filename: SECRET.into(), ..Default::default() };
        let entry = v1::ContextEntry {
            key: SECRET.into(),
            value: Some(v1::context_entry::Value::Text(SECRET.into())),
            ..Default::default()
        };
        let reference = v1::ContextReference { read_token: SECRET.into(), ..Default::default() };
        let auth = v1::Auth { scheme: "shared_secret".into(), secret: SECRET.into() };
        let request = v1::Request {
            content: Some(v1::Content { parts: vec![text()], ..Default::default() }),
            auth: Some(auth.clone()),
            provider: Some(v1::ProviderKey { key: SECRET.into(), ..Default::default() }),
            metadata_json: [("k".to_owned(), format!("\"{SECRET}\""))].into(),
            ..Default::default()
        };
        let key = v1::ProviderKey { key: SECRET.into(), ..Default::default() };
        let call = v1::ToolCall { id: 1, name: "t".into(), arguments_json: SECRET.into() };
        let redeem = v1::Redeem { invite: SECRET.into(), ..Default::default() };
        let chunk = v1::Chunk { part: Some(text()), append: true };
        let event = v1::Event { kind: Some(v1::event::Kind::Chunk(chunk)) };
        let printed = [
            format!("{:?} {:?} {data:?} {blob:?}", text(), text().kind),
            format!("{entry:?} {:?} {reference:?} {auth:?}", entry.value),
            format!("{request:?} {call:?} {redeem:?} {key:?} {event:#?}"),
        ];
        for text in printed {
            let bytes = format!("{:?}", SECRET.as_bytes());
            assert!(!text.contains(SECRET) && !text.contains(&bytes), "{text}");
        }
        assert!(format!("{request:?}").contains("Text(11 bytes)"), "{request:?}");
    }
}
