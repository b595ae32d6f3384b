//! What a node and a gateway say to each other, as JSON.

use super::till::Paid;
use crate::error::{Error, Result};
use crate::killswitch::{Component, GrantId, ReservationId, Trip};
use crate::limits::{CONTROL_FRAME_BYTES, RECEIPT_BYTES};
use crate::wire::decode::decode_within;
use crate::wire::v1;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;
use serde_json::{Map, Value, json};

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

/// What a key is for, as its holder says it at its end, for the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// Grant that it is paid from.
    pub grant: GrantId,
    /// Reservation of that grant; `Receipt::WHOLE`: the key came with the grant.
    pub reservation: ReservationId,
}

/// The body that asks for the end of a key; with a purpose, for a receipt as well.
///
/// ```
/// use hubless_proto::killswitch::{GrantId, ReservationId};
/// use hubless_proto::metering::word::{Purpose, end, read_end};
///
/// let reservation = ReservationId::from_bytes([2; 16]);
/// let purpose = Purpose { grant: GrantId::from_bytes([1; 16]), reservation };
/// assert_eq!(read_end(end(Some(purpose)).as_bytes())?, Some(purpose));
/// assert_eq!(read_end(end(None).as_bytes())?, None);
/// assert_eq!(read_end(b"{\"grant\": \"x\"}").unwrap_err().field.as_deref(), Some("grant"));
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn end(purpose: Option<Purpose>) -> String {
    let said = |Purpose { grant, reservation }: Purpose| {
        let (grant, reservation) = (grant.to_string(), reservation.to_string());
        json!({ "grant": grant, "reservation": reservation })
    };
    purpose.map_or_else(|| json!({}), said).to_string()
}

/// Reads what a key is for; none: no receipt is wanted.
///
/// # Errors
/// `invalid_argument`, field `grant`, for anything but the body of [`end`].
pub fn read_end(body: &[u8]) -> Result<Option<Purpose>> {
    let wrong = || Error::invalid("grant", "expected nothing, or a grant and a reservation");
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let fields = body.as_object().ok_or_else(wrong)?;
    if fields.is_empty() {
        return Ok(None);
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).ok_or_else(wrong);
    let grant = text("grant")?.parse().map_err(|_| wrong())?;
    let reservation = text("reservation")?.parse().map_err(|_| wrong())?;
    Ok(Some(Purpose { grant, reservation }))
}

/// The body that says what a key cost, with its receipt as it was signed.
///
/// ```
/// use bytes::Bytes;
/// use hubless_proto::metering::word::{read_paid, read_receipt, receipted};
/// use hubless_proto::metering::{Micros, till::Paid};
///
/// let said = Paid { spent: Micros::new(5).unwrap().into(), ..Paid::default() };
/// let body = receipted(said, &Bytes::from_static(b"signed"));
/// assert_eq!(read_paid(body.as_bytes()), Some(said));
/// assert_eq!(read_receipt(body.as_bytes()).as_deref(), Some(&b"signed"[..]));
/// assert_eq!(read_receipt(b"{}"), None);
/// ```
pub fn receipted(said: Paid, receipt: &Bytes) -> String {
    let mut said = fields(&said);
    said.insert("receipt".to_owned(), BASE64URL_NOPAD.encode(receipt).into());
    Value::Object(said).to_string()
}

/// Reads the receipt beside what a key cost, which nobody has checked; none: there is none, or one
/// above `RECEIPT_BYTES`.
pub fn read_receipt(body: &[u8]) -> Option<Bytes> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let bytes = BASE64URL_NOPAD.decode(body.get("receipt")?.as_str()?.as_bytes()).ok()?;
    (bytes.len() <= RECEIPT_BYTES).then(|| bytes.into())
}

/// The body that says what a key cost.
///
/// ```
/// use hubless_proto::killswitch::{Amount, Component};
/// use hubless_proto::metering::word::{paid, read_cost, read_paid};
/// use hubless_proto::metering::{Micros, till::Paid};
///
/// let cost = Paid { spent: Micros::new(5).unwrap().into(), ..Paid::default() };
/// let spent = cost.spent.with(Component::OutputTokens, 7)?;
/// let said = Paid { spent, ..cost };
/// assert_eq!(read_paid(paid(said).as_bytes()), Some(said));
/// assert_eq!(read_paid(b"{\"spentMicros\": 5}"), None);
/// // A gateway that counts cost alone.
/// let before = b"{\"spentMicros\": 5, \"reservedMicros\": 0}";
/// assert_eq!((read_paid(before), read_cost(before)), (None, Some(cost)));
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn paid(said: Paid) -> String {
    Value::Object(fields(&said)).to_string()
}

/// Reads what a key cost, each component; none: nobody said it whole.
pub fn read_paid(body: &[u8]) -> Option<Paid> {
    read(body, &NAMES)
}

/// Reads the cost alone, as a gateway says it that counts no tokens: for keys that limit none.
pub fn read_cost(body: &[u8]) -> Option<Paid> {
    read(body, &[COST])
}

/// A component by its fields: paid, and set aside.
type Names = (Component, [&'static str; 2]);

const COST: Names = (Component::CostMicros, ["spentMicros", "reservedMicros"]);
const NAMES: [Names; 3] = [
    COST,
    (Component::InputTokens, ["spentInputTokens", "reservedInputTokens"]),
    (Component::OutputTokens, ["spentOutputTokens", "reservedOutputTokens"]),
];

fn fields(said: &Paid) -> Map<String, Value> {
    let both = NAMES.into_iter().flat_map(|(component, [spent, reserved])| {
        [(spent, said.spent.of(component)), (reserved, said.reserved.of(component))]
    });
    both.map(|(name, much)| (name.to_owned(), much.into())).collect()
}

fn read(body: &[u8], names: &[Names]) -> Option<Paid> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let number = |field: &str| body.get(field).and_then(Value::as_u64);
    let mut said = Paid::default();
    for (component, [spent, reserved]) in names {
        said.spent = said.spent.with(*component, number(spent)?).ok()?;
        said.reserved = said.reserved.with(*component, number(reserved)?).ok()?;
    }
    Some(said)
}
