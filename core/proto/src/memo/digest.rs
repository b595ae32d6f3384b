//! What makes two requests the same.

use crate::wire::v1;
use prost::Message as _;
use sha2::{Digest, Sha256};

/// SHA-256 of what is asked: everything but what differs from one sending to the next (id,
/// attempt, deadlines, depth, trace, grant, return address).
///
/// A streamed part counts by its description; two that differ in their bytes only are told apart
/// where they name a digest.
pub fn request_digest(request: &v1::Request) -> [u8; 32] {
    let asked = v1::Request {
        id: bytes::Bytes::new(),
        attempt: 0,
        deadline_ms: 0,
        total_ms: None,
        depth: 0,
        trace: None,
        grant: bytes::Bytes::new(),
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

    #[test]
    fn a_second_sending_is_the_same_and_another_question_is_not() {
        let request = v1::Request {
            skill: "a".to_owned(),
            deadline_ms: 5,
            id: bytes::Bytes::from_static(&[1; 16]),
            ..v1::Request::default()
        };
        let again = v1::Request { deadline_ms: 4, attempt: 2, ..request.clone() };
        let other = v1::Request { skill: "b".to_owned(), ..request.clone() };
        assert_eq!(request_digest(&request), request_digest(&again));
        assert_ne!(request_digest(&request), request_digest(&other));
    }
}
