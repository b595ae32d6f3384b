//! `id export` and `id import`: an identity that moves from one data folder to another.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use support::Home;

const PASSPHRASE: &[u8] = b"correct horse\n";

#[test]
fn an_identity_moves_by_a_file_and_its_passphrase() {
    let (old, new) = (Home::new(), Home::new());
    let made = old.run(&["id", "new", "weather", "--json"]).ok().json();
    let file = old.path().join("weather.pem");
    let file = file.to_str().unwrap();
    let export = ["id", "export", "weather", "--out", file, "--json"];
    let said = old.feed(&export, PASSPHRASE).ok().json();
    assert_eq!((&said["agentId"], &said["text"]), (&made["agentId"], &Value::Null));
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = old.feed(&export, PASSPHRASE);
    assert_eq!(again.error()["code"], "name_taken", "nothing is written over");

    let import = ["id", "import", "elsewhere", "--file", file, "--json"];
    assert_eq!(new.feed(&import, b"wrong horse").error()["code"], "bad_passphrase");
    assert_eq!(new.run(&["id", "show"]).ok().out, "", "a wrong passphrase leaves nothing");
    let taken = new.feed(&import, PASSPHRASE).ok().json();
    assert_eq!((&taken["name"], &taken["agentId"]), (&json!("elsewhere"), &made["agentId"]));
    assert_eq!(new.feed(&import, PASSPHRASE).error()["code"], "name_taken");
    let shown = new.run(&["id", "show", "elsewhere", "--json"]).ok().json();
    assert_eq!(shown["agentId"], made["agentId"]);

    // Who looks at the folders later sees that the key left one and came to the other.
    for (home, kind) in [(&old, "key_exported"), (&new, "key_imported")] {
        let rows = home.run(&["audit", "show", "--kind", kind, "--json"]).ok().lines();
        assert_eq!(rows.len(), 1, "{kind}: {rows:?}");
        assert_eq!(rows[0]["agent"], made["agentId"], "{kind}");
    }
}

#[test]
fn the_root_of_a_mesh_moves_into_a_folder_that_has_none() {
    let (old, new) = (Home::new(), Home::new());
    assert_eq!(old.feed(&["id", "export", "--root"], PASSPHRASE).code, Some(3), "there is none");
    let mesh = old.run(&["status", "--json"]).ok().json()["meshId"].clone();
    let text = old.feed(&["id", "export", "--root"], PASSPHRASE).ok().out;
    let file = new.path().join("root.pem");
    std::fs::write(&file, &text).unwrap();
    let import = ["id", "import", "--root", "--file", file.to_str().unwrap(), "--json"];
    assert_eq!(new.feed(&import, PASSPHRASE).ok().json()["meshId"], mesh);
    assert_eq!(new.run(&["status", "--json"]).ok().json()["meshId"], mesh, "it is the same mesh");
    assert_eq!(new.feed(&import, PASSPHRASE).error()["code"], "own_root");
    // Half of a file, and a short passphrase.
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert_eq!(new.feed(&import, PASSPHRASE).error()["code"], "bad_file");
    let short = old.feed(&["id", "export", "--root", "--json"], b"short").error();
    assert_eq!(short["field"], "passphrase");
}
