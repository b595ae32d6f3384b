//! The limit of an hour, as people write it.

use crate::error::{Error, Result};
use crate::killswitch::{Allowance, Terms};
use serde_json::Value;

/// Reads the limit of an hour: `{"calls": 100, "outputTokens": 50000, ...}`, or
/// `{"unlimited": true}`.
///
/// # Errors
/// `invalid_argument`, naming the field, as [`Terms::read`]; so for what is a limit of one call and
/// not of an hour, such as `wallTimeMs`.
///
/// ```
/// use hubless_proto::killswitch::Component;
/// use hubless_proto::policy::read_hour;
/// use serde_json::json;
///
/// let hour = read_hour("hour", &json!({"calls": 100}))?;
/// assert_eq!(hour.of(Component::Calls), Some(100));
/// let wrong = read_hour("hour", &json!({"calls": 100, "depth": 2})).unwrap_err();
/// assert_eq!(wrong.field.as_deref(), Some("hour.depth"));
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn read_hour(path: &str, value: &Value) -> Result<Allowance> {
    let terms = Terms::read(path, value)?;
    let of_one_call = ["soft", "wallTimeMs", "depth", "fanOut", "leaseMs", "strict"];
    match of_one_call.into_iter().find(|field| value.get(field).is_some()) {
        None => Ok(terms.ceiling),
        Some(field) => {
            let field = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            Err(Error::invalid(&field, "expected amounts only: this is a limit of one call"))
        }
    }
}
