//! Nodes in network namespaces: needs root, skipped with the reason elsewhere.

use super::rust;
use crate::count::Outcome;
use crate::house::Result;
use std::process::Command;

/// Joins between namespaces.
pub(crate) fn run() -> Result<Outcome> {
    match Command::new("ip").args(["netns", "list"]).output() {
        Err(_) => return Ok(Outcome::skip("the program `ip` (iproute2) is not installed")),
        Ok(output) if !output.status.success() => {
            return Ok(Outcome::skip("network namespaces need root"));
        }
        Ok(_) => {}
    }
    let root = Command::new("id").arg("-u").output();
    if root.is_ok_and(|output| output.stdout.trim_ascii() != b"0") {
        return Ok(Outcome::skip("network namespaces need root"));
    }
    rust::test("network: cargo test", &["--test", "network", "--", "--nocapture"])
}
