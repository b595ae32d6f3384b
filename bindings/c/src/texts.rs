//! Results that are one JSON text.

use crate::entry::{entry, give};
use crate::fault::Result;
use crate::handles::handle;
use crate::state::{NODES, TEXTS};
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::Value;

/// Runs an operation and gives its result as a text.
///
/// # Safety
/// `out` is NULL or writable.
pub(crate) unsafe fn result(
    node: *const hubless_node,
    op: &str,
    body: Value,
    out: *mut *mut hubless_text,
) -> Result<()> {
    // SAFETY: the caller vouches for `out`.
    unsafe {
        give("out", out, std::ptr::null_mut())?;
        let done = NODES.get(node)?.run(op, (body, Vec::new()))?;
        let (id, _) = TEXTS.insert(String::from_utf8_lossy(&done.body).into_owned());
        give("out", out, handle(id))
    }
}

/// Reads a text; the result lives until the text is freed. `{NULL, 0}` for a freed one.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_text_get(text: *const hubless_text) -> hubless_str {
    // The table keeps the text alive after this returns.
    TEXTS.get(text).map_or(hubless_str::NONE, |text| hubless_str::of(&text))
}

/// Frees a text.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_text_free(text: *mut hubless_text) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || TEXTS.remove(text).map(drop)) }
}
