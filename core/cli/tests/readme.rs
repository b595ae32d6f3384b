//! The command lines that the README shows, typed into a shell.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use hubless::{AgentOptions, Content, handler};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use support::provider::Provider;
use support::{Home, Ran, Serve, bare, eventually, run};

/// The provider's key.
const KEY: &str = "sk-canary-of-the-provider";

/// The lines of the first block for a shell below a heading of the README.
fn block(heading: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, below) = readme.split_once(heading).unwrap();
    let (_, block) = below.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Runs lines in a shell that finds the command, with a home and nothing else configured.
fn typed(home: &Home, script: &str, settings: &[(&str, &str)]) -> Ran {
    // What `bare` takes away, and with it the path of the built command.
    let hubless = bare(&[]);
    let folder = Path::new(hubless.get_program()).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", script]).current_dir(home.path());
    for (name, _) in hubless.get_envs() {
        shell.env_remove(name);
    }
    shell.env("PATH", path).env("HUBLESS_HOME", home.path()).env_remove("http_proxy");
    run(shell.envs(settings.iter().copied()), b"")
}

/// Whether curl is here; says why a test is not run where it is not.
fn has_curl() -> bool {
    let is_here = Command::new("curl").arg("--version").output().is_ok();
    if !is_here {
        // Past the test's own output, which is kept back: the runner counts it.
        std::io::stderr().write_all(b"skipped: curl is missing\n").unwrap();
    }
    is_here
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_asked_by_the_lines_of_the_readme() {
    if !has_curl() {
        return;
    }
    let home = Home::new();
    let node = home.node().await;
    let weather = handler(|_, content: Content| async move {
        Ok(Content::text(format!("cold in {}", content.joined_text())))
    });
    let rules = json!({"name": "weather", "requirements": {"allowExternalConnections": true}});
    node.register(AgentOptions::read(rules).unwrap(), weather).await.unwrap();
    let listen = ["expose", "http", "--json", "--listen", "127.0.0.1:0"];
    let exposed = Serve::start(home.command(&listen), &home);
    let address = exposed.serving["address"].as_str().unwrap();
    let block = block("### Agents over plain HTTP").replace("127.0.0.1:8420", address);
    let lines: Vec<_> = block.lines().collect();
    let [list, ask, stream] = lines[..] else { panic!("{lines:?}") };
    eventually("the agent", || {
        typed(&home, list, &[]).ok().out.contains("\"weather\"").then_some(())
    });
    let reply = typed(&home, ask, &[]).ok().out;
    assert!(reply.contains("\"cold in Oslo\""), "{reply}");
    let events = typed(&home, stream, &[]).ok().out;
    assert!(events.contains("event: final") && events.contains("cold in Oslo"), "{events}");
}

#[test]
fn a_model_is_paid_by_the_lines_of_the_readme() {
    if !has_curl() {
        return;
    }
    let (home, provider) = (Home::new(), Provider::start(true));
    // Below the ports that the system hands out, so that no other test takes it meanwhile.
    let first = 10_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let address = format!("127.0.0.1:{}", (first..first + 100).find(free).unwrap());
    let block = block("### Model calls that cannot overspend")
        .replace("https://api.openai.com/v1", &provider.url)
        .replace("127.0.0.1:8430", &address)
        .replace("expose gateway", &format!("expose gateway --listen {address}"));
    // A person sees when it listens.
    let (start, rest) = block.split_once(" &\n").unwrap();
    let until = format!("until curl -s -o /dev/null http://{address}; do kill -0 $!; done");
    let script = format!("trap 'kill %1' EXIT\n{start} &\n{until}\n{rest}");
    let ran = typed(&home, &script, &[("OPENAI_API_KEY", KEY)]).ok();
    assert!(ran.out.contains("\"completion_tokens\":7"), "{} {}", ran.out, ran.err);
    let head = provider.asked.recv().unwrap();
    assert!(head.contains(KEY), "{head}");
    // Of 5 tokens read and 7 written, in millionths; and nothing is set aside any more.
    let (root, link) = ("  spent 5 + 0 of 5000000  ", "  spent 5 + 0 of 200000  ");
    let tokens = "input 5 + 0  output 7 + 0";
    for paid in [format!("{root}{tokens}"), format!("{link}{tokens}")] {
        assert!(ran.out.contains(&paid), "{paid}: {}", ran.out);
    }
}
