//! Results that are one JSON text.

use crate::entry::{entry, look};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::pending::Done;
use crate::state::{Node, TEXTS};
use crate::types::{hubless_status, hubless_str, hubless_text};
use std::os::raw::c_void;
use std::sync::Arc;

/// Is told how something with a JSON text as its result ended; owns `text`, which is NULL unless
/// the status is `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_text = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        text: *mut hubless_text,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Keeps the result of an operation as it is.
pub(crate) fn keep(_: &Arc<Node>, done: &Done) -> Result<Handle<hubless_text>> {
    Ok(kept(&done.body))
}

/// Keeps a JSON text of the library.
pub(crate) fn kept(json: &[u8]) -> Handle<hubless_text> {
    Handle::of(TEXTS.insert(String::from_utf8_lossy(json).into_owned()).0)
}

/// Reads a text; the result lives until the text is freed. `{NULL, 0}` for a freed one.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_text_get(text: *const hubless_text) -> hubless_str {
    // The table keeps the text alive after this returns.
    look(hubless_str::NONE, || {
        TEXTS.get(text).map_or(hubless_str::NONE, |text| hubless_str::of(&text))
    })
}

/// Frees a text.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_text_free(text: *mut hubless_text) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || TEXTS.remove(text).map(drop)) }
}
