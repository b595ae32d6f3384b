//! The virtual environment and the Python package in place.

use super::{copy, stamp};
use crate::house::{Result, text, venv, venv_program};
use crate::step::Step;

pub(super) fn prepare() -> Result<()> {
    copy("lib_core.so", "python/hubless/_core.abi3.so")?;
    let inputs = ["tests/runner/requirements.txt"];
    stamp::unless_done("venv", &inputs, &venv_program("pytest"), || {
        Step::new("python: virtual environment", "python3")
            .args(["-m", "venv", &text(&venv())])
            .must()?;
        Step::new("python: install what the demo and the tests need", venv_program("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["-r", "tests/runner/requirements.txt"])
            .must()?;
        link()
    })
}

/// Makes `import hubless` find the checkout, as an editable install would.
fn link() -> Result<()> {
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let step = Step::new("python: link the package", venv_program("python"));
    let done = step.args(["-c", code]).must()?;
    let file = std::path::Path::new(done.output.trim()).join("hubless-checkout.pth");
    let folder = text(&crate::house::root().join("python"));
    std::fs::write(&file, folder).map_err(|error| format!("{}: {error}", file.display()))
}
