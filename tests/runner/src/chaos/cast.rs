//! Who lives in the network: the root of the budgets, an agent of each language, the provider and
//! the shim; started, killed, started again.

use super::hosts::Hosts;
use crate::bounded;
use crate::house::{self, Result, text};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The host of the budgets; the others have the names of their languages.
pub(super) const ROOT: &str = "root";
/// Longest wait for what a process says.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
const END: Duration = Duration::from_secs(15);
/// The bound of one command.
const BOUND: Duration = Duration::from_secs(30);

/// Everybody.
pub(super) struct Cast {
    members: BTreeMap<&'static str, Process>,
    provider: Process,
    shim: Process,
    /// What the root said and nobody looked at.
    pub(super) heard: VecDeque<Value>,
    /// Lives of the root.
    lives: u32,
    chains: u32,
    /// Short: the path of a socket may not be long.
    place: PathBuf,
    /// Last, so that the processes end before it is removed.
    hosts: Hosts,
}

impl Cast {
    /// Starts the provider, the shim and the agents, with an empty home.
    ///
    /// # Errors
    /// One could not be started.
    pub(super) fn start(seed: u64, chains: u32) -> Result<Self> {
        let names: Vec<_> = Language::ALL.map(Language::name).into_iter().chain([ROOT]).collect();
        let hosts = Hosts::new(&names)?;
        let place = std::env::temp_dir().join(format!("hubless-chaos-{}", std::process::id()));
        std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
        let _ = std::fs::remove_dir_all(home());
        std::fs::create_dir_all(home()).map_err(|error| error.to_string())?;
        let mut provider = script("provider");
        provider.arg("--socket").arg(place.join("provider")).arg("--book").arg(place.join("book"));
        provider.args(["--seed", &seed.to_string()]);
        let provider = begin("provider", &mut provider)?;
        let mut shim = script("shim");
        shim.args(["--seed", &seed.to_string()]).args(&names);
        let shim = begin("shim", &mut hosts.in_the_middle(&shim))?;
        for process in [&provider, &shim] {
            process.expect("event", LONG)?;
        }
        let (members, heard) = (BTreeMap::new(), VecDeque::new());
        let mut cast = Self { members, provider, shim, heard, lives: 0, chains, place, hosts };
        for name in &names {
            cast.begin(name)?;
        }
        for name in names {
            cast.ready(name)?;
        }
        Ok(cast)
    }

    /// Starts a process, which comes back under its key where it lived before.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) fn begin(&mut self, name: &'static str) -> Result<()> {
        let command = match Language::ALL.into_iter().find(|language| language.name() == name) {
            Some(language) => {
                let mut command = language.command(Origin::Checkout, Program::Link)?;
                command.arg("--provider").arg(self.place.join("provider"));
                command
            }
            None => {
                self.lives += 1;
                let mut command = script("root");
                command.args(["--life", &self.lives.to_string()]);
                command.args(["--chains", &self.chains.to_string()]);
                command
            }
        };
        let mut command = self.hosts.at(name, &command);
        command.env("HUBLESS_HOME", home()).env("HUBLESS_LISTEN", self.hosts.address(name));
        self.members.insert(name, begin(name, &mut command)?);
        Ok(())
    }

    /// Waits until a process that was started can be called.
    ///
    /// # Errors
    /// It did not come up.
    pub(super) fn ready(&mut self, name: &str) -> Result<()> {
        self.member(name)?.expect("event", LONG).map(drop)
    }

    /// Kills a process as `kill -9` does; what it had said is kept.
    ///
    /// # Errors
    /// There is none of this name.
    pub(super) fn kill(&mut self, name: &str) -> Result<()> {
        let member = self.member(name)?;
        member.kill();
        if name == ROOT {
            self.listen(Duration::ZERO);
        }
        Ok(())
    }

    /// Tells the root something.
    ///
    /// # Errors
    /// It does not read.
    pub(super) fn tell_root(&mut self, line: &str) -> Result<()> {
        self.member(ROOT)?.say(line)
    }

    /// Keeps what the root says, until a word of this name, or for as long as it says something.
    ///
    /// # Errors
    /// The word did not come.
    pub(super) fn until(&mut self, name: &str) -> Result<Value> {
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            let Some(event) = self.member(ROOT)?.event(LOOK) else { continue };
            let is_it = event["event"] == name;
            self.heard.push_back(event.clone());
            if is_it {
                return Ok(event);
            }
        }
        Err(format!("root did not say {name:?} within {} s", LONG.as_secs()))
    }

    /// Keeps what the root has said.
    pub(super) fn listen(&mut self, wait: Duration) {
        let Some(root) = self.members.get(ROOT) else { return };
        while let Some(event) = root.event(wait) {
            self.heard.push_back(event);
        }
    }

    /// How many handlers run in a process, as the provider knows; of the root: in all.
    ///
    /// # Errors
    /// The provider does not answer.
    pub(super) fn running(&mut self, name: &str) -> Result<u64> {
        self.provider.say("?")?;
        let told = self.provider.expect("running", LONG)?;
        let running = told["running"].as_object().into_iter().flatten();
        let own = running.filter(|(language, _)| name == ROOT || *language == name);
        Ok(own.filter_map(|(_, count)| count.as_u64()).sum())
    }

    /// Waits until a handler of a process runs.
    ///
    /// # Errors
    /// None did.
    pub(super) fn is_at_work(&mut self, name: &str) -> Result<u64> {
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            let running = self.running(name)?;
            if running > 0 {
                return Ok(running);
            }
            std::thread::sleep(LOOK);
        }
        Err(format!("no handler of {name} ran within {} s", LONG.as_secs()))
    }

    /// Datagrams that the shim lost, repeated, and had overtaken.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn weather(&mut self) -> Result<[u64; 3]> {
        self.shim.say("?")?;
        let told = self.shim.expect("lost", LONG)?;
        Ok(["lost", "twice", "late"].map(|name| told[name].as_u64().unwrap_or_default()))
    }

    /// Where the provider writes.
    pub(super) fn book(&self) -> PathBuf {
        self.place.join("book")
    }

    /// What the stores of all nodes say of the budgets, as `hubless budget` prints it.
    ///
    /// # Errors
    /// The command failed.
    pub(super) fn budgets(&self) -> Result<Vec<Value>> {
        let mut command = Command::new(house::built("hubless"));
        command.args(["budget", "--json"]).env("HUBLESS_HOME", home());
        let output = bounded::output(&mut command, BOUND);
        let (output, _) = output.map_err(|error| format!("hubless: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let read: serde_json::Result<_> = said.lines().map(serde_json::from_str).collect();
        let error = String::from_utf8_lossy(&output.stderr);
        read.map_err(|wrong| format!("hubless budget: {wrong}: {said}{error}"))
    }

    /// Ends everybody in order.
    ///
    /// # Errors
    /// One did not end well.
    pub(super) fn finish(self) -> Result<()> {
        for (_, member) in self.members {
            member.finish(END)?;
        }
        let _ = std::fs::remove_dir_all(home());
        let _ = std::fs::remove_dir_all(&self.place);
        Ok(())
    }

    fn member(&mut self, name: &str) -> Result<&mut Process> {
        self.members.get_mut(name).ok_or_else(|| format!("there is no {name}"))
    }
}

/// The home of all nodes: each has its own key and store in it.
fn home() -> PathBuf {
    house::target().join("chaos-home")
}

/// A program of `tests/chaos/python`.
fn script(name: &str) -> Command {
    let mut command = Command::new(house::venv_program("python"));
    command.arg(text(&house::root().join("tests/chaos/python").join(format!("{name}.py"))));
    command.current_dir(house::root());
    command
}

fn begin(name: &str, command: &mut Command) -> Result<Process> {
    let log = format!("chaos-{name}.log");
    Process::start(name, command, Path::new(&house::logs().join(log)))
}
