//! Records that a member brings and that are not taken: each changes nothing, and is written down.

use super::support::{Known, One};
use crate::chance::now_ms;
use crate::keys;
use crate::membership::Membership;
use crate::mesh::MeshChoice;
use crate::mesh::local::Local;
use crate::mesh::tests::support::{agent, signed};
use hubless_proto::directory::replica::Frame;
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, spread_record::Record};

/// A node that is not there, and says of itself what a node says.
pub(super) fn absent() -> Local {
    let membership = Membership::open(&crate::home::Home::memory(), MeshChoice::Own).unwrap();
    let local = Local::new(keys::fresh().unwrap(), membership).unwrap();
    local.set_addresses(vec!["127.0.0.1:1".parse().unwrap()]);
    local
}

pub(super) fn node(local: &Local) -> Record {
    Record::Node(local.record(now_ms()).unwrap())
}

/// A node with a record of its own making: another body, under its own key.
fn made(key: &SecretKey, body: &v1::NodeRecord) -> Record {
    let term = Term::starting(now_ms(), limits::RECORD_LIFE);
    Record::Node(record::sign(key, term, body).unwrap())
}

pub(super) fn of(seed: u8, node: NodeKey, term: Term) -> (AgentId, Record) {
    let body = v1::Descriptor { name: format!("agent-{seed}"), ..Default::default() };
    let (id, shown) = signed(seed, node, term, &body);
    (id, Record::Agent(shown))
}

fn versioned(seed: u8, node: NodeKey, term: Term, version: &str) -> v1::AgentAnnouncement {
    let version = version.to_owned();
    let body = v1::Descriptor { name: format!("agent-{seed}"), version, ..Default::default() };
    signed(seed, node, term, &body).1
}

/// A member passes records on.
pub(super) async fn brings(member: &One, to: &One, records: Vec<Record>) {
    let records = records.into_iter();
    let records = records.map(|one| v1::SpreadRecord { record: Some(one), ..Default::default() });
    brings_spread(member, to, records.collect()).await;
}

/// The same, with what the member says of each.
pub(super) async fn brings_spread(member: &One, to: &One, records: Vec<v1::SpreadRecord>) {
    let delta = v1::RecordDelta { records, pushed: false };
    let shared = member.mesh.shared_for_tests();
    let connection = shared.connection(to.key()).await.unwrap();
    connection.introduced().await.unwrap();
    connection.spread(Frame::Delta(delta));
}

/// A node, a member that is connected to it, and one that it knows by its record alone.
pub(super) async fn three() -> (One, One, Local) {
    let (one, member) = (One::alone().await, One::alone().await);
    member.joins(&one).await;
    let home = absent();
    brings(&member, &one, vec![node(&home)]).await;
    one.holds(3).await;
    (one, member, home)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_changes_nothing_and_is_written_down() {
    let (one, member, home) = three().await;

    let (now, life) = (now_ms(), limits::RECORD_LIFE);
    let term = Term::starting(now, life);
    let forged = |record: Record| match record {
        Record::Agent(mut shown) => {
            shown.hosting.as_mut().unwrap().signature = vec![0; 64].into();
            Record::Agent(shown)
        }
        other => other,
    };
    let stranger = SecretKey::from_seed([77; 32]);
    let foreign = SecretKey::from_seed([78; 32]);
    let standing = home.record(now).unwrap();
    let body = record::open::<v1::NodeRecord>(&standing, None, now).unwrap().body;
    let elsewhere = v1::NodeRecord { mesh: foreign.mesh_id().to_wire(), ..body.clone() };
    let ahead = ms(limits::CLOCK_SKEW) + 60_000;
    let over = Term { expires_at_ms: now, ..Term::starting(now - 9_000, life) };
    let rows = [
        ("auth/bad_signature", forged(of(10, home.node(), term).1)),
        // The token is good, and names another node.
        ("auth/", made(&stranger, &body)),
        ("denied/other_mesh", made(&foreign, &elsewhere)),
        ("expired", of(11, home.node(), over).1),
        ("seq_ahead", of(12, home.node(), Term { seq: now + ahead, ..term }).1),
        ("not_yet_valid", of(13, home.node(), Term::starting(now + ahead, life)).1),
    ];
    let mut expected = Vec::new();
    let mut good = Vec::new();
    for (place, (why, bad)) in rows.into_iter().enumerate() {
        // Behind it on the same connection, one that holds: by then the other was looked at.
        let seed = u8::try_from(40 + place).unwrap();
        let (id, control) = of(seed, home.node(), term);
        good.push(id);
        brings(&member, &one, vec![bad]).await;
        brings(&member, &one, vec![control]).await;
        one.finds(&good).await;
        expected.push(why);
        let refused = one.refusals(&member);
        assert_eq!(refused.len(), expected.len(), "{why}: {refused:?}");
        assert!(refused[place].starts_with(why), "{why}: {refused:?}");
    }
    one.holds(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_record_of_one_number_is_written_down_and_an_earlier_one_changes_nothing() {
    let (one, member, home) = three().await;
    let (id, shown) = agent(60, home.node());
    let number = record::peek(shown.hosting.as_ref().unwrap()).unwrap().seq;
    let term = Term::starting(now_ms(), limits::RECORD_LIFE);
    let same = Term { seq: number, ..term };
    let digest = |of: &v1::AgentAnnouncement| record::digest(&of.hosting.as_ref().unwrap().signed);
    let mut rivals = (0..100).map(|n| versioned(60, home.node(), same, &n.to_string()));
    let rival = rivals.find(|rival| digest(rival) > digest(&shown)).unwrap();
    let older = Term { seq: number - 1, ..term };
    brings(&member, &one, vec![Record::Agent(shown)]).await;
    one.finds(&[id]).await;
    brings(&member, &one, vec![Record::Agent(rival)]).await;
    let is_told = |known: &mut Known| known.noted.iter().any(|row| row.reason == "equivocation");
    one.until("it is written down", is_told).await;
    // What came late accuses nobody.
    let before = one.refusals(&member).len();
    let (last, control) = of(61, home.node(), term);
    let late = versioned(60, home.node(), older, "old");
    brings(&member, &one, vec![Record::Agent(late)]).await;
    brings(&member, &one, vec![control]).await;
    one.finds(&[id, last]).await;
    assert_eq!(one.refusals(&member).len(), before);
    assert_eq!(one.version(id).as_deref(), Some(""), "the first one stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_root_admits_nobody() {
    let (one, member) = (One::alone().await, One::alone().await);
    member.joins(&one).await;
    one.holds(2).await;
    // Another user's mesh: that its record says ours is not enough.
    let folder = tempfile::tempdir().unwrap();
    let other = crate::home::Home::open(Some(folder.path())).unwrap();
    let other = Membership::open(&other, MeshChoice::Own).unwrap();
    let key = SecretKey::from_seed([79; 32]);
    let body = v1::NodeRecord {
        token: other.token_for(key.node_key(), now_ms()).unwrap().into(),
        mesh: one.mesh.mesh_id().to_wire(),
        ..Default::default()
    };
    let term = Term::starting(now_ms(), limits::RECORD_LIFE);
    let (id, control) = (absent(), of(50, key.node_key(), term));
    // Nothing of its agents is taken either, since it is no member.
    brings(&member, &one, vec![made(&key, &body), control.1]).await;
    let (good, shown) = of(51, id.node(), term);
    brings(&member, &one, vec![node(&id), shown]).await;
    one.finds(&[good]).await;
    one.holds(3).await;
    let refused = one.refusals(&member);
    assert!(refused.len() == 1 && refused[0].starts_with("auth/"), "{refused:?}");
}
