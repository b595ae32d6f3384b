//! Operations in both of their forms: waited for, or told of to a function of the program.
//!
//! Owns: what the two forms share, so that each operation is read and shown in one place. Must not
//! know any operation. Tested by `include/tests/forms.c`.

use crate::dispatch::forget_lent;
use crate::entry::guarded;
use crate::fault::{Fault, Result};
use crate::handles::lock;
use crate::pending::{Done, Hook, Told};
use crate::question::Lent;
use crate::request::Prepared;
use crate::state::Node;
use bytes::Bytes;
use hubless_proto::{Error, Kind};
use serde_json::Value;
use std::sync::{Arc, Mutex, OnceLock};

/// What is made of the result of an operation.
type Keep<T> = Box<dyn FnOnce(&Arc<Node>, &Done) -> Result<T> + Send>;

/// An operation that was read and is not begun.
pub(crate) struct Operation<T> {
    node: Arc<Node>,
    op: &'static str,
    work: (Value, Vec<Bytes>),
    /// What the program lends to it, and where its ticket goes.
    lent: Option<(Lent, *mut u64)>,
    hook: Option<Hook>,
    keep: Keep<T>,
}

impl<T: 'static> Operation<T> {
    /// An operation of the contract; `keep` is dropped uncalled when it fails.
    pub(crate) fn new(
        node: Arc<Node>,
        op: &'static str,
        body: Value,
        keep: impl FnOnce(&Arc<Node>, &Done) -> Result<T> + Send + 'static,
    ) -> Self {
        Self { node, op, work: (body, Vec::new()), lent: None, hook: None, keep: Box::new(keep) }
    }

    /// As `new`; `keep` runs on the thread that delivers events, before any later event.
    pub(crate) fn early(
        node: Arc<Node>,
        op: &'static str,
        body: Value,
        keep: impl FnOnce(&Arc<Node>, &Done) -> Result<T> + Send + 'static,
    ) -> Self
    where
        T: Send,
    {
        let kept = Arc::new(Mutex::new(None));
        let (keeps, of) = (Arc::clone(&kept), Arc::clone(&node));
        let hook: Hook = Box::new(move |done| *lock(&keeps) = Some(keep(&of, done)));
        let unseen = || Fault::from(Error::new(Kind::Internal, "a result was not seen"));
        let taken = move |_: &Arc<Node>, _: &Done| match lock(&kept).take() {
            Some(kept) => kept,
            None => Err(unseen()),
        };
        Self { hook: Some(hook), ..Self::new(node, op, body, taken) }
    }

    /// Sends bytes along.
    pub(crate) fn attach(mut self, attachments: Vec<Bytes>) -> Self {
        self.work.1 = attachments;
        self
    }

    /// Lends the program's functions to it, and tells the program its ticket.
    pub(crate) fn lend(mut self, lent: Lent, place: *mut u64) -> Self {
        self.lent = Some((lent, place));
        self
    }

    /// Runs it to its end; refused inside a callback.
    pub(crate) fn wait(self) -> Result<T> {
        let Self { node, op, work, lent, hook, keep } = self;
        let done = node.run_as(op, work, (hook, |ticket| lend(lent, &node, ticket)))?;
        keep(&node, &done)
    }

    /// Begins it; its end is told once, unless this fails.
    pub(crate) fn begin(self, tell: impl FnOnce(Result<T>) + Send + 'static) -> Result<()> {
        let Self { node, op, work, lent, hook, keep } = self;
        let number = Arc::new(OnceLock::new());
        let (of, known) = (Arc::clone(&node), Arc::clone(&number));
        let told = Told::new(move |ended| {
            forget_lent(&of, known.get().copied().unwrap_or_default());
            tell(guarded(|| {
                let done = ended?;
                if let Some(hook) = hook {
                    hook(&done);
                }
                keep(&of, &done)
            }));
        });
        let with = |ticket| {
            let _ = number.set(ticket);
            lend(lent, &node, ticket)
        };
        node.begin_as(op, work, told, with).map(drop)
    }
}

fn lend(lent: Option<(Lent, *mut u64)>, node: &Node, ticket: u64) -> Result<()> {
    let Some((lent, place)) = lent else { return Ok(()) };
    // SAFETY: the program's place is NULL or writable until its function returns, which waits for
    // this.
    unsafe { Prepared::lend(lent, place, node, ticket) }
}

/// The operations without a result.
pub(crate) fn nothing(_: &Arc<Node>, _: &Done) -> Result<()> {
    Ok(())
}

/// Does something once, at the latest when it goes; not at all when it was disarmed.
pub(crate) struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    pub(crate) fn new(run: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(run)))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}
