//! Every verb of the built command: what it prints, in prose and in JSON, and its exit code.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::{Home, Ran, Serve, bare, eventually, run};

/// Milliseconds that `find` waits for an agent that is there.
const WAIT: &str = "20000";

/// Runs the command with an agent that is there; a process that a busy machine told too late of it
/// is followed by another one.
fn reaches(home: &Home, arguments: &[&str]) -> Ran {
    reaches_with(home, arguments, b"")
}

/// As `reaches`, with this on stdin.
fn reaches_with(home: &Home, arguments: &[&str], input: &[u8]) -> Ran {
    eventually("the agent", || {
        let ran = home.feed(arguments, input);
        (ran.code != Some(3)).then_some(ran)
    })
}

/// As `reaches_with`, for what is no text.
fn reaches_with_bytes(home: &Home, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    eventually("the agent", || {
        let mut command = home.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code() != Some(3)).then_some(output.stdout)
    })
}

/// Fields of a JSON object, in order of the alphabet.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn status_and_find_show_what_there_is() {
    let home = Home::new();
    let empty = home.run(&["status", "--json"]).ok().json();
    let told = ["agents", "home", "meshId", "peers", "relays", "schema", "version"];
    assert_eq!(fields(&empty), told);
    assert_eq!((&empty["schema"], &empty["peers"]), (&json!("hubless.status/1"), &json!([])));
    let _served = home.serve(&[], &["described"]);
    let status = eventually("the agent", || {
        let status = home.run(&["status", "--json"]).ok().json();
        (status["agents"] != json!([])).then_some(status)
    });
    assert_eq!(status["agents"][0]["name"], "child");
    let peer = &status["peers"][0];
    assert_eq!(fields(peer), ["agents", "connections", "nodeKey", "path", "rttUs"]);
    assert_eq!((&peer["agents"], &peer["path"]), (&json!(1), &json!("direct")));
    assert!(peer["rttUs"].as_u64().is_some_and(|us| us > 0), "{peer}");
    let prose = eventually("the agent", || {
        let prose = home.run(&["status"]).ok().out;
        prose.contains("[test.child]").then_some(prose)
    });
    assert!(prose.contains("nodes    1\n"), "{prose}");
    let node = prose.lines().find(|line| line.starts_with("  ")).unwrap();
    let (key, way) = node.trim_start().split_once("  direct, ").unwrap();
    assert_eq!(json!(key), peer["nodeKey"], "{node}");
    let (rtt, agents) = way.split_once(" ms  ").unwrap();
    assert!(rtt.parse::<f64>().is_ok_and(|ms| ms > 0.0) && agents == "agents: 1", "{node}");

    let plain = home.run(&["find", "does", "what", "--wait", WAIT, "--json"]).ok().json();
    assert_eq!((&plain["schema"], plain.get("explain")), (&json!("hubless.found/1"), None));
    assert!(plain["agentId"].as_str().unwrap().starts_with("did:key:z6Mk"));
    let filter = r#"{"field": "name", "op": "=", "value": "child"}"#;
    let options = ["find", "--tag", "own", "--filter", filter, "--explain", "--wait", WAIT];
    let explained = home.run(&[&options[..], &["--json"]].concat()).ok().json();
    assert!(!explained["explain"].as_array().unwrap().is_empty());
    let prose = home.run(&["find", "--explain", "child", "--wait", WAIT]).ok().out;
    assert!(prose.contains("success") && prose.contains("of its own words"), "{prose}");
}

#[test]
fn call_prints_text_json_bytes_and_pieces() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    assert_eq!(reaches(&home, &["call", "child", "echo hello"]).ok().out, "echo hello\n");
    let data = reaches(&home, &["call", "child", r#"{"a": [1]}"#]).ok().out;
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap(), json!({"a": [1]}));
    assert_eq!(
        reaches_with(&home, &["call", "child", "-"], b"echo from stdin\n").ok().out,
        "echo from stdin\n"
    );

    let reply = reaches(&home, &["call", "child", "echo x", "--json"]).ok().json();
    assert_eq!(
        fields(&reply),
        [
            "agent", "attempts", "content", "path", "schema", "text", "timing", "traceId", "usage",
            "value"
        ]
    );
    assert_eq!((&reply["value"], &reply["path"]), (&json!("echo x"), &json!("direct")));
    assert_eq!(reply["agent"]["name"], "child");

    let streamed = reaches(&home, &["call", "child", "chunks 3", "--stream"]).ok();
    assert_eq!(streamed.out, "0 1 2 \n");
    let lines = reaches(&home, &["call", "child", "chunks 2", "--stream", "--json"]).ok().lines();
    let schemas: Vec<_> = lines.iter().map(|line| line["schema"].as_str().unwrap()).collect();
    assert_eq!(schemas, ["hubless.chunk/1", "hubless.chunk/1", "hubless.reply/1"]);
    assert_eq!((&lines[1]["value"], &lines[1]["append"]), (&json!("1 "), &json!(true)));
    assert_eq!(lines[2]["usage"]["inputTokens"], 3);

    // Progress is prose on stderr, or a line of JSON.
    let words = ["call", "child", "steps", "--stream"];
    let told = reaches(&home, &words).ok();
    assert_eq!((told.out.as_str(), told.err.as_str()), ("done\n", " 50 % half\nlater\n"));
    let lines = reaches(&home, &[&words[..], &["--json"]].concat()).ok().lines();
    let schemas: Vec<_> = lines.iter().map(|line| line["schema"].as_str().unwrap()).collect();
    assert_eq!(schemas, ["hubless.progress/1", "hubless.progress/1", "hubless.reply/1"]);
    assert_eq!((&lines[0]["note"], &lines[0]["fraction"]), (&json!("half"), &json!(0.5)));
    assert_eq!((&lines[1]["note"], &lines[1]["fraction"]), (&json!("later"), &Value::Null));

    // It looks for the reasons first, and then calls.
    let explained = eventually("the reasons", || {
        let explained = reaches(&home, &["call", "child", "echo x", "--explain"]).ok();
        explained.err.contains("asks child at ").then_some(explained)
    });
    assert_eq!(explained.out, "echo x\n");
    assert!(explained.err.contains("success"), "{}", explained.err);
}

#[test]
fn call_takes_and_gives_bytes() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    // A JSON form for bytes that are no text, and the bytes themselves into a pipe.
    let bytes = b"\x89PNG\xff\x00";
    let reply = reaches_with(&home, &["call", "child", "-", "--json"], bytes).ok().json();
    let blob = &reply["content"]["parts"][0]["blob"];
    assert_eq!(blob, &json!({"mediaType": "application/octet-stream", "bytes": "iVBOR/8A"}));
    assert_eq!(reaches_with_bytes(&home, &["call", "child", "-"], bytes), bytes);
    // Larger than a message: streamed to the agent and back.
    let large = vec![0xff; 700_000];
    assert_eq!(reaches_with_bytes(&home, &["call", "child", "-"], &large), large);
}

#[test]
fn exit_codes_and_errors_say_what_happened() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    for (arguments, code, kind) in [
        (&["call", "child", "exit 3"][..], 1, "handler_failed"),
        (&["call", "child", "reject denied x"], 4, "denied"),
        (&["call", "child", "reject budget_exhausted x"], 5, "budget_exhausted"),
        (&["call", "child", "hold", "--timeout", "0.2"], 124, "deadline"),
        (&["call", "nobody", "x"], 3, "not_found"),
        (&["call", "no name", "x"], 2, "invalid_argument"),
        (&["call", "child", "x", "--timeout", "0"], 2, "invalid_argument"),
        (&["find", "nothing-like-it", "--wait", "1"], 3, "not_found"),
        (&["find", "--filter", "{"], 2, "invalid_argument"),
        (&["join", "no ticket"], 2, "invalid_argument"),
        (&["invite"], 1, "configuration"),
        (&["pin", "set", "x", "y"], 2, "invalid_argument"),
        (&["pin", "remove", "x"], 3, "not_found"),
        (&["secret", "set", "nobody"], 2, "invalid_argument"),
        (&["secret", "remove", "https://x.example"], 3, "not_found"),
        (&["id", "show", "nobody"], 3, "not_found"),
        (&["id", "new", "no name"], 2, "invalid_argument"),
        (&["man", "nothing"], 2, "invalid_argument"),
        (&["find", "--bogus"], 2, "invalid_argument"),
        (&["nothing"], 2, "invalid_argument"),
        (&["serve", "--name", "x", "--skill-file", "/no", "--", "true"], 2, "invalid_argument"),
        (&["serve", "--name", "x", "--concurrency", "0", "--", "true"], 2, "invalid_argument"),
    ] {
        let is_there = arguments.starts_with(&["call", "child"]);
        let all = [&["--json"], arguments].concat();
        let ran = if is_there { reaches(&home, &all) } else { home.run(&all) };
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        let error = ran.error();
        assert_eq!(error["kind"], kind, "{arguments:?}: {error}");
    }
    for (arguments, code, start) in [
        (&["call", "child", "reject denied x"][..], 4, "hubless: denied (x) in request: not this"),
        (&["find", "--bogus"], 2, "error: unexpected argument '--bogus'"),
    ] {
        let prose = reaches(&home, arguments);
        assert_eq!((prose.code, prose.out.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(prose.err.starts_with(start), "{}", prose.err);
    }
    let error = reaches(&home, &["call", "child", "reject denied x", "--json"]).error();
    for field in ["code", "message", "operation", "agent", "origin", "retry", "traceId"] {
        assert!(error.get(field).is_some(), "{field}: {error}");
    }
    assert_eq!(error["rejection"], true);
}

#[test]
fn tokens_are_signed_under_the_root_of_this_user() {
    let home = Home::new();
    let facts = ["id", "token", "--fact", "team=finance", "--fact", "level=3"];
    let signed = home.run(&[&facts[..], &["--ttl", "60", "--json"]].concat()).ok().json();
    assert_eq!(fields(&signed), ["root", "schema", "token"]);
    assert_eq!(signed["schema"], "hubless.token/1");
    // The same root signs each, and no two are alike.
    let second = home.run(&[&facts[..], &["--for", "mesh:00", "--json"]].concat()).ok().json();
    assert_eq!(second["root"], signed["root"]);
    assert_ne!(second["token"], signed["token"]);
    let prose = home.run(&facts);
    assert_eq!(prose.out.lines().count(), 1);
    assert!(prose.err.contains(signed["root"].as_str().unwrap()), "{}", prose.err);
    for wrong in [&["--fact", "team"][..], &["--fact", "node=x"], &["--fact", "a=1", "--ttl", "-1"]]
    {
        let ran = home.run(&[&["--json", "id", "token"], wrong].concat());
        assert_eq!(ran.code, Some(2), "{wrong:?}: {}", ran.err);
    }
}

#[test]
fn identities_are_made_once_and_served() {
    let home = Home::new();
    let made = home.run(&["id", "new", "worker", "--json"]).ok().json();
    assert_eq!(fields(&made), ["agentId", "name", "schema"]);
    assert_eq!(home.run(&["id", "new", "worker", "--json"]).error()["kind"], "conflict");
    home.run(&["id", "new", "other"]).ok();
    assert_eq!(home.run(&["id", "show", "--json"]).ok().lines().len(), 2);
    assert_eq!(home.run(&["id", "show", "worker", "--json"]).ok().json(), made);

    let served = home.serve(&["--name", "child", "--identity", "worker"], &[]);
    assert_eq!(served.serving["agentId"], made["agentId"]);
    // In use by one process at a time; the second says so.
    let flags = ["--name", "child", "--identity", "worker"];
    let second = run(&mut home.serve_command(&flags, &[]), b"");
    assert_eq!((second.code, &second.error()["code"]), (Some(4), &json!("key_in_use")));
    // The first use of the name pinned it.
    reaches(&home, &["call", "child", "echo x"]).ok();
    let pin = home.run(&["pin", "list", "--json"]).ok().json();
    assert_eq!((&pin["name"], &pin["agentId"]), (&json!("child"), &made["agentId"]));
    // Another key answers to the pinned name: refused until it is pinned again.
    drop(served);
    let other = home.serve(&["--name", "child"], &[]);
    let refused = reaches(&home, &["call", "child", "echo x", "--json"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(4), &json!("pinned")));
    let id = other.serving["agentId"].as_str().unwrap();
    let set = home.run(&["pin", "set", "Child", id, "--json"]).ok().json();
    assert_eq!((&set["name"], &set["agentId"]), (&json!("child"), &json!(id)));
    assert_eq!(reaches(&home, &["call", "child", "echo x"]).ok().out, "echo x\n");
    assert_eq!(home.run(&["pin", "remove", "child", "--json"]).ok().json()["name"], "child");
    assert_eq!(home.run(&["pin", "list"]).ok().out, "");
}

#[test]
fn secrets_come_from_stdin_and_are_never_shown() {
    let home = Home::new();
    let canary = "canary-7f3a of two words ";
    let target = "https://agents.example";
    let mut said = String::new();
    let mut keep = |ran: Ran| {
        said.push_str(&ran.out);
        said.push_str(&ran.err);
        ran
    };
    let set = ["secret", "set", target, "--scheme", "bearer", "--json"];
    let mut command = home.command(&set);
    let made =
        keep(run(command.env("HUBLESS_LOG", "trace"), format!("{canary}\n").as_bytes()).ok());
    assert_eq!(made.json()["scheme"], "bearer");
    let listed = keep(home.run(&["secret", "list", "--json"]).ok()).json();
    assert_eq!((&listed["target"], fields(&listed)), (&json!(target), vec!["schema", "target"]));
    for arguments in
        [&["doctor"][..], &["status", "--json"], &["config", "show"], &["secret", "list"]]
    {
        keep(run(home.command(arguments).env("HUBLESS_LOG", "trace"), b""));
    }
    assert!(said.contains(target));
    assert!(!said.contains("canary-7f3a"), "{said}");
    // Positive control: it is kept as it came, without its line end, for this user alone.
    let file = home.path().join("data/secrets.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["entries"][target]["secret"], canary);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let long = "x".repeat(hubless_proto::limits::SECRET_BYTES + 1);
    for bad in ["", "\n", long.as_str()] {
        let ran = home.feed(&["secret", "set", target, "--json"], bad.as_bytes());
        assert_eq!(ran.error()["field"], "secret");
    }
    assert_eq!(home.run(&["secret", "remove", target, "--json"]).ok().json()["target"], target);
    assert_eq!(home.run(&["secret", "list", "--json"]).ok().out, "");
}

/// How bytes may look in a log.
fn forms(bytes: &[u8]) -> Vec<String> {
    use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
    let list = format!("{bytes:?}");
    let mut forms = vec![HEXLOWER.encode(bytes), HEXUPPER.encode(bytes)];
    forms.push(list.trim_matches(['[', ']']).to_owned());
    forms.push(bytes.escape_ascii().to_string());
    // Behind other bytes it may begin at any place of a group of three.
    for groups in (0..3).map(|skipped| bytes[skipped..].as_chunks::<3>().0.as_flattened()) {
        forms.extend([BASE64.encode(groups), BASE64URL.encode(groups)]);
    }
    forms
}

/// The keys and tokens in the data folder of a home, by their files.
fn kept_secrets(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![home.path().join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_secret = path.extension().is_some_and(|end| end == "key")
                || path.file_name().is_some_and(|name| name == "token");
            if path.is_dir() {
                folders.push(path);
            } else if is_secret {
                let bytes = std::fs::read(&path).unwrap();
                // Of a key its seed, of a token what no other has: its beginning is public.
                found.push((path, bytes[bytes.len() - 32..].to_vec()));
            }
        }
    }
    found
}

/// The invite in a ticket, or the token and the seed of one that admits without a minter.
fn secrets_in(ticket: &str) -> Vec<Vec<u8>> {
    use data_encoding::BASE64URL_NOPAD as BASE64;
    let body = ticket.trim().strip_prefix("hubless-ticket-1:").unwrap();
    let form: Value = serde_json::from_slice(&BASE64.decode(body.as_bytes()).unwrap()).unwrap();
    let texts = [&form["invite"], &form["bearer"]["token"], &form["bearer"]["key"]];
    let texts = texts.into_iter().filter_map(Value::as_str);
    texts.map(|text| BASE64.decode(text.as_bytes()).unwrap()).collect()
}

#[test]
fn nothing_that_is_said_in_confidence_is_logged_at_the_loudest() {
    const PROMPT: &str = "canary-prompt-4712";
    let (host, guest, later) = (Home::new(), Home::new(), Home::new());
    let mut log = String::new();
    let mut loud = |home: &Home, arguments: &[&str], input: &str| {
        let mut command = home.command(arguments);
        let ran = run(command.env("HUBLESS_LOG", "trace"), input.as_bytes());
        log.push_str(&ran.err);
        ran
    };
    let mut command = host.serve_command(&["--name", "child", "--identity", "worker"], &[]);
    command.env("HUBLESS_LOG", "trace");
    let served = Serve::start(command, &host);
    let ticket = eventually("a minter", || {
        let made = loud(&host, &["invite", "--local", "--json"], "");
        (made.code == Some(0)).then(|| made.json()["ticket"].as_str().unwrap().to_owned())
    });
    loud(&guest, &["join", "-", "--json"], &ticket).ok();
    let bearer = loud(&host, &["invite", "--bearer"], "").ok().out;
    loud(&later, &["join", "-", "--json"], &bearer).ok();
    for home in [&host, &guest] {
        let words = format!("echo {PROMPT}");
        let said = eventually("the agent", || {
            let ran = loud(home, &["call", "child", &words], "");
            (ran.code != Some(3)).then_some(ran)
        });
        assert_eq!(said.ok().out.trim_end(), words);
    }
    log.push_str(&served.log());
    // The control: all of them talk, down to packets.
    for crate_name in ["hubless::mesh", "iroh::", "noq_proto::"] {
        assert!(log.lines().any(|line| line.contains(crate_name)), "{crate_name} says nothing");
    }
    assert!(log.lines().any(|line| line.contains(" TRACE ")));
    let kept: Vec<_> = [&host, &guest, &later].into_iter().flat_map(kept_secrets).collect();
    for name in ["root.key", "worker.key", "member.key", "token"] {
        let found = kept.iter().any(|(path, _)| path.ends_with(name));
        assert!(found, "{name} is among {kept:?}");
    }
    let carried = [&ticket, &bearer].into_iter().flat_map(|text| secrets_in(text));
    let carried = carried.map(|bytes| (PathBuf::from("a ticket"), bytes));
    for (place, bytes) in kept.into_iter().chain(carried) {
        for form in forms(&bytes) {
            assert!(!log.contains(&form), "{} was logged: {form}", place.display());
        }
    }
    for text in [PROMPT, ticket.trim(), bearer.trim()] {
        assert!(!log.contains(text), "{text} was logged");
    }
}

#[test]
fn a_ticket_admits_another_data_folder() {
    let (host, guest) = (Home::new(), Home::new());
    let _served = host.serve(&["--name", "child"], &[]);
    let mut ticket = String::new();
    eventually("a minter", || {
        let made = host.run(&["invite", "--local", "--json"]);
        (made.code == Some(0))
            .then(|| made.json()["ticket"].as_str().unwrap().clone_into(&mut ticket))
    });
    let joined = guest.feed(&["join", "-", "--json"], ticket.as_bytes()).ok().json();
    let mesh = host.run(&["status", "--json"]).ok().json()["meshId"].clone();
    assert_eq!((&joined["schema"], &joined["meshId"]), (&json!("hubless.joined/1"), &mesh));
    let answer = reaches(&guest, &["call", "child", "echo from afar"]).ok().out;
    assert_eq!(answer, "echo from afar\n");
    // A ticket is for one use; the flag leads back to the own mesh.
    let again = Home::new().feed(&["join", "-", "--json"], ticket.as_bytes());
    assert_eq!((again.code, &again.error()["kind"]), (Some(4), &json!("denied")));
    let back = guest.run(&["status", "--json", "--mesh", "own"]).ok().json();
    assert_eq!(back["agents"], json!([]));
    assert_ne!(back["meshId"], mesh);
}

#[test]
fn a_bearer_ticket_admits_while_no_node_runs_and_says_that_nobody_counts() {
    let host = Home::new();
    let made = host.run(&["invite", "--bearer"]).ok();
    assert!(made.err.contains("nobody counts"), "{}", made.err);
    assert!(made.err.contains("names no node"), "{}", made.err);
    let plain = host.run(&["invite", "--local", "--json"]);
    assert_eq!(plain.error()["code"], "no_minter", "a ticket of the other kind needs a node");
    let mesh = host.run(&["status", "--json"]).ok().json()["meshId"].clone();
    for guest in [Home::new(), Home::new()] {
        let joined = guest.feed(&["join", "-", "--json"], made.out.as_bytes()).ok().json();
        assert_eq!(joined["meshId"], mesh);
        assert_eq!(guest.run(&["status", "--json"]).ok().json()["meshId"], mesh);
    }
    for flags in [["--uses", "2"], ["--ttl", "601"]] {
        let refused = host.run(&[&["invite", "--bearer", "--json"], &flags[..]].concat());
        assert_eq!((refused.code, &refused.error()["kind"]), (Some(2), &json!("invalid_argument")));
    }
}

#[test]
fn a_revoked_member_is_put_out_of_the_mesh_and_named_by_the_list() {
    let (host, guest) = (Home::new(), Home::new());
    let _served = host.serve(&["--name", "child"], &[]);
    let ticket = eventually("a minter", || {
        let made = host.run(&["invite", "--local", "--json"]);
        (made.code == Some(0)).then(|| made.json()["ticket"].as_str().unwrap().to_owned())
    });
    guest.feed(&["join", "-"], ticket.as_bytes()).ok();
    let answer = reaches(&guest, &["call", "child", "echo before"]).ok().out;
    assert_eq!(answer, "echo before\n");
    // The log of the folder names the member key of whoever used the ticket.
    let rows = host.run(&["audit", "show", "--kind", "invite_redeemed", "--json"]).ok().lines();
    let member = rows[0]["name"].as_str().unwrap();
    let denied = guest.run(&["trust", "revoke", member, "--json"]);
    assert_eq!((denied.code, &denied.error()["code"]), (Some(4), &json!("not_operator")));
    assert!(host.run(&["trust", "list"]).ok().err.contains("no key is revoked"));
    let done = host.run(&["trust", "revoke", member, "--json"]).ok().json();
    assert_eq!((&done["revoked"], &done["told"]), (&json!([member]), &json!(1)));
    let list = host.run(&["trust", "list", "--json"]).ok().lines();
    assert_eq!((list.len(), &list[0]["key"]), (1, &json!(member)));
    let rows = host.run(&["audit", "show", "--kind", "key_revoked", "--json"]).ok().lines();
    assert_eq!((rows.len(), &rows[0]["name"]), (1, &json!(member)));
    // Nothing of the mesh is seen from there any more, and its owner goes on.
    let after = guest.run(&["call", "child", "echo after", "--json"]);
    assert_ne!(after.code, Some(0), "{}", after.out);
    assert_eq!(host.run(&["call", "child", "echo after"]).ok().out, "echo after\n");
    assert_eq!(host.run(&["trust", "revoke", "nobody"]).code, Some(2));
    // Of a node that nobody knows the member is not revoked, which is said.
    let lost = host.run(&["trust", "revoke", &"07".repeat(32)]).ok();
    assert!(lost.err.contains("no node 0707"), "{}", lost.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_an_invite_are_those_of_who_joins() {
    let host = Home::new();
    let node = host.node().await;
    let who = hubless::handler(|call: hubless::Call, _| async move {
        let caller = call.caller();
        Ok(hubless::Content::value(json!({"role": caller.role, "groups": caller.groups})))
    });
    let named = json!({"name": "who"});
    node.register(hubless::AgentOptions::read(named).unwrap(), who).await.unwrap();
    let flags = ["--role", "helper", "--group", "a", "--group", "b", "--ttl", "600", "--uses", "2"];
    let made = host.run(&[&["invite", "--local", "--json"], &flags[..]].concat()).ok().json();
    let ticket = made["ticket"].as_str().unwrap();
    // Given by hand or on stdin, and as often as it says.
    let guests = [Home::new(), Home::new(), Home::new()];
    guests[0].run(&["join", ticket]).ok();
    guests[1].feed(&["join", "-"], ticket.as_bytes()).ok();
    for guest in &guests[..2] {
        let said = reaches(guest, &["call", "who", "?", "--json"]).ok().json();
        assert_eq!(said["value"], json!({"role": "helper", "groups": ["a", "b"]}));
    }
    let third = guests[2].run(&["join", ticket, "--json"]);
    assert_eq!((third.code, &third.error()["kind"]), (Some(4), &json!("denied")));
    // Without flags: a member of no group, once.
    let plain = host.run(&["invite", "--local", "--json"]).ok().json();
    let ticket = plain["ticket"].as_str().unwrap();
    guests[2].run(&["join", ticket]).ok();
    let said = reaches(&guests[2], &["call", "who", "?", "--json"]).ok().json();
    assert_eq!(said["value"], json!({"role": "member", "groups": []}));
    assert_eq!(Home::new().run(&["join", ticket]).code, Some(4));
}

#[test]
fn a_skill_and_a_number_of_answers_are_what_was_asked_for() {
    let home = Home::new();
    let skills = home.path().join("skills.json");
    std::fs::write(&skills, r#"[{"id": "one"}, {"id": "two"}]"#).unwrap();
    let skills = skills.to_str().unwrap();
    let served: Vec<_> = ["a", "b"]
        .map(|name| home.serve(&["--name", name, "--skill-file", skills], &[]))
        .into_iter()
        .collect();
    assert_eq!(served.len(), 2);
    let seen = reaches(&home, &["call", "a", "request", "--skill", "two", "--json"]).ok().json();
    assert_eq!(seen["value"]["skill"], "two");
    let unknown = eventually("the refusal of the agent", || {
        let ran = home.run(&["call", "a", "request", "--skill", "three", "--json"]);
        (ran.error()["code"] == "skill").then_some(ran)
    });
    assert_eq!(unknown.code, Some(3));
    for (limit, found) in [("1", 1), ("2", 2)] {
        let all = ["find", "--skill", "two", "--limit", limit, "--wait", "10000", "--json"];
        eventually("both agents", || (home.run(&all).ok().lines().len() == found).then_some(()));
    }
}

#[test]
fn doctor_finds_faults_and_names_the_fix() {
    let home = Home::new();
    let state = |lines: &[Value], check: &str| {
        let line = lines.iter().find(|line| line["check"] == check).unwrap();
        line["state"].as_str().unwrap().to_owned()
    };
    let lines = home.run(&["doctor", "--json"]).ok().lines();
    for check in ["folders", "keys", "watches", "ports", "node", "records"] {
        assert_eq!(state(&lines, check), "ok", "{check}");
    }
    assert_eq!(state(&lines, "peers"), "warn");
    // It stays, so that what follows finds a peer at once.
    let _served = home.serve(&["--name", "child"], &[]);
    eventually("a peer", || {
        let lines = home.run(&["doctor", "--json"]).ok().lines();
        (state(&lines, "peers") == "ok").then_some(())
    });

    std::fs::write(home.path().join("run/records/strange"), "x").unwrap();
    let lines = home.run(&["doctor", "--json"]).ok().lines();
    assert_eq!(state(&lines, "records"), "warn");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(home.command(&["doctor", "--json"]).env("HUBLESS_PORT", &port), b"").ok();
    assert_eq!(state(&ran.lines(), "ports"), "warn");
    let ran = run(home.command(&["doctor", "--json"]).env("HUBLESS_LISTEN", "nowhere"), b"");
    assert_eq!((ran.code, state(&ran.lines(), "ports").as_str()), (Some(1), "fail"));
    // A node that does not start is told, with what it says.
    let ran = run(home.command(&["doctor", "--json"]).env("HUBLESS_REFUND", "provider"), b"");
    let lines = ran.lines();
    assert_eq!((ran.code, state(&lines, "node").as_str()), (Some(1), "fail"));
    let node = lines.iter().find(|line| line["check"] == "node").unwrap();
    assert!(node["detail"].as_str().unwrap().contains("HUBLESS_GATEWAY_SIGNER"), "{node}");
    assert!(lines.iter().all(|line| line["check"] != "peers"), "nobody looked");

    use std::os::unix::fs::PermissionsExt;
    let key = home.path().join("data/own/root.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = home.run(&["doctor", "--json"]);
    let lines = ran.lines();
    assert_eq!((ran.code, state(&lines, "keys").as_str()), (Some(1), "fail"));
    let keys = lines.iter().find(|line| line["check"] == "keys").unwrap();
    assert!(keys["detail"].as_str().unwrap().contains("root.key"));
    assert!(keys["fix"].as_str().unwrap().contains("chmod 600"));
    let prose = home.run(&["doctor"]);
    assert!(
        prose.out.contains("FAIL  keys") && prose.out.contains("fix: chmod 600"),
        "{}",
        prose.out
    );
}

/// Files and folders below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn doctor_names_whatever_of_the_data_folder_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let (host, home) = (Home::new(), Home::new());
    // One of each kind: keys, a token of another mesh, pins, secrets, logs, the store of a node.
    let ticket = host.run(&["invite", "--bearer"]).ok().out;
    home.feed(&["join", "-"], ticket.as_bytes()).ok();
    home.run(&["id", "new", "worker"]).ok();
    home.run(&["id", "token", "--fact", "team=finance"]).ok();
    home.feed(&["secret", "set", "https://agents.example"], b"word").ok();
    let served = home.serve(&["--name", "child", "--node", "front"], &[]);
    home.run(&["pin", "set", "child", served.serving["agentId"].as_str().unwrap()]).ok();
    drop(served);
    let keys = || {
        let lines = home.run(&["doctor", "--json"]).lines();
        lines.into_iter().find(|line| line["check"] == "keys").unwrap()
    };
    assert_eq!(keys()["state"], "ok", "{}", keys());
    let kept = below(&home.path().join("data"));
    for ending in ["root.key", "token", "worker.key", "front.key", "front.db", "pins.json"] {
        assert!(kept.iter().any(|path| path.ends_with(ending)), "{ending}: {kept:?}");
    }
    // Folders that a home always has are closed when it is opened.
    let own = |path: &&PathBuf| path.is_file() || path.parent().unwrap().ends_with("meshes");
    let opened: Vec<_> = kept.iter().filter(own).collect();
    let modes = opened.iter().map(|path| std::fs::metadata(path).unwrap().permissions());
    let modes: Vec<_> = modes.collect();
    for path in &opened {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let said = keys();
    let detail: Vec<_> = said["detail"].as_str().unwrap().split([' ', ',']).collect();
    assert_eq!(said["state"], "fail");
    let named = |path: &&PathBuf| detail.contains(&path.to_str().unwrap());
    let unnamed: Vec<_> = opened.iter().filter(|path| !named(path)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?} are open and not named");
    for (path, mode) in opened.iter().zip(modes) {
        std::fs::set_permissions(path, mode).unwrap();
    }
    assert_eq!(keys()["state"], "ok", "{}", keys());
}

#[test]
fn completions_and_manual_pages_are_made_of_the_same_table() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).ok().out;
        for word in ["doctor", "serve", "concurrency", "skill-file", "listen"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let json = home.run(&["completions", shell, "--json"]).ok().json();
        assert_eq!(json["script"], script);
    }
    // What bash makes of it; the others need their shells.
    let script = home.path().join("hubless.bash");
    std::fs::write(&script, home.run(&["completions", "bash"]).ok().out).unwrap();
    let ask = format!(
        "source {}; COMP_WORDS=(hubless pin ''); COMP_CWORD=2; _hubless hubless '' pin; \
         echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let output = std::process::Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    for word in ["list", "set", "remove", "--home"] {
        assert!(words.split_whitespace().any(|one| one == word), "{word}: {words}");
    }
    let page = home.run(&["man", "call"]).ok().out;
    assert!(page.contains(".TH") && page.contains("\\-\\-stream"), "{page}");
    assert!(home.run(&["man"]).ok().out.contains("HUBLESS_HOME"));
}

#[test]
fn help_names_every_verb_and_no_colour_leaks_into_a_pipe() {
    let help = run(&mut bare(&["--help"]), b"").ok().out;
    for verb in [
        "status",
        "find",
        "call",
        "serve",
        "trace",
        "invite",
        "join",
        "id",
        "pin",
        "secret",
        "config",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {verb}")), "{verb}: {help}");
        let own = run(&mut bare(&[verb, "--help"]), b"").ok().out;
        assert!(own.contains("Usage: hubless"), "{verb}: {own}");
    }
    for words in ["HUBLESS_HOME", "124 time-out", "NO_COLOR", "--json"] {
        assert!(help.contains(words), "{words}");
    }
    let home = Home::new();
    let logged = run(home.command(&["status"]).env("HUBLESS_LOG", "debug"), b"").ok();
    assert!(logged.err.contains("node started"));
    assert!(!logged.err.contains('\x1b') && !help.contains('\x1b'));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure_and_a_full_disk_is_one() {
    let home = Home::new();
    for arguments in [&["completions", "bash"][..], &["config", "show"], &["doctor", "--json"]] {
        let mut command = home.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{arguments:?}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = home.command(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to stdout"));
    }
}

#[test]
fn an_interrupted_call_is_given_up() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let mut child = eventually("the call", || {
        let mut command = home.command(&["call", "child", "hold", "--stream", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let first = child.stdout.as_mut().unwrap().read_exact(&mut [0; 10]);
        if first.is_ok() {
            return Some(child);
        }
        assert_eq!(child.wait().unwrap().code(), Some(3), "it did not find the agent");
        None
    });
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = reaches(&home, &["call", "child", "given-up", "--json"]).ok().json();
    assert_eq!(told["value"], json!(["cancelled"]));
}

#[test]
fn a_home_that_cannot_be_written_is_said_and_not_hidden() {
    // Not even root makes folders there.
    let at = ["--home", "/sys/hubless-test", "--json"];
    let status = run(&mut bare(&[&["status"], &at[..]].concat()), b"").ok();
    assert_eq!(status.json()["home"], Value::Null);
    assert_eq!(status.err.matches("keys live in memory only").count(), 1, "{}", status.err);
    // What is to be kept cannot be.
    let pins = run(&mut bare(&[&["pin", "list"], &at[..]].concat()), b"");
    assert_eq!((pins.code, &pins.error()["kind"]), (Some(1), &json!("configuration")));
    let doctor = run(&mut bare(&[&["doctor"], &at[..]].concat()), b"");
    let folders = doctor.lines().into_iter().find(|line| line["check"] == "folders").unwrap();
    assert_eq!((doctor.code, &folders["state"]), (Some(1), &json!("fail")));
    assert!(folders["fix"].as_str().unwrap().contains("HUBLESS_HOME"));
    let home = Home::new();
    assert!(!home.run(&["find", "x", "--wait", "1"]).err.contains("in memory only"));
}
