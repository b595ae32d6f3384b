//! `relay serve`, and what uses it.
#![cfg(feature = "relay-server")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use rustix::process::Signal;
use serde_json::json;
use support::{Home, Serve, eventually, run};

fn serve(home: &Home, flags: &[&str]) -> Serve {
    let verb = ["relay", "serve", "--json", "--listen", "127.0.0.1:0"];
    Serve::start(home.command(&[&verb[..], flags].concat()), home)
}

#[test]
fn a_relay_says_where_it_is_lets_members_in_and_ends_on_a_signal() {
    let home = Home::new();
    let mut relay = serve(&home, &["--node", "hall"]);
    let said = relay.serving.clone();
    assert_eq!(said["schema"], "hubless.relay/1");
    let url = said["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");

    let told = |home: &Home| {
        let mut status = home.command(&["status", "--json"]);
        run(status.env("HUBLESS_RELAYS", &url), b"").ok().json()
    };
    assert_eq!(told(&home)["relays"], json!([url]));
    let rows = |kind: &str| {
        let show = ["audit", "show", "--json", "--log", "node:hall", "--kind", kind];
        home.run(&show).ok().lines()
    };
    eventually("who was let in", || {
        // A command may end before it came to its relay.
        told(&home);
        (!rows("relay_accepted").is_empty()).then_some(())
    });
    assert_eq!(rows("relay_accepted")[0]["reason"], "owner");
    assert!(rows("relay_refused").is_empty());
    let stranger = Home::new();
    eventually("who was not", || {
        told(&stranger);
        (!rows("relay_refused").is_empty()).then_some(())
    });
    assert_eq!(rows("relay_refused")[0]["reason"], "auth/bad_signature");

    relay.signal(Signal::TERM);
    assert_eq!(relay.ended().code(), Some(0), "{}", relay.log());
}

#[test]
fn what_a_relay_cannot_use_is_named_with_its_flag() {
    let home = Home::new();
    let relay = serve(&home, &[]);
    let taken = relay.serving["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let folder = home.path().join("none.pem");
    let file = folder.to_str().unwrap();
    for (flags, code, field) in [
        (&["--listen", taken.as_str()][..], 1, "listen"),
        (&["--listen", "nowhere"][..], 2, "listen"),
        (&["--rate", "1"][..], 2, "rate"),
        (&["--connections", "0"][..], 2, "connections"),
        (&["--host", "a b"][..], 2, "host"),
        (&["--listen", "0.0.0.0:0"][..], 2, "host"),
        (&["--url", "relay.example"][..], 2, "url"),
        (&["--url", "https://relay.example", "--host", "relay.example"][..], 2, "url"),
        (&["--tls-cert", file, "--tls-key", file][..], 1, ""),
    ] {
        let ran = home.run(&[&["relay", "serve", "--json"][..], flags].concat());
        let error = ran.error();
        assert_eq!(ran.code, Some(code), "{flags:?}: {error}");
        assert_eq!(error["field"].as_str().unwrap_or_default(), field, "{flags:?}: {error}");
    }
    let alone = home.run(&["relay", "serve", "--json", "--tls-cert", file]);
    assert_eq!((alone.code, &alone.error()["code"]), (Some(2), &json!("usage")));
}

#[test]
fn a_relay_behind_a_proxy_says_the_url_of_the_proxy() {
    let home = Home::new();
    let every = ["relay", "serve", "--json", "--listen", "0.0.0.0:0"];
    for (flags, url) in [
        (&["--url", "https://relay.example"][..], "https://relay.example"),
        (&["--host", "relay.example"][..], "http://relay.example:"),
    ] {
        let relay = Serve::start(home.command(&[&every[..], flags].concat()), &home);
        let said = relay.serving["url"].as_str().unwrap();
        assert!(said.starts_with(url), "{said}");
        assert_eq!(said == url, flags[0] == "--url", "{said}");
    }
}

#[test]
fn relays_come_from_the_file_and_errors_point_at_it() {
    let home = Home::new();
    let path = home.path().join("hubless.toml");
    std::fs::write(&path, "relays = [\"http://127.0.0.1:9\"]\nrelay_ca = \"ca.pem\"\n").unwrap();
    let shown = home.run(&["config", "show", "--json"]).ok().lines();
    let value = |name: &str| {
        let setting = shown.iter().find(|setting| setting["name"] == name).unwrap();
        setting["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("relays"), "http://127.0.0.1:9");
    assert_eq!(value("relay_ca"), home.path().join("ca.pem").to_str().unwrap());
    std::fs::write(&path, "relays = \"ftp://relay.example\"\n").unwrap();
    let message = home.run(&["status", "--json"]).error()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("{}:1: ", path.display())), "{message}");
}
