use std::time::Duration;

use crate::{Queue, Relay, call::Call, script::DESCRIBE_WORKER};

/// What a worker was started with, for people.
#[derive(Debug, Clone, Copy)]
pub struct StartedWith<'a> {
    /// The name of its machine.
    pub host: &'a str,
    /// Its process id there.
    pub pid: u32,
    /// Its version.
    pub version: &'a str,
    /// How long ago it was started.
    pub age: Duration,
    /// How many emails it may have in flight at once.
    pub concurrency: usize,
    /// How many shards it serves.
    pub shards: u16,
    /// The relays that it hands emails to.
    pub relays: &'a [&'a Relay],
}

/// Stores what `worker` was started with, for as long as its lease. [`extend`](crate::transition::extend) keeps it as long as
/// it renews the lease.
pub fn describe_worker(queue: &Queue, worker: &str, lease: Duration, with: StartedWith<'_>) -> Call<()> {
    let StartedWith { host, pid, version, age, concurrency, shards, relays } = with;
    let call = Call::script(&DESCRIBE_WORKER, queue, |_| Ok(()));
    let call = call.argument(worker).milliseconds(lease).milliseconds(age);
    let fields = [
        ("host", host.to_owned()),
        ("pid", pid.to_string()),
        ("version", version.to_owned()),
        ("concurrency", concurrency.to_string()),
        ("shards", shards.to_string()),
        // A name has no control characters.
        ("relays", listed(relays, Relay::name)),
        ("relay_keys", listed(relays, Relay::key)),
    ];
    fields.into_iter().fold(call, |call, (field, value)| call.argument(field).argument(value))
}

/// A text of all, a line each.
fn listed<'r>(relays: &[&'r Relay], text: impl Fn(&'r Relay) -> &'r str) -> String {
    relays.iter().map(|relay| text(relay)).collect::<Vec<_>>().join("\n")
}
