//! Receipts: of a grant of which only they free something, nothing else does.

use crate::world::{LEASE_MS, Letter, World, amount, ceiling};
use bytes::Bytes;
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Breach, Component, Ending, Frame, GrantId, Input, Message, PaidTokens,
    Receipt, ReservationId, Settlement, Terms,
};
use hubless_proto::limits::{RECEIPT_BYTES, RECEIPT_TEXT_BYTES, RECEIPTS};
use hubless_proto::wire::words::RefundPolicy;
use proptest::prelude::*;

/// What the grant of these tests is for, in output tokens and in millionths.
const MOST: u64 = 20;
/// The key that goes with it.
const WHOLE: [u8; 32] = [1; 32];
/// One below that.
const BELOW: [u8; 32] = [2; 32];

fn gateway() -> SecretKey {
    SecretKey::from_seed([77; 32])
}

/// The key that goes with the grant, limited as that is.
fn frame(link: [u8; 32], signer: NodeKey) -> Frame {
    let limit_output = Some(MOST);
    Frame { link, limit_micros: MOST, limit_input: None, limit_output, signer }
}

/// Two nodes, a budget at the first, and a grant of this policy at the second.
fn two(refund: RefundPolicy) -> (World, GrantId, GrantId) {
    two_of(refund, &Allowance::exactly(&amount(MOST, MOST)))
}

/// The same with a grant of so much.
fn two_of(refund: RefundPolicy, most: &Allowance) -> (World, GrantId, GrantId) {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 20)) });
    world.work();
    let mut order = world.order(1, *most);
    order.refund = refund;
    let grant = order.id;
    world.input(0, Input::Cut { from: root, order });
    let signer = gateway().node_key();
    let frame = frame(WHOLE, signer);
    world.input(0, Input::Keyed { grant, frame });
    world.work();
    (world, root, grant)
}

fn receipt(grant: GrantId, link: [u8; 32], reservation: ReservationId, used: u64) -> Receipt {
    Receipt {
        gateway: gateway().node_key(),
        provider: "front".into(),
        reservation,
        grant,
        link,
        limit_micros: MOST,
        used_micros: used,
        // Of a gateway that counts cost alone.
        tokens: None,
        calls: 1,
        model: "m".into(),
        provider_request_id: "req-7".into(),
    }
}

fn whole(grant: GrantId, used: u64) -> Bytes {
    receipt(grant, WHOLE, Receipt::WHOLE, used).sign(&gateway()).unwrap()
}

fn below(grant: GrantId, used: u64) -> Bytes {
    let reservation = ReservationId::from_bytes([5; 16]);
    receipt(grant, BELOW, reservation, used).sign(&gateway()).unwrap()
}

/// What a gateway signs that counts tokens: input, output and cost of this key.
fn counted(grant: GrantId, link: [u8; 32], used: [u64; 3]) -> Receipt {
    let [used_input, used_output, cost] = used;
    let tokens = PaidTokens { used_input, used_output, limit_input: None, limit_output: None };
    let reservation = ReservationId::from_bytes([5; 16]);
    let reservation = if link == WHOLE { Receipt::WHOLE } else { reservation };
    Receipt { tokens: Some(tokens), ..receipt(grant, link, reservation, cost) }
}

/// The same of the key that went with the grant, of output and cost.
fn whole_of(grant: GrantId, (output, cost): (u64, u64)) -> Bytes {
    counted(grant, WHOLE, [0, output, cost]).sign(&gateway()).unwrap()
}

/// The same of one below it.
fn below_of(grant: GrantId, (output, cost): (u64, u64)) -> Bytes {
    counted(grant, BELOW, [0, output, cost]).sign(&gateway()).unwrap()
}

/// Cost and output tokens that the root is charged with.
fn charged(world: &World, root: GrantId) -> (u64, u64) {
    let used = world.nodes[0].ledger.view(&root).unwrap().used;
    (used.of(Component::CostMicros), used.of(Component::OutputTokens))
}

/// A last word as the second node says it.
fn settles(world: &mut World, grant: GrantId, used: u64, shown: Vec<Bytes>) {
    settles_with(world, grant, amount(0, used), shown);
}

fn settles_with(world: &mut World, grant: GrantId, used: Amount, shown: Vec<Bytes>) {
    let receipts = Receipt::head(&shown);
    let overrun = Amount::ZERO;
    let settlement = Settlement { grant, used, receipts, shown, lost: false, overrun };
    let from = world.key(1);
    world.input(0, Input::Receive { from, message: Message::Settle(settlement) });
    world.work();
}

/// How many receipts come with a last word.
fn settled(letter: &Letter) -> Option<usize> {
    let Message::Settle(settlement) = &letter.message else { return None };
    Some(settlement.shown.len())
}

#[test]
fn what_the_holder_chains_frees_what_the_gateway_signed() {
    for (refund, wanted) in [
        (RefundPolicy::Provider, (6, MOST)),
        (RefundPolicy::Signed, (6, 0)),
        (RefundPolicy::Never, (MOST, MOST)),
    ] {
        let (mut world, root, grant) = two(refund);
        let id = world.reserve(1, grant, amount(0, 8));
        world.work();
        world.provider.running.clear();
        world.input(1, Input::Receipt { grant, receipt: whole(grant, 6) });
        let (used, shown) = (Some(amount(0, 6)), below(grant, 6));
        world.input(1, Input::Commit { grant, id, used, receipt: Some(shown) });
        world.input(1, Input::Finish { grant, ending: Ending::Ran });
        world.work();
        assert_eq!(charged(&world, root), wanted, "{refund}");
        assert!(world.audits.is_empty());
    }
}

#[test]
fn what_the_gateway_signs_of_each_component_frees_the_rest_of_that_one() {
    let told = |used: Amount, shown: &dyn Fn(GrantId) -> Vec<Bytes>| {
        let (mut world, root, grant) = two(RefundPolicy::Provider);
        settles_with(&mut world, grant, used, shown(grant));
        (charged(&world, root), world.audits)
    };
    let both = |output, cost| move |grant| vec![whole_of(grant, (output, cost))];
    assert_eq!(told(amount(4, 6), &both(4, 6)), ((6, 4), vec![]));
    // Who says more of one is charged that, and who says less of one gets nothing back of any.
    assert_eq!(told(amount(5, 6), &both(4, 6)), ((6, 5), vec![]));
    let under = vec![Breach::UsedUnderSeen];
    assert_eq!(told(amount(3, 6), &both(4, 6)), ((MOST, MOST), under.clone()));
    assert_eq!(told(amount(4, 5), &both(4, 6)), ((MOST, MOST), under));
    // A key that is not below that of the grant, by its tokens alone.
    let more = |grant| vec![whole_of(grant, (4, 6)), below_of(grant, (5, 6))];
    assert_eq!(told(amount(5, 6), &more), ((MOST, MOST), vec![Breach::ReceiptForeign]));
    // A gateway that counts cost alone frees cost alone.
    let before = |grant| vec![whole(grant, 6)];
    assert_eq!(told(amount(4, 6), &before), ((6, MOST), vec![]));
}

#[test]
fn what_a_grant_does_not_limit_costs_what_the_gateway_says() {
    let input = |world: &World, root: GrantId| {
        world.nodes[0].ledger.view(&root).unwrap().used.of(Component::InputTokens)
    };
    let most = Allowance::exactly(&amount(MOST, MOST)).with(Component::InputTokens, None);
    for (said, paid, wanted) in [(0, 900, 900), (950, 900, 950), (0, 0, 0)] {
        let (mut world, root, grant) = two_of(RefundPolicy::Provider, &most);
        let used = amount(4, 6).with(Component::InputTokens, said).unwrap();
        let shown = counted(grant, WHOLE, [paid, 4, 6]).sign(&gateway()).unwrap();
        settles_with(&mut world, grant, used, vec![shown]);
        assert_eq!((charged(&world, root), input(&world, root)), ((6, 4), wanted));
        // Its holder did not lie: of what nobody limits it sets nothing aside.
        assert!(world.audits.is_empty());
    }
}

#[test]
fn a_holder_says_no_fewer_tokens_than_its_receipt() {
    let (mut world, root, grant) = two(RefundPolicy::Provider);
    world.reserve(1, grant, amount(8, 8));
    world.work();
    world.input(1, Input::Receipt { grant, receipt: whole_of(grant, (9, 5)) });
    world.commit_running();
    world.input(1, Input::Finish { grant, ending: Ending::Ran });
    world.work();
    let (cost, output) = charged(&world, root);
    assert!(cost >= 5 && output == 9, "{cost} {output}");
    assert!(world.audits.is_empty());
}

#[test]
fn what_is_chained_outlives_a_crash_of_the_holder_and_of_the_issuer() {
    let (mut world, _, grant) = two(RefundPolicy::Provider);
    let id = world.reserve(1, grant, amount(0, 8));
    world.work();
    world.provider.running.clear();
    world.input(1, Input::Receipt { grant, receipt: whole(grant, 6) });
    let used = Some(amount(0, 6));
    world.input(1, Input::Commit { grant, id, used, receipt: Some(below(grant, 6)) });
    world.persist(1, usize::MAX);
    world.crash(1, 0);
    world.crash(0, 0);
    world.settle_down(5_000);
    assert_eq!(world.settled.get(&grant).map(|used| used.of(Component::CostMicros)), Some(6));
    assert!(world.audits.is_empty());
}

#[test]
fn a_holder_is_charged_no_less_than_what_its_receipt_says() {
    let (mut world, root, grant) = two(RefundPolicy::Provider);
    world.reserve(1, grant, amount(0, 8));
    world.work();
    world.input(1, Input::Receipt { grant, receipt: whole(grant, 9) });
    world.commit_running();
    world.input(1, Input::Finish { grant, ending: Ending::Ran });
    world.work();
    assert_eq!((charged(&world, root).0, world.audits.len()), (9, 0));
}

#[test]
fn receipts_of_a_grant_that_does_not_want_them_are_not_kept() {
    let (mut world, _, grant) = two(RefundPolicy::Signed);
    world.input(1, Input::Receipt { grant, receipt: whole(grant, 6) });
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    world.persist(1, usize::MAX);
    let shown: Vec<_> = world.network.iter().filter_map(settled).collect();
    assert_eq!(shown, [0]);
}

#[test]
fn so_many_receipts_are_kept_and_no_larger_ones() {
    let (mut world, root, grant) = two(RefundPolicy::Provider);
    let large = Bytes::from(vec![0; RECEIPT_BYTES + 1]);
    world.input(1, Input::Receipt { grant, receipt: large });
    world.input(1, Input::Receipt { grant, receipt: whole(grant, 3) });
    for n in 0..RECEIPTS {
        let n = u8::try_from(n).unwrap() + 10;
        let more = receipt(grant, [n; 32], ReservationId::from_bytes([n; 16]), 0);
        let receipt = more.sign(&gateway()).unwrap();
        assert!(receipt.len() <= RECEIPT_BYTES);
        world.input(1, Input::Receipt { grant, receipt });
    }
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    world.persist(1, usize::MAX);
    let shown: Vec<_> = world.network.iter().filter_map(settled).collect();
    assert_eq!(shown, [RECEIPTS]);
    world.work();
    assert_eq!((charged(&world, root).0, world.audits.len()), (3, 0));
    // One more does not come over the wire at all, nor a larger one.
    let most: Vec<_> = (0..=RECEIPTS).map(|_| Bytes::from_static(b"x")).collect();
    for (shown, limit) in
        [(most, "RECEIPTS"), (vec![Bytes::from(vec![0; RECEIPT_BYTES + 1])], "RECEIPT_BYTES")]
    {
        let used = Amount::ZERO;
        let settlement =
            Settlement { grant, used, receipts: None, shown, lost: false, overrun: Amount::ZERO };
        let refused = Message::decode(Message::Settle(settlement).encode()).unwrap_err();
        assert_eq!(refused.limit.map(|limit| limit.name).as_deref(), Some(limit));
    }
    let long = Receipt {
        model: "m".repeat(RECEIPT_TEXT_BYTES + 1),
        ..receipt(grant, WHOLE, Receipt::WHOLE, 0)
    };
    let refused = long.sign(&gateway()).unwrap_err();
    assert_eq!(refused.limit.map(|limit| limit.name).as_deref(), Some("RECEIPT_TEXT_BYTES"));
}

#[test]
fn receipts_that_do_not_add_up_free_nothing_and_are_audited() {
    let stranger = SecretKey::from_seed([78; 32]);
    let elsewhere = Receipt {
        gateway: stranger.node_key(),
        ..receipt(GrantId::from_bytes([0; 16]), WHOLE, Receipt::WHOLE, 0)
    };
    let of = |grant: GrantId, way: &str| -> (u64, Vec<Bytes>) {
        let (good, part) = (whole(grant, 6), below(grant, 6));
        match way {
            "good" => (6, vec![good, part]),
            "alone" => (6, vec![good]),
            "none" => (6, Vec::new()),
            "of another grant" => (6, vec![whole(GrantId::from_bytes([9; 16]), 6)]),
            "part of another grant" => (6, vec![good, below(GrantId::from_bytes([9; 16]), 6)]),
            "by another gateway" => {
                (6, vec![Receipt { grant, ..elsewhere.clone() }.sign(&stranger).unwrap()])
            }
            "twice" => (6, vec![good.clone(), good]),
            "of one reservation twice" => {
                let other = receipt(grant, [3; 32], ReservationId::from_bytes([5; 16]), 0);
                (6, vec![good, part, other.sign(&gateway()).unwrap()])
            }
            "without the one that counts" => (6, vec![part]),
            "with more below than in all" => (7, vec![good, below(grant, 7)]),
            "said to be less" => (5, vec![good]),
            other => panic!("{other}"),
        }
    };
    for (way, cost, breach) in [
        ("good", 6, None),
        ("alone", 6, None),
        ("none", MOST, None),
        ("of another grant", MOST, Some(Breach::ReceiptForeign)),
        ("part of another grant", MOST, Some(Breach::ReceiptForeign)),
        ("by another gateway", MOST, Some(Breach::ReceiptForeign)),
        ("twice", MOST, Some(Breach::ReceiptRepeated)),
        ("of one reservation twice", MOST, Some(Breach::ReceiptRepeated)),
        ("without the one that counts", MOST, Some(Breach::ReceiptsMissing)),
        ("with more below than in all", MOST, Some(Breach::ReceiptForeign)),
        ("said to be less", MOST, Some(Breach::UsedUnderSeen)),
    ] {
        let (mut world, root, grant) = two(RefundPolicy::Provider);
        let (used, shown) = of(grant, way);
        settles(&mut world, grant, used, shown.clone());
        assert_eq!(charged(&world, root), (cost, MOST), "{way}");
        assert_eq!(world.audits, breach.into_iter().collect::<Vec<_>>(), "{way}");
        // Said again, it is acknowledged and frees nothing more.
        settles(&mut world, grant, 0, vec![whole(grant, 0)]);
        assert_eq!(charged(&world, root), (cost, MOST), "{way}");
    }
}

#[test]
fn a_head_of_other_receipts_frees_nothing() {
    let (mut world, root, grant) = two(RefundPolicy::Provider);
    let hidden = Receipt::head(&[whole(grant, 6), below(grant, 6)]);
    let shown = vec![whole(grant, 6)];
    let used = amount(0, 6);
    let settlement =
        Settlement { grant, used, receipts: hidden, shown, lost: false, overrun: Amount::ZERO };
    let from = world.key(1);
    world.input(0, Input::Receive { from, message: Message::Settle(settlement) });
    assert_eq!(world.audits, [Breach::ReceiptsMissing]);
    assert_eq!(charged(&world, root), (MOST, MOST));
}

#[test]
fn without_a_key_that_went_with_the_grant_no_receipt_counts_and_the_first_key_stands() {
    let (mut world, root, _) = two(RefundPolicy::Provider);
    let mut order = world.order(1, Allowance::exactly(&amount(MOST, MOST)));
    order.refund = RefundPolicy::Provider;
    let grant = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    settles(&mut world, grant, 0, vec![whole(grant, 0)]);
    assert_eq!(world.audits, [Breach::ReceiptForeign]);
    let (mut world, root, grant) = two(RefundPolicy::Provider);
    let signer = SecretKey::from_seed([78; 32]).node_key();
    let frame = frame(BELOW, signer);
    world.input(0, Input::Keyed { grant, frame });
    settles(&mut world, grant, 2, vec![whole(grant, 2)]);
    assert_eq!((charged(&world, root).0, world.audits.len()), (2, 0));
}

proptest! {
    /// Whatever is shown and said, no less is charged of any component than the gateway was paid.
    #[test]
    fn no_less_is_charged_than_was_paid(
        paid in (0..=MOST, 0..=MOST),
        said in (0..=MOST, 0..=MOST),
        ways in proptest::collection::vec((0..6u8, any::<prop::sample::Index>()), 0..4),
    ) {
        let (mut world, root, grant) = two(RefundPolicy::Provider);
        let mut shown = vec![whole_of(grant, paid), below_of(grant, paid)];
        for (way, at) in &ways {
            let at = if shown.is_empty() { 0 } else { at.index(shown.len()) };
            match way {
                0 if !shown.is_empty() => drop(shown.remove(at)),
                1 if !shown.is_empty() => {
                    let mut bytes = shown[at].to_vec();
                    let bit = usize::try_from(paid.1).unwrap() % (bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    shown[at] = bytes.into();
                }
                2 => shown.push(whole_of(GrantId::from_bytes([9; 16]), (0, 0))),
                3 if !shown.is_empty() => shown.push(shown[at].clone()),
                4 => {
                    let stranger = SecretKey::from_seed([78; 32]);
                    let gateway = stranger.node_key();
                    let lie = Receipt { gateway, ..counted(grant, WHOLE, [0; 3]) };
                    shown.insert(0, lie.sign(&stranger).unwrap());
                }
                _ => shown.reverse(),
            }
        }
        let untouched = ways.iter().all(|(way, _)| *way == 5);
        settles_with(&mut world, grant, amount(said.0, said.1), shown);
        let (cost, output) = charged(&world, root);
        prop_assert!(output >= paid.0.max(said.0), "{output} for {paid:?}, said {said:?}");
        prop_assert!(cost >= paid.1.max(said.1), "{cost} for {paid:?}, said {said:?}");
        if untouched && said.0 >= paid.0 && said.1 >= paid.1 {
            // The positive side: what is shown as it is frees the rest.
            prop_assert_eq!((output, cost), said);
            prop_assert!(world.audits.is_empty());
        }
    }

    #[test]
    fn each_bit_of_a_receipt_counts(bit in any::<prop::sample::Index>()) {
        let good = whole(GrantId::from_bytes([3; 16]), 6);
        prop_assert!(Receipt::open(&good).is_ok());
        let mut bytes = good.to_vec();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Receipt::open(&bytes.into()).is_err(), "bit {}", bit);
    }
}
