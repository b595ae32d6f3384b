//! Functions that exercise the boundary itself; only in builds for its tests.

use crate::entry::entry;
use crate::fault::hubless_error;
use crate::types::hubless_status;

/// Panics inside the guard.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_panic_now(err: *mut hubless_error) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || panic!("asked for by a test")) }
}
