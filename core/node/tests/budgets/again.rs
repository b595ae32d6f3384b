//! Requests under a budget that are sent again on another stream: one run, one grant, one charge.

use super::badly::{Disk, Peer, Quiet, end_of};
use super::support::{agent, soon};
use super::*;
use hubless::call::pipe::CallerEnd;
use hubless::foreign::{Answer, AuthCheck, AuthVerdict, Authenticator};
use hubless::home::Home;
use hubless::mesh::{Mesh, MeshOptions};
use hubless::{NodeOptions, handler};
use hubless_proto::wire::v1::event;
use tokio::sync::{Notify, Semaphore};

/// Lets everyone pass, once it is told to.
struct Door {
    asked: Notify,
    opens: Semaphore,
}

struct Keeper(Arc<Door>);

impl Authenticator for Keeper {
    fn verify(&self, _: AuthCheck) -> Answer<AuthVerdict> {
        let door = Arc::clone(&self.0);
        Box::pin(async move {
            door.asked.notify_one();
            if let Ok(one) = door.opens.acquire().await {
                one.forget();
            }
            Ok(AuthVerdict { allow: true, cache_ms: 0 })
        })
    }
}

/// Waits until a stream hears that its call is there.
async fn accepted(end: &mut CallerEnd) {
    let first = soon("a word", end.events.recv()).await.expect("an event");
    assert!(matches!(first.event.kind, Some(event::Kind::Accepted(_))), "{first:?}");
}

/// The second comes while the first has not taken its grant yet, and again when all is over.
#[tokio::test]
async fn what_is_sent_again_runs_once_and_is_charged_once() {
    let folder = tempfile::tempdir().unwrap();
    let (home, name) = (Some(folder.path().to_owned()), Some("holder".to_owned()));
    let node = Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await.unwrap();
    let door = Arc::new(Door { asked: Notify::new(), opens: Semaphore::new(0) });
    let (runs, go) = (Arc::<AtomicU64>::default(), Arc::<Notify>::default());
    let (counted, gate) = (Arc::clone(&runs), Arc::clone(&go));
    let works = handler(move |call: Call, _: Content| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            call.spend(output(60)).await?.used(output(60));
            gate.notified().await;
            Ok(Content::default())
        }
    });
    let mut options = agent(json!({"name": "works", "requirements": {"auth": {"host": true}}}));
    options.authenticator = Some(Arc::new(Keeper(Arc::clone(&door))));
    let works = node.register(options, works).await.unwrap();
    let opened = Home::open(Some(folder.path())).unwrap();
    let known = Arc::<Notify>::default();
    let quiet = Arc::new(Quiet(Arc::clone(&known)));
    let mesh = Mesh::start(MeshOptions::new(opened.clone()), quiet).await.unwrap();
    soon("the node", known.notified()).await;
    let peer = Peer { mesh, node: node.key(), agent: works.id() };
    let (disk, bytes) = (Disk(opened), peer.grant(1).encode());

    let mut first = peer.send(1, "x", bytes.clone()).await;
    soon("the check", door.asked.notified()).await;
    accepted(&mut first).await;
    let mut second = peer.send(1, "x", bytes.clone()).await;
    accepted(&mut second).await;
    door.opens.add_permits(1);
    let held = || disk.ledger().iter().map(|one| one.accounts.len()).sum::<usize>();
    let used = || {
        let ledger = disk.ledger();
        let accounts = ledger.iter().flat_map(|one| &one.accounts);
        accounts.map(|one| one.used.of(Component::OutputTokens)).sum::<u64>()
    };
    until("it has spent", || (held(), used()) == (1, 60)).await;
    // The one that is left ends nothing.
    drop(first);
    let third = peer.send(1, "x", bytes.clone()).await;
    drop(third);
    go.notify_one();
    assert_eq!(end_of(&mut second).await, Ok(()));
    until("nothing is held", || held() == 0).await;
    assert_eq!(end_of(&mut peer.send(1, "x", bytes).await).await, Ok(()), "it is told again");
    assert_eq!((runs.load(Ordering::SeqCst), held()), (1, 0));

    // The control: another request has its own run and its own grant.
    door.opens.add_permits(1);
    go.notify_one();
    let mut other = peer.send(2, "x", peer.grant(2).encode()).await;
    assert_eq!(end_of(&mut other).await, Ok(()));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}
