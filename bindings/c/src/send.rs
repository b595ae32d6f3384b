//! Requests whose refusal is a result.

use crate::content::hubless_content;
use crate::entry::{entry, fill_error, function, give};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::Handle;
use crate::operation::Operation;
use crate::pending::Done;
use crate::reply::{self, Reply, ReplyIn};
use crate::request::{hubless_request_options, prepare};
use crate::state::{NODES, Node, User};
use crate::tell;
use crate::types::{hubless_node, hubless_reply, hubless_status, hubless_str};
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::os::raw::c_void;
use std::sync::Arc;

/// Is told how a request whose refusal is a result ended. With `HUBLESS_OK` it owns `reply`, or
/// that is NULL and `refused` says why; with anything else both are NULL. `refused` and `err` live
/// until it returns.
pub type hubless_on_response = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        reply: *mut hubless_reply,
        refused: *const hubless_error,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

#[derive(Deserialize)]
struct ResponseIn {
    output: Option<ReplyIn>,
    rejection: Option<Box<RawValue>>,
}

/// An answer, or why there is none.
pub(crate) enum Response {
    Answered(Handle<hubless_reply>),
    Refused(Fault),
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
    content: *const hubless_content,
    given: *const hubless_request_options,
    reply: *mut *mut hubless_reply,
    refused: *mut hubless_error,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || answer(reply, refused, || sending(node, to, (content, given))?.wait())) }
}

/// As `hubless_send`, without blocking: `on_response` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// As `hubless_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_send_async(
    node: *const hubless_node,
    to: hubless_str,
    content: *const hubless_content,
    given: *const hubless_request_options,
    on_response: hubless_on_response,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || sending(node, to, (content, given))?.begin(told(on_response, User(user))?))
    }
}

unsafe fn sending(
    node: *const hubless_node,
    to: hubless_str,
    (content, given): (*const hubless_content, *const hubless_request_options),
) -> Result<Operation<Response>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the pointers.
    Ok(unsafe { prepare(to, content, given)? }.operation(node, "send", keep))
}

/// Writes an answer or a refusal to where the program wants them.
///
/// # Safety
/// `reply` is NULL or writable, `refused` is NULL or initialised.
pub(crate) unsafe fn answer(
    reply: *mut *mut hubless_reply,
    refused: *mut hubless_error,
    wait: impl FnOnce() -> Result<Response>,
) -> Result<()> {
    // SAFETY: as the caller says.
    unsafe {
        give("reply", reply, std::ptr::null_mut())?;
        fill_error("refused", refused, None)?;
        match wait()? {
            Response::Answered(answer) => give("reply", reply, answer.shown()),
            Response::Refused(why) => fill_error("refused", refused, Some(why)),
        }
    }
}

pub(crate) fn keep(node: &Arc<Node>, done: &Done) -> Result<Response> {
    let ResponseIn { output, rejection } = done.read()?;
    if let Some(rejection) = rejection {
        return Ok(Response::Refused(Fault::read(rejection.get().as_bytes())));
    }
    let unread = || Error::new(Kind::Internal, "a response has neither answer nor refusal");
    let answer = Reply::new(output.ok_or_else(unread)?, &done.attachments, node);
    Ok(Response::Answered(reply::kept(answer)))
}

pub(crate) fn told(
    on_response: hubless_on_response,
    user: User,
) -> Result<impl FnOnce(Result<Response>) + Send + 'static> {
    let on_response = function("on_response", on_response)?;
    Ok(move |ended| {
        let user = user;
        tell::told(ended, |status, response, err| {
            let (reply, refused) = match response {
                Some(Response::Answered(answer)) => (answer.shown(), None),
                Some(Response::Refused(why)) => {
                    (std::ptr::null_mut(), Some(hubless_error::of(why)))
                }
                None => (std::ptr::null_mut(), None),
            };
            let why = refused.as_ref().map_or(std::ptr::null(), |refused| &raw const *refused);
            // SAFETY: the program gave the function for this; the errors live until it returns.
            unsafe { on_response(status, reply, why, err, user.0) };
            if let Some(refused) = refused {
                refused.release();
            }
        });
    })
}
