//! How many ended sessions wait for their last events: a process of its own, since all share them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use hubless_proto::limits::ENDED_SESSIONS;
use std::time::Duration;

/// Opens a session in which one operation waits.
fn waiting() -> u64 {
    let session = hubless_shared::open("test");
    assert!(hubless_shared::submit(session, 1, "body.open", Bytes::from_static(b"{}"), vec![]));
    assert!(hubless_shared::wait(session, Some(Duration::from_secs(5))));
    let opened = hubless_shared::drain(session, 1).remove(0);
    // More than the part takes ahead.
    let piece = Bytes::from(vec![0; 1 << 20]);
    assert!(hubless_shared::submit(session, 2, "body.write", opened.body, vec![piece]));
    session
}

#[test]
fn the_last_events_of_a_bounded_number_of_ended_sessions_are_kept() {
    let sessions: Vec<u64> = (0..=ENDED_SESSIONS).map(|_| waiting()).collect();
    for session in &sessions {
        hubless_shared::close(*session);
    }
    let ends = |session: u64| hubless_shared::drain(session, 16).len();
    assert_eq!(ends(sessions[0]), 0, "the first one made room");
    for session in &sessions[1..] {
        assert_eq!((ends(*session), ends(*session)), (1, 0), "each once");
    }
}
