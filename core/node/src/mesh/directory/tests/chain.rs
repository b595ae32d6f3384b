//! Agents of nodes that were never connected.

use super::support::One;
use crate::home::Home;
use crate::membership::{InviteOptions, Ticket};
use crate::mesh::local::hosting_seq;
use crate::mesh::tests::support::{agent, transient};
use crate::mesh::{invite, join};
use std::time::{Duration, Instant};

const GRACE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_found_and_called_through_who_knows_both() {
    let [a, b, c] = [One::alone().await, One::alone().await, One::alone().await];
    let (of_b, shown) = agent(2, b.key());
    b.mesh.announce(vec![shown]);
    let (of_c, shown) = agent(3, c.key());
    c.mesh.announce(vec![shown]);
    a.joins(&b).await;
    a.finds(&[of_b]).await;
    assert!(!a.mesh.known().contains(&c.key()), "nobody has told of it yet");
    c.joins(&b).await;
    a.finds(&[of_b, of_c]).await;
    c.finds(&[of_b]).await;
    // Whether it made a link to it by itself or not, nobody said where that node is but a record.
    a.asks(c.key()).await;
    // What is new, whatever it is, goes the same way.
    let (late, shown) = transient(4, c.key());
    c.mesh.announce(vec![agent(3, c.key()).1, shown]);
    a.finds(&[of_b, of_c, late]).await;
    for one in [&a, &b, &c] {
        one.holds(3).await;
        assert!([&a, &b, &c].iter().all(|by| one.refusals(by).is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_is_gone_everywhere_and_stays_gone() {
    let [a, b, c] = [One::alone().await, One::alone().await, One::alone().await];
    let (of_c, shown) = agent(3, c.key());
    c.mesh.announce(vec![shown.clone()]);
    let (other, second) = agent(4, c.key());
    a.joins(&b).await;
    c.joins(&b).await;
    a.finds(&[of_c]).await;
    c.mesh.announce(vec![second]);
    a.finds(&[other]).await;
    // It comes back under a later number only.
    while crate::chance::now_ms() <= hosting_seq(&shown) {
        tokio::task::yield_now().await;
    }
    c.mesh.announce(vec![agent(3, c.key()).1]);
    a.finds(&[of_c]).await;
    // The node itself: its last word goes to those as well that it has no connection to.
    let key = c.key();
    c.mesh.close(GRACE).await;
    for one in [&a, &b] {
        one.finds(&[]).await;
        one.holds(2).await;
        assert!(!one.mesh.known().contains(&key), "nobody dials it");
    }
    // A record of it that is late brings nothing back.
    let late = One::alone().await;
    late.joins(&a).await;
    late.holds(3).await;
    assert!(late.agents().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_that_joined_by_one_see_what_is_new_at_any() {
    const NODES: usize = 20;
    let first = One::alone().await;
    let mut all = vec![first];
    for _ in 1..NODES {
        let next = One::alone().await;
        next.joins(&all[0]).await;
        all.push(next);
    }
    for one in &all {
        one.holds(NODES).await;
    }
    let (last, began) = (all.last().unwrap(), Instant::now());
    let (new, shown) = agent(9, last.key());
    let (brief, second) = agent(11, last.key());
    last.mesh.announce(vec![shown.clone(), second]);
    for one in &all[..NODES - 1] {
        one.finds(&[new, brief]).await;
    }
    eprintln!("seen by {} others after {:?}", NODES - 1, began.elapsed());
    let began = Instant::now();
    last.mesh.announce(vec![shown]);
    for one in &all[..NODES - 1] {
        one.finds(&[new]).await;
    }
    eprintln!("gone at {} others after {:?}", NODES - 1, began.elapsed());
    // Who admitted them is no more, and said nothing: those that are left go on by themselves.
    all.remove(0).mesh.vanish_for_tests();
    let began = Instant::now();
    let next = One::alone().await;
    next.joins(&all[3]).await;
    next.finds(&[new]).await;
    eprintln!("found by who joins another one after {:?}", began.elapsed());
    let began = Instant::now();
    let (newest, shown) = agent(10, next.key());
    next.mesh.announce(vec![shown]);
    for one in &all[..NODES - 2] {
        one.finds(&[new, newest]).await;
    }
    eprintln!("seen by all that are left after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_by_another_minter_is_found_when_the_first_is_no_more() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let homes: Vec<_> = folders.iter().map(|one| Home::open(Some(one.path())).unwrap()).collect();
    let (first, second) = (One::of(&homes[0]).await, One::of(&homes[0]).await);
    let (of_second, shown) = agent(2, second.key());
    second.mesh.announce(vec![shown]);
    first.finds(&[of_second]).await;
    second.knows(first.key()).await;
    let ticket = || {
        let options = InviteOptions { local: true, ..Default::default() };
        let ticket: Ticket = invite(&homes[0], &options).unwrap().text().parse().unwrap();
        ticket
    };
    // Each ticket names one of them alone, as if that had been the only one that ran.
    let by = |minter: &One, mut ticket: Ticket| {
        ticket.minters.retain(|one| one.node == minter.key());
        ticket
    };
    join(&homes[1], &by(&first, ticket())).await.unwrap();
    let guest = One::of(&homes[1]).await;
    let (of_guest, shown) = agent(3, guest.key());
    guest.mesh.announce(vec![shown]);
    guest.finds(&[of_second]).await;
    second.finds(&[of_guest]).await;
    first.mesh.close(GRACE).await;
    join(&homes[2], &by(&second, ticket())).await.unwrap();
    let newcomer = One::of(&homes[2]).await;
    let (new, shown) = agent(4, newcomer.key());
    newcomer.mesh.announce(vec![shown]);
    guest.finds(&[of_second, new]).await;
    newcomer.finds(&[of_second, of_guest]).await;
    guest.asks(newcomer.key()).await;
}
