//! The JVM package: jar with the native library inside, sources and docs, in a Maven repository.

use super::dist::{Dist, Profile, copy, empty};
use super::notices;
use crate::house::{Result, root, text};
use crate::step::Step;

/// Where the jar looks for the library on this platform.
const LIBRARY: &str = "src/main/resources/linux-x86-64/libhubless_jvm.so";

pub(super) fn build(dist: Dist) -> Result<()> {
    let work = dist.work("kotlin");
    empty(&work)?;
    empty(&work.join("src"))?;
    copy(&root().join("kotlin/pom.xml"), &work.join("pom.xml"))?;
    // A copy: the checkout's own resources hold the library that the tests run on.
    Step::new("package: jvm, copy the sources", "cp")
        .args(["-r", "kotlin/src/main", &text(&work.join("src"))])
        .must()?;
    copy(&dist.library("libhubless_jvm.so"), &work.join(LIBRARY))?;
    let about = work.join("src/main/resources/META-INF/dev.hubless/hubless");
    notices::copy_into(dist, "hubless-jvm", &about)?;
    Step::new("package: jvm, copy the guide", "cp")
        .args(["-r", "kotlin/docs", &text(&about)])
        .must()?;
    empty(&dist.maven())?;
    let profiles = match dist.profile {
        Profile::Dev => "sources",
        Profile::Release => "sources,docs",
    };
    Step::new("package: jvm, jar into a Maven repository", "mvn")
        .args(["-B", "-q", "-P", profiles, "deploy", "-Dmaven.test.skip=true"])
        .args([format!("-DaltDeploymentRepository=dist::file://{}", text(&dist.maven()))])
        .folder(work)
        .must()
        .map(drop)
}
