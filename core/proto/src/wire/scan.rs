//! Measures encoded messages before anything is allocated for them.
//!
//! Two bytes on the wire can become a value of hundreds in memory, so a frame within its bound is
//! not yet bounded memory. The table of shapes (from `build.rs`) is walked over the bytes: lists,
//! nesting and the number of values are held to `limits.rs`. What is refused here is named by its
//! field; everything else is left to the decoder.

use super::{bad_frame, bounds, v1};
use crate::error::{Error, Kind, Result};
use crate::limits::{MESSAGE_DEPTH, MESSAGE_ITEMS};

/// A message with a place in the table of shapes.
pub trait Shaped {
    /// Index into the table.
    #[doc(hidden)]
    const SHAPE: usize;
}

pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) repeated: bool,
    pub(super) text: bool,
    /// Shape of the message that the field holds.
    pub(super) inner: Option<usize>,
}

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// Highest field number of any message, and one.
const NUMBERS: usize = 32;

/// The name of the message `T`.
pub(super) fn name_of<T: Shaped>() -> &'static str {
    SHAPES.get(T::SHAPE).map_or("message", |shape| shape.name)
}

/// Measures `bytes` as a message of type `T`.
pub(super) fn scan<T: Shaped>(bytes: &[u8]) -> Result<()> {
    let mut scan = Scan { items: MESSAGE_ITEMS + bytes.len() / 64 };
    scan.message(T::SHAPE, bytes, 0)
}

struct Scan {
    /// Messages and items of lists that may still come.
    items: usize,
}

impl Scan {
    fn message(&mut self, shape: usize, bytes: &[u8], depth: usize) -> Result<()> {
        let shape = SHAPES.get(shape).ok_or_else(|| bad_frame("expected a known message"))?;
        if depth > MESSAGE_DEPTH {
            let message = format!("expected at most {MESSAGE_DEPTH} levels of nested messages");
            let error = bad_frame(message).with_field(shape.name);
            return Err(error.with_limit("MESSAGE_DEPTH", MESSAGE_DEPTH as u64));
        }
        let mut counts = [0_u32; NUMBERS];
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = next(&mut rest);
            let (number, value) = taken.map_err(|error| error.with_field(shape.name))?;
            let Some(field) = shape.fields.iter().find(|field| field.number == number) else {
                continue;
            };
            self.count(shape, field, &mut counts)?;
            match (value, field.inner) {
                (Some(inner), Some(shape)) => self.message(shape, inner, depth + 1)?,
                (Some(text), None) if field.text => check_utf8(shape, field, text)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts a message or an item of a list, which is within the bound of its list and of the
    /// whole. Other fields are part of the size of their message.
    fn count(&mut self, shape: &Shape, field: &Field, counts: &mut [u32; NUMBERS]) -> Result<()> {
        if field.inner.is_none() && !field.repeated {
            return Ok(());
        }
        let Some(items) = self.items.checked_sub(1) else {
            let message = "expected fewer values in one message";
            return Err(too_many(message.into(), field.name, "MESSAGE_ITEMS", MESSAGE_ITEMS));
        };
        self.items = items;
        let count = usize::try_from(field.number).ok().and_then(|number| counts.get_mut(number));
        let Some(count) = count.filter(|_| field.repeated) else { return Ok(()) };
        *count += 1;
        let (limit, bound) = bounds::list(shape.name, field.name);
        if u64::from(*count) <= bound as u64 {
            return Ok(());
        }
        let message = format!("expected at most {bound} of {}", field.name);
        Err(too_many(message, field.name, limit, bound))
    }
}

fn too_many(message: String, field: &str, limit: &str, bound: usize) -> Error {
    Error::new(Kind::TooLarge, message)
        .with_code("too_many")
        .with_field(field)
        .with_limit(limit, bound as u64)
}

fn check_utf8(shape: &Shape, field: &Field, text: &[u8]) -> Result<()> {
    if std::str::from_utf8(text).is_ok() {
        return Ok(());
    }
    let message = format!("expected UTF-8 in {}.{}", shape.name, field.name);
    Err(bad_frame(message).with_code("not_utf8").with_field(field.name))
}

/// Takes the next field: its number, and its bytes if it has a length.
fn next<'a>(rest: &mut &'a [u8]) -> Result<(u32, Option<&'a [u8]>)> {
    let key = varint(rest)?;
    let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0);
    let number = number.ok_or_else(|| bad_frame("expected the number of a field"))?;
    let value = match key & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            take(rest, 8)?;
            None
        }
        2 => {
            let length = varint(rest)?;
            Some(take(rest, length)?)
        }
        5 => {
            take(rest, 4)?;
            None
        }
        other => return Err(bad_frame(format!("expected a known wire type, got {other}"))),
    };
    Ok((number, value))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (taken, after) = split.ok_or_else(|| bad_frame("expected the rest of a field"))?;
    *rest = after;
    Ok(taken)
}

/// Takes a varint of protobuf (not of QUIC).
fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((byte, after)) = rest.split_first() else {
            return Err(bad_frame("expected the rest of a number"));
        };
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(bad_frame("expected a number of at most 10 bytes"))
}
