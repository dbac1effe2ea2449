use std::str::FromStr;

use crate::{Lane, Relay};

/// A queue's name, and its Redis keys. No other code builds a key.
///
/// | key | type | holds | lives |
/// |---|---|---|---|
/// | `<q>:high`, `<q>`, `<q>:low` | list | ids of waiting emails, one list per lane: `LPUSH` in, `BRPOP` out | while any wait |
/// | `<q>:email:<id>` | string | the record: a header, and the email as JSON | until deleted after the retention |
/// | `<q>:failure:<id>` | hash | `error` and `class` of the last failure, `since` of the first; recipients `accepted`; recipients `refused` for good, with reasons; `timeouts` in a row; `faults` of the relay that the email met while others passed, and when the last (`met`); `slow`: the mark of a slow delivery. In shard 0 also `faults` and `met` of other shards' emails | until the email is sent or deleted; 30 days for those of other shards |
/// | `<q>:timeline:<id>` | list | the newest 25 things that happened to an email, the oldest first; only of one that was not sent at its first attempt | until deleted after the retention |
/// | `<q>:waiting` | hash | number of waiting emails per lane, and of those that are `delayed`; last sequence numbers at a lane's end and its front, last list of the index; `bytes` of all records, when they were `counted`, and the progress of a `recount` | for ever |
/// | `<q>:waiting:<lane>` | sorted set | the lane's chunk numbers | while any email waits |
/// | `<q>:waiting:<lane>:<chunk>` | hash | sequence number → id of waiting emails that are not claimed | until claimed |
/// | `<q>:worker:<worker>` | hash | what a worker was started with: `host`, `pid`, `version`, `started`, `concurrency`, `shards`, names of `relays` | as long as its lease |
/// | `<q>:sending:<worker>` | hash | what a worker has in flight: id → header when claimed | until finished |
/// | `<q>:scheduled` | sorted set | id → due time, of scheduled and delayed emails | until pushed to its list |
/// | `<q>:finished` | sorted set | ids that ended together → when to delete them | for the retention |
/// | `<q>:emptied` | sorted set | the same, for emails whose bodies were removed to make room | for the retention |
/// | `<q>:failed` | sorted set | id → since when it is a dead letter | until an operator decides |
/// | `<q>:popped` | sorted set | id → when maintenance first found it popped and not claimed | for seconds |
/// | `<q>:index` | sorted set | the first id of each list that follows, in order | while its list exists |
/// | `<q>:index:<id>` | list | about 64 ids from this one on, in order of arrival; together all ids | until deleted |
/// | `<q>:idempotency:<hash>` | string | hash of a request and its ids; or `moved`: another shard has them | 24 hours |
/// | `<q>:rate:<hash>` | string | a client's requests in this second, or an address's wrong keys in this minute | for a second or a minute, longer after a batch |
/// | `<q>:default-from` | string | the sender of emails without one, written by a worker at start | for ever |
/// | `<q>:secret` | string | 32 random bytes that sign links to attachments | for ever |
/// | `<q>:import:<worker>` | string | the id of the last plain entry that a worker popped, and the number of that pop | 24 hours |
/// | `<q>:relay:<hash>` | hash | a relay's `name`, learned connection `limit`, last success (`cleared`), until when `senders` are held off; while it is held off `since`, `until`, `failures` in a row, `class` and `error` of the last, ids of emails that met them (`behind`), and the worker that may `probe`, until `probe_ends` | 30 days after the last failure |
/// | `<q>:sender:<hash>` | hash | a sender whose emails a relay refuses for now: `until`, `failures` in a row, `class`, `error` | until accepted, or the longest back-off after `until` |
/// | `<q>:held` | string | the relay that failed last; exists while any relay or sender is held off | as long as they are |
/// | `<q>:workers` | sorted set | worker → end of its lease | until it stops, or the lease expires |
/// | `<q>:alive` | string | when any worker last renewed a lease, since when there was no gap, and that lease | for ever |
/// | `<q>:paused` | hash | lane → since when it is paused | while any is |
/// | `<q>:version` | string | the version of the queue's keys and fields | for ever |
/// | `<q>:totals` | hash | counters since the queue was created; by class of failure `failed:<class>` and `delayed:<class>` | for ever |
/// | `<q>:series` | list | samples of the counters of the last hour, about ten seconds apart, the newest first | for ever |
/// | `<q>:latencies` | hash | per minute of the last hour, how long emails took to be sent, from their acceptance or their time, as a histogram | for ever |
/// | `<q>:sweep` | string | the lock of maintenance: exists while a worker does it, or nothing is due | up to a minute |
///
/// All times are ms since 1970 by Redis' clock. Per-email entries are sharded into small listpack-encoded hashes and
/// lists: in `waiting` and `index` an email takes 40 bytes instead of 140 in a sorted set, and the cost of an access
/// does not depend on the number of emails. `lua/prelude.lua` has the same names; a test compares both with the keys in
/// Redis.
///
/// Any list name works, such as one that other programs push to already. On Redis Cluster use a name in braces,
/// `{emails}`, so that all keys share a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue(String);

impl Queue {
    /// The name, which is also the key of the normal lane's list and the beginning of every other key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A queue of a name that is valid.
    pub(crate) fn named(name: String) -> Self {
        Self(name)
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

    /// The state of a relay.
    pub(crate) fn relay(&self, relay: &Relay) -> String {
        format!("{}:relay:{}", self.0, relay.key())
    }

    /// The hold-off of a sender, by its hash.
    pub(crate) fn sender(&self, sender: &str) -> String {
        format!("{}:sender:{sender}", self.0)
    }

    /// Exists while a relay or a sender is held off.
    pub(crate) fn held_off(&self) -> String {
        format!("{}:held", self.0)
    }

    /// The keys that exist once per queue, with their types ([`TYPE`](https://redis.io/docs/latest/commands/type/)).
    #[must_use]
    pub fn types(&self) -> Vec<(String, &'static str)> {
        const TYPES: [(&str, &[&str]); 4] = [
            ("list", &["series"]),
            ("hash", &["waiting", "totals", "latencies", "paused"]),
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

    /// Counters since the queue was created.
    #[must_use]
    pub fn totals(&self) -> String {
        format!("{}:totals", self.0)
    }

    /// The sender of emails without one.
    pub(crate) fn default_from(&self) -> String {
        format!("{}:default-from", self.0)
    }

    /// The dead letters, by when they became that.
    pub(crate) fn failed(&self) -> String {
        format!("{}:failed", self.0)
    }

    /// How many requests a client, which is hashed, has made in the present period.
    pub(crate) fn rate(&self, client: &str) -> String {
        format!("{}:rate:{client}", self.0)
    }

    /// The lock of maintenance: missing when something may be due.
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
