use std::str::FromStr;

use crate::{Lane, Relay};

/// A queue, which is a name, and the Redis keys that belong to it. No other code makes up a key.
///
/// | key | type | holds | lives |
/// |---|---|---|---|
/// | `<q>:high`, `<q>`, `<q>:low` | list | ids that wait, one list a lane: `LPUSH` in, `BRPOP` out | while anything waits |
/// | `<q>:email:<id>` | string | the record of an email: a header line, and the email as JSON | until forgotten |
/// | `<q>:failure:<id>` | hash | `error` and `class` of the last failure, `since`: when the first one was, `accepted`: who has the email already, `refused`: who never gets it and why, `timeouts` in a row, `faults` of the relay that it met while others passed, and when the last (`met`), `slow`: what is said of a delivery that takes long | until sent or forgotten |
/// | `<q>:waiting` | hash | how many wait per lane, the last sequence numbers at its end and its front, the last list of the index; how many `bytes` all records have, when they were `counted` anew, and how far that has come (`recount`) | for ever |
/// | `<q>:waiting:<lane>` | sorted set | the numbers of the chunks that follow | while any of them waits |
/// | `<q>:waiting:<lane>:<chunk>` | hash | sequence number → id, for emails on that lane's list and not claimed | until claimed |
/// | `<q>:sending:<worker>` | hash | what a worker has in flight: id → header when claimed | until finished |
/// | `<q>:scheduled` | sorted set | id → due: emails for later, and retries | until listed |
/// | `<q>:finished` | sorted set | ids that ended together → when to forget them | for the retention |
/// | `<q>:emptied` | sorted set | the same, of emails whose bodies were removed to make room | for the retention |
/// | `<q>:failed` | sorted set | id → since when: the dead letters | until a person decides |
/// | `<q>:popped` | sorted set | id → since when it is known to be popped and not claimed | for seconds |
/// | `<q>:index` | sorted set | the first ids of the lists that follow, in order | while any of them is known |
/// | `<q>:index:<id>` | list | about 64 ids, from this one on, as they came: together every id known | until forgotten |
/// | `<q>:idempotency:<hash>` | string | hash of a request and the ids that it got | 24 hours |
/// | `<q>:rate:<hash>` | string | requests of a client in the present second, or wrong keys of an address in the present minute | for a second or a minute, longer after a batch |
/// | `<q>:default-from` | string | who sends emails for which nobody is named, as a worker said at its start | for ever |
/// | `<q>:secret` | string | 32 random bytes, with which links to attachments are signed | for ever |
/// | `<q>:import:<worker>` | string | the id that the last entry got which a worker has popped and another program pushed as JSON, and which pop of that worker it was | 24 hours |
/// | `<q>:relay:<hash>` | hash | a relay's `name`, the `limit` of connections that was learned, when it last was found to be well (`cleared`), until when `senders` are held off; while it is held off `since`, `until`, `failures` in a row, `class` and `error` of the last one, which emails met them (`behind`), and who has the turn to `probe` it, and until when (`probe_ends`) | 30 days after the last failure |
/// | `<q>:sender:<hash>` | hash | a sender that a relay does not take emails of for now: `until`, `failures` in a row, `class`, `error` | until taken, or the longest back-off after `until` |
/// | `<q>:held` | string | the relay that has failed last; present while any relay or sender is held off | as long as they are |
/// | `<q>:workers` | sorted set | worker → end of its lease, which holds for all that it has in flight | until it stops, or the end of its lease |
/// | `<q>:alive` | string | when a worker last gave a sign of life, since when there was no gap in them, and that worker's lease | for ever |
/// | `<q>:version` | string | the version of the keys and fields of this queue | for ever |
/// | `<q>:totals` | hash | counters since the queue was made | for ever |
/// | `<q>:sweep` | string | the lock of maintenance: present while a worker does it, or nothing is due | for up to a minute |
///
/// All times are ms since 1970 by the clock of Redis. Per-email entries are sharded into small listpack-encoded hashes and
/// lists: an email of a million takes 40 bytes in `waiting` and in `index` instead of 140, and no more time than one of ten. The scripts spell the same names in `lua/prelude.lua`; a test
/// holds both against what is really in Redis.
///
/// The worker can be pointed at any list name, such as one that other programs push to already. On Redis Cluster use a
/// name in braces, `{emails}`, so that all keys share a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue(String);

impl Queue {
    /// The name, which is also the key of the normal lane's list and the beginning of every other key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The list of a lane.
    #[must_use]
    pub fn list(&self, lane: Lane) -> String {
        match lane {
            Lane::Normal => self.0.clone(),
            lane => format!("{}:{lane}", self.0),
        }
    }

    /// The lists of all lanes in the order in which `BRPOP` is to watch them.
    #[must_use]
    pub fn lists(&self) -> [String; 3] {
        Lane::ALL.map(|lane| self.list(lane))
    }

    /// What is known of a relay.
    pub(crate) fn relay(&self, relay: &Relay) -> String {
        format!("{}:relay:{}", self.0, relay.key())
    }

    /// What is known against a sender, by its hash.
    pub(crate) fn sender(&self, sender: &str) -> String {
        format!("{}:sender:{sender}", self.0)
    }

    /// Whose presence says that a relay or a sender is held off.
    pub(crate) fn held(&self) -> String {
        format!("{}:held", self.0)
    }

    /// The keys that there is one of, each with the type that it has where it exists
    /// ([`TYPE`](https://redis.io/docs/latest/commands/type/)).
    #[must_use]
    pub fn types(&self) -> Vec<(String, &'static str)> {
        const TYPES: [(&str, &[&str]); 3] = [
            ("hash", &["waiting", "totals"]),
            (
                "zset",
                &[
                    "waiting:high",
                    "waiting:normal",
                    "waiting:low",
                    "scheduled",
                    "finished",
                    "emptied",
                    "failed",
                    "popped",
                    "index",
                    "workers",
                ],
            ),
            ("string", &["default-from", "secret", "alive", "sweep", "version"]),
        ];
        let others =
            TYPES.iter().flat_map(|(kind, names)| names.iter().map(|name| (format!("{}:{name}", self.0), *kind)));
        self.lists().into_iter().map(|list| (list, "list")).chain(others).collect()
    }

    /// Who sends emails for which nobody is named.
    pub(crate) fn default_from(&self) -> String {
        format!("{}:default-from", self.0)
    }

    /// How many requests a client, which is hashed, has made in the present period.
    pub(crate) fn rate(&self, client: &str) -> String {
        format!("{}:rate:{client}", self.0)
    }

    /// The lock of maintenance: its absence says that something may be due.
    pub(crate) fn lock(&self) -> String {
        format!("{}:sweep", self.0)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self("emails".to_owned())
    }
}

impl FromStr for Queue {
    type Err = InvalidQueueName;

    fn from_str(name: &str) -> Result<Self, InvalidQueueName> {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-_.:{}".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(usable) {
            return Err(InvalidQueueName);
        }
        Ok(Self(name.to_owned()))
    }
}

/// The name cannot be a queue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a queue's name is 1 to 100 ASCII letters, digits or any of -_.:{{}}")]
pub struct InvalidQueueName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_lane_is_the_queue_itself() {
        assert_eq!(Queue::default().lists(), ["emails:high", "emails", "emails:low"]);
    }

    #[test]
    fn a_name_that_could_confuse_redis_is_refused() {
        for name in ["", "two words", "new\nline", "ü"] {
            assert!(name.parse::<Queue>().is_err(), "{name}");
        }
        assert!("{emails}".parse::<Queue>().is_ok());
    }
}
