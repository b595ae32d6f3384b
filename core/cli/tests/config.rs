//! Where settings come from, and what a wrong one is told.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use support::{Home, Ran, bare, run};

fn setting(ran: &Ran, name: &str) -> (Value, Value) {
    let lines = ran.lines();
    let line = lines.iter().find(|line| line["name"] == name).unwrap();
    assert_eq!(line["schema"], "hubless.setting/1");
    (line["value"].clone(), line["from"].clone())
}

fn file(home: &Home, text: &str) -> String {
    let path = home.path().join("hubless.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flags_come_before_variables_before_the_file_before_defaults() {
    let home = Home::new();
    let text = "# mine\nlisten = [\"127.0.0.1\", \"::1\"]\nlog = \"warn\"\n";
    let path = file(&home, &format!("{text}zones = [\"eu\", \"on-prem\"]\n"));
    let show = ["config", "show", "--json"];
    let ran = run(&mut home.command(&show), b"").ok();
    assert_eq!(setting(&ran, "listen"), (json!("127.0.0.1,::1"), json!(format!("{path}:2"))));
    assert_eq!(setting(&ran, "log"), (json!("warn"), json!(format!("{path}:3"))));
    assert_eq!(setting(&ran, "port"), (Value::Null, json!("default")));
    assert_eq!(setting(&ran, "zones"), (json!("eu,on-prem"), json!(format!("{path}:4"))));
    let own = json!(home.path().to_str().unwrap());
    assert_eq!(setting(&ran, "home"), (own, json!("HUBLESS_HOME")));
    let ran = run(home.command(&show).env("HUBLESS_LISTEN", "all"), b"").ok();
    assert_eq!(setting(&ran, "listen"), (json!("all"), json!("HUBLESS_LISTEN")));
    // An empty variable is none.
    let ran = run(home.command(&show).env("HUBLESS_LISTEN", ""), b"").ok();
    assert_eq!(setting(&ran, "listen").1, json!(format!("{path}:2")));
    let flags = [&show[..], &["--listen", "loopback"]].concat();
    let ran = run(home.command(&flags).env("HUBLESS_LISTEN", "all"), b"").ok();
    assert_eq!(setting(&ran, "listen"), (json!("loopback"), json!("--listen")));
    let ran = run(&mut Home::new().command(&show), b"").ok();
    assert_eq!(setting(&ran, "listen"), (json!("loopback"), json!("default")));
    let prose = home.run(&["config", "show"]).ok().out;
    assert!(prose.contains(&format!("{path}:2")) && prose.contains("(unset)"), "{prose}");
}

#[test]
fn each_setting_comes_from_the_variable_before_the_file() {
    let home = Home::new();
    let text = "mesh = \"own\"\nlisten = \"127.0.0.1\"\nport = 1\nzones = \"eu\"\n\
                log = \"warn\"\ngateway = \"http://127.0.0.1:1\"\nlan = true\n\
                relays = \"https://a.example\"\n";
    let path = file(&home, text);
    let mesh = "00".repeat(32);
    let show = ["config", "show", "--json"];
    for (line, (name, in_file, variable, value)) in [
        ("mesh", "own", "HUBLESS_MESH", mesh.as_str()),
        ("listen", "127.0.0.1", "HUBLESS_LISTEN", "all"),
        ("port", "1", "HUBLESS_PORT", "2"),
        ("zones", "eu", "HUBLESS_ZONES", "us,on-prem"),
        ("log", "warn", "HUBLESS_LOG", "error"),
        ("gateway", "http://127.0.0.1:1", "HUBLESS_GATEWAY", "http://127.0.0.1:2"),
        ("lan", "true", "HUBLESS_LAN", "0"),
        ("relays", "https://a.example", "HUBLESS_RELAYS", "https://b.example,https://c.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let ran = run(&mut home.command(&show), b"").ok();
        let place = json!(format!("{path}:{}", line + 1));
        assert_eq!(setting(&ran, name), (json!(in_file), place), "{name}");
        let ran = run(home.command(&show).env(variable, value), b"").ok();
        assert_eq!(setting(&ran, name), (json!(value), json!(variable)), "{name}");
    }
}

#[test]
fn what_the_nodes_of_the_command_follow_is_shown_and_no_secret_of_it() {
    let home = Home::new();
    let show = ["config", "show", "--json"];
    let ran = run(&mut home.command(&show), b"").ok();
    let unset = (Value::Null, json!("default"));
    for name in ["gatewayKey", "gatewaySigner", "trace"] {
        assert_eq!(setting(&ran, name), unset, "{name}");
    }
    let refund = json!("member=signed,external=never");
    assert_eq!(setting(&ran, "refund"), (refund, json!("default")));
    assert_eq!(setting(&ran, "workers"), (json!("2"), json!("default")));
    let url = "https://user:canary@collector.example/v1/traces";
    let variables = [
        ("gatewayKey", "HUBLESS_GATEWAY_KEY", "canary", "(hidden)"),
        ("gatewaySigner", "HUBLESS_GATEWAY_SIGNER", "public", "public"),
        ("refund", "HUBLESS_REFUND", "never", "never"),
        ("workers", "HUBLESS_WORKERS", "3", "3"),
        ("trace", "HUBLESS_TRACE", url, "https://(hidden)@collector.example/v1/traces"),
    ];
    let with = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.envs(variables.map(|(_, name, value, _)| (name, value)));
        run(&mut command, b"").ok()
    };
    let ran = with(&show);
    for (name, variable, _, shown) in variables {
        assert_eq!(setting(&ran, name), (json!(shown), json!(variable)), "{name}");
    }
    let prose = with(&["config", "show"]).out;
    assert!(prose.contains("HUBLESS_GATEWAY_KEY"), "{prose}");
    assert!(!prose.contains("canary") && !ran.out.contains("canary"), "{prose}{}", ran.out);
}

#[test]
fn the_folders_in_use_are_shown_wherever_they_come_from() {
    let home = Home::new();
    let show = ["config", "show", "--json"];
    let ran = run(&mut home.command(&show), b"").ok();
    for (name, folder) in [("data", "data"), ("runtime", "run")] {
        let path = json!(home.path().join(folder).to_str().unwrap());
        assert_eq!(setting(&ran, name), (path, json!("HUBLESS_HOME")));
    }
    let mut nowhere = bare(&show);
    nowhere.env("XDG_DATA_HOME", home.path()).env("XDG_RUNTIME_DIR", home.path());
    let ran = run(&mut nowhere, b"").ok();
    assert_eq!(setting(&ran, "home"), (Value::Null, json!("default")));
    let path = json!(home.path().join("hubless").to_str().unwrap());
    for name in ["data", "runtime"] {
        assert_eq!(setting(&ran, name), (path.clone(), json!("default")));
    }
    // Shown, and not made.
    assert!(!home.path().join("hubless").exists());
}

#[test]
fn a_wrong_value_is_traced_to_its_place() {
    let home = Home::new();
    let path = home.path().join("hubless.toml").to_str().unwrap().to_owned();
    for (text, line, what) in [
        ("mesh = \"own\"\nprot = 3\n", 2, "unknown field `prot`"),
        ("\n\nport = \"many\"\n", 3, "invalid type"),
        ("port = 70000\n", 1, "invalid value"),
        ("# one\nlisten = \n", 2, ""),
        ("listen = \"nowhere\"\n", 1, "expected loopback, all or IP addresses, got \"nowhere\""),
        ("\nmesh = \"mine\"\n", 2, "expected the id of a mesh, or own, got \"mine\""),
        ("\nlog = \"a=b=c\"\n", 2, "expected off, error"),
    ] {
        file(&home, text);
        let ran = home.run(&["status", "--json"]);
        let message = ran.error()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{path}:{line}: ")), "{text:?}: {message}");
        assert!(message.contains(what), "{text:?}: {message}");
        assert!(matches!(ran.code, Some(1 | 2)), "{:?}", ran.code);
    }
    file(&home, "");
    let told =
        |command: &mut Command| run(command, b"").error()["message"].as_str().unwrap().to_owned();
    let variable = told(home.command(&["status", "--json"]).env("HUBLESS_LISTEN", "x"));
    assert!(variable.starts_with("HUBLESS_LISTEN: "), "{variable}");
    let flag = told(&mut home.command(&["status", "--json", "--mesh", "x"]));
    assert!(flag.starts_with("--mesh: "), "{flag}");
    let missing = home.run(&["status", "--config", "/no/such/file.toml", "--json"]);
    assert_eq!((missing.code, &missing.error()["code"]), (Some(1), &json!("bad_file")));
}

#[test]
fn the_file_is_where_it_is_said_to_be_and_never_in_the_working_folder() {
    let (home, work) = (Home::new(), Home::new());
    file(&work, "listen = \"all\"\n");
    let show = ["config", "show", "--json"];
    let inside = |command: &mut Command| {
        let command = command.current_dir(work.path());
        setting(&run(command, b"").ok(), "listen").0
    };
    assert_eq!(inside(&mut home.command(&show)), "loopback");
    // An empty HUBLESS_HOME names nothing, above all not the working folder.
    let config = Path::new(work.path()).join("xdg");
    let mut nowhere = bare(&show);
    nowhere.env("HUBLESS_HOME", "").env("XDG_CONFIG_HOME", &config);
    assert_eq!(inside(&mut nowhere), "loopback");
    std::fs::create_dir_all(config.join("hubless")).unwrap();
    std::fs::write(config.join("hubless/hubless.toml"), "listen = \"127.0.0.2\"\n").unwrap();
    assert_eq!(inside(&mut nowhere), "127.0.0.2");
    let named = work.path().join("hubless.toml");
    let named = [&show[..], &["--config", named.to_str().unwrap()]].concat();
    assert_eq!(inside(&mut home.command(&named)), "all");
}

#[test]
fn a_home_in_the_file_is_beside_the_file() {
    let folder = Home::new();
    let path = file(&folder, "home = \"mine\"\n");
    let ran = run(&mut bare(&["status", "--json", "--config", &path]), b"").ok();
    let data = folder.path().join("mine/data");
    assert_eq!(ran.json()["home"], json!(data.to_str().unwrap()));
    // The flag moves it.
    let other = Home::new();
    let flag = other.path().to_str().unwrap();
    let ran = run(&mut bare(&["status", "--json", "--config", &path, "--home", flag]), b"").ok();
    assert_eq!(ran.json()["home"], json!(other.path().join("data").to_str().unwrap()));
}

#[test]
fn a_fixed_port_is_for_the_one_that_stays() {
    let home = Home::new();
    // Below the ports that the system hands out, so that no other test takes it meanwhile.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| std::net::UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    let port = (first..first + 100).find(free).unwrap();
    file(&home, &format!("port = {port}\n"));
    let served = home.serve(&["--name", "child"], &[]);
    assert!(std::net::UdpSocket::bind(("127.0.0.1", port)).is_err(), "serve holds it");
    // With the same file, beside it.
    assert_eq!(home.run(&["call", "child", "echo x"]).ok().out, "echo x\n");
    drop(served);
}
