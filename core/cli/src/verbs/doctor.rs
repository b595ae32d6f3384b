//! `doctor`: what could keep agents from finding each other, each line with its fix.

use super::run::{Context, GRACE};
use crate::output;
use hubless::home::Home;
use hubless::node::FindOptions;
use hubless::{Error, Kind, Result};
use hubless_proto::query::Query;
use serde::Serialize;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Serialize)]
struct Line {
    check: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    fix: &'static str,
}

/// Runs every check.
///
/// # Errors
/// `configuration` (`doctor`) when one failed.
pub(super) async fn run(context: &Context) -> Result<()> {
    let mut lines = Vec::new();
    let home = Home::open(context.settings.home().as_deref());
    match &home {
        Ok(home) => lines.extend(files(home)),
        Err(error) => lines.push(Line {
            check: "folders",
            state: State::Fail,
            detail: error.to_string(),
            fix: "make the folder yours alone (chmod 700), or set HUBLESS_HOME to another one",
        }),
    }
    lines.push(watches());
    lines.push(port());
    lines.extend(mesh(context).await);
    for line in &lines {
        if context.json {
            output::object("doctor", line)?;
        } else {
            let state = match line.state {
                State::Ok => "ok",
                State::Warn => "warn",
                State::Fail => "FAIL",
            };
            output::line(&format!("{state:<5} {:<10} {}", line.check, line.detail))?;
            if !line.fix.is_empty() {
                output::line(&format!("                 fix: {}", line.fix))?;
            }
        }
    }
    let failed = lines.iter().filter(|line| line.state == State::Fail).count();
    if failed > 0 {
        let message = format!("{failed} of {} checks failed", lines.len());
        return Err(Error::new(Kind::Configuration, message).with_code("doctor"));
    }
    Ok(())
}

fn ok(check: &'static str, detail: String) -> Line {
    Line { check, state: State::Ok, detail, fix: "" }
}

/// Modes of folders and keys, and the records that are there.
fn files(home: &Home) -> Vec<Line> {
    let Some(folders) = home.folders() else {
        return vec![Line {
            check: "folders",
            state: State::Warn,
            detail: "no writable home: everything is in memory, other processes are not found"
                .to_owned(),
            fix: "set HUBLESS_HOME to a folder that can be written",
        }];
    };
    let mut lines = vec![ok(
        "folders",
        format!("data {}, runtime {}", folders.data().display(), folders.run().display()),
    )];
    let mut open = Vec::new();
    keys(folders.data(), &mut open);
    lines.push(if open.is_empty() {
        ok("keys", "no key can be read by others".to_owned())
    } else {
        Line {
            check: "keys",
            state: State::Fail,
            detail: format!("can be read by others: {}", open.join(", ")),
            fix: "chmod 600 each of them; if others may have read one, make a new identity",
        }
    });
    let count = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().count();
    let (records, locks) = (count(&folders.records()), count(&folders.locks()));
    lines.push(ok("records", format!("{records} nodes announced, {locks} locks")));
    lines
}

fn keys(folder: &Path, open: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            keys(&path, open);
        }
        let secret = path.extension().is_some_and(|ending| ending == "key" || ending == "json");
        if secret && about.permissions().mode() & 0o077 != 0 {
            open.push(path.display().to_string());
        }
    }
}

/// Whether changes of the runtime folder are told at once.
fn watches() -> Line {
    let read = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    match read.ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(most) if most < 64 => Line {
            check: "watches",
            state: State::Warn,
            detail: format!("{most} inotify instances a user; beyond them folders are polled"),
            fix: "sysctl fs.inotify.max_user_instances=1024",
        },
        Some(most) => ok("watches", format!("{most} inotify instances a user")),
        None => {
            ok("watches", "no inotify here: the runtime folder is polled each second".to_owned())
        }
    }
}

fn port() -> Line {
    match UdpSocket::bind(("127.0.0.1", 0)) {
        Ok(_) => ok("ports", "a UDP port on loopback can be bound".to_owned()),
        Err(error) => Line {
            check: "ports",
            state: State::Fail,
            detail: format!("no UDP port on loopback can be bound: {error}"),
            fix: "allow this process to open UDP sockets on 127.0.0.1",
        },
    }
}

/// Whether a node starts, and whom it sees.
async fn mesh(context: &Context) -> Vec<Line> {
    let node = match context.node().await {
        Ok(node) => node,
        Err(error) => {
            return vec![Line {
                check: "node",
                state: State::Fail,
                detail: error.to_string(),
                fix: "mend what the message names, then run doctor again",
            }];
        }
    };
    let mut lines = vec![ok("node", format!("starts in mesh {}", node.mesh_id()))];
    let looked = match Query::read(serde_json::json!({})) {
        Ok(query) => node.find(query, FindOptions::default()).await,
        Err(error) => Err(error),
    };
    let peers = node.status().peers.len();
    node.close(GRACE).await;
    lines.push(match looked {
        Ok(_) if peers == 0 => Line {
            check: "peers",
            state: State::Warn,
            detail: "no other node is seen".to_owned(),
            fix: "start an agent as this user with the same HUBLESS_HOME, then look again",
        },
        Ok(agents) => ok("peers", format!("{peers} nodes, {} agents found", agents.len())),
        Err(error) => Line {
            check: "peers",
            state: State::Fail,
            detail: error.to_string(),
            fix: "mend what the message names, then run doctor again",
        },
    });
    lines
}
