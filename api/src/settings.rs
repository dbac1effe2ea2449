//! What the operator can set: Spin variables, or flags of the native server.

use std::time::Duration;

use email_queue::{Queue, Replication, Shards, email::Mailbox};
use jiff::{Span, SpanRelativeTo};

use crate::{access::Access, invalid_setting::InvalidSetting};

/// The settings of the API.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `queue`: the queue's name, and `shards`: how many shards it has; 1 by default. Both the same as the worker's.
    pub shards: Shards,
    /// `earlier_shards`: how many it had in the last 24 hours, if `shards` was changed. Looked up only if there are several now.
    pub earlier_shards: Option<Shards>,
    /// `api_keys`: separated by commas, each `KEY`, `KEY:full`, `KEY:sending` or `KEY:read`. If there are none, `open`: empty, or `loopback`
    /// for programs on the same machine.
    pub access: Access,
    /// `default_from`: the sender of emails that name none.
    pub default_from: Option<Mailbox>,
    /// `max_body_bytes`: the largest body of a request, in bytes; 10 MiB by default.
    pub max_body_bytes: usize,
    /// `backlog_limit`: how many emails may wait before no more are accepted. `None`, the default, for no limit.
    pub backlog_limit: Option<u64>,
    /// `backlog_bytes`: how many bytes the records of all emails may have; 4 GiB by default. At the limit the bodies of emails that
    /// have ended are removed; then no more emails are accepted. `None` for no limit.
    pub backlog_bytes: Option<u64>,
    /// `rate_limit`: how many requests a client may make in a second, where each email of a batch counts. `None`, the default, for
    /// no limit.
    pub rate_limit: Option<u32>,
    /// `retention`: how long an email accepted here is kept after it was sent, such as `24h` or `7d`. `None`, the default, for the
    /// worker's setting.
    pub retention: Option<Duration>,
    /// `require_replicas`: how many replicas must have an email before it is accepted, such as `1`, or `1:aof` for what is on disk.
    /// `None`, the default, for none.
    pub require_replicas: Option<Replication>,
}

impl Settings {
    /// The queue with the shards in which emails may be: more than those that emails are accepted in, if there were more.
    pub(crate) fn shards_with_emails(&self) -> &Shards {
        self.earlier_shards.as_ref().filter(|earlier| earlier.count() > self.shards.count()).unwrap_or(&self.shards)
    }

    /// What a shard has of a limit of the queue.
    pub(crate) fn part_of(&self, limit: Option<u64>) -> Option<u64> {
        limit.map(|limit| limit.div_ceil(self.shards.count().into()))
    }

    /// The variables that [`from_variables`](Self::from_variables) looks up.
    pub const VARIABLES: [&str; 12] = [
        "queue",
        "shards",
        "earlier_shards",
        "api_keys",
        "open",
        "default_from",
        "max_body_bytes",
        "backlog_limit",
        "backlog_bytes",
        "rate_limit",
        "retention",
        "require_replicas",
    ];

    /// Reads the settings by a look-up of variables by name. A variable that is not set, or empty, has its default.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let read = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let queue: Queue = parsed("queue", read("queue"), |name| name.parse().ok())?.unwrap_or_default();
        let shards = shards_of("shards", read("shards"), &queue)?.unwrap_or_else(|| Shards::one(queue.clone()));
        // On some hosts a look-up is a considerable part of the cost of a request.
        let earlier =
            if shards.count() > 1 { shards_of("earlier_shards", read("earlier_shards"), &queue)? } else { None };
        Ok(Self {
            earlier_shards: earlier.filter(|earlier| *earlier != shards),
            shards,
            // Not trimmed: a blank in a key may be a mistake.
            access: Access::from_variables(&variable)?,
            default_from: parsed("default_from", read("default_from"), |from| from.parse().ok())?,
            max_body_bytes: parsed("max_body_bytes", read("max_body_bytes"), |bytes| bytes.parse().ok())?
                .unwrap_or(10 * 1024 * 1024),
            backlog_limit: parsed("backlog_limit", read("backlog_limit"), |limit| limit.parse().ok())?
                .filter(|limit| *limit > 0),
            backlog_bytes: parsed("backlog_bytes", read("backlog_bytes"), |bytes| bytes.parse().ok())?
                .or(Some(4 * 1024 * 1024 * 1024))
                .filter(|bytes| *bytes > 0),
            rate_limit: parsed("rate_limit", read("rate_limit"), |limit| limit.parse().ok())?
                .filter(|limit| *limit > 0),
            retention: parsed("retention", read("retention"), duration)?,
            require_replicas: parsed(
                "require_replicas",
                read("require_replicas").filter(|text| text != "0"),
                |text| text.parse().ok(),
            )?,
        })
    }
}

fn shards_of(variable: &'static str, count: Option<String>, queue: &Queue) -> Result<Option<Shards>, InvalidSetting> {
    let Some(count) = count else { return Ok(None) };
    let shards = Shards::new(queue.clone(), count.parse().unwrap_or_default());
    shards.map(Some).map_err(|invalid| InvalidSetting { variable, reason: format!("cannot be used: {invalid}") })
}

fn parsed<T>(
    variable: &'static str,
    value: Option<String>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, InvalidSetting> {
    let Some(value) = value else { return Ok(None) };
    let invalid = || InvalidSetting { variable, reason: "has a value that cannot be used".to_owned() };
    parse(&value).map(Some).ok_or_else(invalid)
}

/// `90s`, `24h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: &str) -> Result<Settings, InvalidSetting> {
        Settings::from_variables(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let settings = Settings::from_variables(|_| Some(String::new())).unwrap();
        assert_eq!((settings.shards, settings.earlier_shards), (Shards::one(Queue::default()), None));
        assert_eq!(settings.max_body_bytes, 10_485_760);
        assert!(settings.access == Access::Closed && settings.default_from.is_none());
        assert_eq!((settings.backlog_limit, settings.retention), (None, None));
        assert_eq!(settings.backlog_bytes, Some(4_294_967_296));
    }

    #[test]
    fn every_variable_is_looked_up_once() {
        let asked = std::cell::RefCell::new(Vec::new());
        let settings = |several: bool| {
            let settings = Settings::from_variables(|name| {
                asked.borrow_mut().push(name.to_owned());
                let value = match name {
                    "shards" => "2",
                    "queue" => "{emails}",
                    _ => "",
                };
                several.then(|| value.to_owned())
            });
            assert!(settings.is_ok());
            let mut asked = asked.take();
            asked.sort();
            asked
        };
        let mut known = Settings::VARIABLES.to_vec();
        known.sort_unstable();
        assert_eq!(settings(true), known);
        known.retain(|name| *name != "earlier_shards");
        assert_eq!(settings(false), known);
    }

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(settings("rate_limit", "10").unwrap().rate_limit, Some(10));
        assert_eq!(settings("backlog_limit", "1000").unwrap().backlog_limit, Some(1000));
        assert_eq!(settings("backlog_limit", "0").unwrap().backlog_limit, None);
        assert_eq!(settings("backlog_bytes", "1000000").unwrap().backlog_bytes, Some(1_000_000));
        assert_eq!(settings("backlog_bytes", "0").unwrap().backlog_bytes, None);
        for (text, hours) in [("24h", 24), ("7d", 168), ("1h", 1), ("1w", 168)] {
            assert_eq!(
                settings("retention", text).unwrap().retention,
                Some(Duration::from_secs(hours * 3600)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_but_not_shown() {
        for name in Settings::VARIABLES {
            let message = with_shards(name, "hunter 2").unwrap_err().to_string();
            assert!(message.contains(name) && !message.contains("hunter"), "{message}");
        }
    }

    /// One variable, beside those that it may need.
    fn with_shards(name: &str, value: &str) -> Result<Settings, InvalidSetting> {
        Settings::from_variables(|asked| {
            let given = [(name, value), ("queue", "{emails}"), ("shards", "2")];
            given.iter().find(|(known, _)| *known == asked).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn several_shards_need_a_name_in_braces_and_a_number_that_a_queue_can_have() {
        let settings = with_shards("shards", "6").unwrap();
        assert_eq!((settings.shards.count(), settings.shards_with_emails().count()), (6, 6));
        for (variable, value, way_out) in [
            ("shards", "0", "1 to 4096"),
            ("shards", "4097", "1 to 4096"),
            ("shards", "70000", "1 to 4096"),
            ("shards", "-1", "1 to 4096"),
            ("earlier_shards", "0", "1 to 4096"),
            ("queue", "emails", "{emails}"),
        ] {
            let message = with_shards(variable, value).unwrap_err().to_string();
            assert!(message.contains("shards") && message.contains(way_out), "{variable} {value}: {message}");
        }
    }

    #[test]
    fn emails_may_be_in_more_shards_than_they_are_accepted_in() {
        for (earlier, differs, with_emails) in [("", false, 2), ("1", true, 2), ("2", false, 2), ("6", true, 6)] {
            let settings = with_shards("earlier_shards", earlier).unwrap();
            assert_eq!(settings.earlier_shards.is_some(), differs, "{earlier}");
            assert_eq!(settings.shards_with_emails().count(), with_emails, "{earlier}");
        }
    }

    #[test]
    fn a_limit_of_the_queue_is_shared_by_its_shards() {
        let settings = with_shards("shards", "6").unwrap();
        assert_eq!((settings.part_of(Some(1000)), settings.part_of(None)), (Some(167), None));
        assert_eq!(with_shards("shards", "1").unwrap().part_of(Some(1000)), Some(1000));
    }
}
