//! Text of strangers: what may stand in an id, and how free text is made harmless.

use crate::error::{Error, Result};
use crate::limits::{ID_BYTES, TEXT_BYTES};

/// Strips control and bidirectional characters from free text (line breaks and tabs stay), and
/// cuts it to `max_bytes` at a character.
pub fn clean(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
    }
    if text.chars().any(|letter| is_hostile(letter) && !is_layout(letter)) {
        text.retain(|letter| !is_hostile(letter) || is_layout(letter));
    }
}

/// As [`clean`], for a text that stands on one line.
pub fn clean_line(text: &mut String, max_bytes: usize) {
    text.truncate(text.floor_char_boundary(max_bytes));
    text.retain(|letter| !is_hostile(letter));
}

/// The text with each control and bidirectional character as `\u{…}`, for one line of output.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hostile(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// The first 64 bytes of a text, escaped: to name in an error what came.
pub fn excerpt(text: &str) -> String {
    escape(text.get(..text.floor_char_boundary(64)).unwrap_or_default())
}

/// Checks an id of ours inside a message, such as that of a skill or a tool: 1 to 128 bytes, no
/// control, bidirectional or invisible character.
///
/// # Errors
/// `invalid_argument`, code `bad_id`, naming `field`.
pub fn check_id(field: &str, id: &str) -> Result<()> {
    if id.is_empty() || id.len() > ID_BYTES || id.chars().any(is_hostile) {
        let message = format!("expected 1 to {ID_BYTES} bytes without control characters");
        return Err(Error::invalid(field, message)
            .with_code("bad_id")
            .with_limit("ID_BYTES", ID_BYTES as u64));
    }
    Ok(())
}

/// Checks a short text such as a label or a media type: at most 1 KiB, no control character.
///
/// # Errors
/// `invalid_argument`, code `bad_text`, naming `field`.
pub fn check_text(field: &str, text: &str) -> Result<()> {
    if text.len() > TEXT_BYTES || text.chars().any(is_hostile) {
        let message = format!("expected at most {TEXT_BYTES} bytes without control characters");
        return Err(Error::invalid(field, message)
            .with_code("bad_text")
            .with_limit("TEXT_BYTES", TEXT_BYTES as u64));
    }
    Ok(())
}

/// Checks a credential: no NUL. Where texts end there, half of a secret would be the secret.
///
/// # Errors
/// `invalid_argument`, code `bad_text`, naming `field`.
pub fn check_secret(field: &str, secret: &str) -> Result<()> {
    if secret.contains('\0') {
        let error = Error::invalid(field, "expected a secret without NUL");
        return Err(error.with_code("bad_text"));
    }
    Ok(())
}

fn is_layout(letter: char) -> bool {
    matches!(letter, '\n' | '\t')
}

/// Characters that move the cursor, turn the direction of writing, or cannot be seen.
fn is_hostile(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strips_what_deceives_and_keeps_layout() {
        let mut text = "a\u{202e}b\0c\n\td\u{1b}[31m\u{2066}\u{feff}".to_owned();
        clean(&mut text, 100);
        assert_eq!(text, "abc\n\td[31m");
    }

    #[test]
    fn escapes_for_one_line() {
        assert_eq!(escape("a\nb\u{202e}ü"), "a\\u{a}b\\u{202e}ü");
    }

    #[test]
    fn ids_are_short_and_visible() {
        for bad in ["", "a\0", "a\u{202e}", "a\n", "\u{200b}", &"a".repeat(ID_BYTES + 1)] {
            assert_eq!(check_id("skill", bad).unwrap_err().code, "bad_id");
        }
        assert!(check_id("skill", "résumé/été 1").is_ok());
        assert!(check_text("label", "").is_ok());
        assert_eq!(check_secret("secret", "a\0b").unwrap_err().field.as_deref(), Some("secret"));
        assert!(check_secret("secret", "a\nb").is_ok());
        assert!(check_text("label", &"a".repeat(TEXT_BYTES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn cleaned_text_is_bounded_and_stays_clean(text: String, max in 0usize..64) {
            let mut once = text.clone();
            clean(&mut once, max);
            prop_assert!(once.len() <= max);
            let mut twice = once.clone();
            clean(&mut twice, max);
            prop_assert_eq!(&twice, &once);
            prop_assert!(!escape(&text).chars().any(is_hostile));
        }
    }
}
