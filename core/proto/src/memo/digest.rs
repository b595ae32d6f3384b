//! What makes two requests the same.

use crate::wire::v1;
use prost::Message as _;
use sha2::{Digest, Sha256};

/// SHA-256 of what is asked: everything but what differs from one sending to the next (id,
/// attempt, deadlines, depth, trace, grant with its key, return address).
///
/// A streamed part counts by its description; two that differ in their bytes only are told apart
/// where they name a digest, so that no kept answer is told where one does not.
pub fn request_digest(request: &v1::Request) -> [u8; 32] {
    let asked = v1::Request {
        id: bytes::Bytes::new(),
        attempt: 0,
        deadline_ms: 0,
        total_ms: None,
        depth: 0,
        trace: None,
        grant: bytes::Bytes::new(),
        provider: None,
        return_to: String::new(),
        to_name: String::new(),
        ancestors: Vec::new(),
        task_path: Vec::new(),
        ..request.clone()
    };
    Sha256::digest(asked.encode_to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of a request that was changed.
    fn of(change: impl FnOnce(&mut v1::Request)) -> [u8; 32] {
        let auth = v1::Auth { scheme: "shared_secret".to_owned(), secret: "letmein".to_owned() };
        let mut request = v1::Request {
            skill: "a".to_owned(),
            deadline_ms: 5,
            id: bytes::Bytes::from_static(&[1; 16]),
            auth: Some(auth),
            ..v1::Request::default()
        };
        change(&mut request);
        request_digest(&request)
    }

    #[test]
    fn a_second_sending_is_the_same() {
        let first = of(|_| ());
        let again: [fn(&mut v1::Request); 10] = [
            |r| r.id = bytes::Bytes::from_static(&[2; 16]),
            |r| r.attempt = 2,
            |r| r.deadline_ms = 4,
            |r| r.total_ms = Some(9),
            |r| r.depth = 1,
            |r| r.trace = Some(v1::Trace { baggage: "x".to_owned(), ..v1::Trace::default() }),
            |r| r.grant = bytes::Bytes::from_static(b"g"),
            |r| r.provider = Some(v1::ProviderKey::default()),
            |r| r.return_to = "x".to_owned(),
            |r| r.ancestors.push(bytes::Bytes::from_static(&[3; 32])),
        ];
        for (at, change) in again.into_iter().enumerate() {
            assert_eq!(of(change), first, "{at}");
        }
    }

    /// A kept answer is told to nobody who asks something else, or who proves it otherwise.
    #[test]
    fn another_question_or_credential_is_not() {
        let first = of(|_| ());
        let other: [fn(&mut v1::Request); 10] = [
            |r| r.skill = "b".to_owned(),
            |r| r.auth = None,
            |r| r.auth.get_or_insert_default().secret = "guess".to_owned(),
            |r| r.transport_auth = Some(v1::Auth::default()),
            |r| {
                r.content =
                    Some(v1::Content { parts: vec![v1::Part::default()], ..Default::default() })
            },
            |r| r.context = Some(v1::Context { explanation: "x".to_owned(), ..Default::default() }),
            |r| r.conversation_id = "c".to_owned(),
            |r| r.output_schema_json = "{}".to_owned(),
            |r| r.from = bytes::Bytes::from_static(&[4; 32]),
            |r| drop(r.metadata_json.insert("k".to_owned(), "1".to_owned())),
        ];
        for (at, change) in other.into_iter().enumerate() {
            assert_ne!(of(change), first, "{at}");
        }
    }
}
