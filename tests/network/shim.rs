//! Two hosts with no wire between them: a shim carries their datagrams, later, in another order,
//! or not at all, as its seed says.
//!
//! The gate of each host has the address of the other one. What comes to a port of a gate leaves
//! the other gate from the port that it was sent from, so both hosts see each other as if there
//! were a wire.

use super::spaces::Namespaces;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 197, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 197, 0, 2);
/// The gate before the left host.
const LEFT_GATE: usize = 0;
/// Datagrams of one way that wait; more are lost.
const WAITING: usize = 4_096;
/// Ports of one gate; what needs more is lost.
const PORTS: usize = 64;
/// Longest wait of a thread before it looks whether it is over.
const TICK: Duration = Duration::from_millis(50);
/// Length of the ids that nodes choose for themselves.
const ID: usize = 8;
/// Later than the others by this: the ones behind overtake it.
const BEHIND: Duration = Duration::from_millis(4);

/// What becomes of datagrams, the same in both ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// From one host to the other.
    pub(crate) delay: Duration,
    /// Lost of a thousand.
    pub(crate) lost: u64,
    /// Overtaken of a thousand.
    pub(crate) late: u64,
    /// Most bytes a second.
    pub(crate) rate: u64,
}

/// Two namespaces, `left` (10.197.0.1) and `right` (10.197.0.2), with a shim between them.
pub(crate) struct Lossy {
    shim: Arc<Shim>,
}

struct Shim {
    spaces: Namespaces,
    weather: Weather,
    gates: [Gate; 2],
    carried: AtomicU64,
    lost: AtomicU64,
    /// Of connections that were silenced.
    silenced: AtomicU64,
    silence: Mutex<Silence>,
    is_over: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What stands before one of the two hosts.
struct Gate {
    name: &'static str,
    host: Ipv4Addr,
    /// Whom it stands for.
    other: Ipv4Addr,
    sockets: Mutex<BTreeMap<u16, Arc<UdpSocket>>>,
    /// What leaves to the host.
    way: SyncSender<Datagram>,
    dice: Mutex<Dice>,
}

/// Which way the connections that were there are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directions {
    Both,
    /// What comes to the left one.
    ToLeft,
}

/// What tells connections apart that were made before and after: the ids that their two ends chose
/// for themselves in the first packets (RFC 9000 section 17.2), to which all others are sent. The
/// left one dials; to it, the other end sends to a second of its ids once it has its address.
#[derive(Default)]
struct Silence {
    /// None: nothing is silent yet.
    directions: Option<Directions>,
    /// Ids of the left end in connections that were there before.
    old: BTreeSet<Vec<u8>>,
    /// Ids in connections that were made since.
    fresh: BTreeSet<Vec<u8>>,
    /// Connections made since, of which no second id of the left end is known.
    moving: usize,
}

struct Datagram {
    due: Instant,
    from: u16,
    to: u16,
    bytes: Vec<u8>,
}

/// Chance and the end of the last datagram on its way.
struct Dice {
    state: u64,
    free_at: Instant,
}

impl Lossy {
    /// Makes them; none, with the reason printed, where that cannot be done.
    pub(crate) fn new(test: &'static str, weather: Weather) -> Option<Self> {
        let spaces = Namespaces::new(test, &["left", "near", "far", "right"])?;
        for (host, gate) in [("left", "near"), ("right", "far")] {
            let (own, other) = if host == "left" { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
            spaces.cable((host, "cable"), (gate, "cable"));
            spaces.ip(host, &format!("addr add {own}/24 dev cable"));
            spaces.ip(gate, &format!("addr add {other}/24 dev cable"));
        }
        let (near, to_left) = Gate::new(("near", LEFT, RIGHT), weather.seed);
        let (far, to_right) = Gate::new(("far", RIGHT, LEFT), !weather.seed);
        let shim = Arc::new(Shim {
            spaces,
            weather,
            gates: [near, far],
            carried: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            silenced: AtomicU64::new(0),
            silence: Mutex::default(),
            is_over: AtomicBool::new(false),
            threads: Mutex::default(),
        });
        for (gate, way) in [to_left, to_right].into_iter().enumerate() {
            shim.spawn(move |shim| shim.send(gate, &way));
        }
        Some(Self { shim })
    }

    pub(crate) fn left(&self) -> String {
        self.shim.spaces.name("left")
    }

    pub(crate) fn right(&self) -> String {
        self.shim.spaces.name("right")
    }

    /// Lets the left one reach every UDP port that is open at the right one.
    pub(crate) fn open_right(&self) {
        let table = self.shim.spaces.run("right", "cat /proc/net/udp");
        let mut ports = table.lines().skip(1).filter_map(|line| {
            let (_, port) = line.split_whitespace().nth(1)?.split_once(':')?;
            u16::from_str_radix(port, 16).ok()
        });
        assert!(ports.all(|port| self.shim.socket(0, port).is_some()), "{table}");
    }

    /// Carries nothing more of the connections that there are, in these directions; those that are
    /// made from now on get through.
    pub(crate) fn silence(&self, directions: Directions) {
        self.shim.silence.lock().unwrap().directions = Some(directions);
    }

    /// Datagrams of silenced connections.
    pub(crate) fn silenced(&self) -> u64 {
        self.shim.silenced.load(Ordering::Relaxed)
    }

    /// Datagrams that were carried, and that were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.shim.carried.load(Ordering::Relaxed), self.shim.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shim.is_over.store(true, Ordering::Relaxed);
        // One that is ending may have begun another.
        loop {
            let Some(thread) = self.shim.threads.lock().unwrap().pop() else { return };
            // One that panicked said so.
            let _ = thread.join();
        }
    }
}

impl Gate {
    fn new(
        (name, host, other): (&'static str, Ipv4Addr, Ipv4Addr),
        seed: u64,
    ) -> (Self, Receiver<Datagram>) {
        let (way, leaving) = sync_channel(WAITING);
        let dice = Mutex::new(Dice { state: seed, free_at: Instant::now() });
        (Self { name, host, other, sockets: Mutex::default(), way, dice }, leaving)
    }
}

impl Shim {
    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let shim = Arc::clone(self);
        let thread = std::thread::spawn(move || work(&shim));
        self.threads.lock().unwrap().push(thread);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The socket of a gate at this port, opened when it is needed first.
    fn socket(self: &Arc<Self>, gate: usize, port: u16) -> Option<Arc<UdpSocket>> {
        let Gate { name, other, sockets, .. } = &self.gates[gate];
        let mut sockets = sockets.lock().unwrap();
        if let Some(socket) = sockets.get(&port) {
            return Some(Arc::clone(socket));
        }
        if sockets.len() == PORTS {
            return None;
        }
        let socket = self.spaces.udp(name, SocketAddrV4::new(*other, port)).ok()?;
        socket.set_read_timeout(Some(TICK)).ok()?;
        let socket = Arc::new(socket);
        sockets.insert(port, Arc::clone(&socket));
        let heard = Arc::clone(&socket);
        self.spawn(move |shim| shim.listen(gate, port, &heard));
        Some(socket)
    }

    /// Takes what comes to a port of a gate.
    fn listen(&self, gate: usize, port: u16, socket: &UdpSocket) {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while !self.is_over() {
            // Nothing came within a tick.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            if from.ip() == IpAddr::V4(self.gates[gate].host) {
                self.take(1 - gate, (from.port(), port), &buffer[..length]);
            }
        }
    }

    /// Decides what becomes of a datagram that is to leave by a gate.
    fn take(&self, gate: usize, (from, to): (u16, u16), bytes: &[u8]) {
        if self.silence.lock().unwrap().takes(gate, bytes) {
            self.silenced.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (gate, weather) = (&self.gates[gate], &self.weather);
        let due = gate.dice.lock().unwrap().due(weather, bytes.len());
        let taken = due.is_some_and(|due| {
            gate.way.try_send(Datagram { due, from, to, bytes: bytes.to_vec() }).is_ok()
        });
        let counter = if taken { &self.carried } else { &self.lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands on what leaves by a gate, each when it is due.
    fn send(self: &Arc<Self>, gate: usize, leaving: &Receiver<Datagram>) {
        let mut waiting: BTreeMap<(Instant, u64), Datagram> = BTreeMap::new();
        let mut count = 0;
        while !self.is_over() {
            let now = Instant::now();
            while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) {
                self.hand_on(gate, &first.remove());
            }
            let wait = waiting.first_key_value().map(|(&(due, _), _)| due - now);
            match leaving.recv_timeout(wait.map_or(TICK, |wait| wait.min(TICK))) {
                // No more than that waits here and in the channel together.
                Ok(datagram) if waiting.len() < WAITING => {
                    count += 1;
                    waiting.insert((datagram.due, count), datagram);
                }
                Ok(_) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn hand_on(self: &Arc<Self>, gate: usize, datagram: &Datagram) {
        let to = SocketAddr::from((self.gates[gate].host, datagram.to));
        if let Some(socket) = self.socket(gate, datagram.from) {
            // A host that does not take it loses it.
            let _ = socket.send_to(&datagram.bytes, to);
        }
    }
}

impl Silence {
    /// True for a datagram of a connection that was there before.
    fn takes(&mut self, gate: usize, bytes: &[u8]) -> bool {
        let to_left = gate == LEFT_GATE;
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            let id = source_id(bytes).filter(|_| self.directions.is_some());
            let is_new = id.is_some_and(|id| self.fresh.insert(id.to_vec()));
            self.moving += usize::from(is_new && to_left);
            return false;
        }
        let id = bytes.get(1..=ID).unwrap_or_default();
        if self.fresh.contains(id) {
            return false;
        }
        if to_left && self.moving > 0 && !self.old.contains(id) {
            self.moving -= 1;
            self.fresh.insert(id.to_vec());
            return false;
        }
        if to_left {
            self.old.insert(id.to_vec());
        }
        self.directions.is_some_and(|silent| silent == Directions::Both || to_left)
    }
}

/// The id that the sender of a packet with a long header has chosen for itself.
fn source_id(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.get(5..)?.split_first()?;
    let (length, rest) = rest.get(usize::from(*length)..)?.split_first()?;
    rest.get(..usize::from(*length)).filter(|id| !id.is_empty())
}

impl Dice {
    /// When a datagram of this size arrives; none: never.
    fn due(&mut self, weather: &Weather, bytes: usize) -> Option<Instant> {
        let (is_lost, is_late) = (self.falls(weather.lost), self.falls(weather.late));
        let takes = Duration::from_nanos(bytes as u64 * 1_000_000_000 / weather.rate);
        self.free_at = self.free_at.max(Instant::now()) + takes;
        let late = if is_late { BEHIND } else { Duration::ZERO };
        (!is_lost).then(|| self.free_at + weather.delay + late)
    }

    /// True so often of a thousand times (SplitMix64).
    const fn falls(&mut self, of_a_thousand: u64) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 1_000 < of_a_thousand
    }
}
