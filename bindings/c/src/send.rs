//! Requests whose refusal is a result.

use crate::entry::{entry, fill_error, give};
use crate::fault::{Fault, hubless_error};
use crate::handles::handle;
use crate::reply::{Reply, ReplyIn};
use crate::request::{Prepared, hubless_request_options, prepare};
use crate::state::{NODES, REPLIES};
use crate::types::{hubless_node, hubless_reply, hubless_status, hubless_str};
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Response {
    output: Option<ReplyIn>,
    rejection: Option<Box<RawValue>>,
}

/// As `hubless_request`, but a refusal is no failure: the result is `HUBLESS_OK` with either the
/// answer in `reply`, or NULL there and why in `refused`. Blocks.
///
/// # Safety
/// As `hubless_request`; `refused` is writable and initialised, and is cleared like any error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_send(
    node: *const hubless_node,
    to: hubless_str,
    content: *const crate::content::hubless_content,
    given: *const hubless_request_options,
    reply: *mut *mut hubless_reply,
    refused: *mut hubless_error,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("reply", reply, std::ptr::null_mut())?;
            fill_error("refused", refused, None)?;
            let node = NODES.get(node)?;
            let (work, lent, place) = prepare(to, content, given)?.into_parts();
            let with = |ticket| Prepared::lend(lent, place, &node, ticket);
            let done = node.run_as("send", work, (None, with))?;
            let Response { output, rejection } = done.read()?;
            if let Some(rejection) = rejection {
                let why = Fault::read(rejection.get().as_bytes());
                return fill_error("refused", refused, Some(why));
            }
            let unread = || Error::new(Kind::Internal, "a response has neither answer nor refusal");
            let read = Reply::new(output.ok_or_else(unread)?, &done.attachments, &node);
            give("reply", reply, handle(REPLIES.insert(read).0))
        })
    }
}
