//! The seeds of the corpus: inputs that their target takes (but `refused`), so that mutation begins
//! behind the first checks. `HUBLESS_VECTORS=write` writes those that are missing; a seed that is
//! not what it was made as is a change of the wire.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ledger;
mod outside;
mod wire;

use hubless_fuzz::TARGETS;
use hubless_proto::identity::SecretKey;
use hubless_proto::wire::frame::FrameType;
use std::path::Path;

const NOW: u64 = 1_700_000_000_000;

/// The name of a target, the name of a seed of it, and its bytes.
type Seed = (&'static str, &'static str, Vec<u8>);

fn agent() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn node() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

fn all() -> Vec<Seed> {
    [wire::all(), ledger::all(), outside::all()].concat()
}

#[test]
fn the_corpus_holds_what_it_was_made_as() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = std::env::var("HUBLESS_VECTORS").as_deref() == Ok("write");
    let all = all();
    for (target, name, bytes) in &all {
        let path = folder.join(target).join(format!("{name}.bin"));
        if write {
            std::fs::create_dir_all(folder.join(target)).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(kept == *bytes, "{path:?} is not what it was made as");
    }
    for target in TARGETS {
        // Minting draws random keys: `token.rs` of the node minted the tokens once.
        let made = all.iter().any(|(name, ..)| *name == target.name) || target.name == "token";
        assert!(made, "{} has no seed", target.name);
    }
}

/// Who adds a type of frame adds it here, beside a target that reads it and a seed that mutation
/// begins from.
#[test]
fn every_type_of_frame_has_a_target_and_a_seed() {
    let readers = [
        (FrameType::Hello, "hello/hello"),
        (FrameType::HelloAck, "control/hello_ack"),
        (FrameType::Refused, "control/refusal"),
        (FrameType::Show, "show/show"),
        (FrameType::Hide, "control/hide"),
        (FrameType::Clock, "control/clock"),
        (FrameType::Load, "control/load"),
        (FrameType::Redeem, "control/redeem"),
        (FrameType::Redeemed, "control/redeemed"),
        (FrameType::Drained, "control/drained"),
        (FrameType::Goodbye, "control/goodbye"),
        (FrameType::Ledger, "ledger_message/grant"),
        (FrameType::RecordDigests, "control/record_digests"),
        (FrameType::RecordDelta, "control/record_delta"),
        (FrameType::Ask, "answer/ask"),
        (FrameType::Answer, "answer/agent"),
        (FrameType::Request, "request/request"),
        (FrameType::Event, "event/final"),
        (FrameType::Data, "frame/call"),
        (FrameType::ToolResult, "tool_result/result"),
        (FrameType::Input, "tool_result/input"),
        (FrameType::Room, "tool_result/room"),
    ];
    let known: Vec<_> = readers.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(known, FrameType::ALL);
    let all = all();
    for (kind, seed) in readers {
        let (target, name) = seed.split_once('/').unwrap();
        let target = TARGETS.iter().find(|known| known.name == target).unwrap();
        let mut seeds = all.iter().filter(|(of, ..)| *of == target.name);
        let (_, _, bytes) = seeds.find(|(_, known, _)| *known == name).unwrap();
        assert!((target.run)(bytes), "{kind:?}: {seed}");
    }
}
