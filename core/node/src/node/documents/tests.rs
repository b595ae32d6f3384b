//! What is fetched, and who does not wait for it.

use super::fetch::Documents;
use super::table::{Begun, Wanted};
use super::wants::{Stand, Wants};
use crate::chance::now_ms;
use crate::engine::lock;
use crate::home::Home;
use crate::mesh::tests::hosts::{Told, shown};
use crate::mesh::{Mesh, MeshOptions};
use crate::node::resolve::{Sight, Times};
use crate::node::{Change, FindOptions, Found, Node, NodeOptions, Target};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::query::Query;
use hubless_proto::wire::document::{self, Sealed};
use hubless_proto::wire::record::{Digest, Term};
use hubless_proto::wire::v1::{self, answer::Answer, ask::Question};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn it_is_looked_for_more_when_there_may_be_more_and_not_before() {
    let (mut wants, now) = (Wants::default(), Instant::now());
    let stand = Stand { undocumented: 1, again: 1, ended: 1 };
    assert!(wants.is_due(&stand, now), "it never looked");
    let rows = [
        (stand, false, false),
        (Stand { undocumented: 2, ..stand }, true, true),
        (Stand { again: 2, ..stand }, true, true),
        // That one came matters to a query of which some had to wait.
        (Stand { ended: 2, ..stand }, false, true),
    ];
    for (later, none_left, some_left) in rows {
        for (left, due) in [(false, none_left), (true, some_left)] {
            wants.looked(stand, Begun { left, ..Begun::default() });
            assert_eq!(wants.is_due(&later, now), due, "{later:?} {left}");
        }
    }
    let later = now + Duration::from_millis(1);
    wants.looked(stand, Begun { again_at: Some(later), ..Begun::default() });
    assert!(!wants.is_due(&stand, now) && wants.is_due(&stand, later), "one has rested");
}

#[test]
fn a_match_waits_for_what_is_on_its_way_but_not_for_long() {
    let (mut wants, now) = (Wants::default(), Instant::now());
    let deadline = now + LONG;
    assert_eq!(wants.until(false, deadline, now), Some(deadline), "nothing matches");
    assert_eq!(wants.until(true, deadline, now), None, "nothing is on its way");
    let stand = Stand { undocumented: 1, again: 1, ended: 1 };
    for digest in [[1; 32], [2; 32]] {
        wants.looked(stand, Begun { flying: [digest].into(), ..Begun::default() });
    }
    let settled = now + limits::FIND_SETTLE;
    assert_eq!(wants.until(true, deadline, now), Some(settled));
    let late = settled - Duration::from_millis(1);
    assert_eq!(wants.until(true, deadline, late), Some(settled), "since the first match");
    assert_eq!(wants.until(true, late, now), Some(late), "never past the deadline");
    assert_eq!(wants.until(true, deadline, settled), None, "it was long enough");
    wants.flying.clear();
    assert_eq!(wants.until(true, deadline, now), None, "all have come");
}

#[tokio::test]
async fn so_many_are_fetched_at_once_and_the_next_when_one_is_there() {
    let most = limits::DOCUMENTS_AT_ONCE;
    let documents = Arc::new(Documents::new(NodeKey::from_bytes([1; 32])));
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let fetching = (0..=most).map(|_| {
        let documents = Arc::clone(&documents);
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        tokio::spawn(async move {
            let work = async {
                begun.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
            };
            documents.in_place(LONG, work).await;
        })
    });
    let fetching: Vec<_> = fetching.collect();
    let until = async |many: usize| {
        while begun.load(Ordering::SeqCst) < many {
            tokio::task::yield_now().await;
        }
    };
    until(most).await;
    // Every other task of this one thread has had its turn.
    for _ in 0..most {
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.load(Ordering::SeqCst), most);
    gate.add_permits(1);
    until(most + 1).await;
    gate.add_permits(most);
    for one in fetching {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn those_that_hang_keep_others_from_being_fetched_for_a_turn_only() {
    let documents = Arc::new(Documents::new(NodeKey::from_bytes([1; 32])));
    let hang = |turn| {
        let documents = Arc::clone(&documents);
        tokio::spawn(async move { documents.in_place(turn, std::future::pending::<()>()).await })
    };
    let mut hung: Vec<_> = (0..limits::DOCUMENTS_AT_ONCE).map(|_| hang(Duration::ZERO)).collect();
    timeout(LONG, documents.in_place(LONG, async {})).await.expect("a place");
    // The control: within their turns they keep all places.
    hung.extend((0..limits::DOCUMENTS_AT_ONCE).map(|_| hang(LONG)));
    tokio::task::yield_now().await;
    let waits = timeout(Duration::from_millis(50), documents.in_place(LONG, async {})).await;
    assert!(waits.is_err());
    hung.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A skill document that takes any object; the number makes it another one.
fn document_of(number: u8) -> v1::SkillDocument {
    v1::SkillDocument {
        id: "sum".into(),
        description: number.to_string(),
        input_schema_json: json!({"type": "object"}).to_string(),
        ..v1::SkillDocument::default()
    }
}

fn sealed(number: u8) -> Sealed {
    document::seal(&document_of(number)).unwrap()
}

/// An agent at a node with one skill, of which the descriptor gives the digest only.
fn agent(seed: u8, node: NodeKey, digest: Digest) -> v1::AgentAnnouncement {
    let term = Term::starting(now_ms(), limits::RECORD_LIFE);
    let skill = v1::Skill {
        id: "sum".into(),
        document_digest: bytes::Bytes::copy_from_slice(&digest),
        ..v1::Skill::default()
    };
    let name = format!("sum-{seed}");
    let body = v1::Descriptor { name, skills: vec![skill], ..Default::default() };
    shown(&key(seed), node, term, &body)
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn accepting() -> Query {
    Query::read(json!({"accepts": {"type": "object"}})).unwrap()
}

fn ids(found: &[Found]) -> Vec<AgentId> {
    found.iter().map(|found| found.agent_id).collect()
}

/// As long as may be: what ends sooner was not waited for in vain.
fn patient() -> FindOptions {
    FindOptions { wait: limits::DEADLINE_MAX, explain: false }
}

async fn find(node: &Node, query: Query) -> Vec<Found> {
    timeout(LONG, node.find(query, patient())).await.expect("in time").unwrap()
}

/// A node, and nodes of another make in the same data folder.
struct House {
    folder: TempDir,
    others: Vec<(Mesh, Arc<Told>)>,
}

impl House {
    async fn of(many: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut others = Vec::new();
        for _ in 0..many {
            let home = Home::open(Some(folder.path())).unwrap();
            let told = Told::nothing();
            let mesh = Mesh::start(MeshOptions::new(home), Arc::<Told>::clone(&told));
            others.push((mesh.await.unwrap(), told));
        }
        Self { folder, others }
    }

    /// Shows agents, by seed and document, at one of the others.
    fn show(&self, at: usize, agents: &[(u8, Digest)]) -> NodeKey {
        let mesh = &self.others[at].0;
        let node = mesh.node_key();
        mesh.announce(agents.iter().map(|(seed, digest)| agent(*seed, node, *digest)).collect());
        node
    }

    /// A node that knows so many agents.
    async fn node(&self, many: usize) -> Node {
        let home = Some(self.folder.path().to_owned());
        let node = Node::start(NodeOptions { home, ..NodeOptions::default() }).await.unwrap();
        let mut changed = node.inner().world.changed();
        while node.inner().world.find(&Query::default()).len() < many {
            timeout(LONG, changed.changed()).await.expect("in time").unwrap();
        }
        node
    }
}

/// Makes a document one that is being fetched and does not come: its node hangs.
fn hangs(node: &Node, wanted: Wanted) {
    let documents = &node.inner().documents;
    let begun = lock(&documents.table).begin([wanted].into_iter(), 1, Instant::now());
    assert_eq!(begun.wanted, [wanted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_find_waits_for_a_document_no_longer_than_for_a_match() {
    let sum = sealed(1);
    let house = House::of(1).await;
    let other = house.show(0, &[(7, sum.digest)]);
    let node = house.node(1).await;
    hangs(&node, (other, sum.digest));
    let brief = FindOptions { wait: Duration::from_millis(50), explain: false };
    let found = timeout(LONG, node.find(accepting(), brief)).await;
    assert!(found.expect("it ends with its wait").unwrap().is_empty());
    // The control: asked for again, it comes.
    house.others[0].1.tell(Answer::SkillDocument(sum.bytes.clone()));
    lock(&node.inner().documents.table).forget(&(other, sum.digest));
    assert_eq!(ids(&find(&node, accepting()).await), [key(7).agent_id()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_delays_only_what_depends_on_it() {
    let (stuck, sum) = (sealed(1), sealed(2));
    let house = House::of(2).await;
    let hung = house.show(0, &[(7, stuck.digest)]);
    let well = house.show(1, &[(8, sum.digest)]);
    let node = house.node(2).await;
    let (inner, of_well) = (node.inner(), key(8).agent_id());
    hangs(&node, (hung, stuck.digest));
    house.others[1].1.tell(Answer::SkillDocument(sum.bytes.clone()));
    // What comes is answered, and what is at hand from then on.
    for _ in 0..2 {
        assert_eq!(ids(&find(&node, accepting()).await), [of_well]);
    }
    let to = Target::Query { query: Box::new(accepting()) };
    let times = Times::brief(Instant::now() + limits::DEADLINE_MAX);
    let route = timeout(LONG, inner.route((&to, Sight::All), times, None)).await;
    let route = route.expect("in time").unwrap();
    assert_eq!((route.agent, route.node), (of_well, Some(well)));
    let mut finds = node.discover(accepting(), FindOptions::default()).unwrap();
    let first = timeout(LONG, finds.next()).await.expect("in time").unwrap();
    assert_eq!(first.agent_id, of_well);
    let mut watch = node.watch(accepting()).unwrap();
    let first = timeout(LONG, watch.next()).await.expect("in time");
    assert!(matches!(first, Some(Change::Snapshot(all)) if ids(&all) == [of_well]));
    // The control: what hung comes, and all are ranked as without it.
    house.others[0].1.tell(Answer::SkillDocument(stuck.bytes.clone()));
    lock(&inner.documents.table).forget(&(hung, stuck.digest));
    let mut late = node.discover(accepting(), FindOptions::default()).unwrap();
    for _ in 0..2 {
        timeout(LONG, late.next()).await.expect("in time").unwrap();
    }
    let ranked = ids(&find(&node, Query::default()).await);
    assert_eq!(ranked.len(), 2);
    assert_eq!(ids(&find(&node, accepting()).await), ranked);
}

/// A node that knows five agents at three others, by its order of them, each with a document that
/// is on its way.
async fn five(house: &House) -> (Node, Vec<(AgentId, Wanted)>) {
    for (at, seeds) in [&[1_u8, 2][..], &[3, 4], &[5]].into_iter().enumerate() {
        let agents: Vec<_> = seeds.iter().map(|seed| (*seed, sealed(*seed).digest)).collect();
        house.show(at, &agents);
    }
    let node = house.node(5).await;
    // As if of its own node, which may be asked for any number.
    let own = node.inner().mesh.node_key();
    let ranked = ids(&find(&node, Query::default()).await);
    let flying = ranked.into_iter().map(|id| {
        let seed = (1..=5).find(|seed| key(*seed).agent_id() == id).unwrap();
        let wanted = (own, sealed(seed).digest);
        hangs(&node, wanted);
        (id, wanted)
    });
    let flying = flying.collect();
    (node, flying)
}

/// Lets documents come, one after the other, before who waits looks at any of them: how long it
/// waits for more is no matter of these tests.
fn come<'a>(node: &Node, these: impl Iterator<Item = &'a (AgentId, Wanted)>) {
    for (id, wanted) in these {
        let seed = (1..=5).find(|seed| key(*seed).agent_id() == *id).unwrap();
        node.inner().has_come(wanted, &document_of(seed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_come_in_the_wrong_order_are_answered_in_the_right_one() {
    let house = House::of(3).await;
    let (node, flying) = five(&house).await;
    let ranked: Vec<AgentId> = flying.iter().map(|(id, _)| *id).collect();
    let one = Query { limit: 1, ..accepting() };
    let to = Target::Query { query: Box::new(accepting()) };
    let route = node.inner().route((&to, Sight::All), Times::brief(Instant::now() + LONG), None);
    // In turns: each waits before the first comes, and all have come long before they settle.
    let (all, best, route, ()) =
        tokio::join!(find(&node, accepting()), find(&node, one), route, async {
            come(&node, flying.iter().rev())
        },);
    assert_eq!(ids(&all), ranked);
    assert_eq!(ids(&best), ranked[..1]);
    assert_eq!(route.unwrap().agent, ranked[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_hangs_is_left_out_and_the_others_are_answered() {
    let house = House::of(3).await;
    let (node, flying) = five(&house).await;
    let others: Vec<AgentId> = flying[1..].iter().map(|(id, _)| *id).collect();
    let (all, ()) = tokio::join!(find(&node, accepting()), async {
        come(&node, flying[1..].iter().rev());
    });
    assert_eq!(ids(&all), others);
    // The control: it comes as well.
    come(&node, flying[..1].iter());
    assert_eq!(find(&node, accepting()).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_hides_no_other_that_has_the_document() {
    let sum = sealed(1);
    let house = House::of(2).await;
    let hung = house.show(0, &[(7, sum.digest)]);
    house.show(1, &[(8, sum.digest)]);
    let node = house.node(2).await;
    hangs(&node, (hung, sum.digest));
    house.others[1].1.tell(Answer::SkillDocument(sum.bytes.clone()));
    assert_eq!(find(&node, accepting()).await.len(), 2);
}

/// Which of the others were asked for documents, in order.
type Asked = Arc<Mutex<Vec<usize>>>;

/// All others give this document when they are asked for it, but those that are asked first.
fn give(house: &House, sum: &Sealed, refusing: usize) -> Asked {
    let asked = Asked::default();
    for (at, (_, told)) in house.others.iter().enumerate() {
        let (asked, sum) = (Arc::clone(&asked), sum.bytes.clone());
        told.tell_by(move |ask| {
            let mut asked = lock(&asked);
            assert!(matches!(ask.question, Some(Question::SkillDocument(_))));
            asked.push(at);
            (asked.len() > refusing).then(|| Answer::SkillDocument(sum.clone()))
        });
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_many_nodes_have_is_asked_of_each_once_at_most() {
    let sum = sealed(1);
    let house = House::of(3).await;
    for at in 0..3 {
        house.show(at, &[(7 + at as u8, sum.digest)]);
    }
    let node = house.node(3).await;
    let asked = give(&house, &sum, 0);
    assert_eq!(find(&node, accepting()).await.len(), 3);
    // Another one is asked as well only if the first is slow.
    let mut once = lock(&asked).clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), lock(&asked).len());
    let of = house.others[0].0.node_key();
    let again = lock(&node.inner().documents.table).begin(
        [(of, sum.digest)].into_iter(),
        1,
        Instant::now(),
    );
    assert!(again.wanted.is_empty() && !again.left, "it is wanted no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_is_asked_for_a_document_that_the_first_does_not_give() {
    let sum = sealed(1);
    let house = House::of(2).await;
    for at in 0..2 {
        house.show(at, &[(7 + at as u8, sum.digest)]);
    }
    let node = house.node(2).await;
    let asked = give(&house, &sum, 1);
    assert_eq!(find(&node, accepting()).await.len(), 2);
    let mut asked = lock(&asked).clone();
    asked.sort_unstable();
    assert_eq!(asked, [0, 1], "each once");
}
