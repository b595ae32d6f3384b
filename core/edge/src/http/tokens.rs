//! Tokens of those who may ask.

use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::policy::Secret;
use std::fmt;
use std::path::Path;

/// Shortest token, in letters: as many as 128 bits take in base64.
const TOKEN_MIN: usize = 22;
/// Longest token, in letters.
const TOKEN_MAX: usize = limits::KIB;
/// Longest file, in bytes.
const FILE_BYTES: u64 = limits::MIB as u64;

/// The tokens of a listener, each with the name of who holds it.
///
/// ```
/// use hubless_edge::http::Tokens;
///
/// let tokens = Tokens::read("# name, blank, token\nalice 0123456789abcdefghijklmn\n")?;
/// assert_eq!(tokens.holder("0123456789abcdefghijklmn"), Some("alice"));
/// assert_eq!(tokens.holder("0123456789abcdefghijklmo"), None);
/// assert!(Tokens::read("alice short").is_err());
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Tokens(Vec<(String, Secret)>);

impl Tokens {
    /// Reads lines of a name, a blank and a token; empty ones and those that begin with `#` are
    /// left. One name may have several tokens.
    ///
    /// # Errors
    /// `configuration` naming the line, never its token.
    pub fn read(text: &str) -> Result<Self> {
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| {
                let message = format!("line {} of the token file: expected {what}", index + 1);
                Error::new(Kind::Configuration, message).with_code("token_file")
            };
            let mut words = line.split_whitespace();
            let (Some(name), Some(token), None) = (words.next(), words.next(), words.next()) else {
                return Err(wrong("a name and a token"));
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.len() > limits::NAME_CHARS || !name.chars().all(plain) {
                return Err(wrong("a name of at most 64 letters, digits, dots, dashes"));
            }
            let letters = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            if !(TOKEN_MIN..=TOKEN_MAX).contains(&token.len()) || !token.chars().all(letters) {
                return Err(wrong("a token of 22 to 1,024 letters, digits and -._~+/="));
            }
            if tokens.len() == limits::HTTP_ENTRIES {
                let bound = limits::HTTP_ENTRIES as u64;
                return Err(wrong("fewer tokens").with_limit("HTTP_ENTRIES", bound));
            }
            tokens.push((name.to_owned(), Secret::from(token.to_owned())));
        }
        if tokens.is_empty() {
            let message = "expected at least one token in the token file";
            return Err(Error::new(Kind::Configuration, message).with_code("token_file"));
        }
        Ok(Self(tokens))
    }

    /// Reads a file that nobody else may read.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read, or that others can; as [`Tokens::read`].
    pub fn open(file: &Path) -> Result<Self> {
        Self::read(&private_text(file, "the token file", FILE_BYTES)?)
    }

    /// True without any token: nobody needs one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True for a name that has a token.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(holder, _)| holder == name)
    }

    /// Who holds this token. The time taken tells nothing of any token.
    pub fn holder(&self, given: &str) -> Option<&str> {
        let mut holder = None;
        for (name, token) in &self.0 {
            if token.matches(given) {
                holder = Some(name.as_str());
            }
        }
        holder
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The text of a file that its owner alone may read.
///
/// # Errors
/// `configuration` saying what is wrong with it.
pub(super) fn private_text(file: &Path, what: &str, most: u64) -> Result<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let about = std::fs::metadata(file);
        let about = about.map_err(|error| unread(file, what, &error.to_string()))?;
        if about.permissions().mode() & 0o077 != 0 {
            let why = "others can read it; `chmod 600` keeps it private";
            return Err(unread(file, what, why));
        }
    }
    whole_text(file, what, most)
}

/// The text of a file.
///
/// # Errors
/// `configuration` saying what is wrong with it.
pub(super) fn whole_text(file: &Path, what: &str, most: u64) -> Result<String> {
    let wrong = |error: std::io::Error| unread(file, what, &error.to_string());
    if std::fs::metadata(file).map_err(wrong)?.len() > most {
        return Err(unread(file, what, &format!("expected at most {most} bytes")));
    }
    std::fs::read_to_string(file).map_err(wrong)
}

fn unread(file: &Path, what: &str, why: &str) -> Error {
    let message = format!("{what} {}: {why}", file.display());
    Error::new(Kind::Configuration, message).with_code("file")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdefghijkl";

    #[test]
    fn one_name_may_have_several_tokens_and_none_is_printed() {
        let other = TOKEN.replace('0', "z");
        let tokens = Tokens::read(&format!("a {TOKEN}\n\n# b\n b {other} \na {other}x")).unwrap();
        assert_eq!(tokens.holder(TOKEN), Some("a"));
        assert_eq!(tokens.holder(&other), Some("b"));
        assert_eq!(tokens.holder(""), None);
        let shown = format!("{tokens:?}");
        assert!(shown.contains('a') && !shown.contains(TOKEN), "{shown}");
    }

    #[test]
    fn what_is_no_token_file_is_refused_without_its_tokens() {
        let many = format!("a {TOKEN}\n").repeat(limits::HTTP_ENTRIES + 1);
        for text in ["", "# only this", "a", "a b c", "a short", "ä 0123456789abcdefghijkl", &many]
        {
            let error = Tokens::read(text).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "token_file"));
            assert!(!error.message.contains(TOKEN), "{}", error.message);
        }
        assert!(Tokens::read(&format!("a {TOKEN}\n").repeat(limits::HTTP_ENTRIES)).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, format!("a {TOKEN}\n")).unwrap();
        let mode =
            |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(Tokens::open(&file).unwrap_err().message.contains("chmod 600"));
        mode(0o600);
        assert_eq!(Tokens::open(&file).unwrap().holder(TOKEN), Some("a"));
    }
}
