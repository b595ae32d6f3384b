//! Operations that are answered at once: what only computes, kill switches, spendings.
//!
//! Owns: which they are, and the form of their answers. Must not know a session. Tested through
//! the public functions.

use crate::fork::forked;
use crate::json::error::ErrorJson;
use crate::ops::{inspect, spend, switch, testing};
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind};
use serde_json::Value;

/// Runs one: its result, or (false) its error.
pub(crate) fn answer(op: &str, body: &[u8]) -> (bool, Vec<u8>) {
    match run(op, body) {
        Ok(result) => (true, crate::json::encode(&result)),
        Err(error) => (false, crate::json::encode(&ErrorJson(error.with_operation(op)))),
    }
}

fn run(op: &str, body: &[u8]) -> Result<Value> {
    if forked() {
        let message = "this process was forked after hubless was used in its parent; use hubless \
                       first in the child";
        return Err(Error::new(Kind::Closed, message).with_code("forked"));
    }
    match op {
        "limits" => inspect::limits(body),
        "id.inspect" => inspect::run(body),
        "switch.new" => switch::new(body),
        "switch.state" => switch::state(body),
        "switch.tree" => switch::tree(body),
        "switch.trip" => switch::trip(body),
        "switch.drop" => switch::drop_handle(body),
        "spend.used" => spend::used(body),
        "spend.drop" => spend::drop_handle(body),
        "testing.mesh" => testing::mesh(body),
        "testing.drop" => testing::drop_handle(body),
        #[cfg(feature = "testing")]
        "bridge.echo" => crate::ops::bridge::echo(body),
        #[cfg(feature = "testing")]
        "bridge.throw" => crate::ops::bridge::throw(body),
        _ => {
            let message = format!("expected an operation that is answered at once, got {op:?}");
            Err(Error::invalid("op", message))
        }
    }
}
