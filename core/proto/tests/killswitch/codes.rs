//! Redeem codes: what is set aside for one, who gets it, and that nobody gets it twice.

use crate::world::{LEASE_MS, World, amount, calls, ceiling};
use hubless_proto::error::Kind;
use hubless_proto::killswitch::{
    Allowance, Amount, Claim, Component, Ending, GrantId, Input, Terms,
};
use hubless_proto::limits;
use hubless_proto::wire::words::{RefundPolicy, TripReason};

impl World {
    /// Makes a code that ends after `life_ms`.
    pub(crate) fn offer(&mut self, node: usize, grant: GrantId, life_ms: u64) {
        let digest = hubless_proto::wire::record::digest(&self.fresh());
        let until_ms = self.now(node).unix_ms + life_ms;
        self.input(node, Input::Offer { grant, digest, until_ms });
    }

    /// Shows a code at a node, for another; answers the grant that it becomes, or not.
    pub(crate) fn redeem(&mut self, node: usize, claim: Claim, by: usize) -> GrantId {
        let id = GrantId::from_bytes(self.fresh());
        self.redeeming.insert(id, claim.digest);
        let (by, refund) = (self.key(by), RefundPolicy::Signed);
        self.input(node, Input::Redeem { id, claim, by, refund });
        id
    }
}

/// The root is node 0; node 1 handles a call by way of a foreign program, which asks at node 2.
fn called() -> (World, GrantId, GrantId) {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(1_600, 3_200, 1_000_000)) };
    let root = world.open(0, terms);
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    (world, root, grant)
}

fn offered(world: &mut World, grant: GrantId, life_ms: u64) -> Claim {
    let before = world.codes.len();
    world.offer(1, grant, life_ms);
    world.work();
    assert_eq!(world.codes.len(), before + 1, "{:?}", world.refusals);
    world.codes[before].1.clone()
}

fn held_at(world: &World, node: usize, grant: GrantId) -> bool {
    world.held.contains(&(node, grant))
}

/// The last refusal, of a code that is none.
fn is_denied(world: &World) -> bool {
    let last = world.refusals.last();
    last.is_some_and(|error| error.kind == Kind::Denied && error.code == "redeem")
}

#[test]
fn a_code_becomes_one_grant_of_whoever_shows_it_first_and_draws_on_the_same_root() {
    let (mut world, root, grant) = called();
    let view = world.nodes[1].ledger.view(&grant).unwrap();
    let code = offered(&mut world, grant, 1_000);
    assert_eq!(code.amount.of(Component::OutputTokens), Some(100), "a quarter of 400");
    let set_aside = code.amount.held().plus(&calls(1)).unwrap();
    let now = world.nodes[1].ledger.view(&grant).unwrap();
    assert_eq!((now.held, now.offered, view.offered), (set_aside, set_aside, Amount::ZERO));

    let redeemed = world.redeem(1, code.clone(), 2);
    world.work();
    assert!(held_at(&world, 2, redeemed));
    let given = world.grants[&redeemed].clone();
    assert_eq!((given.amount, given.audience), (code.amount, world.key(2)));
    assert_eq!((given.parent, given.depth), (grant, 2));
    let after = world.nodes[1].ledger.view(&grant).unwrap();
    assert_eq!((after.held, after.offered), (code.amount.held(), Amount::ZERO));

    let again = world.redeem(1, code, 0);
    world.work();
    assert!(is_denied(&world) && !world.grants.contains_key(&again));

    // What is spent from it is counted at the root, and its stop reaches it.
    world.reserve(1, grant, Amount::ZERO);
    world.reserve(2, redeemed, amount(60, 0));
    world.work();
    world.commit_running();
    let by = world.key(0);
    world.input(0, Input::Trip { grant: root, reason: TripReason::Operator, by });
    world.work();
    assert!(world.cancelled.contains(&redeemed));
    for (node, grant) in [(2, redeemed), (1, grant)] {
        world.input(node, Input::Finish { grant, ending: Ending::Free });
    }
    world.settle_down(2 * LEASE_MS);
    let used = world.nodes[0].ledger.view(&root).unwrap().used;
    assert_eq!(used, amount(60, 0).plus(&calls(2)).unwrap());
    world.look();
}

#[test]
fn what_is_changed_expired_or_made_up_is_refused_alike_and_costs_nothing() {
    let (mut world, _, grant) = called();
    let code = offered(&mut world, grant, 500);
    let before = world.nodes[1].ledger.view(&grant).unwrap();
    let stranger = GrantId::from_bytes([0xee; 16]);
    let mut digest = code.digest;
    digest[0] ^= 1;
    let more = code.amount.with(Component::OutputTokens, Some(101));
    for wrong in [
        Claim { digest, ..code },
        Claim { amount: more, ..code },
        Claim { until_ms: code.until_ms + 1, ..code },
        Claim { grant: stranger, ..code },
    ] {
        world.refusals.clear();
        let id = world.redeem(1, wrong, 2);
        world.work();
        assert!(is_denied(&world) && !world.grants.contains_key(&id));
    }
    assert_eq!(world.nodes[1].ledger.view(&grant).unwrap(), before);
    // Another node knows nothing of it.
    world.refusals.clear();
    world.redeem(0, code.clone(), 2);
    assert!(is_denied(&world));

    // At its end, even before a timer fires, and what was set aside is free.
    world.time_us += 500_000;
    world.refusals.clear();
    let late = world.redeem(1, code, 2);
    assert!(is_denied(&world) && !world.grants.contains_key(&late));
    world.timeout(1);
    assert_eq!(world.nodes[1].ledger.view(&grant).unwrap().held, Amount::ZERO);
    // A good one is taken where those were refused.
    let good = offered(&mut world, grant, 500);
    let id = world.redeem(1, good, 2);
    world.work();
    assert!(held_at(&world, 2, id));
}

#[test]
fn a_code_ends_with_its_call_its_budget_or_its_process() {
    let ends: [fn(&mut World, GrantId, GrantId); 3] = [
        |world, _, grant| world.input(1, Input::Finish { grant, ending: Ending::Free }),
        |world, root, _| {
            let by = world.key(0);
            world.input(0, Input::Trip { grant: root, reason: TripReason::Operator, by });
        },
        |world, _, _| world.crash(1, usize::MAX),
    ];
    for end in ends {
        let (mut world, root, grant) = called();
        let code = offered(&mut world, grant, 60_000);
        let taken = offered(&mut world, grant, 60_000);
        let redeemed = world.redeem(1, taken, 2);
        world.work();
        end(&mut world, root, grant);
        world.work();
        world.refusals.clear();
        let id = world.redeem(1, code, 2);
        world.work();
        assert!(is_denied(&world) && !world.grants.contains_key(&id));
        world.input(2, Input::Finish { grant: redeemed, ending: Ending::Free });
        world.settle_down(12 * LEASE_MS);
        // The one that was redeemed settles, after the crash too.
        let cuts = world.nodes[0].ledger.cuts(&root);
        assert_eq!(cuts[0].state, "settled", "{cuts:?}");
        world.look();
    }
}

#[test]
fn a_grant_that_nobody_heard_of_is_not_lost() {
    let (mut world, root, grant) = called();
    let code = offered(&mut world, grant, 60_000);
    let redeemed = world.redeem(1, code, 2);
    world.persist(1, 9);
    // The answer with the grant is lost.
    assert_eq!(world.network.len(), 1);
    world.network.clear();
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    world.settle_down(12 * LEASE_MS);
    assert!(!held_at(&world, 2, redeemed));
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!((view.used, view.open), (calls(2), 0));
}

#[test]
fn codes_of_one_grant_have_a_bound_in_number_and_time() {
    let (mut world, root, grant) = called();
    for _ in 0..limits::GRANT_CODES {
        world.offer(1, grant, u64::MAX / 2);
    }
    world.work();
    assert_eq!(world.codes.len(), limits::GRANT_CODES, "{:?}", world.refusals);
    world.offer(1, grant, 1_000);
    let limit = world.refusals.last().and_then(|error| error.limit.clone());
    assert_eq!(limit.map(|limit| limit.name).as_deref(), Some("GRANT_CODES"));
    let life_ms = limits::ms(limits::REDEEM_LIFE);
    let most_ms = world.now(1).unix_ms + life_ms;
    assert!(world.codes.iter().all(|(_, code)| code.until_ms <= most_ms));
    // A budget itself makes none, and one without a call left makes none and is not stopped.
    world.offer(0, root, 1_000);
    assert_eq!(world.refusals.last().unwrap().kind, Kind::InvalidArgument);
    let small = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(9, 9, 1)) });
    world.work();
    let last = world.cut(0, small, 1, Allowance::UNLIMITED);
    world.work();
    world.offer(1, last, 1_000);
    assert_eq!(world.refusals.last().unwrap().code, "calls_exceeded");
    assert_eq!(world.nodes[1].ledger.view(&last).unwrap().stopped, None);
}
