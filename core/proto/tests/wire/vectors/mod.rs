//! Test vectors in JSON, for every language and for others who speak the wire.
//!
//! They are made here and compared with the files in `tests/conformance/vectors`. A difference is
//! a change of the wire: files are written only when `HUBLESS_VECTORS=write` says so.

mod errors;
mod frames;
mod identity;
mod killswitch;
mod records;

use serde_json::Value;
use std::path::Path;

/// Compares a vector file with what was made; the order of fields does not count.
fn compare(file: &str, made: &Value) {
    let text = serde_json::to_string_pretty(made).unwrap() + "\n";
    let kept = kept(&format!("tests/conformance/vectors/{file}"), &text);
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(&kept, made, "{file} changed; HUBLESS_VECTORS=write accepts the change");
}

fn compare_text(path: &str, made: &str) {
    let kept = kept(path, made);
    assert_eq!(kept, made, "{path} changed; HUBLESS_VECTORS=write accepts the change");
}

/// The text of a file of the tree, after writing it if that is asked for.
fn kept(path: &str, made: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var("HUBLESS_VECTORS").as_deref() == Ok("write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    hubless_proto::identity::hex::encode(bytes)
}
