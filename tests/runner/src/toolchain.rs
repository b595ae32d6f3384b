//! The toolchains that must be there, and what to do when one is not.

use crate::bounded;
use crate::house::{Result, root};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// How long a tool may take to say its version.
const BOUND: Duration = Duration::from_secs(60);

struct Tool {
    name: &'static str,
    program: &'static str,
    version_flag: &'static str,
    lowest: (u32, u32),
    advice: &'static str,
}

const TOOLS: [Tool; 6] = [
    Tool {
        name: "Python",
        program: "python3",
        version_flag: "--version",
        lowest: (3, 10),
        advice: "install Python 3.10 or newer",
    },
    Tool {
        name: "Node.js",
        program: "node",
        version_flag: "--version",
        lowest: (20, 0),
        advice: "install Node.js 20 or newer",
    },
    Tool {
        name: "npm",
        program: "npm",
        version_flag: "--version",
        lowest: (9, 0),
        advice: "it comes with Node.js",
    },
    Tool {
        name: "JDK",
        program: "javac",
        version_flag: "-version",
        lowest: (17, 0),
        advice: "install a JDK 17 or newer",
    },
    Tool {
        name: "Maven",
        program: "mvn",
        version_flag: "-version",
        lowest: (3, 6),
        advice: "install Maven 3.6 or newer",
    },
    Tool {
        name: "C compiler",
        program: "cc",
        version_flag: "--version",
        lowest: (0, 0),
        advice: "install gcc or clang",
    },
];

/// What only C's own suite and the C package need.
const MAKE: Tool = Tool {
    name: "GNU make",
    program: "make",
    version_flag: "--version",
    lowest: (3, 81),
    advice: "install GNU make 3.81 or newer",
};

/// What only those parts need that look at the files of the checkout as git knows them.
const GIT: Tool = Tool {
    name: "git",
    program: "git",
    version_flag: "--version",
    lowest: (2, 0),
    advice: "install git 2 or newer",
};

/// Checks every toolchain.
///
/// # Errors
/// Names each one that is missing or too old, and says what to install.
pub(crate) fn check() -> Result<()> {
    let faults: Vec<_> = TOOLS.iter().filter_map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What is wrong with `make`: the parts that need it are skipped with this reason.
pub(crate) fn make_fault() -> Option<String> {
    fault(&MAKE)
}

/// What keeps git from saying which files are ours: the parts that ask it are skipped with this
/// reason.
pub(crate) fn git_fault() -> Option<String> {
    fault(&GIT).or_else(|| no_checkout(&root()))
}

/// Sources that came as an archive have nothing that git could tell.
fn no_checkout(root: &Path) -> Option<String> {
    let missing = !root.join(".git").exists();
    missing.then(|| format!("{} is no checkout of git: clone it", root.display()))
}

/// Whether a program is here and does what it is asked.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    ask(program, arguments).is_some_and(|output| output.status.success())
}

/// What a program says to these arguments; none: it cannot be started.
fn ask(program: &str, arguments: &[&str]) -> Option<Output> {
    let (output, _) = bounded::output(Command::new(program).args(arguments), BOUND).ok()?;
    Some(output)
}

fn fault(tool: &Tool) -> Option<String> {
    let Some(output) = ask(tool.program, &[tool.version_flag]) else {
        return Some(format!("{} ({}) is missing: {}", tool.name, tool.program, tool.advice));
    };
    let text = [output.stdout, output.stderr].concat();
    judge(tool, version(&String::from_utf8_lossy(&text)))
}

/// What is wrong with a tool that says to be of this version.
fn judge(tool: &Tool, found: Option<(u32, u32)>) -> Option<String> {
    let (major, minor) = tool.lowest;
    let needed = format!("{major}.{minor} is needed: {}", tool.advice);
    match found {
        Some(found) if found >= tool.lowest => None,
        // Any version of it will do.
        None if tool.lowest == (0, 0) => None,
        Some((has_major, has_minor)) => {
            Some(format!("{} {has_major}.{has_minor} is too old, {needed}", tool.name))
        }
        None => Some(format!(
            "{} ({}) is there but its version cannot be read, {needed}",
            tool.name, tool.program
        )),
    }
}

/// The first `major.minor` of a text.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::{GIT, TOOLS, Tool, answers, fault, judge, no_checkout, version};

    #[test]
    fn a_program_that_is_missing_or_fails_does_not_answer() {
        assert!(answers("true", &[]));
        assert!(!answers("false", &[]));
        assert!(!answers("hubless-tool-that-nobody-has", &[]));
    }

    #[test]
    fn reads_versions_as_tools_print_them() {
        assert_eq!(version("Python 3.11.7"), Some((3, 11)));
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("javac 17.0.15"), Some((17, 0)));
        assert_eq!(version("no number"), None);
    }

    #[test]
    fn says_which_tool_is_missing_and_what_to_install() {
        let tool = Tool {
            name: "Nothing",
            program: "hubless-tool-that-nobody-has",
            version_flag: "--version",
            lowest: (1, 0),
            advice: "install nothing",
        };
        let said = "Nothing (hubless-tool-that-nobody-has) is missing: install nothing";
        assert_eq!(fault(&tool).as_deref(), Some(said));
    }

    #[test]
    fn the_demo_needs_no_git_and_an_archive_of_sources_has_nothing_to_ask_it() {
        assert!(TOOLS.iter().all(|tool| tool.program != GIT.program));
        let folder = tempfile::tempdir().unwrap();
        assert!(no_checkout(folder.path()).unwrap().ends_with("is no checkout of git: clone it"));
        std::fs::write(folder.path().join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(no_checkout(folder.path()), None);
    }

    #[test]
    fn is_content_only_with_a_version_that_it_could_read() {
        let [python, .., compiler] = &TOOLS;
        assert_eq!(judge(python, Some((3, 10))), None);
        assert!(judge(python, Some((3, 9))).unwrap().contains("too old"));
        assert!(judge(python, None).unwrap().contains("cannot be read"));
        assert_eq!(judge(compiler, None), None);
    }
}
