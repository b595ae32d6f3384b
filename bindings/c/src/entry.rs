//! What every function does first and last: panics, forks, texts, options, results.

use crate::fault::{Fault, OLDEST, Result, hubless_error};
use crate::handles::Handle;
use crate::types::{hubless_bytes, hubless_status, hubless_str};
use bytes::Bytes;
use hubless_proto::{Error, Kind};
use serde_json::value::RawValue;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest text that is taken in; anything longer is a mistake, such as a negative length.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// Largest struct of options that is taken in; a size beyond it was never set.
const OPTIONS_BYTES_MAX: usize = 1 << 16;

thread_local! {
    static CALLBACKS: Cell<usize> = const { Cell::new(0) };
}

/// Runs the body of a function and says how it went.
///
/// # Safety
/// `err` is NULL or points to a `hubless_error` that was initialised.
pub(crate) unsafe fn entry(
    err: *mut hubless_error,
    body: impl FnOnce() -> Result<()>,
) -> hubless_status {
    if hubless_shared::forked() {
        // SAFETY: the caller vouches for `err`.
        unsafe { writable(err).map(|out| put_as_is(out, &hubless_error::forked())) };
        return hubless_status::HUBLESS_CLOSED;
    }
    // SAFETY: the caller vouches for `err`.
    unsafe { report(err, guarded(body)) }
}

/// Runs something that has a result also when it panics.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(Error::new(Kind::Internal, "the library panicked; this is a bug").into())
    })
}

/// Frees what an error holds, and empties it. In a forked child its texts stay: their lock may be
/// held for ever.
///
/// # Safety
/// As `entry`.
pub(crate) unsafe fn clear(err: *mut hubless_error) {
    // SAFETY: as the caller says.
    unsafe {
        if !hubless_shared::forked() {
            // Success clears it.
            entry(err, || Ok(()));
        } else if let Some(out) = writable(err) {
            put_as_is(out, &hubless_error::none());
        }
    }
}

/// Runs the body of a function that has no status: nothing in a forked child, where a lock may be
/// held for ever, and after a panic.
pub(crate) fn look<T>(nothing: T, body: impl FnOnce() -> T) -> T {
    if hubless_shared::forked() {
        return nothing;
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(nothing)
}

/// An error that can be filled; none for NULL and for what is too small to be one.
///
/// # Safety
/// As `entry`.
unsafe fn writable(err: *mut hubless_error) -> Option<*mut hubless_error> {
    // SAFETY: NULL or initialised, says the caller; the first field is the size.
    let is_large = !err.is_null() && unsafe { err.cast::<usize>().read() } >= OLDEST;
    is_large.then_some(err)
}

/// Fills an error in, or clears it.
///
/// # Safety
/// As `entry`.
unsafe fn report(err: *mut hubless_error, result: Result<()>) -> hubless_status {
    let status = result.as_ref().map_or_else(Fault::status, |()| hubless_status::HUBLESS_OK);
    // SAFETY: the caller vouches for `err`.
    unsafe { writable(err).map(|out| put(out, result.err())) };
    status
}

/// Frees what an error holds and fills it anew.
///
/// # Safety
/// `out` is one of `writable`.
unsafe fn put(out: *mut hubless_error, why: Option<Fault>) {
    // SAFETY: within the oldest size.
    hubless_error::release_texts(unsafe { (&raw const (*out).texts).read() });
    // SAFETY: as the caller says.
    unsafe { put_as_is(out, &why.map_or_else(hubless_error::none, hubless_error::of)) };
}

/// Writes an error as far as the program's own struct goes; its size stays.
///
/// # Safety
/// `out` is one of `writable`.
unsafe fn put_as_is(out: *mut hubless_error, value: &hubless_error) {
    // SAFETY: as the caller says; it fails for what `writable` refuses only.
    let filled = unsafe { fill("err", out, value) };
    debug_assert!(filled.is_ok(), "an error that can be written is written");
}

/// Fills an error in that is a result, or clears it.
///
/// # Safety
/// As `entry`.
pub(crate) unsafe fn fill_error(
    field: &str,
    out: *mut hubless_error,
    why: Option<Fault>,
) -> Result<()> {
    // SAFETY: the caller vouches for `out`.
    let out = unsafe { writable(out) };
    let out = out.ok_or_else(|| Fault::invalid(field, "expected HUBLESS_ERROR_INIT, got none"))?;
    // SAFETY: it is one of `writable`.
    unsafe { put(out, why) };
    Ok(())
}

/// Marks this thread as one that runs a callback of the program.
pub(crate) fn in_callback<T>(run: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CALLBACKS.set(CALLBACKS.get().saturating_sub(1));
        }
    }
    CALLBACKS.set(CALLBACKS.get() + 1);
    let _leave = Leave;
    run()
}

/// True on a thread that runs a callback.
pub(crate) fn is_callback() -> bool {
    CALLBACKS.get() > 0
}

/// Refuses to block inside a callback.
pub(crate) fn may_block() -> Result<()> {
    if is_callback() { Err(Fault::would_deadlock()) } else { Ok(()) }
}

/// A function of the program's that must be there.
pub(crate) fn function<F>(field: &str, given: Option<F>) -> Result<F> {
    given.ok_or_else(|| Fault::invalid(field, "expected a function"))
}

/// Reads a text without NUL, such as a name; none when there is none.
///
/// # Safety
/// `text` points to `len` readable bytes.
pub(crate) unsafe fn text(field: &str, text: hubless_str) -> Result<Option<String>> {
    // SAFETY: the caller vouches for the bytes.
    let read = unsafe { any_text(field, text)? };
    if read.as_ref().is_some_and(|read| read.contains('\0')) {
        return Err(Fault::invalid(field, "expected text without NUL"));
    }
    Ok(read)
}

/// Reads a text that is carried as it is, where NUL is a character like any other; none when there
/// is none.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn any_text(field: &str, text: hubless_str) -> Result<Option<String>> {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { slice(field, text.data.cast(), text.len)? };
    let Some(bytes) = bytes else { return Ok(None) };
    let read = std::str::from_utf8(bytes);
    read.map(|read| Some(read.to_owned())).map_err(|_| Fault::invalid(field, "expected UTF-8"))
}

/// Reads a text that must be there.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn need(field: &str, value: hubless_str) -> Result<String> {
    // SAFETY: the caller vouches for the bytes.
    let read = unsafe { text(field, value)? };
    read.ok_or_else(|| Fault::invalid(field, "expected a text, got none"))
}

/// Reads a JSON text; none when there is none.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn json(field: &str, value: hubless_str) -> Result<Option<Box<RawValue>>> {
    // SAFETY: the caller vouches for the bytes.
    let read = unsafe { text(field, value)? };
    read.map(|read| RawValue::from_string(read).map_err(|_| Fault::invalid(field, "expected JSON")))
        .transpose()
}

/// Copies bytes; none when there are none.
///
/// # Safety
/// `bytes` points to `len` readable bytes.
pub(crate) unsafe fn bytes(field: &str, bytes: hubless_bytes) -> Result<Option<Bytes>> {
    // SAFETY: the caller vouches for the bytes.
    Ok(unsafe { slice(field, bytes.data, bytes.len)? }.map(Bytes::copy_from_slice))
}

unsafe fn slice<'a>(field: &str, data: *const u8, len: usize) -> Result<Option<&'a [u8]>> {
    if data.is_null() {
        let message = "expected a pointer with this length, got NULL";
        return if len == 0 { Ok(None) } else { Err(Fault::invalid(field, message)) };
    }
    if len > TEXT_BYTES_MAX {
        return Err(Fault::invalid(field, "expected at most 2^30 bytes"));
    }
    // SAFETY: not null, of a sane length, and readable says the caller.
    Ok(Some(unsafe { std::slice::from_raw_parts(data, len) }))
}

/// A struct of options that begins with its own size and is valid when all zero.
///
/// # Safety
/// The type is `repr(C)`, begins with `size: usize`, and all-zero bytes are a value of it.
pub(crate) unsafe trait Options: Copy {}

/// Reads options of this or an older header; what an older one lacks is zero.
///
/// # Safety
/// `options` is NULL or points to as many readable bytes as its first field says.
pub(crate) unsafe fn options<T: Options>(options: *const T) -> Result<T> {
    // SAFETY: `Options` says that zeroes are a value.
    let mut read: T = unsafe { std::mem::zeroed() };
    if options.is_null() {
        return Ok(read);
    }
    // SAFETY: not null; the first field is the size, says `Options`.
    let size = unsafe { options.cast::<usize>().read() };
    let known = size_of::<T>();
    if !(size_of::<usize>()..=OPTIONS_BYTES_MAX).contains(&size) {
        return Err(Fault::invalid("size", "expected sizeof the options"));
    }
    // SAFETY: `size` bytes are readable, and `known` are writable.
    unsafe {
        let from = options.cast::<u8>();
        from.copy_to_nonoverlapping((&raw mut read).cast(), size.min(known));
        for index in known..size {
            if from.add(index).read() != 0 {
                let message = "expected zero in the options that this version does not know";
                return Err(Error::new(Kind::Unsupported, message).with_field("size").into());
            }
        }
    }
    Ok(read)
}

/// Reads an array whose elements begin with their own size.
///
/// # Safety
/// `first` points to `count` elements, each of the size that the first one says.
pub(crate) unsafe fn array<T: Options>(
    field: &str,
    first: *const T,
    count: usize,
) -> Result<Vec<T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(Fault::invalid(field, "expected an array, got NULL"));
    }
    if count > 65_536 {
        return Err(Fault::invalid(field, "expected at most 65536 elements"));
    }
    // SAFETY: not null, says the check; the first field is the size.
    let stride = unsafe { first.cast::<usize>().read() };
    if stride > OPTIONS_BYTES_MAX || !stride.is_multiple_of(align_of::<T>()) {
        return Err(Fault::invalid("size", "expected sizeof the element"));
    }
    (0..count)
        // SAFETY: the caller vouches for `count` elements of `stride` bytes.
        .map(|index| unsafe { options(first.byte_add(index * stride)) })
        .collect()
}

/// Writes a result to where the program wants it.
///
/// # Safety
/// `out` is NULL or writable.
pub(crate) unsafe fn give<T>(field: &str, out: *mut T, value: T) -> Result<()> {
    if out.is_null() {
        return Err(Fault::invalid(field, "expected where to write to, got NULL"));
    }
    // SAFETY: not null, and writable says the caller.
    unsafe { out.write(value) };
    Ok(())
}

/// Waits for a result and writes its handle; NULL when there is none.
///
/// # Safety
/// `out` is NULL or writable.
pub(crate) unsafe fn give_handle<P>(
    field: &str,
    out: *mut *mut P,
    wait: impl FnOnce() -> Result<Handle<P>>,
) -> Result<()> {
    // SAFETY: as the caller says.
    unsafe {
        give(field, out, std::ptr::null_mut())?;
        give(field, out, wait()?.shown())
    }
}

/// Writes a struct that begins with its own size, as far as the program's header knows it.
///
/// # Safety
/// `out` is NULL or points to as many writable bytes as its first field says.
pub(crate) unsafe fn fill<T>(field: &str, out: *mut T, value: &T) -> Result<()> {
    if out.is_null() {
        return Err(Fault::invalid(field, "expected where to write to, got NULL"));
    }
    // SAFETY: not null; the first field is the size.
    let size = unsafe { out.cast::<usize>().read() };
    if size < size_of::<usize>() {
        return Err(Fault::invalid(field, "expected its size in the first field"));
    }
    let count = size.min(size_of::<T>()) - size_of::<usize>();
    // SAFETY: both hold `count` bytes after their first field.
    unsafe {
        (&raw const *value)
            .cast::<u8>()
            .add(size_of::<usize>())
            .copy_to_nonoverlapping(out.cast::<u8>().add(size_of::<usize>()), count);
    }
    Ok(())
}
