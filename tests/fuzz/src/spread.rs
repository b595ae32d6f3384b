//! Targets for what members tell each other of the records that they hold.

use crate::targets::NOW;
use bytes::Bytes;
use hubless_proto::directory::replica::{Frame, Message, Sealed, Statement};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::v1;

/// Numbers of records: what is read of them is written as it came.
pub fn digests(data: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(wire) = decode::<v1::RecordDigests>(FrameType::RecordDigests, bytes) else {
        return false;
    };
    let Ok(read) = Message::<Sealed>::of_digests(&wire) else { return false };
    assert_eq!(read.to_frame(&|_| false), Frame::Digests(wire));
    true
}

/// Records that members pass on: what claims to be one is written as it came, and says the same of
/// itself once more.
pub fn delta(data: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(wire) = decode::<v1::RecordDelta>(FrameType::RecordDelta, bytes) else { return false };
    let read = Message::<Sealed>::of_delta(wire);
    let sealed: Vec<Sealed> = if let Message::Push(carried) = read.message {
        carried.into_iter().map(|one| one.statement).collect()
    } else if let Message::Answer(records) = read.message {
        records
    } else {
        panic!("records were read as {:?}", read.message)
    };
    for one in &sealed {
        let again = Sealed::read(one.record().clone()).expect("what was read is read again");
        assert_eq!(again.claim(), one.claim());
    }
    sealed.iter().any(|one| one.open(NOW).is_ok())
}
