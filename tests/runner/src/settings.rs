//! Settings of the user who runs this: the programs that are started here follow none of them, so
//! that a demo or a test does the same for everyone.

use std::ffi::{OsStr, OsString};
use std::process::Command;

/// What every setting of ours begins with.
const OURS: &str = "HUBLESS_";
/// What only our tests and benchmarks read, such as how long they run: who sets it means them.
const OF_TESTS: [&str; 4] = ["HUBLESS_TEST_", "HUBLESS_FUZZ_", "HUBLESS_MODEL_", "HUBLESS_BENCH_"];

/// Takes from a command what it would inherit of the user's settings; what it was given itself
/// stays.
pub(crate) fn own_only(command: &mut Command) -> &mut Command {
    without(command, std::env::vars_os().map(|(name, _)| name))
}

/// Takes from a command those of the inherited variables that are settings of the user.
fn without(command: &mut Command, inherited: impl Iterator<Item = OsString>) -> &mut Command {
    let given: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for name in inherited.filter(|name| is_setting(name) && !given.contains(name)) {
        command.env_remove(name);
    }
    command
}

fn is_setting(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(OURS) && !OF_TESTS.iter().any(|kept| name.starts_with(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_settings_of_the_user_and_nothing_else() {
        let inherited = [
            "HUBLESS_MESH",
            "HUBLESS_REFUND",
            "HUBLESS_LOG",
            "HUBLESS_HOME",
            "HUBLESS_TEST_SEEDS",
            "HUBLESS_FUZZ_CASES",
            "HUBLESS_MODEL_STEPS",
            "HUBLESS_BENCH_DISK",
            "HUBLESSNESS",
            "PATH",
        ];
        let mut command = Command::new("true");
        command.env("HUBLESS_HOME", "/own");
        without(&mut command, inherited.into_iter().map(OsString::from));
        let changed: Vec<_> = command.get_envs().collect();
        let taken = |name| (OsStr::new(name), None);
        let own = (OsStr::new("HUBLESS_HOME"), Some(OsStr::new("/own")));
        let expected = ["HUBLESS_LOG", "HUBLESS_MESH", "HUBLESS_REFUND"].map(taken);
        assert_eq!(changed, [&[own], &expected[..]].concat());
    }
}
