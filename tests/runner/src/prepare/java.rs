//! The Kotlin package with its tests, examples, conformance runner and demo agent.

use super::{copy, stamp};
use crate::house::{Result, root};
use crate::step::Step;

const LIBRARY: &str = "kotlin/src/main/resources/linux-x86-64/libhubless_jvm.so";

pub(super) fn prepare() -> Result<()> {
    copy("libhubless_jvm.so", LIBRARY)?;
    let inputs = [
        "kotlin/pom.xml",
        "kotlin/src",
        "kotlin/examples",
        "kotlin/docs/samples",
        "tests/conformance/runners/kotlin",
        "tests/demo/kotlin",
        "tests/boundary/kotlin",
        "tests/chaos/kotlin",
        "tests/bench/kotlin",
    ];
    let output = root().join("kotlin/target/classpath.txt");
    stamp::unless_done("kotlin", &inputs, &output, || {
        Step::new("kotlin: compile the package", "mvn")
            .args(["-B", "-q", "-f", "kotlin/pom.xml", "test-compile"])
            .must()
            .map(drop)
    })
}
