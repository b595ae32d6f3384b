//! What others do with the same work: their scripts, where the user has them.

use super::contestant::Contestant;
use super::figures::Samples;
use super::install::{Programs, Role};
use super::options::Scale;
use super::pair::{PATIENCE, SETTLE, Side, home};
use crate::house::{self, Result};
use crate::package::empty;
use crate::process::Process;
use crate::step::Step;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The README of the peers wants this of one of them, whose calls take 88 ms.
const SLOW: (&str, &str) = ("PEER_SLIM_N", "40");
/// Seconds that one run of a peer may take, by the same README.
const TIMEOUT: &str = "90";

/// A folder of peers.
#[derive(Debug)]
pub(super) struct Peers {
    folder: PathBuf,
    /// The encrypted ones, as their own `run.sh` names them.
    pub(super) names: Vec<String>,
}

impl Peers {
    /// Finds the scripts in a folder, or in its `harness`.
    ///
    /// # Errors
    /// They are not there.
    pub(super) fn find(given: &Path) -> Result<Self> {
        let places = [given.to_owned(), given.join("harness")];
        let there = |folder: &&PathBuf| folder.join("orchestrate.py").is_file();
        let Some(folder) = places.iter().find(there) else {
            return Err(format!("no peers in {}: their setup.sh makes them", given.display()));
        };
        let script = folder.join("run.sh");
        let text = std::fs::read_to_string(&script)
            .map_err(|error| format!("{}: {error}", script.display()))?;
        let names = encrypted(&text);
        if names.is_empty() {
            return Err(format!("{} names no encrypted peers", script.display()));
        }
        Ok(Self { folder: folder.clone(), names })
    }

    /// One run of one of them, as its own scripts run it.
    pub(super) fn run(&self, name: &str, scale: Scale) -> Result<Samples> {
        let out = house::target().join("bench/peers.jsonl");
        // What an earlier run left there is not what is asked for.
        let _ = std::fs::remove_file(&out);
        let mut step = Step::new(&format!("bench: peer {name}"), "python3")
            .args(["orchestrate.py", "--reps", "1", "--timeout", TIMEOUT, "--out"])
            .args([&out])
            .folder(&self.folder)
            .env("PEERS_NO_OVERRIDE", "1")
            .env(SLOW.0, SLOW.1);
        if scale == Scale::Quick {
            step = step.args(["--quick"]);
        }
        step.args([name]).must()?;
        let text = std::fs::read_to_string(&out);
        samples(&text.map_err(|error| format!("{name} left no result: {error}"))?)
    }

    /// One run of ours, measured by their code.
    pub(super) fn measure(
        &self,
        programs: &Programs,
        contestant: Contestant,
        scale: Scale,
    ) -> Result<Samples> {
        let command = programs.measured_by(&self.folder, contestant);
        let mut command = command.ok_or("the peers have no code for it")?;
        empty(&home())?;
        let (agent, _) = Side::start(programs, contestant, &Role::Agent)?;
        std::thread::sleep(SETTLE);
        let log = house::logs().join(format!("bench-{}-by-peers.log", contestant.name()));
        command.env("HUBLESS_HOME", home()).env("HUBLESS_LOG", "off");
        // What their code reads; nothing listens on that port, and no certificate is used.
        command.env("PEER_PORT", "1").env("PEER_CERTS", self.folder.join("certs"));
        command.env("SERVER_PID", agent.id().to_string());
        if scale == Scale::Quick {
            command.env("PEER_QUICK", "1");
        }
        let caller = Process::start(contestant.name(), &mut command, &log)?;
        while let Some(line) = caller.line(PATIENCE) {
            if let Some(result) = line.strip_prefix("RESULT ") {
                let found = samples(result);
                agent.end();
                return found;
            }
        }
        Err(format!("it gave no result: {}", log.display()))
    }

    /// What its script for discovery says of so many agents.
    pub(super) fn discovery(&self, kind: &str, agents: usize) -> Result<Samples> {
        let agents = agents.to_string();
        let done = Step::new(&format!("bench: peers' discovery, {kind}"), "python3")
            .args(["discovery.py", kind, &agents])
            .folder(&self.folder)
            .must()?;
        discovered(&done.output)
    }
}

/// The names after `ENC=`.
fn encrypted(script: &str) -> Vec<String> {
    let line = script.lines().find_map(|line| line.trim().strip_prefix("ENC=\""));
    let names = line.and_then(|line| line.split('"').next()).unwrap_or_default();
    names.split_whitespace().map(str::to_owned).collect()
}

/// The figures in the last line of results.
fn samples(text: &str) -> Result<Samples> {
    let line = text.lines().last().unwrap_or_default();
    let result: Value =
        serde_json::from_str(line).map_err(|error| format!("a result is no JSON: {error}"))?;
    if let Some(fault) = result.get("err") {
        return Err(fault.to_string());
    }
    let mut samples = Samples::default();
    for (pointer, key) in [
        ("/rtt_64/med_us", "rtt_64_us"),
        ("/rtt_1024/med_us", "rtt_1k_us"),
        ("/rtt_65536/med_us", "rtt_64k_us"),
        ("/thr_64/rps", "per_second"),
        ("/cold_ms", "cold_ms"),
        ("/big8m_ms", "big_ms"),
    ] {
        if let Some(value) = result.pointer(pointer).and_then(Value::as_f64) {
            samples.add(key, value);
        }
    }
    if let Some(memory) = memory(&result) {
        samples.add("memory_mb", memory);
    }
    Ok(samples)
}

/// Memory of all processes; none: one is not told, and without it the sum would be too small. A
/// broker is told of where there is one, with null where it cannot be looked at.
fn memory(result: &Value) -> Option<f64> {
    let [client, server] =
        ["rss_client_mb", "rss_server_mb"].map(|part| result.get(part).and_then(Value::as_f64));
    let broker = match result.get("rss_broker_mb") {
        None => 0.0,
        Some(told) => told.as_f64()?,
    };
    Some(client? + server? + broker)
}

/// The figures in what the script for discovery printed.
fn discovered(output: &str) -> Result<Samples> {
    let object = |line: &str| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    let result = output.lines().rev().find_map(object).ok_or("it printed no result")?;
    if let Some(fault) = result.get("err") {
        return Err(fault.to_string());
    }
    let mut samples = Samples::default();
    for (name, key) in [
        ("visible_ms", "visible_median_ms"),
        ("query_cap_ms", "find_ms"),
        ("reg_s", "registered_s"),
        ("scan_all_ms", "find_ms"),
    ] {
        if let Some(value) = result.get(name).and_then(Value::as_f64) {
            samples.add(key, value);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_the_encrypted_peers() {
        let script = "P=\"$1\"\nENC=\"py-one+tls node-two+tls\"\n[ \"$P\" = ENC ] && P=\"$ENC\"\n";
        assert_eq!(encrypted(script), ["py-one+tls", "node-two+tls"]);
        assert!(encrypted("echo none").is_empty());
    }

    #[test]
    fn reads_a_result_and_passes_on_a_failure() {
        let line = r#"{"peer": "p", "rtt_64": {"med_us": 7.5}, "thr_64": {"rps": 9},
            "rss_client_mb": 20, "rss_server_mb": 22, "big8m_err": "refused"}"#;
        let found = samples(&line.replace('\n', "")).unwrap();
        assert_eq!(found.of("rtt_64_us"), [7.5]);
        assert_eq!(found.of("per_second"), [9.0]);
        assert_eq!(found.of("memory_mb"), [42.0]);
        assert!(found.of("big_ms").is_empty());
        assert!(samples(r#"{"peer": "p", "err": "timeout"}"#).unwrap_err().contains("timeout"));
        assert!(samples("nothing").is_err());
    }

    #[test]
    fn memory_is_that_of_all_processes_or_not_measured() {
        let all = r#"{"rss_client_mb": 20, "rss_server_mb": 22, "rss_broker_mb": 5}"#;
        assert_eq!(samples(all).unwrap().of("memory_mb"), [47.0]);
        for absent in ["rss_client_mb", "rss_server_mb"] {
            let others = samples(&all.replace(absent, "other")).unwrap();
            assert!(others.of("memory_mb").is_empty(), "{absent}");
        }
        for unknown in ["20", "22", "5"] {
            let others = samples(&all.replace(unknown, "null")).unwrap();
            assert!(others.of("memory_mb").is_empty(), "{unknown}");
        }
    }

    #[test]
    fn reads_what_was_discovered() {
        let output = "log\n{\"visible_ms\": 2.3, \"query_cap_ms\": 3.5}\n";
        let found = discovered(output).unwrap();
        assert_eq!(found.of("visible_median_ms"), [2.3]);
        assert_eq!(found.of("find_ms"), [3.5]);
        assert!(discovered("log").is_err());
    }
}
