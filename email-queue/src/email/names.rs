//! Unknown names of fields and parameters, and the known name each resembles.

use super::Invalid;

/// Longer names are not compared with the known ones.
const MAX_NAME: usize = 32;

/// A name that is not known, and the known one that it is close to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// As it was given.
    pub given: String,
    /// The known name that it resembles.
    pub known: &'static str,
}

impl Misspelt {
    /// The error text for the client.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("there is no such name here; if `{}` is meant, write that", self.known)
    }
}

impl From<Misspelt> for Invalid {
    fn from(misspelt: Misspelt) -> Self {
        let reason = misspelt.reason();
        Self::value(misspelt.given, reason)
    }
}

/// The known name that an unknown one resembles, if any: the same letters in another case or with other separators, or
/// with a letter or two wrong, missing, added or swapped. Short names must have the same letters, since nearly any two
/// of them are similar.
#[must_use]
pub fn misspelt(name: &str, known: &[&'static str]) -> Option<Misspelt> {
    if name.len() > MAX_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let given = letters(name);
    let distance = |known: &&'static str| {
        let letters = letters(known);
        let allowed = match letters.len() {
            0..4 => 0,
            4..6 => 1,
            6..10 => 2,
            _ => 3,
        };
        // Two texts are at least as far from each other as their lengths.
        let close = given.len().abs_diff(letters.len()) <= allowed;
        let distance = close.then(|| strsim::osa_distance(&given, &letters))?;
        (distance <= allowed).then_some((distance, *known))
    };
    // Of several spellings of a name the error shows the one with separators.
    let known = known.iter().filter(|known| !known.bytes().any(|byte| byte.is_ascii_uppercase()));
    let (_, known) = known.filter_map(distance).min_by_key(|(distance, _)| *distance)?;
    Some(Misspelt { given: name.to_owned(), known })
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 8] = ["to", "cc", "from", "reply_to", "subject", "attachments", "scheduledAt", "scheduled_at"];

    #[test]
    fn a_slip_is_told_from_a_name_of_ones_own() {
        for (name, known) in [
            ("To", "to"),
            ("CC", "cc"),
            ("form", "from"),
            ("replyto", "reply_to"),
            ("reply-to", "reply_to"),
            ("Reply_To", "reply_to"),
            ("subjekt", "subject"),
            ("attachment", "attachments"),
            ("schedule_at", "scheduled_at"),
            ("ScheduledAt", "scheduled_at"),
            ("scheduleAt", "scheduled_at"),
            ("shceduled_ta", "scheduled_at"),
        ] {
            let misspelt = misspelt(name, &KNOWN).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((misspelt.given.as_str(), misspelt.known), (name, known));
        }
        for name in
            ["", "_", "t", "too", "bcc", "id", "react", "topic", "metadata", "send_at", "Größe", &"t".repeat(33)]
        {
            assert_eq!(misspelt(name, &KNOWN), None, "{name}");
        }
    }

    #[test]
    fn the_closest_one_is_named() {
        assert_eq!(
            misspelt("content_typ", &["content_id", "content_type"]).map(|found| found.known),
            Some("content_type")
        );
    }
}
