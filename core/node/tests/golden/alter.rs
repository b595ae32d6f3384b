//! Changes of kept files that nobody may overlook.

use super::folder::Folder;
use serde_json::{Value, json};

type Alter = fn(&Folder);

/// What is altered, and how.
pub(super) const ALL: [(&str, Alter); 8] = [
    ("a row of an audit log", |folder| {
        sql(
            folder,
            "home/data/audit.db",
            "UPDATE audit SET row = replace(row, 'weather', 'leather')",
        );
    }),
    ("the usage of a node", |folder| {
        sql(folder, "home/data/nodes/keeper.db", "UPDATE usage SET calls = calls + 1");
    }),
    ("the ledger of a node", |folder| {
        sql(folder, "home/data/nodes/keeper.db", "DELETE FROM ledger");
    }),
    ("the till of a gateway", |folder| {
        sql(folder, "home/data/gateways/front.db", "DELETE FROM ledger");
    }),
    ("the key of a node", |folder| folder.flip("home/data/nodes/keeper.key")),
    ("a pin", |folder| swap(folder, "home/data/pins.json", b"weather", b"leather")),
    ("a credential", |folder| swap(folder, "home/data/secrets.json", b"example", b"sample2")),
    ("the mesh that was joined", |folder| {
        let file = "guest/data/meshes/default";
        folder.change(file, |bytes| bytes[0] = if bytes[0] == b'0' { b'1' } else { b'0' });
    }),
];

fn sql(folder: &Folder, file: &str, change: &str) {
    let changed = rusqlite::Connection::open(folder.path().join(file)).unwrap();
    assert!(changed.execute(change, []).unwrap() > 0, "{change}");
}

fn swap(folder: &Folder, file: &str, from: &[u8], to: &[u8]) {
    folder.change(file, |bytes| {
        let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
        bytes.splice(at..at + from.len(), to.iter().copied());
    });
}

/// Changes the first value of a JSON text that is neither object nor list, or fills what is empty.
pub(super) fn first_value(value: &mut Value) {
    let inner = match value {
        Value::Object(fields) => fields.values_mut().next(),
        Value::Array(items) => items.first_mut(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match inner {
        Some(inner) => first_value(inner),
        None => *value = json!({"altered": [value.clone()]}),
    }
}
