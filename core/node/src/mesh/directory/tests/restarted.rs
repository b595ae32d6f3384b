//! What an earlier process under the key of a node left behind.

use super::refused::{brings, of};
use super::support::One;
use crate::chance::now_ms;
use crate::mesh::local::hosting_seq;
use crate::mesh::tests::support::{agent, signed};
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, spread_record::Record};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_back_the_agents_that_an_earlier_process_of_it_left() {
    let [one, other] = [One::alone().await, One::alone().await];
    let (stands, shown) = agent(1, one.key());
    one.mesh.announce(vec![shown]);
    // Others hold it still, though the node knows nothing of it.
    let before = Term::starting(now_ms() - 60_000, limits::RECORD_LIFE);
    let (left, record) = of(2, one.key(), before);
    let bringer = One::alone().await;
    bringer.joins(&other).await;
    other.holds(2).await;
    bringer.joins(&one).await;
    other.finds(&[stands]).await;
    brings(&bringer, &other, vec![record]).await;
    other.until("it is brought", |known| known.seen().contains(&left)).await;
    for any in [&other, &bringer] {
        any.finds(&[stands]).await;
    }
    other.joins(&one).await;
    other.finds(&[stands]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_gives_its_calls_no_time_says_its_last_word_all_the_same() {
    let [a, b, c] = [One::alone().await, One::alone().await, One::alone().await];
    let (of_c, shown) = agent(3, c.key());
    c.mesh.announce(vec![shown]);
    a.joins(&b).await;
    c.joins(&b).await;
    a.finds(&[of_c]).await;
    c.mesh.close(Duration::ZERO).await;
    for one in [&a, &b] {
        one.finds(&[]).await;
        one.holds(2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_was_set_back_says_what_it_says_above_what_it_said_before() {
    let [one, other] = [One::alone().await, One::alone().await];
    let (id, shown) = agent(1, one.key());
    one.mesh.announce(vec![shown]);
    other.joins(&one).await;
    other.finds(&[id]).await;
    // The last word of the process before, a minute later by its clock.
    let later = now_ms() + 60_000;
    let term = Term { seq: later, ..Term::starting(now_ms(), limits::RECORD_LIFE) };
    let body = v1::Tombstone { reason: "closed".to_owned(), agent: bytes::Bytes::new() };
    let key = one.mesh.shared_for_tests().local.key();
    let last = record::sign(key, term, &body).unwrap();
    let bringer = One::alone().await;
    bringer.joins(&other).await;
    other.holds(3).await;
    brings(&bringer, &other, vec![Record::Tombstone(last)]).await;
    assert_eq!(one.outnumbered().await, later);
    // The engine signs its agents anew, above that.
    let above = Term { seq: later + 1, ..Term::starting(now_ms(), limits::RECORD_LIFE) };
    let named = v1::Descriptor { name: "agent-1".to_owned(), ..Default::default() };
    let (_, shown) = signed(1, one.key(), above, &named);
    assert!(hosting_seq(&shown) < now_ms() + ms(limits::CLOCK_SKEW));
    one.mesh.announce(vec![shown]);
    for any in [&other, &bringer] {
        any.finds(&[id]).await;
        any.holds(3).await;
    }
}
