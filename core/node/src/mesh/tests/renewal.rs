//! Tokens of joined meshes, renewed over connections, with the clock of who asks passed in.

use super::support::*;
use crate::audit::LogFile;
use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::CloseReason;
use crate::membership::{InviteOptions, Membership, Ticket, member_key};
use crate::mesh::book::Hears;
use crate::mesh::local::Local;
use crate::mesh::renew::{self, Round};
use crate::mesh::{Mesh, MeshChoice, MeshHost, MeshOptions, Source, invite, join};
use crate::meter::{self, Subject};
use hubless_proto::audit::{Entry, Event, Outcome};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use hubless_proto::{Kind, limits};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// After a third of the life of a token.
fn later() -> u64 {
    now_ms() + limits::ms(limits::MEMBER_TOKEN_LIFE) / 3 + 60_000
}

/// An engine that keeps what the audit log is to know.
#[derive(Default)]
pub(super) struct Noting(Mutex<Vec<Entry>>);

impl Noting {
    /// What each row of a kind is about.
    pub(super) fn names(&self, kind: Event) -> Vec<String> {
        let noted = self.0.lock().unwrap();
        noted.iter().filter(|entry| entry.kind == kind).map(|one| one.name.clone()).collect()
    }

    /// How it ended, who asked for it, and why, of each row of a kind.
    pub(super) fn rows(&self, kind: Event) -> Vec<(Outcome, String, String)> {
        let noted = self.0.lock().unwrap();
        let rows = noted.iter().filter(|entry| entry.kind == kind);
        rows.map(|one| (one.outcome, one.by.clone(), one.reason.clone())).collect()
    }
}

impl MeshHost for Noting {
    fn inbound(&self, _: Caller, _: v1::Request, _: Bodies, _: CalleeEnd) {}
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {}
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn noted(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }
    fn gone(&self, _: NodeKey) {}
    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}

/// Folders of two users, of whom the second joins the mesh of the first.
pub(super) struct Users {
    folders: [tempfile::TempDir; 2],
    pub(super) ours: Home,
    pub(super) theirs: Home,
}

impl Users {
    pub(super) fn new() -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [ours, theirs] =
            [&folders[0], &folders[1]].map(|folder| Home::open(Some(folder.path())).unwrap());
        Self { folders, ours, theirs }
    }

    pub(super) async fn join(&self) {
        join(&self.theirs, &self.ticket()).await.unwrap();
    }

    /// A ticket of the first, who has a running node.
    pub(super) fn ticket(&self) -> Ticket {
        let options = InviteOptions { local: true, ..Default::default() };
        invite(&self.ours, &options).unwrap().text().parse().unwrap()
    }

    fn token(&self, mesh: &Mesh) -> Vec<u8> {
        let folder = self.theirs.folders().unwrap().data().join("meshes");
        std::fs::read(folder.join(mesh.mesh_id().to_string()).join("token")).unwrap()
    }
}

async fn round(mesh: &Mesh, now_ms: u64) -> hubless_proto::error::Result<Round> {
    renew::round(mesh.shared_for_tests(), now_ms).await
}

/// The member token that a process shows, or will.
fn held(mesh: &Mesh) -> Vec<u8> {
    mesh.shared_for_tests().local.membership().due(later()).expect("it is due by then")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_in_its_time_and_other_processes_of_the_user_take_it_up() {
    let users = Users::new();
    let host = Arc::new(Noting::default());
    let minter = Mesh::start(MeshOptions::new(users.ours.clone()), host.clone()).await.unwrap();
    let (beside, mut sees) = node(&users.ours).await;
    meet(&mut sees, &minter).await;
    beside.close(Duration::ZERO).await;
    users.join().await;
    let (one, _sees_one) = node(&users.theirs).await;
    let (two, _sees_two) = node(&users.theirs).await;
    let first = users.token(&one);
    assert_eq!(round(&one, now_ms()).await.unwrap(), Round::Rests);
    assert_eq!((users.token(&one), host.rows(Event::TokenRenewed).len()), (first.clone(), 0));

    assert_eq!(round(&one, later()).await.unwrap(), Round::Renewed);
    let second = users.token(&one);
    assert!(second != first && held(&one) == second);
    assert_eq!(held(&two), first, "it has not looked");
    assert_eq!(round(&two, now_ms()).await.unwrap(), Round::Rests);
    assert_eq!(held(&two), second);

    let by = format!("mesh:{}", one.node_key());
    assert_eq!(host.rows(Event::TokenRenewed), [(Outcome::Ok, by, String::new())]);
    // The owner learns by which key it revokes whoever that is.
    let member = member_key(&users.theirs, one.mesh_id()).unwrap().node_key();
    assert_eq!(host.names(Event::TokenRenewed), [member.to_string()]);
    let mut rows = Vec::new();
    LogFile::named(&users.theirs, "folder").unwrap().read(|row| rows.push(row.entry)).unwrap();
    let renewed = rows.iter().filter(|entry| entry.kind == Event::TokenRenewed);
    let meshes: Vec<_> = renewed.map(|entry| entry.mesh.clone()).collect();
    assert_eq!(meshes, [one.mesh_id().to_string()]);
    // What another process put there, and this one cannot take up, is not replaced, nor asked for.
    let folder = users.theirs.folders().unwrap().data().join("meshes");
    let path = folder.join(one.mesh_id().to_string()).join("token");
    crate::home::replace(&path, &path.with_extension("new"), &first[1..]).unwrap();
    assert_eq!(round(&one, later()).await.unwrap(), Round::Behind);
    assert_eq!(host.rows(Event::TokenRenewed).len(), 1);
    // Of the own mesh nothing is renewed.
    assert_eq!(round(&minter, later()).await.unwrap(), Round::Rests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minter_that_refuses_says_so_and_the_token_stays() {
    let users = Users::new();
    let host = Arc::new(Noting::default());
    let minter = Mesh::start(MeshOptions::new(users.ours.clone()), host.clone()).await.unwrap();
    let (_beside, mut sees) = node(&users.ours).await;
    meet(&mut sees, &minter).await;
    users.join().await;
    let (guest, _sees_guest) = node(&users.theirs).await;
    let (shared, now) = (guest.shared_for_tests(), now_ms());
    let bound = |node: SecretKey| {
        let membership = shared.local.membership();
        membership.token_for(node.node_key(), now).unwrap()
    };
    let ask = async |token: Vec<u8>| {
        let question = v1::ask::Question::RenewToken(token.into());
        guest.ask(minter.node_key(), question).await.map_err(|error| (error.kind, error.code))
    };
    let stranger = ask(bound(keys::fresh().unwrap())).await.unwrap_err();
    assert_eq!(stranger, (Kind::Auth, "wrong_node".to_owned()), "of another node of theirs");
    let own = shared.local.membership().token_for(guest.node_key(), now).unwrap();
    assert!(matches!(ask(own).await, Ok(v1::answer::Answer::Token(_))), "the control");
    let by = format!("mesh:{}", guest.node_key());
    let refused = (Outcome::Refused, by.clone(), "auth/wrong_node".to_owned());
    assert_eq!(host.rows(Event::TokenRenewed), [refused, (Outcome::Ok, by, String::new())]);
    // A member has no root key: it cannot renew what another one shows.
    let (other, _sees_other) = node(&users.theirs).await;
    let token = other.shared_for_tests().local.membership().token_for(other.node_key(), now);
    let answer = renew::answer(shared, other.node_key(), &token.unwrap());
    let Some(v1::answer::Answer::Rejection(why)) = answer.answer else { panic!("{answer:?}") };
    assert_eq!((why.kind.as_str(), why.code.as_str()), ("denied", "no_minter"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minter_that_is_down_is_passed_over_and_without_any_it_is_tried_later() {
    if let Some(home) = meter::subject() {
        let (mesh, _sees) = node(&Home::open(Some(&home)).unwrap()).await;
        tokio::task::block_in_place(|| meter::obey(|_| mesh.node_key().to_string()));
    }
    let users = Users::new();
    let (looker, mut sees) = node(&users.ours).await;
    let test = "mesh::tests::renewal::\
                a_minter_that_is_down_is_passed_over_and_without_any_it_is_tried_later";
    let mut minter = Subject::start(test, users.folders[0].path());
    minter.tell("who");
    sees.until(|seen| matches!(seen, Seen::Announced(..)).then_some(())).await;
    looker.close(Duration::ZERO).await;
    users.join().await;
    drop(minter); // by SIGKILL
    let (guest, _sees_guest) = node(&users.theirs).await;
    let first = users.token(&guest);
    let error = round(&guest, later()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Transport, "{error}");
    assert_eq!(users.token(&guest), first);

    // Another one of that user comes, and one of which only a record is left, that is asked first.
    let (next, _sees_next) = node(&users.ours).await;
    let shared = guest.shared_for_tests();
    guest.contact(next.node_key(), &next.addresses());
    shared.connection(next.node_key()).await.unwrap().introduced().await.unwrap();
    // While a connection is open it would be asked before others.
    shared.peers.of(next.node_key()).iter().for_each(|one| one.close(CloseReason::Idle));
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dead = dead(&users.ours, next.node_key(), silent.local_addr().unwrap());
    let record = dead.record(now_ms()).unwrap();
    shared.book.said(dead.node(), record, Some([127, 0, 0, 1].into()), Hears::Shown);
    assert_eq!(round(&guest, later()).await.unwrap(), Round::Renewed);
    assert_ne!(users.token(&guest), first);
    // It was dialled, and kept nobody from the next.
    silent.recv_from(&mut [0; 2_048]).await.unwrap();
    // By now one is connected.
    assert_eq!(renew::minters(shared)[..2], [next.node_key(), dead.node()]);
}

/// A node of the owner that is not there, with a lower key than `above`: it is asked first.
fn dead(home: &Home, above: NodeKey, address: SocketAddr) -> Local {
    let seeds = (0..u16::MAX).map(|seed| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&seed.to_be_bytes());
        SecretKey::from_seed(bytes)
    });
    let key = seeds.into_iter().find(|key| key.node_key() < above).expect("a lower key");
    let local = Local::new(key, Membership::open(home, MeshChoice::Own).unwrap()).unwrap();
    local.set_addresses(vec![address]);
    local
}
