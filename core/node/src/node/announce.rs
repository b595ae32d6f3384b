//! Signing what hosted agents publish, renewing it, and showing it in the node's own directory.

use super::lifecycle::Inner;
use crate::chance::now_ms;
use crate::engine::{Hosted, lock};
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits;
use hubless_proto::registry::Scope;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The registration that is shown under each key of this node, and the number of its records.
///
/// Of duplicates one is shown, the first by name, here and to others: a key has one descriptor,
/// and two under one number would be held against it.
#[derive(Debug, Default)]
pub(super) struct Own(Mutex<BTreeMap<AgentId, Last>>);

#[derive(Debug, Clone, Copy)]
struct Last {
    serial: u64,
    seq: u64,
}

impl Own {
    /// Lets what an agent publishes come after what its key published here.
    pub(super) fn follow(&self, hosted: &Hosted) {
        let last = lock(&self.0).get(&hosted.id()).map_or(0, |last| last.seq);
        let mut announced = lock(&hosted.announced);
        announced.seq = announced.seq.max(last);
    }
}

impl Inner {
    /// Brings the node's own directory to what its registry says under a key. Whoever changes
    /// either calls it afterwards, so that an agent that is shown while it is taken out, by
    /// another thread, does not stay.
    pub(super) fn show(&self, id: AgentId) {
        // Held from the look at the registry: of two that look at once, the earlier look must not
        // be shown last.
        let mut own = lock(&self.own.0);
        let stands = lock(&self.engine.registry).by_id(&id).map(|agent| Arc::clone(&agent.value));
        let Some(hosted) = stands else {
            own.remove(&id);
            self.world.hide(id);
            return;
        };
        if let Some(last) = own.get(&id).filter(|last| last.serial != hosted.serial) {
            let after = last.seq.max(lock(&hosted.announced).seq);
            lock(&hosted.announced).seq = after;
            if let Err(error) = sign(&hosted, self.engine.node(), now_ms()) {
                tracing::error!(%error, agent = %hosted.name, "cannot sign a record");
            }
            if hosted.is_transient() {
                // Its records have no number to come after others by.
                self.world.hide(id);
            }
        }
        let seq = lock(&hosted.announced).seq;
        own.insert(id, Last { serial: hosted.serial, seq });
        self.world.show(&hosted);
    }

    /// The agents that are shown: of duplicates the first by name.
    pub(super) fn announceable(&self) -> Vec<Arc<Hosted>> {
        let registry = lock(&self.engine.registry);
        let agents = registry.list(Scope::Local);
        let first = agents.filter(|agent| {
            registry.by_id(&agent.id).is_some_and(|first| first.name == agent.name)
        });
        first.map(|agent| Arc::clone(&agent.value)).collect()
    }
}

/// Signs an agent's descriptor and its hosting by this node, for one more term; a transient agent
/// has one only, which is not renewed.
pub(super) fn sign(hosted: &Hosted, node: NodeKey, now_ms: u64) -> Result<()> {
    let descriptor = hosted.descriptor();
    let mut announced = lock(&hosted.announced);
    let (term, renew_at_ms) = if descriptor.transient {
        (Term::transient(now_ms), u64::MAX)
    } else {
        // Two terms within one millisecond must not have one number.
        let seq = announced.seq.saturating_add(1).max(now_ms);
        let term = Term { seq, ..Term::starting(now_ms, limits::RECORD_LIFE) };
        (term, now_ms.saturating_add(third(limits::RECORD_LIFE)))
    };
    let descriptor = record::sign(&hosted.key, term, descriptor.as_ref())?;
    let hosting = v1::Hosting {
        node_key: node.to_wire(),
        descriptor_digest: bytes::Bytes::copy_from_slice(&record::digest(&descriptor.signed)),
        priority: 0,
        health: announced.health.stated().to_owned(),
    };
    let hosting = record::sign(&hosted.key, term, &hosting)?;
    announced.seq = term.seq;
    announced.renew_at_ms = renew_at_ms;
    announced.records =
        v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
    Ok(())
}

/// Renews what is due; gives what was renewed.
pub(super) fn renew(agents: &[Arc<Hosted>], node: NodeKey, now_ms: u64) -> Vec<Arc<Hosted>> {
    let mut renewed = Vec::new();
    for hosted in agents {
        if lock(&hosted.announced).renew_at_ms > now_ms {
            continue;
        }
        match sign(hosted, node, now_ms) {
            Ok(()) => renewed.push(Arc::clone(hosted)),
            Err(error) => tracing::error!(%error, agent = %hosted.name, "cannot renew a record"),
        }
    }
    renewed
}

fn third(life: std::time::Duration) -> u64 {
    u64::try_from(life.as_millis() / 3).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{self, HELD_KIB, Subject};
    use crate::node::{AgentOptions, Health, Node, NodeOptions, handler};
    use hubless_proto::directory::{Directory, Source};
    use hubless_proto::identity::MeshId;
    use serde_json::json;

    fn millis(time: std::time::Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap()
    }

    /// Registers and removes so many agents, one after the other.
    async fn come_and_go(node: &Node, many: usize) {
        let echo = handler(|_, content| async move { Ok(content) });
        for n in 0..many {
            let options = json!({"name": format!("brief-{n}"), "transient": true});
            let options = AgentOptions::read(options).unwrap();
            let agent = node.register(options, Arc::clone(&echo)).await.unwrap();
            agent.unregister(std::time::Duration::ZERO).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ten_thousand_transient_agents_that_come_and_go_leave_no_memory() {
        if let Some(home) = meter::subject() {
            let options = NodeOptions { home: Some(home), ..NodeOptions::default() };
            let node = Node::start(options).await.unwrap();
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| {
                meter::obey(|many| {
                    runtime.block_on(come_and_go(&node, many.parse().unwrap()));
                    node.status().agents.to_string()
                });
            });
        }
        let folder = tempfile::tempdir().unwrap();
        let test = "node::announce::tests::\
                    ten_thousand_transient_agents_that_come_and_go_leave_no_memory";
        let mut subject = Subject::start(test, folder.path());
        assert_eq!(subject.tell("2000"), "0");
        let warm = subject.memory_kib();
        assert_eq!(subject.tell("10000"), "0");
        let after = subject.memory_kib();
        subject.tell("hold");
        let held = subject.memory_kib();
        eprintln!("KiB: {warm} warm, {after} after 10,000, {held} with {HELD_KIB} held");
        assert!(after < warm + 2 * 1_024, "it grew by {} KiB", after - warm);
        assert!(held > after + HELD_KIB * 9 / 10, "the meter sees what is held");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_agent_that_is_shown_while_it_is_taken_out_does_not_stay() {
        let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let known = |id: AgentId| node.open().unwrap().world.by_id(&id).is_some();
        let echo = handler(|_, content| async move { Ok(content) });
        for round in 0..200 {
            let options = AgentOptions::read(json!({"name": format!("agent-{round}")})).unwrap();
            let agent = node.register(options, Arc::clone(&echo)).await.unwrap();
            assert!(known(agent.id()), "while it is registered");
            let hosted = node.open().unwrap().hosted().pop().unwrap();
            let (stated, inner) = (agent.clone(), Arc::clone(node.open().unwrap()));
            let talks = tokio::spawn(async move {
                // Until it is out.
                while stated.health(Health::Down).is_ok() && stated.health(Health::Up).is_ok() {}
                // What began before that and goes on after it.
                inner.publish_anew(&hosted).unwrap();
            });
            agent.unregister(std::time::Duration::ZERO).await.unwrap();
            talks.await.unwrap();
            assert!(!known(agent.id()), "round {round}");
        }
    }

    #[tokio::test]
    async fn agents_outlive_their_first_term_unless_they_are_transient() {
        let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let rows = [
            (json!({"name": "lasting"}), limits::RECORD_LIFE),
            (json!({"name": "brief", "transient": true}), limits::TRANSIENT_LIFE),
        ];
        for (options, life) in rows {
            let echo = handler(|_, content| async move { Ok(content) });
            let agent = AgentOptions::read(options).unwrap();
            let agent = node.register(agent, echo).await.unwrap();
            let all = node.open().unwrap().hosted();
            let hosted: Vec<_> = all.into_iter().filter(|one| one.id() == agent.id()).collect();
            let start = now_ms() + 1_000;
            sign(&hosted[0], node.key(), start).unwrap();
            // A peer that hears of every renewal, and one that heard of the first term alone.
            let peer = || Directory::new(MeshId::from_bytes([1; 32]), NodeKey::from_bytes([2; 32]));
            let (mut told, mut untold) = (peer(), peer());
            let show = |directory: &mut Directory, now| {
                let records = lock(&hosted[0].announced).records.clone();
                let shown = directory.announce(Source::Member, node.key(), &[records], now);
                assert!(shown.refused.is_empty(), "{:?}", shown.refused);
            };
            show(&mut untold, start);
            let third = millis(life) / 3;
            assert!(
                renew(&hosted, node.key(), start + third - 1).is_empty(),
                "not before its time"
            );
            let renews = life == limits::RECORD_LIFE;
            for step in 0..=12 {
                let now = start + step * third;
                let renewed = renew(&hosted, node.key(), now).len();
                assert_eq!(renewed, usize::from(renews && step > 0), "step {step}");
                let first_term = now < start + millis(life);
                if renews || first_term {
                    show(&mut told, now);
                }
                let lives = now + third - 1 < start + millis(life);
                let known = told.by_id(&agent.id(), now + third - 1).is_some();
                assert_eq!(known, renews || lives, "step {step}");
                assert_eq!(untold.by_id(&agent.id(), now).is_some(), first_term, "step {step}");
            }
        }
    }
}
