//! The node as its mesh sees it.

use super::lifecycle::Inner;
use crate::audit::Audit;
use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use crate::foreign::Answer;
use crate::mesh::{MeshHost, Source};
use bytes::Bytes;
use hubless_proto::audit::Entry;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{BudgetId, Message, Reading};
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::SetOnce;

/// Passes on what the mesh says; what comes before the node is ready waits for it.
pub(super) struct Host {
    audit: Arc<Audit>,
    node: SetOnce<Weak<Inner>>,
    early: Mutex<Vec<News>>,
}

/// What the mesh says of others.
pub(super) enum News {
    Announced(Source, v1::NodeAnnouncement),
    Told,
    Hidden(NodeKey, Vec<(AgentId, u64)>),
    Loaded(NodeKey, Vec<(AgentId, u32)>),
    Clock(NodeKey, Reading),
    Ledger(NodeKey, Box<Message>),
    Gone(NodeKey),
    Unreached(NodeKey),
    Faded(NodeKey),
    Outnumbered(u64),
}

impl Host {
    pub(super) fn new(audit: Arc<Audit>) -> Self {
        Self { audit, node: SetOnce::new(), early: Mutex::default() }
    }

    /// The node is there.
    pub(super) fn ready(&self, node: &Arc<Inner>) {
        let mut early = crate::engine::lock(&self.early);
        for news in early.drain(..) {
            node.news(news);
        }
        // Set once, by the one start of the node, and after what came early was told: a later
        // record of a node must not be overtaken by an earlier one.
        let _ = self.node.set(Arc::downgrade(node));
    }

    fn tell(&self, news: News) {
        if let Some(node) = self.node.get() {
            if let Some(node) = node.upgrade() {
                node.news(news);
            }
            return;
        }
        let mut early = crate::engine::lock(&self.early);
        match self.node.get() {
            None => early.push(news),
            Some(node) => {
                drop(early);
                if let Some(node) = node.upgrade() {
                    node.news(news);
                }
            }
        }
    }
}

/// The host that is handed to a mesh.
pub(super) struct Face(pub(super) Arc<Host>);

impl Face {
    /// The node, as long as it is open.
    fn here(&self) -> Result<Arc<Inner>> {
        let closing = || Error::refusal(Kind::NotFound, "closing", "the node is closing");
        self.0.node.get().and_then(Weak::upgrade).ok_or_else(closing)
    }
}

impl MeshHost for Face {
    fn inbound(&self, caller: Caller, request: v1::Request, bodies: Bodies, end: CalleeEnd) {
        let host = Arc::clone(&self.0);
        if let Some(node) = host.node.get() {
            if let Some(node) = node.upgrade() {
                node.engine.inbound(caller, request, bodies, end);
            }
            return;
        }
        tokio::spawn(async move {
            if let Some(node) = host.node.wait().await.upgrade() {
                node.engine.inbound(caller, request, bodies, end);
            }
        });
    }

    fn announced(&self, source: Source, announcement: v1::NodeAnnouncement) {
        self.0.tell(News::Announced(source, announcement));
    }

    fn told(&self) {
        self.0.tell(News::Told);
    }

    fn hidden(&self, node: NodeKey, agents: Vec<(AgentId, u64)>) {
        self.0.tell(News::Hidden(node, agents));
    }

    fn loaded(&self, node: NodeKey, loads: Vec<(AgentId, u32)>) {
        self.0.tell(News::Loaded(node, loads));
    }

    fn clock(&self, node: NodeKey, reading: Reading) {
        self.0.tell(News::Clock(node, reading));
    }

    fn ledger(&self, node: NodeKey, message: Message) {
        self.0.tell(News::Ledger(node, Box::new(message)));
    }

    fn gone(&self, node: NodeKey) {
        self.0.tell(News::Gone(node));
    }

    fn unreached(&self, node: NodeKey) {
        self.0.tell(News::Unreached(node));
    }

    fn faded(&self, node: NodeKey) {
        self.0.tell(News::Faded(node));
    }

    fn outnumbered(&self, seq: u64) {
        self.0.tell(News::Outnumbered(seq));
    }

    fn noted(&self, entry: Entry) {
        self.0.audit.fold(entry);
    }

    fn operator_stop(&self, node: NodeKey, signed: &v1::SignedRecord) -> Answer<Vec<BudgetId>> {
        match self.here() {
            Ok(here) => Box::pin(here.engine.treasury().show_stop(node, signed)),
            Err(closing) => Box::pin(std::future::ready(Err(closing))),
        }
    }

    fn redeem(&self, node: NodeKey, code: &v1::RedeemCode) -> Answer<Bytes> {
        match self.here() {
            Ok(here) => Box::pin(here.engine.treasury().show_code(node, code)),
            Err(closing) => Box::pin(std::future::ready(Err(closing))),
        }
    }

    fn answer(&self, ask: v1::Ask) -> v1::Answer {
        let answer = self.here().and_then(|node| node.answer(ask));
        let answer = answer
            .unwrap_or_else(|error| v1::answer::Answer::Rejection(v1::Rejection::from(&error)));
        v1::Answer { answer: Some(answer) }
    }
}
