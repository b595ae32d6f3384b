//! What a node and a gateway say to each other, as JSON.

use super::Micros;
use super::till::Paid;
use crate::error::{Error, Result};
use crate::killswitch::Trip;
use crate::limits::CONTROL_FRAME_BYTES;
use crate::wire::decode::decode_within;
use crate::wire::v1;
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;
use serde_json::{Value, json};

/// Path below the base URL of a gateway at which a key is ended.
pub const END: &str = "hubless/end";
/// Path below the base URL of a gateway at which it is told of a stop.
pub const TRIP: &str = "hubless/trip";

/// The body that tells of a stop.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::killswitch::{Origin, Statement, Trip};
/// use hubless_proto::metering::word::{read_trip, trip};
/// use hubless_proto::wire::words::TripReason;
///
/// let root = SecretKey::from_seed([1; 32]);
/// let origin = Origin { root: root.node_key(), nonce: [2; 16] };
/// let (by, reason) = (root.node_key(), TripReason::Operator);
/// let said = Trip::sign(&root, Statement { origin, epoch: 0, reason, by, at_ms: 1 })?;
/// assert_eq!(read_trip(trip(&said).as_bytes())?, said);
/// assert_eq!(read_trip(b"{}").unwrap_err().field.as_deref(), Some("trip"));
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn trip(trip: &Trip) -> String {
    json!({ "trip": BASE64URL_NOPAD.encode(&trip.signed().encode_to_vec()) }).to_string()
}

/// Reads the body that tells of a stop, and checks it under the key of the budget's root.
///
/// # Errors
/// `invalid_argument`, field `trip`, for what is none; as [`Trip::open`].
pub fn read_trip(body: &[u8]) -> Result<Trip> {
    let wrong = || Error::invalid("trip", "expected a signed stop in base64url");
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let text = body.get("trip").and_then(Value::as_str).ok_or_else(wrong)?;
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| wrong())?;
    let signed: v1::SignedRecord = decode_within(bytes.into(), CONTROL_FRAME_BYTES)?;
    Trip::open(&signed)
}

/// The body that says what a key cost.
///
/// ```
/// use hubless_proto::metering::word::{paid, read_paid};
/// use hubless_proto::metering::{Micros, till::Paid};
///
/// let said = Paid { spent: Micros::new(5).unwrap(), reserved: Micros::ZERO };
/// assert_eq!(read_paid(paid(said).as_bytes()), Some(said));
/// assert_eq!(read_paid(b"{\"spentMicros\": 5}"), None);
/// ```
pub fn paid(Paid { spent, reserved }: Paid) -> String {
    json!({ "spentMicros": spent, "reservedMicros": reserved }).to_string()
}

/// Reads what a key cost; none: nobody said it.
pub fn read_paid(body: &[u8]) -> Option<Paid> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let micros = |field: &str| body.get(field).and_then(Value::as_u64).and_then(Micros::new);
    Some(Paid { spent: micros("spentMicros")?, reserved: micros("reservedMicros")? })
}
