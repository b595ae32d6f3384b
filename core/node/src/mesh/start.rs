//! Starting a node's part in its mesh, and what it does by itself from then on.

use super::directory::{self, Directory};
use super::lan::{Lan, look};
use super::local::Local;
use super::peers::Peers;
use super::shared::{Patience, Shared};
use super::{Listen, Mesh, MeshHost, MeshOptions, Source, keep, relays, renew, serve};
use crate::back_off::BackOff;
use crate::chance::now_ms;
use crate::executor::blocking;
use crate::home::Home;
use crate::keys;
use crate::link::{Bind, Link};
use crate::membership::{Contact, Membership};
use crate::runtime::{Presence, Sighting, watch};
use crate::web::Roots;
use hubless_proto::error::{Kind, Result};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SetOnce, mpsc, watch as signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Looks at the runtime folder whose sightings wait for the mesh.
const SIGHTINGS: usize = 4;
/// Connections that may introduce themselves at once.
const INTRODUCTIONS: usize = 256;
/// Time for others to remove what a dead process of this node left.
const SWEPT: Duration = Duration::from_secs(1);
/// First and longest pause between two looks whether they did.
const SWEEP_PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// A node without agents is seen after this time.
const FIRST_RECORD: Duration = Duration::from_millis(50);

impl Mesh {
    /// Waits until every node is known that was in the runtime folder at the start; a mesh without
    /// one has nothing to wait for.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn looked(&self) {
        if self.shared.presence.is_some() {
            self.shared.looked.wait().await;
        }
    }
}

pub(super) async fn start(
    options: MeshOptions,
    host: Arc<dyn MeshHost>,
    patience: Patience,
) -> Result<Arc<Shared>> {
    let home = options.home.clone();
    let opened = {
        let (home, name, mesh) = (home.clone(), options.name.clone(), options.mesh);
        let zones = options.zones.clone();
        blocking(move || {
            let key = node_key(&home, name.as_deref())?;
            let membership = Membership::open(&home, mesh)?;
            let membership = membership.zoned(zones, key.0.node_key(), now_ms())?;
            Ok((key, membership))
        })
    };
    let ((key, use_lock), membership) = opened.await?;
    let presence = present(&home, key.node_key()).await?;
    // A mesh that was joined by a ticket of another machine is contact that the user asked for.
    let distant = membership.contacts().iter().any(is_distant);
    let is_open = distant || options.lan;
    let listen =
        if is_open && options.listen == Listen::Loopback { Listen::All } else { options.listen };
    let local = Arc::new(Local::new(key.clone(), membership)?);
    let relaying = relays::relaying(options.relays, options.relay_ca, &local).await?;
    let roots = relaying.as_ref().and_then(|relaying| relaying.roots.clone());
    let (port, paths) = (options.port, patience.paths);
    let bind = Bind { key: &key, listen: &listen, port, relays: relaying, paths };
    let link = Link::bind(bind).await?;
    local.set_addresses(link.addresses());
    let (node, mesh) = (local.node(), local.mesh());
    let lan = || Lan::open(node, mesh, &listen, &link.addresses());
    let lan = options.lan.then(lan).transpose()?;
    local.set_relays(link.relays().to_vec());
    let shared = Arc::new(Shared {
        home,
        local,
        link,
        host,
        book: super::book::Book::default(),
        dead: super::dead::Dead::default(),
        parted: super::parted::Parted::default(),
        peers: Peers::default(),
        directory: Directory::default(),
        patience,
        presence,
        looked: SetOnce::new(),
        announced: signal::Sender::new(0),
        waiting: Semaphore::new(limits::OUTBOUND_QUEUE),
        telling: Arc::new(Semaphore::new(limits::OUTBOUND_QUEUE)),
        redeeming: Arc::new(Semaphore::new(1)),
        closing: AtomicBool::new(false),
        doubt: Notify::new(),
        repeats: AtomicU64::new(0),
        cut: CancellationToken::new(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        use_lock: Mutex::new(use_lock),
    });
    if listen != Listen::Loopback || !shared.link.relays().is_empty() {
        // It may be asked at once to admit others, who are told of it by its record.
        publish(&shared).await?;
    }
    tasks(&shared);
    tend_relays(&shared, roots);
    if let Some(lan) = lan {
        let task = Arc::clone(&shared);
        shared.spawn(async move { look(&task, lan).await });
    }
    tracing::info!(
        node = %shared.local.node(),
        mesh = %shared.local.mesh(),
        "node started"
    );
    Ok(shared)
}

fn tasks(shared: &Arc<Shared>) {
    let task = Arc::clone(shared);
    shared.spawn(async move { accept(task).await });
    let task = Arc::clone(shared);
    let changes = shared.announced.subscribe();
    shared.spawn(async move { keep_record(&task, changes).await });
    let task = Arc::clone(shared);
    shared.spawn(async move { keep::rounds(&task).await });
    let task = Arc::clone(shared);
    shared.spawn(async move { keep::distant_told(&task).await });
    let task = Arc::clone(shared);
    shared.spawn(async move { renew::keep(&task).await });
    let task = Arc::clone(shared);
    shared.spawn(async move { directory::run(&task).await });
    if shared.home.folders().is_some() {
        let (sender, seen) = mpsc::channel(SIGHTINGS);
        let task = Arc::clone(shared);
        shared.spawn(async move {
            if let Some(folders) = task.home.folders() {
                watch(folders, task.local.node(), sender).await;
            }
        });
        let task = Arc::clone(shared);
        shared.spawn(async move { sightings(&task, seen).await });
    }
    for contact in shared.local.membership().contacts() {
        shared.book.contact(contact.node, &contact.addresses, &contact.relays);
        let (task, node) = (Arc::clone(shared), contact.node);
        shared.spawn(async move { keep::contact(&task, node).await });
    }
}

fn tend_relays(shared: &Arc<Shared>, roots: Option<Roots>) {
    let task = Arc::clone(shared);
    shared.spawn(async move { task.link.follow_home().await });
    let task = Arc::clone(shared);
    shared.spawn(async move { relays::keep(&task, roots).await });
}

/// True for a node of another machine, as far as a ticket says.
fn is_distant(contact: &Contact) -> bool {
    let beyond = |address: &SocketAddr| !address.ip().is_loopback();
    contact.addresses.iter().any(beyond) || !contact.relays.is_empty()
}

/// Takes the lock of this node in the runtime folder.
///
/// Whoever finds what an earlier process of a stored key left behind holds it for a moment. That
/// none of them runs is known by the key, which is ours.
async fn present(home: &Home, node: NodeKey) -> Result<Option<Presence>> {
    let until = Instant::now() + SWEPT;
    let mut pause = BackOff::within(SWEEP_PAUSE.0, SWEEP_PAUSE.1);
    loop {
        let home = home.clone();
        match blocking(move || Presence::begin(&home, node)).await {
            Err(error) if error.kind == Kind::Conflict && Instant::now() < until => {
                pause.wait().await;
            }
            begun => return begun,
        }
    }
}

fn node_key(home: &Home, name: Option<&str>) -> Result<(SecretKey, Option<crate::home::Lock>)> {
    let Some(name) = name else { return Ok((keys::fresh()?, None)) };
    let stored = keys::stored_node(home, &name.parse()?)?;
    Ok((stored.key, Some(stored.lock)))
}

async fn accept(shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(INTRODUCTIONS));
    while let Some(incoming) = shared.link.accept().await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let task = Arc::clone(&shared);
        shared.spawn(async move { serve::accepted(task, incoming, place).await });
    }
}

/// Writes our record, and writes it anew after every change of what it says.
async fn keep_record(shared: &Arc<Shared>, mut changes: signal::Receiver<u64>) {
    // Most nodes register an agent at once: one record then says both, and every process of this
    // user reads one file less.
    let hosts_one = |_: &u64| !shared.local.agents().is_empty();
    let _ = timeout(FIRST_RECORD, changes.wait_for(hosts_one)).await;
    let mut beyond = shared.local.beyond();
    loop {
        changes.borrow_and_update();
        beyond.borrow_and_update();
        let began = Instant::now();
        if let Err(error) = publish(shared).await {
            tracing::warn!(%error, "cannot write the record of this node");
        }
        // Changes that come in a burst share the next writing.
        tokio::time::sleep(began.elapsed()).await;
        // The senders of both live as long as the mesh.
        let changed = tokio::select! {
            changed = changes.changed() => changed,
            changed = beyond.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn publish(shared: &Arc<Shared>) -> Result<()> {
    if shared.presence.is_none() {
        return Ok(());
    }
    let task = Arc::clone(shared);
    blocking(move || {
        let announcement = task.local.announcement(now_ms())?;
        task.presence.as_ref().map_or(Ok(()), |presence| presence.write(&announcement))
    })
    .await
}

async fn sightings(shared: &Arc<Shared>, mut seen: mpsc::Receiver<Vec<Sighting>>) {
    while let Some(together) = seen.recv().await {
        if together.is_empty() {
            // Set once: the first look has one end.
            let _ = shared.looked.set(());
            continue;
        }
        let mut announced = false;
        for sighting in together {
            announced |= sighted(shared, sighting);
        }
        // What ends wakes nobody who waits for what comes.
        if announced {
            shared.host.told();
        }
    }
}

/// Takes up what was seen; true: a node was announced.
fn sighted(shared: &Shared, sighting: Sighting) -> bool {
    match sighting {
        Sighting::Seen(node, announcement) => return near(shared, node, announcement),
        // Said again of one that was told before, or before the next process has written its own.
        Sighting::Left(node, _) if !shared.book.is_near(node) => {}
        Sighting::Left(node, seen) => shared.node_left(node, seen),
        Sighting::Gone(node, seen) => shared.node_died(node, seen),
        Sighting::OwnRecordLost if !shared.shows_itself() => {}
        Sighting::OwnRecordLost => shared.announced.send_modify(|version| *version += 1),
    }
    false
}

/// Announces a node that showed itself; false: it is none of this mesh, or leaves.
fn near(shared: &Shared, node: NodeKey, announcement: v1::NodeAnnouncement) -> bool {
    let Some(record) = announcement.node.clone() else { return false };
    let Some((author, instance)) = shared.local.fellow(&record) else { return false };
    if author != node {
        return false;
    }
    let revoked = shared.local.membership().check_keys(&[*node.as_bytes()]).is_err();
    if revoked || shared.parted.contains(node, instance) {
        return false;
    }
    shared.node_restarted(node, instance);
    shared.book.near(node, record);
    shared.dead.remove(node);
    shared.peers.touch(node);
    shared.directory.near(node, &announcement);
    shared.host.announced(Source::RuntimeFolder, announcement);
    true
}
