//! How sentences say times, lengths and failures.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::Class;

pub(super) fn failure(class: Option<Class>, error: &str) -> String {
    match class {
        Some(class) if error.is_empty() => class.to_string(),
        Some(class) => format!("{class}: {error}"),
        None => error.to_owned(),
    }
}

pub(super) fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// To the second.
pub(super) fn text_of(ms: i64) -> String {
    let seconds = time(ms)
        .map(|time| time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(time));
    seconds.map(|time| time.to_string()).unwrap_or_else(|| format!("{ms} ms after 1970"))
}

pub(super) fn rounded(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// A duration as people say it.
pub(super) fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..2 => "a second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}
