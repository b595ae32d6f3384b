//! `doctor`: what could keep agents from finding each other, each line with its fix.

use super::run::{Context, GRACE};
use crate::output;
use hubless::home::{Folders, Home};
use hubless::node::{FindOptions, Listen};
use hubless::{Error, Kind, Node, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::query::Query;
use serde::Serialize;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Time to be let in at a relay.
const RELAY: Duration = Duration::from_secs(5);

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
    let home = Home::open(context.settings.home());
    let folders = home.as_ref().ok().and_then(Home::folders);
    lines.extend(folders.map(files).into_iter().flatten());
    if let Err(error) = &home {
        lines.push(Line {
            check: "folders",
            state: State::Fail,
            detail: error.to_string(),
            fix: "make the folder yours alone (chmod 700), or set HUBLESS_HOME to another one",
        });
    }
    lines.push(watches());
    lines.extend(ports(context));
    lines.extend(mesh(context).await);
    if let Some(folders) = folders {
        // After a node has looked: it removes what the dead left.
        lines.push(records(&folders.records()));
    }
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

/// Where the folders are, and the modes of what is kept.
fn files(folders: &Folders) -> [Line; 2] {
    let (data, run) = (folders.data().display(), folders.run().display());
    let mut open = Vec::new();
    opened(folders.data(), &mut open);
    let keys = if open.is_empty() {
        ok("keys", "no key, token or store can be read by others".to_owned())
    } else {
        Line {
            check: "keys",
            state: State::Fail,
            detail: format!("can be read by others: {}", open.join(", ")),
            fix: "chmod 600 each file and 700 each folder of them; if others may have read a key, \
                  make a new identity",
        }
    };
    [ok("folders", format!("data {data}, runtime {run}")), keys]
}

/// Whether everything among the records is one: a private file that is named after a node key.
fn records(folder: &Path) -> Line {
    let (mut count, mut strange) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let named = path.extension().is_some_and(|ending| ending == "rec")
            && stem.parse::<NodeKey>().is_ok();
        let private = std::fs::symlink_metadata(&path).is_ok_and(|about| {
            let size = usize::try_from(about.len()).unwrap_or(usize::MAX);
            about.is_file() && about.mode() & 0o077 == 0 && size <= limits::RECORD_FILE_BYTES
        });
        if named && private {
            count += 1;
        } else {
            strange.push(path.display().to_string());
        }
    }
    if strange.is_empty() {
        return ok("records", format!("{count} nodes are announced"));
    }
    Line {
        check: "records",
        state: State::Warn,
        detail: format!("{count} nodes are announced; none of ours: {}", strange.join(", ")),
        fix: "remove what is none of ours from the runtime folder",
    }
}

/// What of the data folder others may read: nothing of it is for them.
fn opened(folder: &Path, open: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What is gone meanwhile, such as a file on its way to its place, is open to nobody.
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            opened(&path, open);
        }
        if about.permissions().mode() & 0o077 != 0 {
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

/// Whether what the settings say can be bound.
fn ports(context: &Context) -> Vec<Line> {
    let wrong = |error: Error| {
        vec![Line {
            check: "ports",
            state: State::Fail,
            detail: error.message,
            fix: "mend the setting that the message names (hubless config show)",
        }]
    };
    let (listen, port) = match (context.settings.listen(), context.settings.port()) {
        (Ok(listen), Ok(port)) => (listen, port.unwrap_or_default()),
        (Err(error), _) | (_, Err(error)) => return wrong(error),
    };
    let addresses = match listen {
        Listen::Loopback => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        Listen::All => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        Listen::Addresses(addresses) => addresses,
    };
    addresses.into_iter().map(|address| bound(SocketAddr::new(address, port))).collect()
}

fn bound(address: SocketAddr) -> Line {
    let shown = match address.port() {
        0 => format!("any UDP port of {}", address.ip()),
        _ => format!("UDP {address}"),
    };
    match UdpSocket::bind(address) {
        Ok(_) => ok("ports", format!("{shown} can be bound")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Line {
            check: "ports",
            state: State::Warn,
            detail: format!("{shown} is in use"),
            fix: "nothing, if that is your own hubless serve; else choose another port",
        },
        Err(error) => Line {
            check: "ports",
            state: State::Fail,
            detail: format!("{shown} cannot be bound: {error}"),
            fix: "allow this process to open UDP sockets there, or change listen or port",
        },
    }
}

/// Whether the relays of a node let it in; nothing, where it was told of none.
async fn relays(node: &Node) -> Vec<Line> {
    if node.status().relays.is_empty() {
        return Vec::new();
    }
    vec![match node.at_relay(RELAY).await {
        Ok(relay) => ok("relays", format!("can be reached by {relay}")),
        Err(error) => Line {
            check: "relays",
            state: State::Fail,
            detail: error.message,
            fix: "see that the relay runs (hubless relay serve), that its port is let through, \
                  and that relays and relay_ca are right (hubless config show)",
        },
    }]
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
    lines.extend(relays(&node).await);
    let looked = match Query::read(serde_json::json!({})) {
        Ok(query) => node.find(query, FindOptions::default()).await,
        Err(error) => Err(error),
    };
    let records = super::status::settled(&node).await;
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
    lines.push(ok("directory", super::status::held(records)));
    lines
}
