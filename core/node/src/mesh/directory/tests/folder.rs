//! Nodes of one runtime folder: they have each other there, and make no connection for it until one
//! of them knows somebody beyond.

use super::support::One;
use crate::home::Home;
use crate::mesh::tests::support::agent;
use hubless_proto::audit::Event;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_folder_dial_nobody_until_one_of_them_knows_somebody_beyond() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [0, 1].map(|i: usize| Home::open(Some(folders[i].path())).unwrap());
    let mut near = Vec::new();
    let mut agents = Vec::new();
    for seed in 0..4 {
        let one = One::of(&ours).await;
        let (id, shown) = agent(seed, one.key());
        one.mesh.announce(vec![shown]);
        agents.push(id);
        near.push(one);
    }
    for (place, one) in near.iter().enumerate() {
        let others: Vec<_> = agents.iter().filter(|id| **id != agents[place]).copied().collect();
        one.finds(&others).await;
        assert!(one.mesh.peers().is_empty());
        assert_eq!(one.mesh.records().records, 0);
        assert_eq!(one.rows(Event::PeerAccepted), 0);
    }
    // One of another data folder joins by the first.
    near[1].knows(near[0].key()).await;
    let options = crate::membership::InviteOptions { local: true, ..Default::default() };
    let mut ticket = crate::mesh::invite(&ours, &options).unwrap();
    ticket.minters.retain(|one| one.node == near[0].key());
    crate::mesh::join(&theirs, &ticket).await.unwrap();
    let far = One::of(&theirs).await;
    let (of_far, shown) = agent(9, far.key());
    far.mesh.announce(vec![shown]);
    far.finds(&agents).await;
    for (place, one) in near.iter().enumerate() {
        let others = agents.iter().filter(|id| **id != agents[place]).chain([&of_far]);
        one.finds(&others.copied().collect::<Vec<_>>()).await;
        one.holds(5).await;
        assert!(one.rows(Event::PeerAccepted) > 0, "they are connected by now");
    }
    // What one of them takes back lies in no file: it goes from one to the other.
    near[3].mesh.announce(Vec::new());
    far.finds(&agents[..3]).await;
}
