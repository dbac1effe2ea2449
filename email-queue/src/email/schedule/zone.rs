//! The time zone behind a time in words.

use jiff::tz::{Offset, TimeZone};

/// An offset, an abbreviation that stands for one, or a name of the time zone database; in lower case.
pub(super) fn of(word: &str) -> Option<TimeZone> {
    if let Some(offset) = offset(word) {
        return Some(TimeZone::fixed(offset));
    }
    let is_name = word.contains('/');
    match word {
        "et" => TimeZone::get("America/New_York").ok(),
        "ct" => TimeZone::get("America/Chicago").ok(),
        "mt" => TimeZone::get("America/Denver").ok(),
        "pt" => TimeZone::get("America/Los_Angeles").ok(),
        _ if is_name => TimeZone::get(word).ok(),
        _ => abbreviation(word).map(|hours| TimeZone::fixed(Offset::constant(hours))),
    }
}

/// Hours from UTC. These abbreviations have a meaning in email
/// ([RFC 5322 section 4.3](https://www.rfc-editor.org/rfc/rfc5322#section-4.3)); most others have several.
fn abbreviation(word: &str) -> Option<i8> {
    Some(match word {
        "edt" => -4,
        "est" | "cdt" => -5,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        _ => return None,
    })
}

/// `utc`, `z`, `+02:00`, `-0500`, `+2`.
fn offset(word: &str) -> Option<Offset> {
    if matches!(word, "utc" | "gmt" | "z") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let minutes: i32 = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok().filter(|minutes| *minutes < 60)?;
    Offset::from_seconds(sign * minutes * 60).ok()
}
