//! The configurations that are looked at: root 0, its callees A and D, and C below A.

use crate::plan::{Cut, Histories, Liar, Mishaps, Plan, Renewal, Spend, Store, Time};

/// Where the gate looks for planted faults. Without a fault every state of each is seen by
/// `tests/models.rs`, so that nothing is found here but what a fault does.
pub const GATE: [fn() -> Plan; 5] = [twice, called_again, wide, slow_lease, strict];

const A: usize = 1;
const D: usize = 2;
/// Below A, where D is not called.
const C: usize = 2;

const fn call(from: usize, to: usize, call: u8) -> Cut {
    Cut { from, to, call, attempt: 1, until: None }
}

const fn spend(of: usize, at: usize, most: u64) -> Spend {
    Spend { of, at, most }
}

const ONE_CRASH: Mishaps =
    Mishaps { crashes: 1, dies: None, recalls: true, trips: false, unknown: false };

/// A call that fails over from A to D while A may still spend.
pub fn called_again() -> Plan {
    Plan {
        name: "called again",
        nodes: 3,
        ceiling: 2,
        cuts: vec![call(0, A, 1), Cut { attempt: 2, ..call(0, D, 1) }],
        spends: vec![spend(1, A, 1), spend(1, D, 1), spend(2, D, 1)],
        mishaps: ONE_CRASH,
        store: Store::AtOnce,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// The root spends itself and calls A, with a store that lags behind.
pub fn late() -> Plan {
    Plan {
        name: "late store",
        nodes: 2,
        ceiling: 2,
        cuts: vec![call(0, A, 1)],
        spends: vec![spend(0, 0, 1), spend(1, A, 1)],
        mishaps: Mishaps { recalls: false, ..ONE_CRASH },
        store: Store::Late,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// The same with a stop, and more that is spent.
pub fn late_stop() -> Plan {
    Plan {
        name: "late store, stopped",
        spends: vec![spend(0, 0, 1), spend(1, A, 1), spend(1, A, 1)],
        mishaps: Mishaps { trips: true, ..ONE_CRASH },
        ..late()
    }
}

/// A calls C out of its own grant.
pub fn deep() -> Plan {
    Plan {
        name: "deep",
        nodes: 3,
        ceiling: 2,
        cuts: vec![call(0, A, 1), call(1, C, 2)],
        spends: vec![spend(1, A, 1), spend(2, C, 1), spend(0, 0, 1)],
        mishaps: Mishaps { unknown: true, ..ONE_CRASH },
        store: Store::AtOnce,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// Three calls from a budget of two.
pub fn wide() -> Plan {
    Plan {
        name: "wide",
        nodes: 3,
        ceiling: 2,
        cuts: vec![call(0, A, 1), call(0, D, 2), call(0, A, 3)],
        spends: vec![spend(1, A, 1), spend(2, D, 1), spend(3, A, 1)],
        mishaps: Mishaps { crashes: 1, ..Mishaps::default() },
        store: Store::AtOnce,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// The stop of a budget on its way to everybody.
pub fn stop() -> Plan {
    Plan { name: "stop", mishaps: Mishaps { trips: true, recalls: false, ..ONE_CRASH }, ..deep() }
}

/// One grant that is spent from twice.
pub fn twice() -> Plan {
    Plan {
        name: "twice",
        nodes: 2,
        ceiling: 2,
        cuts: vec![call(0, A, 1)],
        spends: vec![spend(1, A, 1), spend(1, A, 1), spend(0, 0, 2)],
        mishaps: Mishaps { unknown: true, trips: true, ..ONE_CRASH },
        store: Store::AtOnce,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// Leases in a history of so many moments: the root and A, which says what its clock reads up to
/// one of them, and whose clock may be slow.
pub fn lease(slow: u64, ticks: u64, heard: u64) -> Plan {
    let name = if slow == 0 { "lease, drift 0" } else { "lease, drift 1" };
    Plan {
        name,
        nodes: 2,
        ceiling: 4,
        cuts: vec![call(0, A, 1)],
        spends: vec![spend(1, A, 1)],
        mishaps: Mishaps { trips: true, ..Mishaps::default() },
        store: Store::AtOnce,
        time: Some(Time { ticks, lease: 3, heard, slow }),
        liar: None,
        histories: Histories::All,
    }
}

/// A short history of leases with a slow clock.
pub fn slow_lease() -> Plan {
    lease(1, 5, 1)
}

/// A detached grant of A in a history of so many moments: a stop may never reach it, and either
/// node may die.
pub fn detached(ticks: u64) -> Plan {
    Plan {
        name: "detached",
        cuts: vec![Cut { until: Some(3), ..call(0, A, 1) }],
        mishaps: Mishaps { trips: true, crashes: 1, ..Mishaps::default() },
        ..lease(0, ticks, 0)
    }
}

/// A dishonest A between the root and C, whose clock may be slow, in a history of so many moments.
/// C has its grant from A, and of the root it hears what A says.
pub fn between(renewal: Renewal, ticks: u64, asks: u8) -> Plan {
    let name = match renewal {
        Renewal::Issuer => "dishonest, not strict",
        Renewal::Root => "dishonest, strict",
    };
    Plan {
        name,
        nodes: 3,
        ceiling: 16,
        cuts: vec![call(0, A, 1), call(1, C, 2)],
        spends: vec![spend(2, C, 1)],
        mishaps: Mishaps { trips: true, ..Mishaps::default() },
        store: Store::AtOnce,
        time: Some(Time { ticks, lease: 3, heard: 0, slow: 1 }),
        liar: Some(Liar { node: A, renewal, asks }),
        histories: Histories::All,
    }
}

/// The same under a strict budget, short.
pub fn strict() -> Plan {
    between(Renewal::Root, 5, 2)
}

/// Everything at once, as SPEC 04 has it: root to A, D and A again; A to C; a budget of three.
pub fn spec() -> Plan {
    // Here D is there as well, so C is the fourth.
    let c = C + 1;
    Plan {
        name: "spec",
        nodes: 4,
        ceiling: 3,
        cuts: vec![call(0, A, 1), call(0, D, 2), call(0, A, 3), call(1, c, 4)],
        spends: vec![spend(1, A, 1), spend(2, D, 1), spend(3, A, 1), spend(4, c, 1)],
        mishaps: Mishaps { crashes: 1, ..Mishaps::default() },
        store: Store::AtOnce,
        time: None,
        liar: None,
        histories: Histories::All,
    }
}

/// The same where one node alone may die, leaves first: as one node dies at most, those of all
/// nodes together are every history of it.
pub fn spec_where_dies(node: usize) -> Plan {
    let names = ["spec, root dies", "spec, A dies", "spec, D dies", "spec, C dies"];
    Plan { name: names[node], ..leaves_first(spec(), node) }
}

/// A plan where one node alone may die, and leaves go first.
pub fn leaves_first(plan: Plan, node: usize) -> Plan {
    let mishaps = Mishaps { dies: Some(node), ..plan.mishaps };
    Plan { mishaps, histories: Histories::LeavesFirst, ..plan }
}

/// A call below a call beside another one: small enough to look at how any two steps go together.
pub fn beside() -> Plan {
    let c = C + 1;
    Plan {
        name: "beside",
        ceiling: 2,
        cuts: vec![call(0, A, 1), call(0, D, 2), call(1, c, 3)],
        spends: vec![spend(2, D, 1), spend(3, c, 1)],
        ..spec()
    }
}
