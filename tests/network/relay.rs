//! Nodes behind two translators, and relays outside: ways that become direct, or cannot; relays
//! that are killed.

use super::two_nats::{Kind, ONE, PORT, TWO, TwoNats};
use hubless_mesh_tests::{LONG, Subject, now_us};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longest gap in what goes directly, when a relay is killed.
const GAP_US: u64 = 1_000_000;
/// Calls go on within this time after their relay is back, or by another one.
const RESUMED_US: u64 = 5_000_000;
/// A node is reached by a relay within this time, whatever another one does.
const REACHED_US: u64 = 8_000_000;
/// A host outside that there is not.
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);
/// Calls go on within this time by another relay.
const AT_ONCE_US: u64 = 5_000_000;
/// So long calls are made to see that their way stays as it is.
const STAYS_US: u64 = 3_000_000;
/// The same after a relay was killed: until its path is idle for too long, and longer.
const MISSED_US: u64 = 12_000_000;
/// So long a relay is away before somebody calls, and again until it is back: the connections that
/// went by it are gone by then, and the engine pauses for long between its own tries.
const AWAY: Duration = Duration::from_secs(5);

/// The owner of a mesh on the left, a guest on the right, and what relays need.
struct Scene {
    nats: TwoNats,
    place: tempfile::TempDir,
    relays: Vec<(Ipv4Addr, Subject)>,
}

/// Who calls whom.
struct Pair {
    anna: Subject,
    bert: Subject,
    /// Anna's agent at her node: it is waited for while it is away.
    reach: String,
}

impl Scene {
    fn new(test: &'static str, kind: Kind, relays: &[Ipv4Addr]) -> Option<Self> {
        let nats = TwoNats::new(test, kind)?;
        // The control: it translates as it should.
        match (kind, nats.seen_outside()) {
            (Kind::Cone | Kind::Double, [Some(one), Some(two)]) => assert_eq!(one, two),
            (Kind::Symmetric, [Some(one), Some(two)]) => assert_ne!(one.port(), two.port()),
            (Kind::Wall, [None, None]) => {}
            (kind, seen) => panic!("{kind:?}: {seen:?}"),
        }
        let mut scene = Self { nats, place: tempfile::tempdir().unwrap(), relays: Vec::new() };
        for ip in relays {
            scene.certify(*ip);
            let relay = scene.open(*ip);
            scene.relays.push((*ip, relay));
        }
        Some(scene)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Certificates of all relays, which the nodes believe.
    fn believed(&self) -> PathBuf {
        self.at("believed.pem")
    }

    fn certify(&self, ip: Ipv4Addr) {
        let made = rcgen::generate_simple_self_signed(vec![ip.to_string()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        std::fs::write(self.at(&format!("{ip}.pem")), &certificate).unwrap();
        std::fs::write(self.at(&format!("{ip}.key")), key).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.at(&format!("{ip}.key")), private).unwrap();
        let known = std::fs::read_to_string(self.believed()).unwrap_or_default();
        std::fs::write(self.believed(), known + &certificate).unwrap();
    }

    /// Home of the relays' nodes, which have the root key of the mesh.
    fn relay_home(&self, ip: Ipv4Addr) -> PathBuf {
        let home = self.at(&format!("home-{ip}"));
        let first = self.relays.first().map(|(ip, _)| self.at(&format!("home-{ip}")));
        match first.filter(|_| !home.exists()) {
            Some(first) => adopt(&first, &home),
            None => std::fs::create_dir_all(&home).unwrap(),
        }
        home
    }

    fn open(&self, ip: Ipv4Addr) -> Subject {
        let host = if ip == ONE { "one" } else { "two" };
        let home = self.relay_home(ip);
        let mut relay = super::spawn(&self.nats.spaces.name(host), &home, host);
        let [certificate, key] = ["pem", "key"].map(|of| self.at(&format!("{ip}.{of}")));
        relay.start(&json!({"do": "start", "relay": {
            "listen": format!("{ip}:{PORT}"), "tlsCert": certificate, "tlsKey": key}}));
        relay
    }

    fn urls(&self) -> Vec<String> {
        self.relays.iter().map(|(ip, _)| format!("https://{ip}")).collect()
    }

    /// Anna starts on the left with the relays that there are, bert joins on the right.
    fn pair(&self) -> Pair {
        let home = self.at("anna");
        adopt(&self.relay_home(self.relays[0].0), &home);
        let mut anna = super::spawn(&self.nats.spaces.name("left"), &home, "anna");
        let ready = anna.start(&json!({
            "do": "start", "listen": "all", "relays": self.urls(), "relay_ca": self.believed()}));
        let ticket = super::invite(&mut anna, 1);
        let home = self.at("bert");
        std::fs::create_dir(&home).unwrap();
        let mut bert = super::spawn(&self.nats.spaces.name("right"), &home, "bert");
        bert.tell(&json!({"do": "join", "ticket": ticket, "relay_ca": self.believed()}));
        bert.event("joined");
        bert.start(&json!({"do": "start", "relay_ca": self.believed()}));
        bert.sees("anna");
        let word = |field: &str| ready[field].as_str().unwrap().to_owned();
        Pair { anna, bert, reach: format!("{}@{}", word("agent"), word("node")) }
    }

    /// Kills the relay that anna is reached by, as `kill -9` does; when, and where it was.
    fn kill_relay(&mut self, pair: &mut Pair) -> (u64, Ipv4Addr) {
        let home = pair.home();
        let place = self.relays.iter().position(|(ip, _)| home == format!("https://{ip}"));
        let (ip, mut relay) = self.relays.remove(place.expect("one of ours"));
        let at = relay.kill();
        relay.gone();
        (at, ip)
    }
}

/// Gives a home the root key of another one.
fn adopt(from: &Path, home: &Path) {
    std::fs::create_dir(home).unwrap();
    let copied = Command::new("cp").arg("-a").args([from.join("data"), home.join("data")]).status();
    assert!(copied.unwrap().success(), "the key is copied");
}

impl Pair {
    /// Calls once, and gives the answer.
    fn call(&mut self, text: &str) -> Value {
        self.begin("echo", text);
        self.answer(text)
    }

    /// Begins a call, which its text names.
    fn begin(&mut self, skill: &str, text: &str) {
        self.bert.tell(&json!({"do": "call", "to": self.reach, "skill": skill, "text": text,
            "tag": text}));
    }

    fn answer(&mut self, text: &str) -> Value {
        let answer = self.end(text);
        assert_eq!(answer["event"], "reply", "{answer}");
        answer
    }

    /// How a call ended.
    fn end(&mut self, text: &str) -> Value {
        self.bert.expect(text, 2 * LONG, |event| (event["tag"] == text).then(|| event.clone()))
    }

    /// The end of a call that may be made again: an answer, or none where it says so.
    fn again(&mut self, text: &str) -> Option<Value> {
        let end = self.end(text);
        let is_answer = end["event"] == "reply";
        assert!(is_answer || end["kind"] == "transport", "it may be made again: {end}");
        is_answer.then_some(end)
    }

    /// Calls again until an answer comes, as who calls would: what is lost with a connection may
    /// be made again.
    fn resumed(&mut self) -> Value {
        let began = now_us();
        for number in 0.. {
            let text = format!("resumed {number}");
            self.begin("echo", &text);
            if let Some(answer) = self.again(&text) {
                return answer;
            }
            assert!(now_us() - began < LONG.as_micros() as u64, "no call is answered");
        }
        unreachable!("it returned")
    }

    /// Calls one after the other until one goes this way; how many went another.
    fn until(&mut self, path: &str) -> usize {
        let began = now_us();
        for number in 0.. {
            if self.call(&format!("until {number}"))["path"] == path {
                return number;
            }
            assert!(now_us() - began < LONG.as_micros() as u64, "no call went the way {path:?}");
        }
        unreachable!("it returned")
    }

    /// Calls one after the other for so long; the longest time between two answers, and the ways
    /// that they went.
    fn calls_for(&mut self, span_us: u64) -> (u64, Vec<String>) {
        let (began, mut last, mut gap, mut paths) = (now_us(), now_us(), 0, Vec::new());
        while last - began < span_us {
            let answer = self.call(&format!("for {last}"));
            let at = answer["at_us"].as_u64().unwrap();
            gap = gap.max(at.saturating_sub(last));
            last = at.max(last + 1);
            paths.push(answer["path"].as_str().unwrap().to_owned());
        }
        paths.dedup();
        (gap, paths)
    }

    /// The relay that anna is reached by.
    fn home(&mut self) -> String {
        self.anna.tell(&json!({"do": "relays"}));
        self.anna.event("relays")["relays"][0].as_str().unwrap().to_owned()
    }

    /// Connections that bert has to anna.
    fn connections(&mut self) -> u64 {
        self.bert.tell(&json!({"do": "status"}));
        let status = self.bert.event("status");
        let node = self.reach.split('@').nth(1).unwrap().to_owned();
        let peers = status["status"]["peers"].as_array().unwrap().clone();
        let anna = peers.into_iter().find(|peer| peer["nodeKey"] == node.as_str());
        anna.unwrap()["connections"].as_u64().unwrap()
    }
}

#[test]
fn a_relayed_way_becomes_direct_on_the_same_connection() {
    let Some(scene) = Scene::new("cone", Kind::Cone, &[ONE]) else { return };
    let mut pair = scene.pair();
    // A call that is under way all the time.
    pair.begin("wait", "long");
    pair.anna.event("waiting");
    let relayed = pair.until("direct");
    eprintln!("cone and cone: {relayed} calls were relayed before the first direct one");
    assert_eq!(pair.connections(), 1, "it is the same connection");
    pair.anna.tell(&json!({"do": "release"}));
    assert_eq!(pair.answer("long")["path"], "relay", "it began there, and went on");
}

#[test]
fn a_way_becomes_direct_through_two_translators_in_a_row() {
    let Some(scene) = Scene::new("double", Kind::Double, &[ONE]) else { return };
    let mut pair = scene.pair();
    let relayed = pair.until("direct");
    eprintln!("double and cone: {relayed} calls were relayed before the first direct one");
    let (_, paths) = pair.calls_for(GAP_US);
    assert_eq!(paths, ["direct"], "it stays so");
}

#[test]
fn what_cannot_become_direct_stays_relayed_and_works() {
    for (test, kind) in [("sym", Kind::Symmetric), ("wall", Kind::Wall)] {
        let Some(scene) = Scene::new(test, kind, &[ONE]) else { return };
        let mut pair = scene.pair();
        let (gap, paths) = pair.calls_for(STAYS_US);
        eprintln!("{kind:?} and {kind:?}: longest pause between two answers {} ms", gap / 1_000);
        assert_eq!(paths, ["relay"], "{kind:?}");
        pair.bert.tell(&json!({"do": "blob", "to": pair.reach, "bytes": 1_000_000}));
        assert_eq!(pair.bert.event("blob")["bytes"], 1_000_000, "{kind:?}");
    }
}

#[test]
fn a_relay_that_is_killed_is_not_missed_by_what_goes_directly() {
    let Some(mut scene) = Scene::new("kill", Kind::Cone, &[ONE]) else { return };
    let mut pair = scene.pair();
    pair.until("direct");
    let (before, _) = pair.calls_for(GAP_US);
    scene.kill_relay(&mut pair);
    let (gap, paths) = pair.calls_for(MISSED_US);
    eprintln!("longest pause between two answers {} ms, before {} ms", gap / 1_000, before / 1_000);
    assert_eq!(paths, ["direct"]);
    assert!(gap < GAP_US, "a gap of {gap} us");
}

#[test]
fn relayed_calls_go_on_when_their_relay_is_back() {
    let Some(mut scene) = Scene::new("back", Kind::Symmetric, &[ONE]) else { return };
    let mut pair = scene.pair();
    assert_eq!(pair.call("before")["path"], "relay");
    pair.begin("wait", "once");
    pair.anna.event("waiting");
    let (killed, ip) = scene.kill_relay(&mut pair);
    std::thread::sleep(AWAY);
    pair.begin("echo", "away");
    std::thread::sleep(AWAY);
    let relay = scene.open(ip);
    let back = now_us();
    let answer = pair.answer("away");
    let at = answer["at_us"].as_u64().unwrap();
    // The control: nothing came while it was away.
    assert!(at > killed + 2 * AWAY.as_micros() as u64, "it did not go by the relay: {answer}");
    let took = at.saturating_sub(back);
    eprintln!("answered {} ms after the relay was back", took / 1_000);
    assert!(took < RESUMED_US, "only after {took} us");
    assert_eq!(pair.call("after")["path"], "relay");
    // There was no other way for what runs at most once.
    assert_eq!(pair.end("once")["kind"], "unknown_outcome");
    scene.relays.push((ip, relay));
}

#[test]
fn relayed_calls_go_on_by_another_relay_at_once() {
    for (test, kind) in [("two", Kind::Symmetric), ("walls", Kind::Wall)] {
        let Some(mut scene) = Scene::new(test, kind, &[ONE, TWO]) else { return };
        let mut pair = scene.pair();
        assert_eq!(pair.call("before")["path"], "relay");
        // Under way when it is killed: one that runs at most once, and one that may run again.
        pair.begin("wait", "once");
        pair.anna.event("waiting");
        pair.begin("slow", "again");
        pair.anna.event("working");
        let (killed, _) = scene.kill_relay(&mut pair);
        let answer = pair.resumed();
        let took = answer["at_us"].as_u64().unwrap().saturating_sub(killed);
        eprintln!("{kind:?}: answered {} ms after the relay was killed", took / 1_000);
        assert_eq!(answer["path"], "relay");
        assert!(took < AT_ONCE_US, "{kind:?}: only after {took} us");
        pair.again("again");
        pair.anna.tell(&json!({"do": "release"}));
        // Its connection went by both relays, and is there; or by the other one alone.
        let once = pair.end("once");
        eprintln!("{kind:?}: what runs at most once: {} {}", once["event"], once["kind"]);
        assert!(once["event"] == "reply" || once["kind"] == "unknown_outcome", "{once}");
    }
}

#[test]
fn a_relay_that_does_not_answer_keeps_nobody_from_another() {
    let Some(scene) = Scene::new("dark", Kind::Wall, &[ONE]) else { return };
    let home = scene.at("told");
    adopt(&scene.relay_home(ONE), &home);
    let mut told = super::spawn(&scene.nats.spaces.name("left"), &home, "told");
    // Nobody has this address: what goes there is lost.
    let relays = [format!("https://{NOBODY}"), format!("https://{ONE}")];
    told.start(&json!({"do": "start", "relays": relays, "relay_ca": scene.believed()}));
    told.tell(&json!({"do": "at_relay"}));
    let reached = told.event("at_relay");
    let took = reached["took_us"].as_u64().unwrap();
    eprintln!("beside one that is away: reached by a relay after {} ms", took / 1_000);
    assert_eq!(reached["relay"], relays[1].as_str());
    assert!(took < REACHED_US, "only after {took} us");
}

#[test]
fn a_mesh_that_was_told_of_no_relay_sends_it_nothing() {
    let Some(scene) = Scene::new("none", Kind::Cone, &[ONE]) else { return };
    let home = scene.at("quiet");
    adopt(&scene.relay_home(ONE), &home);
    let before = scene.nats.sent("left");
    let left = scene.nats.spaces.name("left");
    let mut quiet = super::spawn(&left, &home, "quiet");
    let mut other = super::spawn(&left, &home, "other");
    quiet.start(&json!({"do": "start", "listen": "all"}));
    other.start(&json!({"do": "start", "listen": "all"}));
    other.sees("quiet");
    other.tell(&json!({"do": "call", "to": "quiet", "text": "quietly"}));
    assert_eq!(other.event("reply")["path"], "direct");
    super::invite(&mut quiet, 1);
    for closing in [&mut quiet, &mut other] {
        closing.tell(&json!({"do": "close"}));
        closing.event("closed");
    }
    assert_eq!(scene.nats.sent("left"), before, "packets left the machine");
    // The control: a node that was told of one sends packets, and to that one alone.
    scene.nats.count_others("lgate", &[ONE]);
    let mut told = super::spawn(&left, &home, "told");
    told.start(&json!({"do": "start", "listen": "all", "relays": scene.urls(),
        "relay_ca": scene.believed()}));
    told.tell(&json!({"do": "at_relay"}));
    told.event("at_relay");
    assert!(scene.nats.sent("left") > before + 5);
    assert_eq!(scene.nats.others("lgate"), 0, "nobody else was asked anything");
    // The control of that: one packet sent on purpose.
    scene.nats.seen_outside();
    assert!(scene.nats.others("lgate") > 0, "the counter counts");
}
