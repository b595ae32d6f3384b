//! The two processes of the test that kills one of them.
//!
//! `spender provider <socket> <bill>` answers each line with `ok` after it wrote the line, what a
//! call costs, behind the bill; one connection after the other. `spender spend <store> <socket>
//! <round>` spends from one budget until it is killed, and says before each call of the provider
//! `call`, and of each grant that it cut for another node `abroad <id>`. With `hasty` behind it, it
//! does what none may: it goes on before its store has written.
//!
//! `spender clock <socket>` is a provider that answers any number of callers at once, and says of
//! each line, which is a label, when it came. It ends with its input.
//!
//! `spender leaf|middle <home> <bill>` and `spender root <home> <bill> [life]` are nodes, as
//! `paying` says.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "what it says goes to standard output")]
#![allow(clippy::unwrap_used, reason = "a process of a test that cannot go on ends")]

use hubless::store::Store;
use hubless_mesh_tests::boot_us;
use hubless_mesh_tests::paying::{self, Place};
use hubless_mesh_tests::spending::{ABROAD, NODE, budget, tokens};
use hubless_proto::identity::AgentId;
use hubless_proto::killswitch::{
    Allowance, CallId, Component, Ending, GrantId, Input, Keeping, Ledger, Now, Order, Output,
    Owner, ReservationId, Share,
};
use hubless_proto::wire::words::{RefundPolicy, Spends};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Handlers that spend at once.
const AT_ONCE: usize = 8;
/// Grants for another node that one process cuts.
const FAR: usize = 5;
/// Most of one spending.
const MOST: u64 = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["provider", socket, bill] => provide(Path::new(socket), Path::new(bill)),
        ["clock", socket] => stamp(Path::new(socket)),
        ["spend", store, socket, round, rest @ ..] => {
            let hasty = rest.contains(&"hasty");
            Spender::new(Path::new(store), Path::new(socket), round.parse().unwrap(), hasty).live();
        }
        ["leaf", home, bill] => node(paying::leaf(place(home, bill))),
        ["middle", home, bill] => node(paying::middle(place(home, bill))),
        ["root", home, bill, life @ ..] => {
            let life = life.first().map(|life| (*life).to_owned());
            node(paying::root(place(home, bill), life));
        }
        other => panic!("expected the work of a process, got {other:?}"),
    }
}

fn place(home: &str, bill: &str) -> Place {
    Place { home: home.into(), bill: bill.into() }
}

/// Lives until it is killed.
fn node(life: impl Future<Output = hubless::Result<()>>) {
    tokio::runtime::Runtime::new().unwrap().block_on(life).unwrap();
}

fn provide(socket: &Path, bill: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let mut bill = OpenOptions::new().append(true).create(true).open(bill).unwrap();
    println!("ready");
    for caller in listener.incoming() {
        let mut caller = caller.unwrap();
        for line in BufReader::new(caller.try_clone().unwrap()).lines().map_while(Result::ok) {
            writeln!(bill, "{line}").unwrap();
            if writeln!(caller, "ok").is_err() {
                break;
            }
        }
    }
}

fn stamp(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    println!("{}", json!({"event": "ready"}));
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            let caller = caller.unwrap();
            std::thread::spawn(move || {
                for label in BufReader::new(&caller).lines().map_while(Result::ok) {
                    let at = boot_us();
                    println!("{}", json!({"event": "spent", "label": label, "boot_us": at}));
                    if writeln!(&caller, "ok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

struct Spender {
    ledger: Ledger,
    store: Store,
    durable: Receiver<u64>,
    tell: SyncSender<u64>,
    provider: BufReader<UnixStream>,
    began: Instant,
    round: u32,
    next: u64,
    // Number of the last write, and of the last that is durable.
    asked: u64,
    written: u64,
    far: usize,
    is_hasty: bool,
}

impl Spender {
    fn new(path: &Path, socket: &Path, round: u32, is_hasty: bool) -> Self {
        let (store, rows) = Store::open(path).unwrap();
        let owner = Owner { node: NODE, instance: round.into(), keeping: Keeping::Durable };
        let ledger = Ledger::recover(owner, rows, Now::default()).unwrap();
        let (tell, durable) = sync_channel(65_536);
        let provider = BufReader::new(UnixStream::connect(socket).unwrap());
        Self {
            ledger,
            store,
            durable,
            tell,
            provider,
            began: Instant::now(),
            round,
            next: 0,
            asked: 0,
            written: 0,
            far: 0,
            is_hasty,
        }
    }

    fn live(&mut self) {
        let root = budget().origin.account();
        // What the recovery itself has to write.
        self.drain();
        if self.ledger.view(&root).is_none() {
            self.input(Input::Open(budget()));
        }
        self.settle();
        println!("ready");
        loop {
            let inside = self.cut(root, NODE);
            if self.far < FAR {
                self.far += 1;
                self.cut(root, ABROAD);
            }
            self.settle();
            for _ in 0..AT_ONCE {
                for grant in [root, inside] {
                    let id = ReservationId::from_bytes(self.fresh());
                    self.input(Input::Reserve { grant, id, most: tokens(MOST) });
                }
            }
            self.settle();
            self.input(Input::Finish { grant: inside, ending: Ending::Ran });
            self.settle();
        }
    }

    fn now(&self) -> Now {
        let clock_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        Now { clock_ms, unix_ms: clock_ms }
    }

    fn fresh(&mut self) -> [u8; 16] {
        self.next += 1;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.round.to_be_bytes());
        id[8..].copy_from_slice(&self.next.to_be_bytes());
        id
    }

    fn cut(&mut self, from: GrantId, audience: hubless_proto::identity::NodeKey) -> GrantId {
        let id = GrantId::from_bytes(self.fresh());
        let order = Order {
            id,
            audience,
            agent: AgentId::from_bytes([9; 32]),
            call_id: CallId::from_bytes(self.fresh()),
            attempt: 1,
            max: Allowance::exactly(&tokens(200)).with(Component::Calls, None),
            hint: Allowance::UNLIMITED,
            spends: Spends::Tokens,
            share: Share::Quarter,
            refund: RefundPolicy::Signed,
            detached_until_ms: None,
        };
        self.input(Input::Cut { from, order });
        id
    }

    /// Waits until everything that was written is durable, and what depends on it was done.
    fn settle(&mut self) {
        while self.written < self.asked {
            let seq = self.durable.recv().unwrap();
            self.written = seq;
            self.input(Input::Persisted { seq });
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.ledger.handle(input, now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.ledger.poll_output() {
            match output {
                Output::Persist { seq, writes } => self.persist(seq, writes),
                Output::Reserved { grant, id } => self.call(grant, id),
                Output::Granted(grant) if grant.audience == ABROAD => {
                    println!("abroad {}", grant.id);
                }
                Output::Granted(_)
                | Output::Send { .. }
                | Output::Opened { .. }
                | Output::Held(_)
                | Output::Offered(_)
                | Output::Refused { .. }
                | Output::Cancel { .. }
                | Output::Sign(_)
                | Output::SignBeacon(_)
                | Output::Tripped(_)
                | Output::Settled { .. }
                | Output::Closed { .. }
                | Output::Overrun { .. }
                | Output::Audit { .. } => {}
            }
        }
    }

    fn persist(&mut self, seq: u64, writes: Vec<hubless_proto::killswitch::Write>) {
        self.asked = seq;
        let (tell, is_hasty) = (self.tell.clone(), self.is_hasty);
        if is_hasty {
            tell.send(seq).unwrap();
        }
        self.store.write(writes, move |result| {
            result.unwrap();
            if !is_hasty {
                tell.send(seq).unwrap();
            }
        });
    }

    /// Calls the provider, which takes a part of what was reserved or all of it.
    fn call(&mut self, grant: GrantId, id: ReservationId) {
        let used = u64::from(id.as_bytes()[15]) % (MOST + 1);
        println!("call");
        writeln!(self.provider.get_mut(), "{used}").unwrap();
        let mut answer = String::new();
        self.provider.read_line(&mut answer).unwrap();
        let used = (answer == "ok\n" && used != 3).then(|| tokens(used));
        let now = self.now();
        self.ledger.handle(Input::Commit { grant, id, used, receipt: None }, now);
    }
}
