//! Makes a descriptor fit into its record.

use super::v1;
use crate::error::{Error, Kind, Result};
use crate::limits::SKILL_DESCRIPTION_CHARS;
use crate::limits::{DESCRIPTION_BYTES, DESCRIPTOR_SKILLS, RECORD_BODY_BYTES};
use prost::Message;

/// Shortens the descriptions of the skills evenly until the descriptor is within 8 KiB: each keeps
/// the same number of characters, at most 160. The agent's own description keeps 2 KiB. The full
/// text of a skill is in its document.
///
/// # Errors
/// `too_large`: more than 64 skills, or above 8 KiB even without any description of a skill.
///
/// ```
/// use hubless_proto::wire::{descriptor, v1};
///
/// let skill = |id: usize| v1::Skill {
///     id: format!("skill-{id}"),
///     description: "x".repeat(500),
///     ..Default::default()
/// };
/// let skills: Vec<_> = (0..64).map(skill).collect();
/// let fitted = descriptor::fit(v1::Descriptor { skills, ..Default::default() }).unwrap();
/// let kept = fitted.skills[0].description.len();
/// assert!(kept < 160 && fitted.skills.iter().all(|skill| skill.description.len() == kept));
/// ```
pub fn fit(mut descriptor: v1::Descriptor) -> Result<v1::Descriptor> {
    if descriptor.skills.len() > DESCRIPTOR_SKILLS {
        let message = format!("expected at most {DESCRIPTOR_SKILLS} skills");
        return Err(too_large(message, "DESCRIPTOR_SKILLS", DESCRIPTOR_SKILLS));
    }
    let title = descriptor.title.len();
    super::text::clean_line(&mut descriptor.title, title);
    super::text::clean(&mut descriptor.description, DESCRIPTION_BYTES);
    let (mut fits, mut above) = (None, SKILL_DESCRIPTION_CHARS + 1);
    let mut chars = SKILL_DESCRIPTION_CHARS;
    loop {
        let shorter = shortened(&descriptor, chars);
        if shorter.encoded_len() <= RECORD_BODY_BYTES {
            fits = Some((chars, shorter));
        } else {
            above = chars;
        }
        let low = fits.as_ref().map_or(0, |(chars, _)| chars + 1);
        if low >= above {
            break;
        }
        chars = low.midpoint(above);
    }
    fits.map(|(_, descriptor)| descriptor).ok_or_else(|| {
        let message = format!("expected a descriptor of at most {RECORD_BODY_BYTES} bytes");
        too_large(message, "RECORD_BODY_BYTES", RECORD_BODY_BYTES)
    })
}

fn shortened(descriptor: &v1::Descriptor, chars: usize) -> v1::Descriptor {
    let mut shorter = descriptor.clone();
    for skill in &mut shorter.skills {
        if let Some((end, _)) = skill.description.char_indices().nth(chars) {
            skill.description.truncate(end);
        }
    }
    shorter
}

fn too_large(message: String, limit: &str, bound: usize) -> Error {
    Error::new(Kind::TooLarge, message)
        .with_code("descriptor")
        .with_field("skills")
        .with_limit(limit, bound as u64)
}
