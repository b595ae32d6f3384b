//! The measuring programs, each against the package that its users install.

use super::contestant::Contestant;
use super::options::{Options, Packages};
use crate::house::{self, Result, root, text};
use crate::language::Language;
use crate::package::{self, Dist, Profile, empty, only_python};
use crate::parts::install as user;
use crate::prepare;
use crate::step::Step;
use crate::toolchain;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The event loop that peers in Python run on; pinned as they pin it.
const UVLOOP: &str = "uvloop==0.23.0";
/// How peers on the JVM are started.
const HEAP: &str = "-Xmx1g";

/// What a program is in a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// It is called.
    Agent,
    /// It calls; raw streams are told whom.
    Caller {
        /// Key of the agent's endpoint.
        key: String,
        /// Where that is.
        address: String,
    },
    /// It calls itself.
    Local,
}

impl Role {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Caller { .. } => "caller",
            Self::Local => "local",
        }
    }
}

/// Installed programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Programs {
    dist: Dist,
    packages: Packages,
}

impl Programs {
    /// Builds what is missing, and installs it into empty environments.
    ///
    /// # Errors
    /// A tool is missing, or something does not build or install.
    pub(super) fn prepare(options: &Options) -> Result<Self> {
        toolchain::check()?;
        if let Some(fault) = toolchain::make_fault() {
            return Err(fault);
        }
        let dist = Dist { profile: options.profile() };
        let programs = Self { dist, packages: options.packages() };
        match programs.dist.profile {
            Profile::Dev => prepare::rust()?,
            Profile::Release => {
                Step::new("bench: build what is measured in Rust", "cargo")
                    .args(["build", "--release", "--locked", "-p", "hubless-bench"])
                    .must()?;
            }
        }
        if programs.packages == Packages::Built {
            package::build(programs.dist)?;
        }
        programs.install_python()?;
        programs.install_node()?;
        programs.install_c()?;
        programs.install_kotlin()?;
        Ok(programs)
    }

    /// Of which build they are.
    pub(super) const fn described(self) -> &'static str {
        match self.dist.profile {
            Profile::Dev => "those of the tests: NO FIGURES",
            Profile::Release => "release, installed into empty environments",
        }
    }

    /// Of when the oldest package is; none: they were built for this run.
    pub(super) fn found(self) -> Option<SystemTime> {
        let places =
            [self.dist.python(), self.dist.node(), self.dist.maven(), self.dist.c_archive()];
        match self.packages {
            Packages::Built => None,
            Packages::Found => oldest(&places),
        }
    }

    /// The interpreter of the environment.
    pub(super) fn python(self) -> PathBuf {
        place(Language::Python).join("venv/bin/python")
    }

    /// What starts a program.
    pub(super) fn command(self, contestant: Contestant, role: &Role) -> Result<Command> {
        let mut command = match contestant {
            Contestant::Floor => Command::new(self.rust("floor")),
            Contestant::Rust => Command::new(self.rust("agents")),
            Contestant::Package(Language::Python) => {
                let mut command = Command::new(self.python());
                command.arg(root().join("tests/bench/python/program.py"));
                command
            }
            Contestant::Package(Language::Node) => {
                let mut command = Command::new("node");
                command.arg(place(Language::Node).join("program.mjs"));
                command
            }
            Contestant::Package(Language::Kotlin) => {
                let mut command = Command::new("java");
                command.args([HEAP, "-cp", &class_path()?, "dev.hubless.bench.ProgramKt"]);
                command
            }
            Contestant::Package(Language::C) => Command::new(place(Language::C).join("program")),
        };
        command.arg(role.name());
        if let (Contestant::Floor, Role::Caller { key, address }) = (contestant, role) {
            command.args([key, address]);
        }
        Ok(command)
    }

    /// What starts a caller that the peers' own code measures; none: they have none for it.
    pub(super) fn measured_by(self, peers: &Path, contestant: Contestant) -> Option<Command> {
        let Contestant::Package(language) = contestant else { return None };
        match language {
            Language::Python => {
                let mut command = Command::new(self.python());
                command.arg(root().join("tests/bench/python/peer.py"));
                command.env("PYTHONPATH", peers.join("py"));
                Some(command)
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(place(language).join("peer.mjs"));
                command.arg(peers.join("node/common.mjs")).env("NODE_PATH", place(language));
                Some(command)
            }
            Language::Kotlin => {
                let own = class_path().ok()?;
                let built = text(&peers.join("jvm/target"));
                let class_path = format!("{own}:{built}/peers-jvm.jar:{built}/lib/*");
                let mut command = Command::new("java");
                command.args([HEAP, "-cp", &class_path, "dev.hubless.bench.PeerKt"]);
                Some(command)
            }
            Language::C => None,
        }
    }

    /// What starts the runaway of a language.
    pub(super) fn runaway(self, language: Language) -> Result<Command> {
        let mut command = match language {
            Language::Python => {
                let mut command = Command::new(self.python());
                command.arg(root().join("tests/demo/python/runaway.py"));
                command
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(place(language).join("runaway.mjs"));
                command
            }
            Language::Kotlin => {
                let mut command = Command::new("java");
                command.args([HEAP, "-cp", &class_path()?, "dev.hubless.demo.RunawayKt"]);
                command
            }
            Language::C => Command::new(place(language).join("runaway")),
        };
        command.current_dir(place(language));
        Ok(command)
    }

    /// A program of `tests/bench`.
    pub(super) fn rust(self, name: &str) -> PathBuf {
        let folder = match self.dist.profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        house::target().join(folder).join(format!("hubless-bench-{name}"))
    }

    fn install_python(self) -> Result<()> {
        let project = place(Language::Python);
        empty(&project)?;
        Step::new("bench: python, empty environment", "python3")
            .args(["-m", "venv", &text(&project.join("venv"))])
            .must()?;
        Step::new("bench: python, pip install", self.python())
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", UVLOOP])
            .args([only_python(self.dist, ".whl")?])
            .must()
            .map(drop)
    }

    fn install_node(self) -> Result<()> {
        let project = place(Language::Node);
        empty(&project)?;
        user::npm(self.dist, &project, "module", &[])?;
        // Copied to where the package is found.
        copy("tests/bench/node/.", &project)?;
        copy("tests/demo/node/runaway.mjs", &project)
    }

    fn install_c(self) -> Result<()> {
        let project = place(Language::C);
        let prefix = project.join("prefix");
        empty(&prefix)?;
        Step::new("bench: c, unpack", "tar")
            .args(["--extract", "--strip-components=1", "--file", &text(&self.dist.c_archive())])
            .args(["--directory", &text(&prefix)])
            .must()?;
        let sources = ["program.c", "measure.c", "load.c"];
        let sources = sources.map(|file| root().join("tests/bench/c").join(file));
        let runaway = [root().join("tests/demo/c/runaway/runaway.c")];
        for (name, sources) in [("program", &sources[..]), ("runaway", &runaway)] {
            Step::new(&format!("bench: c, compile {name}"), "cc")
                .args(["-std=c11", "-D_GNU_SOURCE", "-O2"])
                .args(sources)
                .args(user::pkg_config(&prefix)?)
                .args([format!("-Wl,-rpath,{}", text(&prefix.join("lib")))])
                .args(["-lpthread", "-lm", "-o", &text(&project.join(name))])
                .must()?;
        }
        Ok(())
    }

    fn install_kotlin(self) -> Result<()> {
        let project = place(Language::Kotlin);
        empty(&project)?;
        let repository = user::java_repository(&project)?;
        let sources = project.join("src");
        empty(&sources)?;
        copy("tests/bench/kotlin/.", &sources)?;
        copy("tests/demo/kotlin/Runaway.kt", &sources)?;
        user::compile_java(self.dist, &project, "kotlin", &repository)
    }
}

/// The class path of the programs in Kotlin.
fn class_path() -> Result<String> {
    let file = place(Language::Kotlin).join("classpath.txt");
    let read = std::fs::read_to_string(&file).map_err(|error| package::say(&file, &error))?;
    Ok(read.trim().to_owned())
}

/// When the first of these was last changed.
fn oldest(places: &[PathBuf]) -> Option<SystemTime> {
    let times = places.iter().filter_map(|place| place.metadata().ok()?.modified().ok());
    times.min()
}

/// The project of one language.
fn place(language: Language) -> PathBuf {
    house::target().join("bench/install").join(language.name())
}

fn copy(from: &str, to: &Path) -> Result<()> {
    Step::new(&format!("bench: copy {from}"), "cp").args(["-r", from, &text(to)]).must().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn packages_are_as_old_as_the_oldest_of_them() {
        let work = house::target().join(format!("bench-oldest-{}", std::process::id()));
        std::fs::create_dir_all(&work).unwrap();
        let places = ["one", "two"].map(|name| work.join(name));
        for (place, seconds) in places.iter().zip([9, 7]) {
            let file = std::fs::File::create(place).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        assert_eq!(oldest(&places), Some(UNIX_EPOCH + Duration::from_secs(7)));
        assert_eq!(oldest(&[work.join("none")]), None);
        std::fs::remove_dir_all(&work).unwrap();
    }
}
