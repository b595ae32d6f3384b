//! Ids of traces, spans and requests.

use crate::chance;
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::hex;
use hubless_proto::wire::v1;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Takes its bytes as they are.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Takes an id that came as a field of a message.
            pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self> {
                bytes.try_into().map(Self).map_err(|_| {
                    let message = format!("expected {} bytes, got {}", $bytes, bytes.len());
                    Error::invalid($field, message)
                })
            }

            /// Its bytes as a field of a message.
            pub(crate) fn to_wire(self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id! {
    /// A trace: all calls that one request caused (W3C Trace Context).
    ///
    /// ```
    /// use hubless::spans::TraceId;
    ///
    /// let id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
    /// let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// assert_eq!(whole.parse(), Ok(id));
    /// assert_eq!(TraceId::from_bytes(*id.as_bytes()).to_string(), whole[3..35]);
    /// ```
    TraceId, 16, "trace"
}

id! {
    /// One side of one call in a trace (W3C Trace Context).
    SpanId, 8, "span"
}

id! {
    /// A request: the same for all of its attempts.
    RequestId, 16, "request"
}

impl SpanId {
    /// A new one.
    pub(crate) fn fresh() -> Self {
        Self(chance::bytes())
    }
}

impl RequestId {
    /// The id of a request; zeros for one that is none, which the checks refuse.
    pub(crate) fn of(request: &v1::Request) -> Self {
        Self::from_slice(&request.id).unwrap_or(Self([0; 16]))
    }
}

impl FromStr for TraceId {
    type Err = Error;

    /// Reads 32 lower-case hex digits, or a whole `traceparent`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("trace", "expected 32 lower-case hex digits or a traceparent");
        let id = match crate::call::trace::parse(text) {
            Some(parent) => parent.trace,
            None => hex::decode("trace", text).map(Self).map_err(|_| wrong())?,
        };
        if id.0 == [0; 16] { Err(wrong()) } else { Ok(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_id_is_refused() {
        let zeros = "0".repeat(32);
        for bad in ["", "0af7", &"g".repeat(32), &"A".repeat(32), &zeros, "00-0af7-01"] {
            let error = bad.parse::<TraceId>().unwrap_err();
            assert_eq!(error.field.as_deref(), Some("trace"), "{bad}");
        }
        assert!(SpanId::from_slice(&[1; 7]).is_err());
        assert_eq!(SpanId::from_slice(&[1; 8]).unwrap().to_wire().as_ref(), [1; 8]);
    }
}
