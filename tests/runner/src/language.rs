//! How each language's programs are started.

use crate::house::{self, Result, root, text};
use std::path::PathBuf;
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

    /// A command that starts one of its programs.
    ///
    /// # Errors
    /// Its class path was not written by the build.
    pub(crate) fn command(self, program: Program) -> Result<Command> {
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(house::venv_program("python"));
                command.arg(self.source(program));
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(self.source(program));
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
                command.arg(class_path()?).arg(kotlin_class(program));
                command
            }
            Self::C => Command::new(self.source(program)),
        };
        command.current_dir(root());
        Ok(command)
    }

    fn source(self, program: Program) -> PathBuf {
        use Program::{Conformance, Demo, HelloAgent, HelloCaller};
        let path = match (self, program) {
            (Self::Python, HelloAgent) => "python/examples/hello_agent.py",
            (Self::Python, HelloCaller) => "python/examples/hello_caller.py",
            (Self::Python, Conformance) => "tests/conformance/runners/python/runner.py",
            (Self::Python, Demo) => "tests/demo/python/maker.py",
            (Self::Node, HelloAgent) => "node/examples/hello_agent.mjs",
            (Self::Node, HelloCaller) => "node/examples/hello_caller.mjs",
            (Self::Node, Conformance) => "tests/conformance/runners/node/runner.mjs",
            (Self::Node, Demo) => "tests/demo/node/renderer.mjs",
            (Self::C, HelloAgent) => "target/c/hello_agent",
            (Self::C, HelloCaller) => "target/c/hello_caller",
            (Self::C, Conformance) => "target/c/conformance",
            (Self::C, Demo) => "target/c/digester",
            (Self::Kotlin, _) => "kotlin",
        };
        root().join(path)
    }
}

const fn kotlin_class(program: Program) -> &'static str {
    match program {
        Program::HelloAgent => "HelloAgentKt",
        Program::HelloCaller => "HelloCallerKt",
        Program::Conformance => "dev.hubless.conformance.RunnerKt",
        Program::Demo => "dev.hubless.demo.CheckerKt",
    }
}

/// The class path that the Maven build leaves.
fn class_path() -> Result<String> {
    let file = root().join("kotlin/target/classpath.txt");
    let read = std::fs::read_to_string(&file);
    read.map(|path| path.trim().to_owned()).map_err(|error| format!("{}: {error}", text(&file)))
}
