//! Frames cut short, too long, of the future, and in pieces.

use crate::messages;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits::{CONTROL_FRAME_BYTES, DATA_FRAME_BYTES, MESSAGE_FRAME_BYTES};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{
    Frame, FrameBuffer, FrameHeader, FrameType, decode_data, encode_data, encode_frame,
};
use hubless_proto::wire::v1;
use proptest::prelude::*;

fn clock() -> Bytes {
    encode_frame(FrameType::Clock, &v1::Clock { clock_ms: 1_700_000_000_000 }).unwrap()
}

fn header(number: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![number];
    bytes.extend((0xc000_0000_0000_0000 | length).to_be_bytes());
    bytes
}

fn code(error: Error) -> (Kind, String) {
    (error.kind, error.code)
}

#[test]
fn a_frame_cut_at_any_byte_is_incomplete() {
    let whole = clock();
    for cut in 0..whole.len() {
        let mut buffer = FrameBuffer::default();
        buffer.push(&whole[..cut]);
        assert_eq!(buffer.next_frame(), Ok(None), "{cut}");
        let ended = buffer.finish();
        match cut {
            0 => assert_eq!(ended, Ok(())),
            _ => assert_eq!(code(ended.unwrap_err()), (Kind::Transport, "incomplete".into())),
        }
    }
    let mut buffer = FrameBuffer::default();
    buffer.push(&whole);
    assert!(buffer.next_frame().unwrap().is_some());
    assert_eq!(buffer.finish(), Ok(()));
}

#[test]
fn the_length_is_checked_before_the_body_comes() {
    for kind in FrameType::ALL {
        let max = kind.max_bytes() as u64;
        let (bound, slack) = match kind.name() {
            "data" => (DATA_FRAME_BYTES, 8),
            "request" | "event" | "tool_result" | "input" | "answer" => (MESSAGE_FRAME_BYTES, 0),
            _ => (CONTROL_FRAME_BYTES, 0),
        };
        assert_eq!(max, (bound + slack) as u64, "{}", kind.name());
        for length in [0, 1, max] {
            let (read, taken) =
                FrameHeader::decode(&header(kind.number(), length)).unwrap().unwrap();
            assert_eq!((read.kind, read.length as u64, taken), (Some(*kind), length, 9));
        }
        for length in [max + 1, 1 << 32, (1 << 62) - 1] {
            let error = FrameHeader::decode(&header(kind.number(), length)).unwrap_err();
            assert_eq!(error.limit.as_ref().unwrap().value, bound as u64, "{}", kind.name());
            assert_eq!(code(error), (Kind::TooLarge, "frame".into()));
        }
    }
}

#[test]
fn unknown_types_are_unsupported_below_128_and_skipped_above() {
    let mut known = 0;
    for number in 0..=u8::MAX {
        let read = FrameHeader::decode(&[number, 3]);
        match FrameType::from_number(number) {
            Some(kind) => {
                known += 1;
                assert_eq!(read.unwrap().unwrap().0.kind, Some(kind));
            }
            None if number < 128 => {
                assert_eq!(code(read.unwrap_err()), (Kind::Unsupported, "frame_type".into()));
            }
            None => assert_eq!(read.unwrap().unwrap().0.kind, None),
        }
    }
    assert_eq!(known, FrameType::ALL.len());
}

#[test]
fn a_skipped_frame_takes_no_memory_and_nothing_else() {
    let mut buffer = FrameBuffer::default();
    buffer.push(&header(200, CONTROL_FRAME_BYTES as u64));
    assert_eq!(buffer.next_frame(), Ok(None));
    for _ in 0..CONTROL_FRAME_BYTES / 64 {
        assert!(buffer.finish().is_err());
        buffer.push(&[7; 64]);
    }
    assert_eq!(buffer.finish(), Ok(()));
    buffer.push(&clock());
    assert_eq!(buffer.next_frame().unwrap().unwrap().kind, FrameType::Clock);
    buffer.push(&header(200, CONTROL_FRAME_BYTES as u64 + 1));
    assert_eq!(code(buffer.next_frame().unwrap_err()), (Kind::TooLarge, "frame".into()));
}

#[test]
fn what_is_too_large_is_not_sent() {
    let features = vec!["x".repeat(1_000); 70];
    let hello = v1::Hello { features, ..Default::default() };
    let error = encode_frame(FrameType::Hello, &hello).unwrap_err();
    assert_eq!(code(error), (Kind::TooLarge, "frame".into()));
    let chunk = Bytes::from(vec![0; DATA_FRAME_BYTES]);
    assert!(encode_data(u32::MAX, &chunk).is_ok());
    let chunk = Bytes::from(vec![0; DATA_FRAME_BYTES + 1]);
    assert_eq!(code(encode_data(0, &chunk).unwrap_err()), (Kind::TooLarge, "frame".into()));
}

#[test]
fn data_needs_an_index_and_stays_within_its_bound() {
    let bad = [vec![], vec![0x40], vec![0xc0; 8], header(0xc0, 1 << 32)[1..].to_vec()];
    for body in bad {
        let error = decode_data(Bytes::from(body)).unwrap_err();
        assert_eq!(code(error), (Kind::Transport, "bad_frame".into()));
    }
    let mut body = vec![5];
    body.resize(DATA_FRAME_BYTES + 2, 0);
    assert_eq!(code(decode_data(body.into()).unwrap_err()), (Kind::TooLarge, "frame".into()));
    assert_eq!(decode_data(Bytes::from_static(&[5])), Ok((5, Bytes::new())));
}

proptest! {
    #[test]
    fn frames_arrive_whole_however_they_are_cut(
        request in messages::request(),
        events in prop::collection::vec(messages::event(), 0..4),
        data: Vec<u8>,
        index: u32,
        cut in 1usize..40,
    ) {
        let chunk = Bytes::from(data);
        let mut bytes = encode_frame(FrameType::Request, &request).unwrap().to_vec();
        for event in &events {
            bytes.extend_from_slice(&encode_frame(FrameType::Event, event).unwrap());
        }
        bytes.extend_from_slice(&encode_data(index, &chunk).unwrap());
        bytes.extend_from_slice(&chunk);
        let mut buffer = FrameBuffer::default();
        let mut frames: Vec<Frame> = Vec::new();
        for piece in bytes.chunks(cut) {
            buffer.push(piece);
            while let Some(frame) = buffer.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        prop_assert_eq!(buffer.finish(), Ok(()));
        prop_assert_eq!(frames.len(), events.len() + 2);
        let last = frames.pop().unwrap();
        prop_assert_eq!(decode_data(last.body), Ok((index, chunk)));
        let first = frames.remove(0);
        prop_assert_eq!(decode::<v1::Request>(first.kind, first.body), Ok(request));
        for (event, frame) in events.into_iter().zip(frames) {
            prop_assert_eq!(decode::<v1::Event>(frame.kind, frame.body), Ok(event));
        }
    }

    #[test]
    fn any_bytes_give_frames_or_an_error(bytes: Vec<u8>, cut in 1usize..9) {
        let mut buffer = FrameBuffer::default();
        for piece in bytes.chunks(cut) {
            buffer.push(piece);
            while let Ok(Some(frame)) = buffer.next_frame() {
                prop_assert!(frame.body.len() <= frame.kind.max_bytes());
            }
        }
    }
}
