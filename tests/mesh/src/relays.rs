//! What a process of the tests is told of relays.

use hubless::{Error, NodeOptions};
use serde_json::{Map, Value};

/// Options of a node that a command says: `relays` and `relay_ca` to use, `relay` to serve.
///
/// # Errors
/// `invalid_argument` naming the field.
pub fn said(command: &Value) -> Result<NodeOptions, Error> {
    let mut options = Map::new();
    for (name, said) in [("relays", "relays"), ("relayCa", "relay_ca"), ("relay", "relay")] {
        if !command[said].is_null() {
            options.insert(name.to_owned(), command[said].clone());
        }
    }
    NodeOptions::read(Value::Object(options))
}
