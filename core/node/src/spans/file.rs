//! The trace file: spans as JSON Lines, written by a thread of their own.

use super::otlp::{self, Resource};
use super::span::Span;
use crate::home::io_error;
use hubless_proto::error::Result;
use hubless_proto::limits::{TRACE_FILE_BYTES, TRACE_LINE_BYTES, TRACE_QUEUE};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Bytes that become one write: processes that share a file keep their lines whole.
const BATCH_BYTES: usize = 64 * 1024;

/// Where spans go; a call never waits for it.
pub(super) struct TraceFile {
    queue: mpsc::Sender<Job>,
    /// True once somebody was told that spans are lost.
    told: AtomicBool,
}

enum Job {
    Write(Box<Span>),
    Flush(oneshot::Sender<()>),
}

struct Writer {
    file: File,
    resource: Resource,
    told: bool,
}

impl TraceFile {
    /// Opens the file to append to it, or makes it (mode 0600). Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration` (`trace`) for a file that cannot be opened.
    pub(super) fn open(path: &Path, resource: Resource) -> Result<Self> {
        let wrong = |error: std::io::Error| io_error("open", path, &error).with_field("trace");
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let mut writer = Writer { file: file.map_err(wrong)?, resource, told: false };
        let (queue, jobs) = mpsc::channel(TRACE_QUEUE);
        let named = std::thread::Builder::new().name("hubless-trace".to_owned());
        named.spawn(move || writer.run(jobs)).map_err(wrong)?;
        Ok(Self::to(queue))
    }

    const fn to(queue: mpsc::Sender<Job>) -> Self {
        Self { queue, told: AtomicBool::new(false) }
    }

    /// Hands a span over; one that finds no room is lost.
    pub(super) fn write(&self, span: &Span) -> bool {
        // Looked at first: a copy is made only of what fits.
        let place = self.queue.try_reserve();
        let written = place.map(|place| place.send(Job::Write(Box::new(span.clone())))).is_ok();
        if !written && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("the trace file is written too slowly: spans are lost");
        }
        written
    }

    /// Waits until what was handed over is written.
    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // The thread ended: nothing is left to wait for.
            let _ = written.await;
        }
    }
}

impl Writer {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = String::new();
        let mut flushed: Vec<oneshot::Sender<()>> = Vec::new();
        while let Some(job) = jobs.blocking_recv() {
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Write(span) => self.add(&mut batch, &span),
                    Job::Flush(done) => flushed.push(done),
                }
                next = if batch.len() < BATCH_BYTES { jobs.try_recv().ok() } else { None };
            }
            self.write(&batch);
            batch.clear();
            for done in flushed.drain(..) {
                // Who does not wait any more needs no word.
                let _ = done.send(());
            }
        }
    }

    fn add(&mut self, batch: &mut String, span: &Span) {
        let line = otlp::line(span, &self.resource);
        if line.len() <= TRACE_LINE_BYTES {
            batch.push_str(&line);
        } else {
            self.lose("a span is longer than its bound");
        }
    }

    fn write(&mut self, batch: &str) {
        if batch.is_empty() {
            return;
        }
        let length = self.file.metadata().map(|meta| meta.len());
        match length {
            Ok(length) if length.saturating_add(batch.len() as u64) > TRACE_FILE_BYTES => {
                self.lose("the trace file is full: move it away to go on");
            }
            Ok(_) | Err(_) => {
                let written = self.file.write_all(batch.as_bytes());
                written.unwrap_or_else(|error| self.lose(&error.to_string()));
            }
        }
    }

    fn lose(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(reason, "spans are not written to the trace file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{resource, span};
    use super::super::otlp::Names;
    use super::*;
    use hubless_proto::Kind;
    use std::os::unix::fs::PermissionsExt;

    fn lines(path: &Path) -> usize {
        std::fs::read_to_string(path).unwrap().lines().count()
    }

    #[tokio::test]
    async fn lines_of_several_writers_are_appended_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.jsonl");
        let open = || TraceFile::open(&path, resource(Names::Own)).unwrap();
        let (one, two) = (open(), open());
        for file in [&one, &two, &one] {
            assert!(file.write(&span(1, 2, None)));
        }
        one.flush().await;
        two.flush().await;
        assert_eq!(lines(&path), 3);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = TraceFile::open(folder.path(), resource(Names::Own)).err().unwrap();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::Configuration, Some("trace")));
    }

    #[test]
    fn a_span_that_finds_no_room_is_lost_and_its_call_does_not_wait() {
        let (queue, mut jobs) = mpsc::channel(TRACE_QUEUE);
        let file = TraceFile::to(queue);
        let span = span(1, 2, None);
        assert!((0..TRACE_QUEUE).all(|_| file.write(&span)));
        assert!(!file.write(&span));
        assert!(jobs.try_recv().is_ok());
        assert!(file.write(&span), "room again");
    }

    #[tokio::test]
    async fn a_file_does_not_grow_beyond_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.jsonl");
        let file = TraceFile::open(&path, resource(Names::Own)).unwrap();
        file.write(&span(1, 2, None));
        file.flush().await;
        let line = std::fs::metadata(&path).unwrap().len();
        assert!(line > 0);
        // Sparse: it takes no room on the disk.
        let lengthen = |length| File::options().write(true).open(&path).unwrap().set_len(length);
        lengthen(TRACE_FILE_BYTES - line).unwrap();
        file.write(&span(1, 2, None));
        file.flush().await;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), TRACE_FILE_BYTES, "at the bound");
        file.write(&span(1, 2, None));
        file.flush().await;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), TRACE_FILE_BYTES);
    }
}
