//! The completion queue of `hubless-shared` as JNI functions of `dev.hubless.internal.Native`.
//!
//! Owns the crossing of bytes between the JVM and the queue: arrays in, one array a batch out.
//! Must not know what an operation means, and keeps no state. Every entry catches panics
//! (`EnvUnowned::with_env`) and rethrows them as `java.lang.RuntimeException`. Text crosses as
//! UTF-8 byte arrays, never as JVM strings, so that no modified UTF-8 reaches the core.
//! Tested by `NativeBoundaryTest` in the Kotlin package.

use bytes::Bytes;
use jni::errors::{Error, ThrowRuntimeExAndDefault};
use jni::objects::{JByteArray, JClass, JObjectArray};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, jni_mangle};

/// Batches handed to the JVM hold at most this many events, whatever the host asks for.
const BATCH_EVENTS_MAX: usize = 1_024;

/// A session or ticket as the core counts them: the same 64 bits without a sign.
fn unsigned(number: jlong) -> u64 {
    number.cast_unsigned()
}

fn bytes_of(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Bytes, Error> {
    env.convert_byte_array(array).map(Bytes::from)
}

fn attachments_of(
    env: &mut Env<'_>,
    array: &JObjectArray<'_, JByteArray<'_>>,
) -> Result<Vec<Bytes>, Error> {
    if array.is_null() {
        return Ok(Vec::new());
    }
    (0..array.len(env)?)
        .map(|index| {
            let element = array.get_element(env, index)?;
            let bytes = bytes_of(env, &element);
            env.delete_local_ref(element);
            bytes
        })
        .collect()
}

/// Version of the library, as UTF-8.
#[jni_mangle("dev.hubless.internal.Native", "version")]
pub fn version<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>) -> JByteArray<'local> {
    env.with_env(|env| env.byte_array_from_slice(hubless_shared::version().as_bytes()))
        .resolve::<ThrowRuntimeExAndDefault>()
}

/// Opens a session and returns its handle.
#[jni_mangle("dev.hubless.internal.Native", "open")]
pub fn open<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>) -> jlong {
    env.with_env(|_| Ok::<_, Error>(hubless_shared::open("kotlin").cast_signed()))
        .resolve::<ThrowRuntimeExAndDefault>()
}

/// Starts operation `op`; false: the session is closed or unknown.
#[jni_mangle("dev.hubless.internal.Native", "submit")]
pub fn submit<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    session: jlong,
    ticket: jlong,
    op: JByteArray<'local>,
    body: JByteArray<'local>,
    attachments: JObjectArray<'local, JByteArray<'local>>,
) -> jboolean {
    env.with_env(|env| {
        let op = bytes_of(env, &op)?;
        let body = bytes_of(env, &body)?;
        let attachments = attachments_of(env, &attachments)?;
        let op = String::from_utf8_lossy(&op);
        let (session, ticket) = (unsigned(session), unsigned(ticket));
        Ok::<_, Error>(hubless_shared::submit(session, ticket, &op, body, attachments))
    })
    .resolve::<ThrowRuntimeExAndDefault>()
}

/// Answers an operation at once, without a session: a byte, 1 for its result and 0 for its error,
/// and that as JSON.
#[jni_mangle("dev.hubless.internal.Native", "ask")]
pub fn ask<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    op: JByteArray<'local>,
    body: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| {
        let (op, body) = (bytes_of(env, &op)?, bytes_of(env, &body)?);
        let (done, said) = hubless_shared::ask(&String::from_utf8_lossy(&op), &body);
        let mut answer = vec![u8::from(done)];
        answer.extend(said);
        env.byte_array_from_slice(&answer)
    })
    .resolve::<ThrowRuntimeExAndDefault>()
}

/// Gives an open operation up.
#[jni_mangle("dev.hubless.internal.Native", "cancel")]
pub fn cancel<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    session: jlong,
    ticket: jlong,
) {
    env.with_env(|_| {
        hubless_shared::cancel(unsigned(session), unsigned(ticket));
        Ok::<_, Error>(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}

/// Blocks until events are queued and returns at most `max` of them as one batch; null once the
/// session is closed.
#[jni_mangle("dev.hubless.internal.Native", "nextEvents")]
pub fn next_events<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    session: jlong,
    max: jint,
) -> JByteArray<'local> {
    env.with_env(|env| {
        let session = unsigned(session);
        let max = usize::try_from(max).unwrap_or(1).clamp(1, BATCH_EVENTS_MAX);
        while hubless_shared::wait(session, None) {
            let events = hubless_shared::drain(session, max);
            if !events.is_empty() {
                return env.byte_array_from_slice(&hubless_shared::encode_batch(&events));
            }
        }
        Ok::<_, Error>(JByteArray::null())
    })
    .resolve::<ThrowRuntimeExAndDefault>()
}

/// Ends the session at once; idempotent.
#[jni_mangle("dev.hubless.internal.Native", "close")]
pub fn close<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>, session: jlong) {
    env.with_env(|_| {
        hubless_shared::close(unsigned(session));
        Ok::<_, Error>(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}

/// Live sessions, agents, calls, streams and bodies of the process.
#[jni_mangle("dev.hubless.internal.Native", "handles")]
pub fn handles<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>) -> jint {
    env.with_env(|_| Ok::<_, Error>(jint::try_from(hubless_shared::handles()).unwrap_or(jint::MAX)))
        .resolve::<ThrowRuntimeExAndDefault>()
}

/// Panics, so that a test sees what the JVM gets.
#[cfg(feature = "testing")]
#[jni_mangle("dev.hubless.internal.Native", "panicNow")]
pub fn panic_now<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>) {
    env.with_env(|_| -> Result<(), Error> { panic!("asked for by a test") })
        .resolve::<ThrowRuntimeExAndDefault>();
}

/// Leaves `count` local references behind on purpose, so that a test sees how that shows.
#[cfg(feature = "testing")]
#[jni_mangle("dev.hubless.internal.Native", "leakReferences")]
pub fn leak_references<'local>(mut env: EnvUnowned<'local>, _class: JClass<'local>, count: jint) {
    env.with_env(|env| -> Result<(), Error> {
        for _ in 0..count {
            env.byte_array_from_slice(&[])?;
        }
        Ok(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}
