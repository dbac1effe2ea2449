//! How a time is written: as ISO 8601, or in a few English words.
//!
//! - `2026-12-01T09:00:00+01:00`, `2026-12-01 09:00:00Z`, `2026-12-01T09:00` (UTC), `2026-12-01` (its first moment, UTC),
//!   `2026-12-01T09:00[Europe/Berlin]` ([RFC 9557](https://www.rfc-editor.org/rfc/rfc9557));
//! - `in 1 min`, `in 2 hours`, `in a day`, `in 1 hour and 30 minutes`;
//! - `tomorrow at 9am`, `today at 17:30`, `friday at noon`, `next monday at 8:15 pm +02:00`, `friday at 3pm ET`. Without a
//!   time of day, the present one; without an offset or a time zone, UTC.
//!
//! The database of time zones is compiled in, because a component has none.

mod zone;

use jiff::{
    SignedDuration, Span, Timestamp, ZonedDateTime,
    civil::{Date, DateTime, Time, Weekday},
    tz::{Offset, TimeZone},
};

use super::{Invalid, wire};

/// How far ahead an email can be scheduled.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far in the past a time may be and still count as now: the request takes time, and clocks differ.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// Longer texts are not parsed.
const MAX_LENGTH: usize = 100;

/// Reads a time. `now` is what `in` and `tomorrow` count from.
///
/// # Errors
/// [`InvalidTime::Unreadable`], and [`InvalidTime::UnknownZone`].
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, InvalidTime> {
    if text.len() > MAX_LENGTH {
        return Err(InvalidTime::Unreadable);
    }
    let text = text.trim();
    if text.contains('[') {
        return text.parse::<ZonedDateTime>().map(|time| time.timestamp()).map_err(|_| InvalidTime::UnknownZone);
    }
    match iso8601(text) {
        Some(time) => Ok(time),
        None => english(&text.to_lowercase(), now),
    }
}

/// Checks that a time can be scheduled.
///
/// # Errors
/// [`InvalidTime::Past`] and [`InvalidTime::TooFar`].
pub fn check(time: Timestamp, now: Timestamp) -> Result<Timestamp, InvalidTime> {
    let ahead = time.duration_since(now);
    if ahead < -TOLERANCE {
        Err(InvalidTime::Past)
    } else if ahead > MAX_AHEAD {
        Err(InvalidTime::TooFar)
    } else {
        Ok(time)
    }
}

/// Reads the JSON of a reschedule request, `{"scheduled_at": …}`. Other fields are ignored, except one with a similar
/// name.
///
/// # Errors
/// As for the field `scheduled_at` of an email.
pub fn read_change(json: &[u8], now: Timestamp) -> Result<Timestamp, Invalid> {
    let wire::Object { value, misspelt, .. } = wire::read::<wire::Change>(json)?;
    if let Some(misspelt) = misspelt {
        return Err(misspelt.into());
    }
    let text = value
        .scheduled_at
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Invalid::missing("scheduled_at", "there is nothing else to change"))?;
    parse(&text, now)
        .and_then(|time| check(time, now))
        .map_err(|error| Invalid::value("scheduled_at", error.to_string()))
}

/// Why a time cannot be scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// The text is not a time in a supported form.
    #[error("not a time; write `2026-12-01T09:00:00Z`, `in 2 hours` or `tomorrow at 9am`")]
    Unreadable,
    /// The time zone is unknown, or has another offset at that time.
    #[error(
        "its time zone is not known, or has another offset then; write an offset such as `+02:00`, or a name such as \
         `America/New_York`"
    )]
    UnknownZone,
    /// It is over.
    #[error("it is in the past")]
    Past,
    /// It is more than [`MAX_AHEAD`] away.
    #[error("it is more than 30 days ahead")]
    TooFar,
}

fn iso8601(text: &str) -> Option<Timestamp> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    // A text with an offset that is out of range must not be read as if it had none.
    let civil: DateTime = match text.len() {
        10 => text.parse::<Date>().ok()?.into(),
        _ => text.parse().ok()?,
    };
    Offset::UTC.to_timestamp(civil).ok()
}

fn english(text: &str, now: Timestamp) -> Result<Timestamp, InvalidTime> {
    let spaced = text.replace(',', " ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    let unreadable = InvalidTime::Unreadable;
    match *words.first().ok_or(unreadable)? {
        "now" if words.len() == 1 => Ok(now),
        "in" => relative(&words[1..], now).ok_or(unreadable),
        _ => {
            let zone = words.last().and_then(|word| zone::of(word));
            if zone.is_some() {
                words.pop();
            }
            let time = day_and_time(&words, now, &zone.clone().unwrap_or(TimeZone::UTC));
            // Where all is well but for the last word, that one is meant for a time zone.
            let is_zone = || match words.split_last() {
                Some((last, rest)) if zone.is_none() && *last != "at" => {
                    day_and_time(rest, now, &TimeZone::UTC).is_some()
                }
                _ => false,
            };
            time.ok_or_else(|| if is_zone() { InvalidTime::UnknownZone } else { unreadable })
        }
    }
}

/// `1 min`, `a day`, `1 hour and 30 minutes`, `90s`.
fn relative(words: &[&str], now: Timestamp) -> Option<Timestamp> {
    let mut total = SignedDuration::ZERO;
    let mut words = words.iter().copied().filter(|word| *word != "and").peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = match word.split_at(digits) {
            ("", "a" | "an" | "one") => (1, words.next()?),
            (number, "") => (number.parse().ok()?, words.next()?),
            (number, unit) => (number.parse().ok()?, unit),
        };
        let seconds: i64 = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 24 * 3600,
            "w" | "week" | "weeks" => 7 * 24 * 3600,
            _ => return None,
        };
        let part = SignedDuration::from_secs(seconds.checked_mul(number)?);
        total = total.checked_add(part)?;
    }
    now.checked_add(total).ok()
}

/// `tomorrow`, `tomorrow at 9am`, `next monday at 17:30`.
fn day_and_time(words: &[&str], now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let now = zone.to_datetime(now);
    let (date, rest) = match words {
        ["today", rest @ ..] => (now.date(), rest),
        ["tomorrow", rest @ ..] => (now.date().checked_add(Span::new().days(1)).ok()?, rest),
        ["next" | "on", day, rest @ ..] | [day, rest @ ..] => (now.date().nth_weekday(1, weekday(day)?).ok()?, rest),
        [] => return None,
    };
    let time = match rest {
        [] => now.time(),
        ["at", rest @ ..] | rest => time_of_day(&rest.concat())?,
    };
    zone.to_timestamp(date.to_datetime(time)).ok()
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// `9am`, `9:30pm`, `17:30`, `17:30:15`, `noon`, `midnight`.
fn time_of_day(text: &str) -> Option<Time> {
    match text {
        "noon" => return Time::new(12, 0, 0, 0).ok(),
        "midnight" => return Some(Time::midnight()),
        _ => {}
    }
    let (clock, half) = match text.strip_suffix("am") {
        Some(clock) => (clock, Some(0)),
        None => text.strip_suffix("pm").map_or((text, None), |clock| (clock, Some(12))),
    };
    let mut parts = clock.split(':').map(|part| match part.len() {
        1 | 2 => part.parse::<i8>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())),
        _ => None,
    });
    let hour = parts.next()??;
    let rest = parts.collect::<Option<Vec<_>>>()?;
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        // A bare `9` could be a day of the month or an hour of either half.
        None if rest.is_empty() => return None,
        None => hour,
    };
    let (minute, second) = match rest.as_slice() {
        [] => (0, 0),
        [minute] => (*minute, 0),
        [minute, second] => (*minute, *second),
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A Wednesday.
    const NOW: &str = "2026-11-25T10:20:30Z";

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let parsed = parse(text, NOW.parse().unwrap());
        assert_eq!(parsed, Ok(expected.parse().unwrap()), "{text}");
    }

    #[test]
    fn iso_8601_with_and_without_an_offset() {
        check("2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z");
        check("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00Z");
        check("2026-12-01T09:00:00.250Z", "2026-12-01T09:00:00.250Z");
        check("2026-12-01 09:00:00.674981+00", "2026-12-01T09:00:00.674981Z");
        check("2026-12-01T09:00", "2026-12-01T09:00:00Z");
        check("2026-12-01", "2026-12-01T00:00:00Z");
    }

    #[test]
    fn a_time_from_now() {
        check("in 1 min", "2026-11-25T10:21:30Z");
        check("In 2 Hours", "2026-11-25T12:20:30Z");
        check("in an hour", "2026-11-25T11:20:30Z");
        check("in 1 hour and 30 minutes", "2026-11-25T11:50:30Z");
        check("in 90s", "2026-11-25T10:22:00Z");
        check("in 3 days", "2026-11-28T10:20:30Z");
    }

    #[test]
    fn a_day_and_a_time_of_day() {
        check("tomorrow at 9am", "2026-11-26T09:00:00Z");
        check("tomorrow at 9am +02:00", "2026-11-26T07:00:00Z");
        check("tomorrow", "2026-11-26T10:20:30Z");
        check("today at 17:30", "2026-11-25T17:30:00Z");
        check("tomorrow at 12 am", "2026-11-26T00:00:00Z");
        check("tomorrow 12:15 pm", "2026-11-26T12:15:00Z");
        check("friday at noon", "2026-11-27T12:00:00Z");
        check("next wednesday at midnight UTC", "2026-12-02T00:00:00Z");
    }

    #[test]
    fn an_offset_decides_which_day_tomorrow_is() {
        check("tomorrow at 1am +14:00", "2026-11-26T11:00:00Z");
    }

    #[test]
    fn a_time_zone_counts_in_brackets_and_behind_words() {
        check("2026-12-01T09:00:00[America/New_York]", "2026-12-01T14:00:00Z");
        check("2026-12-01T09:00[europe/berlin]", "2026-12-01T08:00:00Z");
        check("2026-12-01[Asia/Tokyo]", "2026-11-30T15:00:00Z");
        check("2026-12-01T09:00:00+01:00[Europe/Berlin]", "2026-12-01T08:00:00Z");
        check("2026-12-01T09:00:00Z[Europe/Berlin]", "2026-12-01T09:00:00Z");
        check("2026-12-01T09:00:00[+05:30]", "2026-12-01T03:30:00Z");
        check("Friday at 3pm ET", "2026-11-27T20:00:00Z");
        check("tomorrow at 9am EST", "2026-11-26T14:00:00Z");
        check("tomorrow at 9am PDT", "2026-11-26T16:00:00Z");
        check("tomorrow at 9am Europe/Berlin", "2026-11-26T08:00:00Z");
        check("tomorrow at 1am Asia/Tokyo", "2026-11-25T16:00:00Z");
    }

    #[test]
    fn a_time_zone_that_is_not_known_or_contradicts_the_offset_is_told() {
        for text in [
            "2026-12-01T09:00:00[Mars/Olympus]",
            "2026-12-01T09:00:00+05:00[Europe/Berlin]",
            "2026-12-01T09:00:00+01:00[u-ca=gregory]",
            "tomorrow at 9am BST",
            "friday at 3pm Mars/Olympus",
            "tomorrow [Europe/Berlin]",
        ] {
            assert_eq!(parse(text, NOW.parse().unwrap()), Err(InvalidTime::UnknownZone), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "soon",
            "in",
            "in many hours",
            "in 5",
            "in 5 parsecs",
            "tomorrow at",
            "tomorrow at 25:00",
            "tomorrow at 13pm",
            "tomorrow at 9",
            "2026-13-01T00:00:00Z",
            "2026-12-01T09:00:00+99:00",
            "in 99999999999999999999 days",
            "in 9223372036854775807 weeks",
            "at 9am",
        ] {
            assert_eq!(parse(text, NOW.parse().unwrap()), Err(InvalidTime::Unreadable), "{text}");
        }
    }

    #[test]
    fn only_the_next_30_days_can_be_scheduled() {
        let now: Timestamp = NOW.parse().unwrap();
        assert_eq!(super::check(now + MAX_AHEAD, now), Ok(now + MAX_AHEAD));
        assert_eq!(super::check(now + MAX_AHEAD + SignedDuration::from_secs(1), now), Err(InvalidTime::TooFar));
        assert_eq!(super::check(now - SignedDuration::from_mins(2), now), Err(InvalidTime::Past));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(in |tomorrow at |next |today )?[a-z0-9 :+.-]{0,30}|.*") {
            let _ = parse(&text, NOW.parse().unwrap());
        }
    }
}
