//! Test vectors in JSON, for every language and for others who speak the wire.
//!
//! They are made here and compared with the files in `tests/conformance/vectors`. A difference is
//! a change of the wire: files are written only when `HUBLESS_VECTORS=write` says so.

mod errors;
mod frames;
mod identity;
mod records;

use serde_json::Value;
use std::path::Path;

fn compare(file: &str, made: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/vectors");
    let path = folder.join(file);
    let text = serde_json::to_string_pretty(made).unwrap() + "\n";
    if std::env::var("HUBLESS_VECTORS").as_deref() == Ok("write") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(&kept, made, "{file}: the wire changed; HUBLESS_VECTORS=write accepts the change");
}

fn hex(bytes: &[u8]) -> String {
    hubless_proto::identity::hex::encode(bytes)
}
