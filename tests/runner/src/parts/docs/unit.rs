//! What the unit file and the Containerfile of a guide say.

/// Instructions that a Containerfile is made of.
const KNOWN: [&str; 9] =
    ["FROM", "RUN", "COPY", "ADD", "USER", "ENV", "VOLUME", "STOPSIGNAL", "CMD"];

/// Values of a key in a unit file.
pub(super) fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The instructions of a Containerfile, each with its arguments in one line.
pub(super) fn instructions(file: &str) -> Vec<(String, String)> {
    let joined = file.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

/// The command that a container runs, if it is said once and without a shell.
pub(super) fn command(instructions: &[(String, String)]) -> Option<Vec<String>> {
    let mut said = instructions.iter().filter(|(name, _)| name == "CMD");
    let command = serde_json::from_str(&said.next()?.1).ok()?;
    said.next().is_none().then_some(command)
}

/// What is wrong with a Containerfile that goes with a unit.
pub(super) fn faults(file: &str, unit: &str) -> Vec<String> {
    let all = instructions(file);
    let of = |wanted: &str| -> Vec<&str> {
        let named = all.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let mut faults = Vec::new();
    let mut wants = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let known = all.iter().all(|(name, _)| KNOWN.contains(&name.as_str()));
    wants(known, "an instruction is not known");
    wants(all.first().is_some_and(|(name, _)| name == "FROM"), "it begins with no FROM");
    let pinned = |image: &&str| {
        let name = image.split(' ').next().unwrap_or_default();
        let tag = name.rsplit_once(':').map(|(_, tag)| tag);
        name.starts_with("docker.io/") && tag.is_some_and(|tag| tag != "latest")
    };
    wants(of("FROM").iter().all(pinned), "an image has no place and version");
    wants(values(unit, "User") == of("USER"), "user and unit differ");
    wants(values(unit, "Environment") == of("ENV"), "environment and unit differ");
    let home = of("VOLUME");
    let homes: Vec<_> =
        of("ENV").iter().filter_map(|one| one.strip_prefix("HUBLESS_HOME=")).collect();
    wants(homes == home && home.len() == 1, "the home is no volume");
    wants(of("STOPSIGNAL") == ["SIGTERM"], "it is not stopped by SIGTERM");
    let start = values(unit, "ExecStart").first().copied().unwrap_or_default();
    let start: Vec<_> = start.split(' ').collect();
    let ran = command(&all).unwrap_or_default();
    let file = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let same = ran.iter().map(|word| file(word)).eq(start.iter().map(|word| file(word)));
    wants(same, "command and unit differ");
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "User=u\nEnvironment=HUBLESS_HOME=/h\nExecStart=/usr/bin/run /opt/x\n";
    const FILE: &str = "# why\nFROM docker.io/library/a:1\nRUN one && \\\n    two\nUSER u\n\
                        ENV HUBLESS_HOME=/h\nVOLUME /h\nSTOPSIGNAL SIGTERM\n\
                        CMD [\"run\", \"/opt/x\"]";

    #[test]
    fn a_file_that_goes_with_its_unit_has_no_fault() {
        assert_eq!(faults(FILE, UNIT), Vec::<String>::new());
        let run = &instructions(FILE)[1];
        let words: Vec<_> = run.1.split_whitespace().collect();
        assert_eq!((run.0.as_str(), words), ("RUN", vec!["one", "&&", "two"]));
    }

    #[test]
    fn each_fault_is_caught() {
        for (right, wrong) in [
            ("USER u", "USER root"),
            ("HOME=/h", "HOME=/x"),
            (":1", ":latest"),
            ("docker.io/library/", ""),
            ("[\"run\", \"/opt/x\"]", "run /opt/x"),
            ("\"/opt/x\"", "\"/opt/y\""),
            ("SIGTERM", "SIGKILL"),
            ("VOLUME /h", "EXPOSE 1"),
            ("# why\n", "CMD [\"run\", \"/opt/x\"]\n"),
        ] {
            assert!(!faults(&FILE.replace(right, wrong), UNIT).is_empty(), "{wrong}");
        }
    }
}
