//! Where the spans of a node go beyond it: a file, or a collector.

use super::collector::{Collector, Times};
use super::file::TraceFile;
use super::otlp::Resource;
use super::span::Span;
use crate::web;
use hubless_proto::error::Result;
use std::path::Path;

/// An open way out.
pub(super) enum Outlet {
    File(TraceFile),
    Collector(Collector),
}

impl Outlet {
    /// Opens what a text names: a URL of `http` or `https` is a collector's, all else a file.
    ///
    /// # Errors
    /// `configuration` (`trace`) for a file that cannot be opened, `tls` without the roots that
    /// this machine trusts; `invalid_argument` (`trace`) for a URL that is no collector's.
    pub(super) fn open(named: &Path, resource: Resource) -> Result<Self> {
        let is_url = |text: &&str| {
            let start = text.get(..8).unwrap_or(text).to_ascii_lowercase();
            start.starts_with("http://") || start.starts_with("https://")
        };
        match named.to_str().filter(is_url) {
            Some(text) => {
                let url = web::open_url("trace", text)?;
                Collector::open(url, resource, Times::default()).map(Self::Collector)
            }
            None => TraceFile::open(named, resource).map(Self::File),
        }
    }

    /// Hands a span over, at once.
    pub(super) fn write(&self, span: &Span) {
        match self {
            Self::File(file) => file.write(span),
            Self::Collector(collector) => collector.write(span),
        };
    }

    /// Waits until what was handed over has arrived; at a collector for at most 3 s, and nothing
    /// goes there afterwards.
    pub(super) async fn end(&self) {
        match self {
            Self::File(file) => file.flush().await,
            Self::Collector(collector) => collector.end().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::resource;
    use super::super::otlp::Names;
    use super::*;
    use hubless_proto::Kind;

    #[tokio::test]
    async fn a_url_is_a_collector_and_all_else_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let open = |text: &str| Outlet::open(Path::new(text), resource(Names::Own));
        let file = folder.path().join("http:");
        assert!(matches!(open(file.to_str().unwrap()), Ok(Outlet::File(_))));
        for good in ["http://127.0.0.1:4318/v1/traces", "HTTP://collector:4318/v1/traces"] {
            assert!(matches!(open(good), Ok(Outlet::Collector(_))), "{good}");
        }
        for bad in [
            "https://user:word@collector.example/v1/traces",
            "https://collector.example/v1/traces?key=1",
            "https://",
        ] {
            let error = open(bad).err().unwrap();
            let said = (error.kind, error.field.as_deref());
            assert_eq!(said, (Kind::InvalidArgument, Some("trace")), "{bad}");
            assert!(!error.message.contains("word"), "{bad}");
        }
    }
}
