//! A path on which nothing arrives any more, while a new connection gets through; and a node that
//! is away for a while.

use super::link::Link;
use super::shim::{Directions, Lossy, Weather};
use hubless_mesh_tests::{LONG, Subject};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Nothing is lost, except by the silence.
const WEATHER: Weather = Weather {
    seed: 0x73_69_6c_65_6e_74,
    delay: Duration::from_millis(2),
    lost: 0,
    late: 0,
    rate: 20_000_000,
};
/// One datagram in ten is lost.
const STORM: Weather = Weather { lost: 100, ..WEATHER };
/// Small calls through the storm, one after the other, and of its control.
const CALLS: usize = 150;
const CALM_CALLS: usize = 40;

/// Two nodes on a lossy link, which have spoken with each other: the left one has called.
struct Pair {
    link: Lossy,
    /// Answers as long as it is held.
    _anna: Subject,
    bert: Subject,
    _homes: [tempfile::TempDir; 2],
}

impl Pair {
    fn new(test: &'static str, weather: Weather) -> Option<Self> {
        let link = Lossy::new(test, weather)?;
        let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut anna = super::spawn(&link.right(), homes[0].path(), "anna");
        anna.start(&json!({"do": "start", "listen": "all"}));
        link.open_right();
        let ticket = super::invite(&mut anna, 1);
        let mut bert = super::spawn(&link.left(), homes[1].path(), "bert");
        bert.tell(&json!({"do": "join", "ticket": ticket}));
        bert.event("joined");
        bert.start(&json!({"do": "start"}));
        bert.sees("anna");
        Some(Self { link, _anna: anna, bert, _homes: homes })
    }

    fn call(&mut self, skill: &str, text: &str, tag: &str) {
        let call = json!({"do": "call", "to": "anna", "skill": skill, "text": text, "tag": tag});
        self.bert.tell(&call);
    }

    fn ended(&mut self, tag: &str) -> Value {
        self.bert
            .expect("the end of a call", LONG, |event| (event["tag"] == tag).then(|| event.clone()))
    }

    /// The status of the one that calls.
    fn status(&mut self) -> Value {
        self.bert.tell(&json!({"do": "status"}));
        self.bert.event("status")
    }
}

/// How often the handler ran, as its own lines in a file tell.
fn runs(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// A path that is silent: both ways, and only for what the callee says, which runs the call.
#[test]
fn a_call_on_a_silent_connection_ends_well_on_another_one_and_runs_once() {
    for (test, directions) in [("both", Directions::Both), ("half", Directions::ToLeft)] {
        let Some(mut pair) = Pair::new(test, WEATHER) else { return };
        let place = tempfile::tempdir().unwrap();
        let [before, after] = ["before", "after"].map(|name| place.path().join(name));
        pair.call("mark", before.to_str().unwrap(), "before");
        assert_eq!(pair.ended("before")["event"], "reply");
        assert_eq!((runs(&before), pair.link.silenced()), (1, 0));

        pair.link.silence(directions);
        // The control: streamed bytes are sent once, and end with the connection.
        pair.bert.tell(&json!({"do": "blob", "to": "anna", "bytes": 100}));
        pair.call("mark", after.to_str().unwrap(), "after");
        let reply = pair.ended("after");
        assert_eq!(reply["event"], "reply", "{test}: {reply}");
        let took = Duration::from_micros(reply["took_us"].as_u64().unwrap());
        eprintln!("{test}: answered over another connection after {} ms", took.as_millis());
        assert!(took >= limits::SILENT_PATH, "the connection was not silent: {reply}");
        assert_eq!(runs(&after), 1, "{test}");
        let lost = pair.bert.event("failed");
        assert_eq!(lost["kind"], "unknown_outcome", "{test}: {lost}");
        assert!(pair.link.silenced() > 0);
        assert!(pair.status()["repeats"].as_u64().unwrap() >= 1);
        // What comes next goes over the new one at once.
        pair.call("mark", after.to_str().unwrap(), "next");
        assert_eq!(pair.ended("next")["event"], "reply");
        assert_eq!(runs(&after), 2, "{test}");
    }
}

/// Makes this many calls, and gives how many of them were sent again.
fn repeats(mut pair: Pair, calls: usize) -> usize {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("runs");
    for number in 0..calls {
        let tag = number.to_string();
        pair.call("mark", file.to_str().unwrap(), &tag);
        let ended = pair.ended(&tag);
        assert_eq!(ended["event"], "reply", "{ended}");
    }
    assert_eq!(runs(&file), calls);
    let repeats = pair.status()["repeats"].as_u64().unwrap();
    eprintln!("{repeats} of {calls} calls were sent again");
    usize::try_from(repeats).unwrap()
}

#[test]
fn small_calls_through_loss_run_once_each_however_often_they_are_sent() {
    let Some(storm) = Pair::new("storm", STORM) else { return };
    assert!(repeats(storm, CALLS) > 0, "nothing was sent again at one lost in ten");
    // The control: what is heard of in time is sent once. A slow machine hears of some late.
    let calm = Pair::new("calm", WEATHER).unwrap();
    assert!(repeats(calm, CALM_CALLS) < CALM_CALLS, "all calls were sent again without a loss");
}

#[test]
fn a_call_waits_for_a_node_that_is_away_longer_than_others_would() {
    let Some(link) = Link::new("away") else { return };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut anna = super::spawn(&link.left(), ours.path(), "anna");
    let ready = anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = super::invite(&mut anna, 1);
    let mut bert = super::spawn(&link.right(), theirs.path(), "bert");
    bert.tell(&json!({"do": "join", "ticket": ticket}));
    bert.event("joined");

    link.cut();
    bert.start(&json!({"do": "start"}));
    let reach = format!("{}@{}", ready["agent"].as_str().unwrap(), ready["node"].as_str().unwrap());
    bert.tell(&json!({"do": "call", "to": reach, "skill": "echo", "text": "patience"}));
    // The control: who does not wait is told that the node is not reached.
    bert.tell(&json!({"do": "describe", "to": reach}));
    let told = bert.event("error");
    assert_eq!((&told["kind"], &told["code"]), (&json!("transport"), &json!("dial")), "{told}");
    link.mend();
    let reply = bert.event("reply");
    assert_eq!(reply["text"], "patience");
    let took = Duration::from_micros(reply["took_us"].as_u64().unwrap());
    eprintln!("answered after {} ms", took.as_millis());
}
