//! From queued events to JavaScript values.

use bytes::Bytes;
use hubless_shared::Event;
use napi::bindgen_prelude::{Array, Buffer, BufferSlice, Env, Null};

/// From this size on bytes reach JavaScript by reference, below it copying is cheaper.
const BY_REFERENCE_BYTES_MIN: usize = 64 * 1024;

/// Values that one event takes in the flat array.
const VALUES_PER_EVENT: u32 = 4;

pub(crate) fn flat_events(env: &Env, events: Vec<Event>) -> napi::Result<Array<'_>> {
    let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
    let mut flat = env.create_array(count.saturating_mul(VALUES_PER_EVENT))?;
    let mut at = 0;
    for event in events {
        flat.set(at, u32::from(event.kind))?;
        flat.set(at + 1, i64::try_from(event.ticket).unwrap_or(i64::MAX))?;
        flat.set(at + 2, env.create_string(String::from_utf8_lossy(&event.body))?)?;
        if event.attachments.is_empty() {
            flat.set(at + 3, Null)?;
        } else {
            flat.set(at + 3, byte_strings(env, event.attachments)?)?;
        }
        at += VALUES_PER_EVENT;
    }
    Ok(flat)
}

/// An answer as two values: whether it is a result, and its text.
pub(crate) fn answer(env: &Env, done: bool, said: Vec<u8>) -> napi::Result<Array<'_>> {
    let mut pair = env.create_array(2)?;
    pair.set(0, done)?;
    pair.set(1, env.create_string(String::from_utf8_lossy(&said))?)?;
    Ok(pair)
}

pub(crate) fn byte_strings(env: &Env, list: Vec<Bytes>) -> napi::Result<Array<'_>> {
    let mut array = env.create_array(u32::try_from(list.len()).unwrap_or(u32::MAX))?;
    for (index, bytes) in (0_u32..).zip(list) {
        if bytes.len() < BY_REFERENCE_BYTES_MIN {
            array.set(index, BufferSlice::copy_from(env, &bytes)?)?;
        } else {
            // Taken over without a copy when nobody else holds them; two buffers over the same
            // memory are forbidden in JavaScript, hence not `Bytes` itself.
            array.set(index, Buffer::from(Vec::from(bytes)))?;
        }
    }
    Ok(array)
}
