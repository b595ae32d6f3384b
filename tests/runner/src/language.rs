//! How each language's programs are started.

use crate::house::{self, Result, root, text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the four languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// Kotlin on the JVM.
    Kotlin,
    /// C.
    C,
}

/// What can be started of each language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The ten-line agent of the README.
    HelloAgent,
    /// The ten-line caller of the README.
    HelloCaller,
    /// The conformance runner.
    Conformance,
    /// The agent of the demo.
    Demo,
    /// The agents of the runaway.
    Runaway,
    /// The agent of the chains whose processes are killed.
    Link,
}

/// Where the programs are, and the package that they import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The checkout, as `prepare` leaves it.
    Checkout,
    /// The packages, as `cargo verify install` installs them into empty projects.
    Installed,
}

impl Origin {
    /// Its name in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Installed => "installed",
        }
    }
}

/// The project of one language that packages are installed into.
pub(crate) fn installed(language: Language) -> PathBuf {
    house::target().join("install").join(language.name())
}

impl Language {
    /// All four, in the order of the documents.
    pub(crate) const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Kotlin, Self::C];

    /// Its name in commands and output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Kotlin => "kotlin",
            Self::C => "c",
        }
    }

    /// Its name in texts for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Kotlin => "Kotlin",
            Self::C => "C",
        }
    }

    /// A command that starts one of its programs.
    ///
    /// # Errors
    /// Its class path was not written by the build.
    pub(crate) fn command(self, origin: Origin, program: Program) -> Result<Command> {
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(python(origin));
                command.arg(self.source(origin, program));
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(self.source(origin, program));
                command
            }
            Self::Kotlin => {
                let mut command = Command::new("java");
                command.args([
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-Xshare:auto",
                    "-cp",
                ]);
                command.arg(class_path(origin)?).arg(kotlin_class(program));
                command
            }
            Self::C => Command::new(self.source(origin, program)),
        };
        command.current_dir(match origin {
            Origin::Checkout => root(),
            Origin::Installed => installed(self),
        });
        Ok(command)
    }

    fn source(self, origin: Origin, program: Program) -> PathBuf {
        let path = self.place(program);
        match (origin, self) {
            (Origin::Checkout, _) | (Origin::Installed, Self::Python) => root().join(path),
            // Copied into the project, where the import is resolved, or compiled there.
            (Origin::Installed, _) => {
                let name = Path::new(path).file_name().unwrap_or_default();
                installed(self).join("programs").join(name)
            }
        }
    }

    const fn place(self, program: Program) -> &'static str {
        use Program::{Conformance, Demo, HelloAgent, HelloCaller, Link, Runaway};
        match (self, program) {
            (Self::Python, HelloAgent) => "python/examples/hello_agent.py",
            (Self::Python, HelloCaller) => "python/examples/hello_caller.py",
            (Self::Python, Conformance) => "tests/conformance/runners/python/runner.py",
            (Self::Python, Demo) => "tests/demo/python/maker.py",
            (Self::Python, Runaway) => "tests/demo/python/runaway.py",
            (Self::Python, Link) => "tests/chaos/python/link.py",
            (Self::Node, HelloAgent) => "node/examples/hello_agent.mjs",
            (Self::Node, HelloCaller) => "node/examples/hello_caller.mjs",
            (Self::Node, Conformance) => "tests/conformance/runners/node/runner.mjs",
            (Self::Node, Demo) => "tests/demo/node/renderer.mjs",
            (Self::Node, Runaway) => "tests/demo/node/runaway.mjs",
            (Self::Node, Link) => "tests/chaos/node/link.mjs",
            (Self::C, HelloAgent) => "target/c/hello_agent",
            (Self::C, HelloCaller) => "target/c/hello_caller",
            (Self::C, Conformance) => "target/c/conformance",
            (Self::C, Demo) => "target/c/digester",
            (Self::C, Runaway) => "target/c/runaway",
            (Self::C, Link) => "target/c/link",
            (Self::Kotlin, _) => "kotlin",
        }
    }
}

const fn kotlin_class(program: Program) -> &'static str {
    match program {
        Program::HelloAgent => "HelloAgentKt",
        Program::HelloCaller => "HelloCallerKt",
        Program::Conformance => "dev.hubless.conformance.RunnerKt",
        Program::Demo => "dev.hubless.demo.CheckerKt",
        Program::Runaway => "dev.hubless.demo.RunawayKt",
        Program::Link => "dev.hubless.chaos.LinkKt",
    }
}

fn python(origin: Origin) -> PathBuf {
    match origin {
        Origin::Checkout => house::venv_program("python"),
        Origin::Installed => installed(Language::Python).join("venv/bin/python"),
    }
}

/// The class path that the Maven build leaves.
///
/// # Errors
/// It was not built.
pub(crate) fn class_path(origin: Origin) -> Result<String> {
    let file = match origin {
        Origin::Checkout => root().join("kotlin/target/classpath.txt"),
        Origin::Installed => installed(Language::Kotlin).join("classpath.txt"),
    };
    let read = std::fs::read_to_string(&file);
    read.map(|path| path.trim().to_owned()).map_err(|error| format!("{}: {error}", text(&file)))
}
