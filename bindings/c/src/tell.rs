//! Functions of the program that are told how something ended.
//!
//! Owns: the one way in which they are called. Must not know what ended.

use crate::entry::{function, in_callback};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::state::User;
use crate::types::hubless_status;
use std::os::raw::c_void;

/// Is told how something without a result ended. `err` lives until it returns.
pub type hubless_on_done = Option<
    unsafe extern "C" fn(status: hubless_status, err: *const hubless_error, user: *mut c_void),
>;

/// A function that is told how something with a handle as its result ended.
type OnHandle<P> =
    unsafe extern "C" fn(hubless_status, *mut P, *const hubless_error, user: *mut c_void);

/// Calls a function of the program with how something ended: `OK` has a result and no error.
pub(crate) fn told<T>(
    ended: Result<T>,
    call: impl FnOnce(hubless_status, Option<T>, *const hubless_error),
) {
    let (status, result, err) = match ended {
        Ok(result) => (hubless_status::HUBLESS_OK, Some(result), hubless_error::none()),
        Err(fault) => (fault.status(), None, hubless_error::of(fault)),
    };
    in_callback(|| call(status, result, &raw const err));
    err.release();
}

/// Who is told of something without a result.
pub(crate) fn done(
    on_done: hubless_on_done,
    user: User,
) -> Result<impl FnOnce(Result<()>) + Send + 'static> {
    let on_done = function("on_done", on_done)?;
    Ok(move |ended| {
        let user = user;
        // SAFETY: the program gave the function for this; `err` lives until it returns.
        told(ended, |status, _, err| unsafe { on_done(status, err, user.0) });
    })
}

/// Who is told of something with a handle as its result, such as a reply.
pub(crate) fn handle<P: 'static>(
    (field, on_ended): (&str, Option<OnHandle<P>>),
    user: User,
) -> Result<impl FnOnce(Result<Handle<P>>) + Send + 'static + use<P>> {
    let on_ended = function(field, on_ended)?;
    Ok(move |ended: Result<Handle<P>>| {
        let user = user;
        told(ended, |status, result, err| {
            let result = result.map_or(std::ptr::null_mut(), Handle::shown);
            // SAFETY: the program gave the function for this; `err` lives until it returns.
            unsafe { on_ended(status, result, err, user.0) };
        });
    })
}
