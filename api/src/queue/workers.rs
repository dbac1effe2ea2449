use std::collections::{BTreeMap, btree_map::Entry};

use email_queue::{
    Shard,
    call::Redis,
    query::{self, WorkerState},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `GET /queue/workers`: the workers, and what they have in flight. One command per shard.
pub(crate) async fn workers<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let shards = context.settings.shards_with_emails();
    let mut workers: BTreeMap<String, (WorkerState, Vec<Shard>)> = BTreeMap::new();
    for shard in shards.all() {
        for worker in query::workers(&shards.queue(shard)).run(context.redis).await? {
            match workers.entry(worker.id.clone()) {
                Entry::Vacant(entry) => _ = entry.insert((worker, vec![shard])),
                Entry::Occupied(mut entry) => {
                    entry.get_mut().0.merge(worker);
                    entry.get_mut().1.push(shard);
                }
            }
        }
    }
    let data = workers.values().map(|(worker, shards)| View::new(worker, shards)).collect();
    Ok(json(StatusCode::OK, &List { object: "list", data }))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<View<'a>>,
}

#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    host: Option<&'a str>,
    pid: Option<u32>,
    version: Option<&'a str>,
    started_at: Option<Timestamp>,
    lease_until: Timestamp,
    concurrency: Option<u64>,
    relays: Option<&'a [String]>,
    shards: Vec<u16>,
    in_flight: u64,
    emails: Vec<InFlight>,
}

#[derive(Serialize)]
struct InFlight {
    id: String,
    since: Timestamp,
}

impl<'a> View<'a> {
    fn new(worker: &'a WorkerState, shards: &[Shard]) -> Self {
        Self {
            id: &worker.id,
            host: worker.host.as_deref(),
            pid: worker.pid,
            version: worker.version.as_deref(),
            started_at: worker.started,
            lease_until: worker.lease_until,
            concurrency: worker.concurrency,
            relays: worker.relays.as_deref(),
            shards: shards.iter().map(|shard| shard.number()).collect(),
            in_flight: worker.in_flight,
            emails: worker.emails.iter().map(|&(id, since)| InFlight { id: id.to_string(), since }).collect(),
        }
    }
}
