//! Where the table and the homes of the processes are.

use crate::house::{self, Result, root};

/// The table that every process works on, inside the installed PyPI package.
pub(super) fn table() -> Result<String> {
    let library = house::venv().join("lib");
    let entries = std::fs::read_dir(&library).map_err(|error| error.to_string())?;
    let name = "site-packages/vega_datasets/_data/seattle-weather.csv";
    let found = entries.flatten().map(|entry| entry.path().join(name)).find(|path| path.exists());
    let path = found.ok_or_else(|| format!("{name} is not installed"))?;
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Home of one run's processes, empty at its start.
pub(super) fn home(name: &str) -> Result<std::path::PathBuf> {
    let home = root().join("target").join(format!("{name}-home"));
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    Ok(home)
}
