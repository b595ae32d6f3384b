//! What a feature of the command `hubless` costs, in bytes of its release.

use super::dist::{Dist, RUST_TARGET, copy, say};
use super::native;
use crate::house::{Result, target};
use std::path::PathBuf;

/// Features that the command has unless told otherwise.
const FEATURES: [&str; 2] = ["metrics", "relay-server"];

/// Builds the command as it is and without each of its features, and prints the differences.
///
/// # Errors
/// A tool is missing, or a build failed.
pub(super) fn costs(dist: Dist) -> Result<()> {
    let whole = size(dist, "hubless", &[])?;
    println!("{:>9} KiB  the command hubless, stripped of what a debugger reads", whole / 1024);
    for feature in FEATURES {
        let others: Vec<_> = FEATURES.into_iter().filter(|other| *other != feature).collect();
        let others = others.join(",");
        let without = ["--no-default-features", "--features", &others];
        let without = size(dist, &format!("hubless-without-{feature}"), &without)?;
        let cost = whole.saturating_sub(without);
        println!("{:>9} KiB  of it for the feature {feature} ({cost} bytes)", cost / 1024);
    }
    Ok(())
}

/// The size of one build in bytes, kept under this name.
fn size(dist: Dist, name: &str, flags: &[&str]) -> Result<u64> {
    let step = native::release(&format!("package: release build of {name}"))?;
    step.args(["-p", "hubless-cli"]).args(flags).must()?;
    let kept: PathBuf = dist.work("command").join(name);
    copy(&target().join(RUST_TARGET).join("release/hubless"), &kept)?;
    std::fs::metadata(&kept).map(|file| file.len()).map_err(|error| say(&kept, &error))
}
