//! Functions that exercise the bridge itself; only in builds for the package's tests.
#![cfg_attr(test, allow(dead_code, reason = "napi registers no function in a test of the crate"))]

use bytes::Bytes;
use napi::bindgen_prelude::{Array, BufferSlice, Env};
use napi_derive::napi;

/// Panics, to show that a panic becomes an ordinary JavaScript error.
#[napi(catch_unwind)]
pub(crate) fn panic_now() {
    std::panic::resume_unwind(Box::new("a panic asked for by a test"));
}

/// Carries byte strings there and back as `submit` and `drain` do.
#[napi(catch_unwind)]
pub(crate) fn echo_bytes<'env>(
    env: &'env Env,
    attachments: Vec<BufferSlice<'_>>,
) -> napi::Result<Array<'env>> {
    let list = attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    crate::convert::byte_strings(env, list)
}
