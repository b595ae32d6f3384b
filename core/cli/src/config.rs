//! Where each setting comes from: flags, then `HUBLESS_*`, then the file, then the default.

use crate::args::Global;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use hubless::node::{Listen, NodeOptions};
use hubless::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The configuration file; a field that it does not know is an error that points at the line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    mesh: Option<String>,
    listen: Option<String>,
    home: Option<PathBuf>,
    port: Option<u16>,
}

/// One setting with its origin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value; none: unset.
    pub(crate) value: Option<String>,
    /// `flag`, the variable, the file, or `default`.
    pub(crate) from: String,
}

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// In the order of the documents.
    pub(crate) all: Vec<Setting>,
}

impl Settings {
    /// Reads flags, environment and file.
    ///
    /// # Errors
    /// `configuration` for a file that is named and missing, or cannot be read.
    pub(crate) fn read(global: &Global) -> Result<Self> {
        let (path, named) = place(global);
        let file = match &path {
            Some(path) => parse(path, named)?,
            None => File::default(),
        };
        let shown = path.map(|path| path.display().to_string()).unwrap_or_default();
        let text = |path: &PathBuf| path.display().to_string();
        let pick =
            |name, variable: &str, flag: Option<String>, in_file: Option<String>, default| {
                let from_environment =
                    std::env::var(variable).ok().filter(|value| !value.is_empty());
                let found = flag
                    .map(|value| (value, "flag".to_owned()))
                    .or_else(|| from_environment.map(|value| (value, variable.to_owned())))
                    .or_else(|| in_file.map(|value| (value, shown.clone())));
                match found {
                    Some((value, from)) => Setting { name, value: Some(value), from },
                    None => Setting { name, value: default, from: "default".to_owned() },
                }
            };
        let home = global.home.as_ref().map(text);
        let loopback = Some("loopback".to_owned());
        let all = vec![
            pick("home", "HUBLESS_HOME", home, file.home.as_ref().map(text), None),
            pick("mesh", "HUBLESS_MESH", global.mesh.clone(), file.mesh, None),
            pick("listen", "HUBLESS_LISTEN", global.listen.clone(), file.listen, loopback),
            pick("port", "HUBLESS_PORT", None, file.port.map(|port| port.to_string()), None),
            pick("log", "HUBLESS_LOG", None, None, Some("off".to_owned())),
        ];
        Ok(Self { all })
    }

    /// Value of a setting.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|setting| setting.name == name)?.value.as_deref()
    }

    /// Folder that holds data and runtime folders, if one is named.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.value("home").map(PathBuf::from)
    }

    /// Options of the node that a verb starts.
    ///
    /// # Errors
    /// `invalid_argument` naming the setting.
    pub(crate) fn node(&self) -> Result<NodeOptions> {
        let port = self.value("port").map(|text| {
            text.parse().map_err(|_| Error::invalid("port", "expected a port, 0 to 65535"))
        });
        Ok(NodeOptions {
            mesh: self.value("mesh").map(str::to_owned),
            home: self.home(),
            listen: self.value("listen").map(Listen::parse).transpose()?,
            port: port.transpose()?,
            ..NodeOptions::default()
        })
    }
}

/// The file, and whether it was named by the user; never one of the working folder.
fn place(global: &Global) -> (Option<PathBuf>, bool) {
    if let Some(path) = &global.config {
        return (Some(path.clone()), true);
    }
    let home = global.home.clone().or_else(|| std::env::var_os("HUBLESS_HOME").map(PathBuf::from));
    let folder = home.or_else(|| {
        let native = choose_native_strategy().ok()?;
        Some(native.config_dir().join("hubless"))
    });
    (folder.map(|folder| folder.join("hubless.toml")), false)
}

fn parse(path: &Path, named: bool) -> Result<File> {
    let wrong = |message: String| Error::new(Kind::Configuration, message).with_code("bad_file");
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => {
            return Ok(File::default());
        }
        Err(error) => return Err(wrong(format!("{}: {error}", path.display()))),
    };
    toml::from_str(&text).map_err(|error| wrong(format!("{}: {error}", path.display())))
}
