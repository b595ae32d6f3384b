//! Nodes that cannot be dialled by what is known of them.

use super::refused::{brings, brings_spread, node, of, three};
use super::support::One;
use crate::chance::now_ms;
use crate::mesh::tests::support::LONG;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::record::Term;
use hubless_proto::wire::v1::{self, spread_record::Record};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_a_node_to_which_there_is_no_way_from_here_are_found_all_the_same() {
    let (one, member, home) = three().await;
    one.mesh.shared_for_tests().directory.has_no_way(home.node());
    let term = Term::starting(now_ms(), limits::RECORD_LIFE);
    let (id, shown) = of(10, home.node(), term);
    brings(&member, &one, vec![shown]).await;
    one.finds(&[id]).await;
    // Also when it is looked for anew, since its record is renewed.
    home.renewed(now_ms()).unwrap();
    let (second, shown) = of(11, home.node(), term);
    brings(&member, &one, vec![node(&home), shown]).await;
    one.finds(&[id, second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_on_the_machine_of_a_node_is_believed_even_after_others_told_of_it() {
    let [one, first, second] = [One::alone().await, One::alone().await, One::alone().await];
    let silent = One::alone().await;
    for member in [&first, &second] {
        member.joins(&one).await;
    }
    one.holds(3).await;
    let record = || node(&silent.mesh.shared_for_tests().local);
    brings(&first, &one, vec![record()]).await;
    one.holds(4).await;
    assert_eq!(way(&one, silent.key()), Err("no_address".into()), "it may be anywhere");
    brings_spread(&second, &one, vec![here(record())]).await;
    finds_way(&one, silent.key()).await;
    one.asks(silent.key()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_asked_where_a_node_is_to_which_there_is_no_way() {
    let (one, _member, home) = three().await;
    assert_eq!(way(&one, home.node()), Err("no_address".into()));
    one.mesh.shared_for_tests().directory.has_no_way(home.node());
    let [other, bringer] = [One::alone().await, One::alone().await];
    bringer.joins(&other).await;
    brings_spread(&bringer, &other, vec![here(node(&home))]).await;
    other.holds(3).await;
    // It holds the record itself: by comparing, it would not hear of it again.
    one.joins(&other).await;
    finds_way(&one, home.node()).await;
}

/// A record of a node that a member says to be on its machine.
fn here(record: Record) -> v1::SpreadRecord {
    v1::SpreadRecord { record: Some(record), here: true, hops: 0 }
}

/// The code of why a node cannot be dialled, if it cannot.
fn way(from: &One, to: NodeKey) -> Result<(), String> {
    let shared = from.mesh.shared_for_tests();
    shared.book.reach(to, &shared.local, now_ms()).map(drop).map_err(|why| why.code)
}

async fn finds_way(from: &One, to: NodeKey) {
    let found = async {
        while way(from, to).is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, found).await.expect("in time");
}
