//! What program, and what it is as an agent.

use hubless::node::{Identity, SkillOptions};
use hubless::{AgentOptions, Error, Kind, Result};
use rustix::fs::Access;
use serde_json::Value;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Variables that a child gets without being asked for.
const ENVIRONMENT: [&str; 8] =
    ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT"];

/// What the kernel reads of a script to find its interpreter (Linux 5.1 and later).
const FIRST_LINE_BYTES: u64 = 256;

/// Scripts may be interpreters of scripts, so often (Linux).
const INTERPRETERS: u32 = 4;

/// A program that is to be an agent.
#[derive(Debug, Clone)]
pub struct StdioOptions {
    /// A program that calls [`super::launch`] when its first argument is [`super::LAUNCH`].
    pub launcher: PathBuf,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments; no shell ever reads them.
    pub arguments: Vec<String>,
    /// Calls at once, at least 1.
    pub concurrency: u32,
    /// Name of the agent; none: the program's own descriptor line says it.
    pub name: Option<String>,
    /// What it can do.
    pub skills: Vec<SkillOptions>,
    /// Words to be found by.
    pub tags: Vec<String>,
    /// Stored identity of the agent; none: a fresh key.
    pub identity: Option<String>,
    /// Variables that it gets beside the usual few.
    pub environment: Vec<String>,
}

impl StdioOptions {
    /// A program found by its path or, if it is a bare name, in `PATH`.
    ///
    /// # Errors
    /// `invalid_argument` (`command`) when there is no such program, or it cannot be run.
    pub fn new(launcher: PathBuf, command: &[String]) -> Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Error::invalid("command", "expected a program after --, got nothing"));
        };
        Ok(Self {
            launcher,
            program: find(program)?,
            arguments: arguments.to_vec(),
            concurrency: 1,
            name: None,
            skills: Vec::new(),
            tags: Vec::new(),
            identity: None,
            environment: Vec::new(),
        })
    }

    /// Names and values of the variables that the child gets.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, std::ffi::OsString)> {
        let named = self.environment.iter().map(String::as_str);
        let all = ENVIRONMENT.into_iter().chain(named);
        all.filter_map(|name| Some((name, std::env::var_os(name)?)))
    }

    /// The error of a program that does not start.
    pub(super) fn not_started(&self, why: &str) -> Error {
        let message = format!("cannot start {}: {why}", self.program.display());
        Error::new(Kind::Configuration, message).with_code("not_started")
    }

    /// What is registered: what was given here, else what the program says of itself.
    ///
    /// # Errors
    /// `configuration` (`no_name`) when neither says a name; what the descriptor's fields say.
    pub(super) fn agent(&self, descriptor: Option<Value>) -> Result<AgentOptions> {
        let described = descriptor.is_some();
        let mut agent = AgentOptions::read(descriptor.unwrap_or_default())?;
        if let Some(name) = &self.name {
            name.clone_into(&mut agent.name);
        }
        if agent.name.is_empty() {
            let message = if described {
                "the program's descriptor line has no name; add it, or give one"
            } else {
                "the program sent no descriptor line within 2 s; give a name"
            };
            return Err(Error::new(Kind::Configuration, message).with_code("no_name"));
        }
        if !self.skills.is_empty() {
            self.skills.clone_into(&mut agent.skills);
        }
        if let Some(name) = &self.identity {
            agent.identity = Identity::Stored(name.clone());
        }
        agent.tags.extend(self.tags.iter().cloned());
        let bound = usize::try_from(self.concurrency.max(1)).unwrap_or(usize::MAX);
        agent.requirements.max_concurrency = bound;
        Ok(agent)
    }
}

/// The program's file: a path as it is, a bare name as `PATH` says.
fn find(program: &str) -> Result<PathBuf> {
    let given = Path::new(program);
    let candidates: Vec<PathBuf> = if given.components().count() > 1 || program.contains('/') {
        std::path::absolute(given).into_iter().collect()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    let wrong = |what: String| Error::invalid("command", what);
    let mut found = candidates.into_iter().filter(|path| path.is_absolute() && path.is_file());
    let runs = |path: &PathBuf| rustix::fs::access(path, Access::EXEC_OK).is_ok();
    let first = found.next().ok_or_else(|| wrong(format!("there is no program {program:?}")))?;
    let path = std::iter::once(first.clone()).chain(found).find(runs);
    let path = path.ok_or_else(|| {
        wrong(format!("{} cannot be run; make it executable (chmod +x)", first.display()))
    })?;
    check_form(&path, INTERPRETERS).map_err(|what| wrong(format!("{} {what}", path.display())))?;
    Ok(path)
}

/// A program of this machine, or a script whose interpreter is one. The C library hands what the
/// kernel does not know to a shell, and no shell is to read anything of ours.
fn check_form(path: &Path, interpreters: u32) -> std::result::Result<(), String> {
    let start = match start(path) {
        Ok(start) => start,
        // A program may be run by who may not read it; a script may not.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let Some(rest) = start.strip_prefix(b"#!") else {
        return if is_program(&start) {
            Ok(())
        } else {
            Err("is neither a program of this machine nor a script that begins with #!".to_owned())
        };
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let named = line.split_ascii_whitespace().next().map(Path::new);
    let named = named.ok_or("names no interpreter after #!")?;
    let place = named.display();
    if !named.is_file() {
        return Err(format!("names the interpreter {place}, which is not there"));
    }
    if interpreters == 0 || rustix::fs::access(named, Access::EXEC_OK).is_err() {
        return Err(format!("names the interpreter {place}, which cannot be run"));
    }
    check_form(named, interpreters - 1)
        .map_err(|what| format!("names the interpreter {place}, which {what}"))
}

fn start(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(FIRST_LINE_BYTES).read_to_end(&mut start)?;
    Ok(start)
}

/// True for what begins as the program of this process does: format, word size and byte order
/// (bytes 0 to 5 of an ELF header) and machine (bytes 18 and 19).
fn is_program(start: &[u8]) -> bool {
    let Ok(own) = std::env::current_exe().and_then(|own| self::start(&own)) else { return true };
    let form = |bytes: &[u8]| Some((bytes.get(..6)?.to_vec(), bytes.get(18..20)?.to_vec()));
    form(start).is_some() && form(start) == form(&own)
}
