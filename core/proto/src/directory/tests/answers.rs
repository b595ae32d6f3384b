//! What a query finds, in which order, and why.

use super::support::{NOW, Show, directory, find, id, ids, mesh, node, query, show};
use crate::directory::{Directory, Source};
use crate::identity::Name;
use crate::limits;
use crate::query::{Query, SignalName};
use crate::wire::v1;
use serde_json::json;

#[test]
fn answers_are_ranked_and_explained() {
    let mut all = directory();
    let described = |seed: u64, at: u8, text: &str| {
        let mut show = show(seed, at);
        show.descriptor.description = text.to_owned();
        show
    };
    described(1, 1, "renders charts as SVG").to(&mut all, Source::Member, NOW);
    described(2, 2, "renders charts as SVG").to(&mut all, Source::Member, NOW);
    described(3, 3, "translates prose").to(&mut all, Source::Member, NOW);
    all.signals_mut().round_trip(node(1), 90_000);
    all.signals_mut().round_trip(node(2), 100);
    let found = all.find(&query(json!("chart renderer")), NOW);
    assert_eq!(ids(&found), [id(2), id(1)]);
    let names: Vec<SignalName> = found[0].signals.iter().map(|signal| signal.name).collect();
    assert_eq!(names[0], SignalName::Text);
    let sum: f64 = found[0].signals.iter().map(|signal| signal.value * signal.weight).sum();
    assert!((found[0].score - (0.1 + 0.9 * sum)).abs() < 1e-9);
    assert_eq!(found[0].latency_us, Some(100));
    // Load, failures and outcomes turn the order round.
    all.signals_mut().load(id(2), 500);
    all.signals_mut().failure(id(2), NOW);
    assert_eq!(find(&mut all, json!("chart renderer")), [id(1), id(2)]);
    assert_eq!(find(&mut all, json!({"text": "chart", "limit": 1})), [id(1)]);
    assert_eq!(find(&mut all, json!({"exclude": [id(1).to_string()]})).len(), 2);
    assert_eq!(find(&mut all, json!("unheard of")), []);
}

#[test]
fn the_agents_of_a_node_that_was_dialled_in_vain_come_after_others() {
    let mut all = directory();
    for (seed, at) in [(1, 1), (2, 2)] {
        show(seed, at).to(&mut all, Source::Member, NOW);
        all.signals_mut().round_trip(node(at), 100);
    }
    for (at, order) in [(1, [id(2), id(1)]), (2, [id(1), id(2)])] {
        all.doubt(&node(at), NOW);
        assert_eq!(find(&mut all, json!({})), order);
        let first = all.signals().health(&order[1], NOW);
        assert_eq!(first, crate::query::Health::Suspect);
        all.signals_mut().outcome(order[1], "", true, NOW);
    }
}

#[test]
fn an_own_agent_is_the_nearest_and_a_pinned_one_the_most_trusted() {
    let mut all = directory();
    for (seed, at) in [(1, 1), (2, 0), (3, 3)] {
        show(seed, at).to(&mut all, if at == 0 { Source::Own } else { Source::Member }, NOW);
    }
    let first = all.find(&Query::default(), NOW).remove(0);
    assert_eq!((first.id, first.latency_us), (id(2), Some(0)));
    all.signals_mut().pin(id(3));
    all.signals_mut().round_trip(node(3), 0);
    assert_eq!(find(&mut all, json!({}))[0], id(3));
}

#[test]
fn external_agents_are_outside_the_mesh() {
    let mut all = directory();
    show(1, 1).to(&mut all, Source::External, NOW);
    show(2, 2).to(&mut all, Source::Member, NOW);
    assert_eq!(find(&mut all, json!({"mesh": mesh().to_string()})), [id(2)]);
    let found = all.find(&Query::default(), NOW);
    let member = |seed| found.iter().find(|found| found.id == id(seed)).unwrap().is_member;
    assert!(member(2) && !member(1));
}

#[test]
fn a_query_for_what_is_accepted_waits_for_the_document() {
    let mut all = directory();
    let document = v1::SkillDocument {
        id: "sum".to_owned(),
        input_schema_json: json!({"type": "object", "properties": {"a": {"type": "number"}}})
            .to_string(),
        ..v1::SkillDocument::default()
    };
    let mut sum = show(1, 1);
    let digest = [7; 32];
    sum.descriptor.skills = vec![v1::Skill {
        id: "sum".to_owned(),
        document_digest: bytes::Bytes::copy_from_slice(&digest),
        ..v1::Skill::default()
    }];
    sum.to(&mut all, Source::Member, NOW);
    let asks = query(json!({"accepts": {"type": "object",
        "properties": {"a": {"type": "integer"}}, "additionalProperties": false}}));
    assert!(all.find(&asks, NOW).is_empty());
    let missing = |all: &Directory| all.missing_documents(&asks, NOW).collect::<Vec<_>>();
    assert_eq!(missing(&all), [(node(1), digest)]);
    assert!(all.missing_documents(&Query::default(), NOW).next().is_none(), "nothing is asked");
    // Another node of the agent has it as well, and comes after the better one.
    let other = Show { node: node(2), priority: 1, ..sum.clone() };
    let before = (all.undocumented(), all.changes());
    other.to(&mut all, Source::Member, NOW);
    assert_eq!(missing(&all), [(node(1), digest), (node(2), digest)]);
    let after = (all.undocumented(), all.changes());
    assert_eq!(after, (before.0 + 1, before.1 + 1), "who waits looks again");
    other.to(&mut all, Source::Member, NOW);
    assert_eq!((all.undocumented(), all.changes()), after, "it was known");
    all.add_document(digest, &document, NOW);
    assert_eq!(ids(&all.find(&asks, NOW)), [id(1)]);
    assert!(missing(&all).is_empty());
    let before = all.undocumented();
    Show { node: node(3), ..sum }.to(&mut all, Source::Member, NOW);
    assert_eq!(all.undocumented(), before, "nothing of it is missing");
}

#[test]
fn what_is_published_without_a_known_document_is_counted() {
    let mut all = directory();
    let mut counted = |digest: u8, version: &str, seq: u64| {
        let mut sum = Show { seq: NOW + seq, ..show(1, 1) };
        sum.descriptor.version = version.to_owned();
        sum.descriptor.skills = vec![v1::Skill {
            id: "sum".to_owned(),
            document_digest: bytes::Bytes::from(vec![digest; 32]),
            ..v1::Skill::default()
        }];
        assert_eq!(sum.to(&mut all, Source::Member, NOW), "ok");
        // It is known from then on.
        let before = all.undocumented();
        all.add_document([digest; 32], &v1::SkillDocument::default(), NOW);
        assert_eq!(all.undocumented(), before);
        before
    };
    assert_eq!(counted(7, "1", 0), 1, "an agent came");
    assert_eq!(counted(7, "1", 1), 1, "it was renewed");
    assert_eq!(counted(7, "2", 2), 1, "it says something else, of a document that is known");
    assert_eq!(counted(8, "2", 3), 2, "its skill is another one");
    show(2, 1).to(&mut all, Source::Member, NOW);
    assert_eq!(all.undocumented(), 2, "an agent without a document came");
}

#[test]
fn ten_thousand_agents_are_looked_up_by_their_words_only() {
    let mut all = directory();
    let agents: Vec<v1::AgentAnnouncement> = (0..10_000)
        .map(|n| {
            let mut show = show(n, 1);
            show.descriptor.tags = vec![format!("tag{}", n % 1_000)];
            show.sign()
        })
        .collect();
    let announced = all.replace(Source::Folder, node(1), &agents, NOW);
    assert_eq!(announced.taken, 10_000);
    assert_eq!(find(&mut all, json!({"tags": ["tag77"]})).len(), 10);
    assert_eq!(find(&mut all, json!({"text": "tag77", "limit": 100})).len(), 10);
    let name: Name = "agent-4711".parse().unwrap();
    assert_eq!(all.by_name(&name), [id(4_711)]);
    // Only what was answered was opened.
    let opened = all.entries.values().flat_map(|entry| entry.hosts.values());
    assert_eq!(opened.filter(|host| host.pending.is_none()).count(), 10);
    all.gone(&node(1), NOW);
    assert!(all.is_empty() && all.ends.is_empty());
}

#[test]
fn a_query_that_does_not_say_how_many_gets_twenty() {
    let mut all = directory();
    for seed in 0..limits::FIND_ANSWERS as u64 + 3 {
        show(seed, 1).to(&mut all, Source::Member, NOW);
    }
    assert_eq!(find(&mut all, json!({})).len(), limits::FIND_ANSWERS);
    let more = limits::FIND_ANSWERS + 2;
    assert_eq!(find(&mut all, json!({"limit": more})).len(), more);
}
