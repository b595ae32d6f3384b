//! Takes spans: into the ring of the node, and to the trace file or collector where one is named.

use super::ids::TraceId;
use super::otlp::{Names, Resource};
use super::outlet::Outlet;
use super::ring::Ring;
use super::span::{Heading, Outcome, Span, content_bytes};
use super::watch::Watchers;
use crate::engine::lock;
use crate::node::{Path, Reply};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::wire::v1;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use tokio::time::Instant;

/// What a recorder is made of.
pub(crate) struct Setup {
    pub(crate) node: NodeKey,
    pub(crate) mesh: MeshId,
    /// Language of the program that the node is in.
    pub(crate) language: &'static str,
    /// The trace file, or the URL of a collector.
    pub(crate) outlet: Option<PathBuf>,
}

/// Where the spans of a node go.
pub(crate) struct Recorder {
    language: &'static str,
    ring: Mutex<Ring>,
    outlet: Option<Outlet>,
    watchers: Watchers,
}

impl Recorder {
    /// Opens the trace file, or makes ready for the collector, if there is one. Blocks for
    /// milliseconds then.
    ///
    /// # Errors
    /// As [`Outlet::open`].
    pub(crate) fn open(setup: Setup) -> Result<Self> {
        let Setup { node, mesh, language, outlet } = setup;
        let names = Names::of(&std::env::var("OTEL_SEMCONV_STABILITY_OPT_IN").unwrap_or_default());
        let resource = Resource { node, mesh, language, names };
        let outlet = outlet.map(|named| Outlet::open(&named, resource)).transpose()?;
        Ok(Self { language, ring: Mutex::default(), outlet, watchers: Watchers::default() })
    }

    pub(crate) const fn language(&self) -> &'static str {
        self.language
    }

    /// The flags of a trace that begins here: sampled when spans are written.
    pub(crate) const fn flags(&self) -> &'static str {
        if self.outlet.is_some() { "01" } else { "00" }
    }

    /// Who is told of calls as they end.
    pub(crate) const fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Takes the span of a call; none: it was for a skill that its agent does not have.
    pub(crate) fn record(&self, skill: Option<&str>, span: Span) {
        self.watchers.ended(skill, &span);
        if let Some(outlet) = &self.outlet {
            outlet.write(&span);
        }
        lock(&self.ring).push(span);
    }

    /// What this node remembers of a trace, oldest first; true: older calls were left out.
    pub(crate) fn of(&self, trace: TraceId) -> (Vec<Span>, bool) {
        let told = lock(&self.ring).of(trace);
        (told.spans, told.more)
    }

    /// The same, as a peer is told it.
    pub(crate) fn told(&self, trace: TraceId) -> v1::TraceCalls {
        let (spans, more) = self.of(trace);
        let calls = spans.iter().map(Span::to_wire).collect();
        v1::TraceCalls { calls, more, language: self.language.to_owned() }
    }

    /// Waits until what was recorded is in the file, or at the collector, which is given so much
    /// time and no more.
    pub(crate) async fn end(&self) {
        if let Some(outlet) = &self.outlet {
            outlet.end().await;
        }
    }
}

/// An attempt that this node makes; dropped before its end, it was given up.
pub(crate) struct Made<'a> {
    recorder: &'a Recorder,
    began: Instant,
    trace: TraceId,
    /// As the callee says it; none: it has no such skill.
    skill: Option<&'a str>,
    path: OnceLock<Path>,
    heading: Option<Heading>,
}

impl<'a> Made<'a> {
    pub(crate) const fn begin(
        recorder: &'a Recorder,
        skill: Option<&'a str>,
        heading: Heading,
        began: Instant,
    ) -> Self {
        let trace = heading.place.trace;
        Self { recorder, began, trace, skill, path: OnceLock::new(), heading: Some(heading) }
    }

    pub(crate) const fn trace_id(&self) -> TraceId {
        self.trace
    }

    /// The way it took, once that is known.
    pub(crate) fn via(&self, path: Path) {
        // An attempt takes one way.
        let _ = self.path.set(path);
    }

    /// It ended; pieces that were handed on as they came are not counted.
    pub(crate) fn end(mut self, reply: &Result<Reply>, in_pieces: bool) {
        let outcome = match reply {
            Ok(reply) => Outcome {
                usage: reply.usage.clone(),
                answer_bytes: content_bytes(Some(&reply.content.message)).filter(|_| !in_pieces),
                ..Outcome::default()
            },
            Err(error) => Outcome::failed(error),
        };
        self.close(outcome);
    }

    fn close(&mut self, outcome: Outcome) {
        let Some(heading) = self.heading.take() else { return };
        let heading = Heading { path: self.path.get().copied(), ..heading };
        self.recorder.record(self.skill, Span::ended(heading, self.began.elapsed(), outcome));
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.heading.is_some() {
            self.close(Outcome::failed(&Error::new(Kind::Cancelled, "")));
        }
    }
}
