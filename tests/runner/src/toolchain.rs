//! The toolchains that must be there, and what to do when one is not.

use crate::house::Result;
use std::process::Command;

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

/// Checks every toolchain.
///
/// # Errors
/// Names each one that is missing or too old, and says what to install.
pub(crate) fn check() -> Result<()> {
    let faults: Vec<_> = TOOLS.iter().filter_map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn fault(tool: &Tool) -> Option<String> {
    let (major, minor) = tool.lowest;
    let Ok(output) = Command::new(tool.program).arg(tool.version_flag).output() else {
        return Some(format!("{} ({}) is missing: {}", tool.name, tool.program, tool.advice));
    };
    let text = [output.stdout, output.stderr].concat();
    let found = version(&String::from_utf8_lossy(&text))?;
    (found < tool.lowest).then(|| {
        let (has_major, has_minor) = found;
        format!(
            "{} {has_major}.{has_minor} is too old, {major}.{minor} is needed: {}",
            tool.name, tool.advice
        )
    })
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
    use super::version;

    #[test]
    fn reads_versions_as_tools_print_them() {
        assert_eq!(version("Python 3.11.7"), Some((3, 11)));
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("javac 17.0.15"), Some((17, 0)));
        assert_eq!(version("no number"), None);
    }
}
