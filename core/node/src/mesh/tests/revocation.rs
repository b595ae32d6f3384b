//! Keys that the owner of a mesh revokes: who has one is put out, wherever the news has come.

use super::renewal::{Noting, Users};
use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::pipe;
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::membership::member_key;
use crate::mesh::{Mesh, MeshChoice, MeshOptions, join};
use hubless_proto::Kind;
use hubless_proto::audit::{Event, Outcome};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::v1::{answer, ask};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

async fn until(what: &str, mut state: impl FnMut() -> bool) {
    let came = async {
        while !state() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, came).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

fn connected(from: &Mesh, to: &Mesh) -> bool {
    let connections = from.shared_for_tests().peers.of(to.node_key());
    connections.iter().any(|one| one.greeting().is_some() && !one.tunnel.is_closed())
}

fn is_revoked(at: &Mesh, key: NodeKey) -> bool {
    at.revoked().contains(&key)
}

/// The owner of a mesh whose rows are kept, which a ticket may name.
async fn owner(users: &Users) -> (Mesh, Arc<Noting>) {
    let host = Arc::new(Noting::default());
    let mesh = Mesh::start(MeshOptions::new(users.ours.clone()), host.clone()).await.unwrap();
    let (beside, mut sees) = node(&users.ours).await;
    meet(&mut sees, &mesh).await;
    beside.close(Duration::ZERO).await;
    (mesh, host)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_member_is_put_out_and_let_in_no_more() {
    let users = Users::new();
    let (owner, rows) = owner(&users).await;
    users.join().await;
    let (guest, _sees) = node(&users.theirs).await;
    let call = async || {
        let (_caller, end) = pipe();
        let (node, request) = (owner.node_key(), text_request("", "hello"));
        guest.call(node, request, Bodies::none(), end).await
    };
    until("they met", || connected(&owner, &guest)).await;
    call().await.unwrap();
    let member = member_key(&users.theirs, owner.mesh_id()).unwrap().node_key();
    // The node is named, and its member goes with it.
    let new = owner.revoke(&[guest.node_key()]).await.unwrap();
    assert_eq!(new.len(), 2);
    assert!(is_revoked(&owner, member) && is_revoked(&owner, guest.node_key()));
    until("it is put out", || !connected(&owner, &guest)).await;
    until("it knows", || !connected(&guest, &owner)).await;
    // What it remembers of the owner may last a moment longer than the connection.
    let refused = async {
        loop {
            match call().await {
                Err(error) if error.code == "revoked" => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(LONG, refused).await.expect("it is refused");
    // Another process of that member, which has a node key of its own.
    let (next, _sees_next) = node(&users.theirs).await;
    next.contact(owner.node_key(), &owner.addresses());
    let refused = next.ask(owner.node_key(), ask::Question::Trace(vec![1; 16].into())).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Auth, "revoked"));
    // Nor by another ticket: the key is the same, and the use is not charged.
    let ticket = users.ticket();
    let error = join(&users.theirs, &ticket).await.unwrap_err();
    assert_eq!(error.code, "revoked", "{error}");
    let other = tempfile::tempdir().unwrap();
    join(&Home::open(Some(other.path())).unwrap(), &ticket).await.unwrap();
    // Each refusal is a row.
    let refused = (Outcome::Refused, String::new(), "auth/revoked".to_owned());
    assert!(rows.rows(Event::PeerRefused).contains(&refused));
    let redeemed = rows.rows(Event::InviteRedeemed);
    assert!(redeemed.iter().any(|row| row.2 == "auth/revoked"), "{redeemed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_pass_it_on_and_those_who_were_away_hear_of_it() {
    let users = Users::new();
    let (owner, _rows) = owner(&users).await;
    users.join().await;
    let (member, _sees_member) = node(&users.theirs).await;
    // Of a third user, who meets the owner only later, and the member now.
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    join(&home, &users.ticket()).await.unwrap();
    until("they met", || connected(&owner, &member)).await;
    let lost = NodeKey::from_bytes([7; 32]);
    owner.revoke(&[lost]).await.unwrap();
    owner.show_revoked(member.node_key()).await.unwrap();
    assert!(is_revoked(&member, lost));
    owner.close(Duration::ZERO).await;
    let (late, _sees_late) = node(&home).await;
    assert!(!is_revoked(&late, lost), "it has met nobody who knows");
    late.contact(member.node_key(), &member.addresses());
    let shared = late.shared_for_tests();
    shared.connection(member.node_key()).await.unwrap().introduced().await.unwrap();
    until("it is told at the introduction", || is_revoked(&late, lost)).await;
    // And the next process of each knows from the start, once that is written.
    let file = {
        let data = home.folders().unwrap().data();
        data.join("meshes").join(late.mesh_id().to_string()).join("revoked.keys")
    };
    until("it is kept", || file.exists()).await;
    let (again, _sees_again) = node(&home).await;
    assert!(is_revoked(&again, lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_its_root_did_not_sign_is_refused_and_noted() {
    let users = Users::new();
    let (owner, rows) = owner(&users).await;
    users.join().await;
    let (guest, _sees) = node(&users.theirs).await;
    let stranger = keys::fresh().unwrap();
    let show = async |root: &SecretKey, key: NodeKey| {
        let list = RevokedKeys::after(None, root, [*key.as_bytes()], now_ms()).unwrap();
        guest.ask(owner.node_key(), ask::Question::Revoked(list.signed().clone())).await
    };
    let error = show(&stranger, owner.node_key()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_operator"));
    assert_eq!(owner.revoked(), []);
    assert_eq!(guest.revoke(&[owner.node_key()]).await.unwrap_err().code, "not_operator");
    // The control: one that it signed, brought by whoever has it.
    let lost = NodeKey::from_bytes([7; 32]);
    let root = keys::root(&users.ours).unwrap();
    let told = show(&root, lost).await;
    assert!(matches!(told, Ok(answer::Answer::Revoked(_))), "{told:?}");
    assert_eq!(owner.revoked(), [lost]);
    // And one of another folder that does not have that key takes it back from nobody.
    let other = NodeKey::from_bytes([8; 32]);
    let told = show(&root, other).await;
    let Ok(answer::Answer::Revoked(both)) = told else { panic!("{told:?}") };
    assert_eq!(owner.revoked(), [lost, other]);
    let both = RevokedKeys::open(&both, owner.mesh_id()).unwrap();
    assert_eq!(both.keys().count(), 2, "the answer is one list of both");
    let by = format!("mesh:{}", guest.node_key());
    let refused = (Outcome::Refused, by.clone(), "denied/not_operator".to_owned());
    let taken = (Outcome::Ok, by, String::new());
    assert_eq!(rows.rows(Event::KeyRevoked), [refused, taken.clone(), taken]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_member_of_a_revoked_node_is_revoked_by_whoever_of_its_owner_knows_it() {
    let users = Users::new();
    let (owner, _rows) = owner(&users).await;
    users.join().await;
    let (guest, _sees) = node(&users.theirs).await;
    until("they met", || connected(&owner, &guest)).await;
    let member = member_key(&users.theirs, owner.mesh_id()).unwrap().node_key();
    // Another process of the owner has not met the guest, and names its node.
    let (beside, mut sees_beside) = node(&users.ours).await;
    meet(&mut sees_beside, &owner).await;
    let unknown = NodeKey::from_bytes([7; 32]);
    let strange = beside.strange(&[guest.node_key(), unknown]);
    assert_eq!(strange, [guest.node_key(), unknown]);
    assert_eq!(owner.strange(&[guest.node_key(), unknown]), [unknown], "the control");
    assert_eq!(beside.revoke(&[guest.node_key()]).await.unwrap(), [guest.node_key()]);
    beside.show_revoked(owner.node_key()).await.unwrap();
    until("the one that knows it says so", || is_revoked(&owner, member)).await;
    until("the other hears of it", || is_revoked(&beside, member)).await;
    until("it is put out", || !connected(&owner, &guest)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_node_is_not_let_in_without_a_token_either() {
    let users = Users::new();
    let (owner, _rows) = owner(&users).await;
    let outside = async || {
        let mut options = MeshOptions::new(Home::memory());
        options.mesh = MeshChoice::Outside(owner.mesh_id());
        let mesh = Mesh::start(options, Arc::new(Noting::default())).await.unwrap();
        mesh.contact(owner.node_key(), &owner.addresses());
        mesh
    };
    let asks = async |from: &Mesh| {
        let question = ask::Question::Trace(vec![1; 16].into());
        from.ask(owner.node_key(), question).await.err().map(|error| error.code)
    };
    let (good, bad) = (outside().await, outside().await);
    owner.revoke(&[bad.node_key()]).await.unwrap();
    assert_eq!(asks(&bad).await.as_deref(), Some("revoked"));
    assert_ne!(asks(&good).await.as_deref(), Some("revoked"), "the control");
}
