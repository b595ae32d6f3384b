//! Where each setting comes from: flags, then `HUBLESS_*`, then the file, then the default.

use crate::args::Global;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use hubless::home::Home;
use hubless::mesh::RelayUrl;
use hubless::node::{Listen, NodeOptions};
use hubless::{Error, Kind, Result};
use hubless_proto::identity::MeshId;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The configuration file; a field that it does not know is an error that points at the line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    mesh: Option<Spanned<String>>,
    listen: Option<Spanned<Words>>,
    home: Option<Spanned<PathBuf>>,
    port: Option<Spanned<u16>>,
    lan: Option<Spanned<bool>>,
    zones: Option<Spanned<Words>>,
    relays: Option<Spanned<Words>>,
    relay_ca: Option<Spanned<PathBuf>>,
    log: Option<Spanned<String>>,
    gateway: Option<Spanned<String>>,
}

/// One word, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    /// As a flag or a variable says them.
    fn joined(&self) -> String {
        match self {
            Self::One(word) => word.clone(),
            Self::Many(words) => words.join(","),
        }
    }
}

/// One setting with its origin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value; none: unset.
    pub(crate) value: Option<String>,
    /// The flag, the variable, the file with its line, or `default`.
    pub(crate) from: String,
}

impl Setting {
    /// The same without what nobody else is to read: a key, or a password in a URL.
    pub(crate) fn shown(&self) -> Self {
        let hidden = |value: &String| match self.name {
            "gatewayKey" => HIDDEN.to_owned(),
            _ => without_user(value),
        };
        Self { value: self.value.as_ref().map(hidden), ..self.clone() }
    }
}

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// In the order of the documents.
    pub(crate) all: Vec<Setting>,
    /// The value of `home`, in the bytes of its origin.
    home: Option<PathBuf>,
}

/// A value in the file, and where: `path:line`.
type Placed = Option<(String, String)>;

impl Settings {
    /// Reads flags, environment and file.
    ///
    /// # Errors
    /// `configuration` for a file that is named and missing, or cannot be read; it points at the
    /// line.
    pub(crate) fn read(global: &Global) -> Result<Self> {
        let (path, named) = place(global);
        let (file, text) = match &path {
            Some(path) => parse(path, named)?,
            None => Default::default(),
        };
        let path = path.unwrap_or_default();
        let at = |span: Range<usize>| format!("{}:{}", path.display(), line_of(&text, span.start));
        let text_of = |value: Option<Spanned<String>>| -> Placed {
            value.map(|value| (value.get_ref().clone(), at(value.span())))
        };
        let words_of = |value: Option<Spanned<Words>>| -> Placed {
            value.map(|value| (value.get_ref().joined(), at(value.span())))
        };
        let port = file.port.map(|value| (value.get_ref().to_string(), at(value.span())));
        let lan = file.lan.map(|value| (value.get_ref().to_string(), at(value.span())));
        // A relative folder is beside the file, wherever the command runs.
        let beside = path.parent().unwrap_or_else(|| Path::new(""));
        let own_home = file.home.map(|value| (beside.join(value.get_ref()), at(value.span())));
        let relay_ca = file
            .relay_ca
            .map(|value| (beside.join(value.get_ref()).display().to_string(), at(value.span())));
        let home = global.home.clone().map(|home| (home, "--home".to_owned()));
        let home = home
            .or_else(|| {
                let variable = variable_os("HUBLESS_HOME")?;
                Some((PathBuf::from(variable), "HUBLESS_HOME".to_owned()))
            })
            .or(own_home);
        let shown = home.as_ref().map(|(home, from)| (home.display().to_string(), from.clone()));
        let flag = |value: &Option<String>, name: &str| -> Placed {
            value.clone().map(|value| (value, name.to_owned()))
        };
        let mut all = vec![setting("home", [shown, None, None], None)];
        all.extend(folders(home.as_ref()));
        all.extend([
            setting(
                "mesh",
                [flag(&global.mesh, "--mesh"), variable("HUBLESS_MESH"), text_of(file.mesh)],
                None,
            ),
            setting(
                "listen",
                [
                    flag(&global.listen, "--listen"),
                    variable("HUBLESS_LISTEN"),
                    words_of(file.listen),
                ],
                Some("loopback"),
            ),
            setting("port", [None, variable("HUBLESS_PORT"), port], None),
            setting("lan", [None, variable("HUBLESS_LAN"), lan], None),
            setting("zones", [None, variable("HUBLESS_ZONES"), words_of(file.zones)], None),
            setting("relays", [None, variable("HUBLESS_RELAYS"), words_of(file.relays)], None),
            setting("relay_ca", [None, variable("HUBLESS_RELAY_CA"), relay_ca], None),
            setting("log", [None, variable("HUBLESS_LOG"), text_of(file.log)], None),
            setting("gateway", [None, variable("HUBLESS_GATEWAY"), text_of(file.gateway)], None),
        ]);
        // What each node reads by itself, in every language; the file knows none of them.
        all.extend(
            OF_NODES.map(|(name, from, otherwise)| {
                setting(name, [None, variable(from), None], otherwise)
            }),
        );
        Ok(Self { all, home: home.map(|(home, _)| home) })
    }

    /// Value of a setting.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.setting(name)?.value.as_deref()
    }

    /// Folder that holds data and runtime folders, if one is named.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// What is logged, if anything says so.
    ///
    /// # Errors
    /// `invalid_argument` naming where the value comes from.
    pub(crate) fn log(&self, otherwise: &str) -> Result<()> {
        let filter = self.value("log").unwrap_or(otherwise);
        hubless::telemetry::init_with(filter).map_err(|error| self.blame("log", &error.message))
    }

    /// Options of a node that a verb starts for moments; a fixed port is for the one that stays.
    ///
    /// # Errors
    /// `invalid_argument` naming the setting and where its value comes from.
    pub(crate) fn node(&self) -> Result<NodeOptions> {
        if let Some(mesh) = self.value("mesh")
            && mesh != "own"
            && mesh.parse::<MeshId>().is_err()
        {
            return Err(self.blame("mesh", "expected the id of a mesh, or own"));
        }
        Ok(NodeOptions {
            mesh: self.value("mesh").map(str::to_owned),
            home: self.home.clone(),
            listen: Some(self.listen()?),
            gateway: self.value("gateway").map(str::to_owned),
            lan: self.lan()?,
            zones: self.zones(),
            relays: self.relays()?,
            relay_ca: self.relay_ca(),
            ..NodeOptions::default()
        })
    }

    /// Options of a node that stays.
    ///
    /// # Errors
    /// As [`Settings::node`].
    pub(crate) fn lasting_node(&self) -> Result<NodeOptions> {
        Ok(NodeOptions { port: self.port()?, ..self.node()? })
    }

    /// Addresses that are bound.
    ///
    /// # Errors
    /// As [`Settings::node`].
    pub(crate) fn listen(&self) -> Result<Listen> {
        let text = self.value("listen").unwrap_or("loopback");
        Listen::parse(text).map_err(|error| self.blame("listen", &error.message))
    }

    /// Zones of the node; none: those of its token.
    /// Whether nodes of the local network are met; none: nothing says so.
    fn lan(&self) -> Result<Option<bool>> {
        match self.value("lan") {
            None | Some("") => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(_) => Err(self.blame("lan", "expected 1 or 0")),
        }
    }

    fn zones(&self) -> Vec<String> {
        self.words("zones").map(str::to_owned).collect()
    }

    /// Relays of the node; none: those of the ticket by which its mesh was joined.
    fn relays(&self) -> Result<Vec<RelayUrl>> {
        let relays = self.words("relays").map(str::parse::<RelayUrl>);
        relays.collect::<Result<_>>().map_err(|error| self.blame("relays", &error.message))
    }

    /// File of the certificates that relays are believed by.
    pub(crate) fn relay_ca(&self) -> Option<PathBuf> {
        self.value("relay_ca").map(PathBuf::from)
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        let text = self.value(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|word| !word.is_empty())
    }

    /// Port that is bound; none: any.
    ///
    /// # Errors
    /// As [`Settings::node`].
    pub(crate) fn port(&self) -> Result<Option<u16>> {
        let wrong = || self.blame("port", "expected a port, 0 to 65535");
        self.value("port").map(|text| text.parse().map_err(|_| wrong())).transpose()
    }

    fn setting(&self, name: &str) -> Option<&Setting> {
        self.all.iter().find(|setting| setting.name == name)
    }

    fn blame(&self, name: &str, what: &str) -> Error {
        let Some(Setting { value: Some(value), from, .. }) = self.setting(name) else {
            return Error::invalid(name, what);
        };
        Error::invalid(name, format!("{from}: {what}, got {value:?}"))
    }
}

fn setting(name: &'static str, places: [Placed; 3], otherwise: Option<&str>) -> Setting {
    match places.into_iter().flatten().next() {
        Some((value, from)) => Setting { name, value: Some(value), from },
        None => Setting { name, value: otherwise.map(str::to_owned), from: "default".to_owned() },
    }
}

/// Variables that the nodes of the command follow as all others do, and their defaults.
const OF_NODES: [(&str, &str, Option<&str>); 5] = [
    ("gatewayKey", "HUBLESS_GATEWAY_KEY", None),
    ("gatewaySigner", "HUBLESS_GATEWAY_SIGNER", None),
    ("refund", "HUBLESS_REFUND", Some("member=signed,external=never")),
    ("trace", "HUBLESS_TRACE", None),
    ("workers", "HUBLESS_WORKERS", Some("2")),
];

/// The folders in use, which follow from `home`.
fn folders(home: Option<&(PathBuf, String)>) -> [Setting; 2] {
    let from = home.map_or_else(|| "default".to_owned(), |(_, from)| from.clone());
    // Where the platform names none there is none: everything is in memory.
    let places = Home::places(home.map(|(home, _)| home.as_path())).ok();
    let folder = |name, path: Option<&PathBuf>| {
        let value = path.map(|path| path.display().to_string());
        Setting { name, value, from: from.clone() }
    };
    let (data, run) = places.as_ref().map(|(data, run)| (data, run)).unzip();
    [folder("data", data), folder("runtime", run)]
}

/// A URL without the user and password that it may have.
fn without_user(value: &str) -> String {
    let parts = value.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        authority.rsplit_once('@').map(|(_, host)| format!("{scheme}://{HIDDEN}@{host}{path}"))
    });
    parts.unwrap_or_else(|| value.to_owned())
}

fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn variable(name: &str) -> Placed {
    Some((variable_os(name)?.to_string_lossy().into_owned(), name.to_owned()))
}

/// The file, and whether it was named by the user; never one of the working folder.
fn place(global: &Global) -> (Option<PathBuf>, bool) {
    if let Some(path) = &global.config {
        return (Some(path.clone()), true);
    }
    let home = global.home.clone().or_else(|| variable_os("HUBLESS_HOME").map(PathBuf::from));
    let folder = home.or_else(|| {
        let native = choose_native_strategy().ok()?;
        Some(native.config_dir().join("hubless"))
    });
    (folder.map(|folder| folder.join("hubless.toml")), false)
}

/// The file and its text; a missing one that nobody named is empty.
fn parse(path: &Path, named: bool) -> Result<(File, String)> {
    let wrong = |place: String, message: &str| {
        Error::new(Kind::Configuration, format!("{place}: {message}")).with_code("bad_file")
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => String::new(),
        Err(error) => return Err(wrong(path.display().to_string(), &error.to_string())),
    };
    let file = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| line_of(&text, span.start));
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        wrong(format!("{}{line}", path.display()), error.message().trim_end())
    })?;
    Ok((file, text))
}

/// The line, from 1, of a place in the text.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
