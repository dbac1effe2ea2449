//! apalis with apalis-redis: one worker with the given concurrency.
//!
//! - Batches of the concurrency's size (default: 10), which its documentation names as the way to more throughput.
//! - Jobs run on tokio's tasks (`parallelize`), as its documentation does.
//! - Jobs are added by push_bulk, 1,000 at a time.
//! - `MODE` "no locks": neither locks, which its documentation calls of no help to jobs shorter than a heartbeat, nor events.
//!
//! kill -9: nothing is lost. The jobs in flight are in a set of the worker's, and are requeued when its heartbeat has been
//! missing for 5 minutes.
//!
//! A job is first put among the scheduled ones, and the next fetch moves all that are due, in one call with as many arguments.
//! Lua refuses more than about 8,000, and the worker ends with an error. So we move them as a worker that runs meanwhile would.

mod tally;

use std::time::Instant;

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use serde_json::Value;
use tally::Step;

const BATCH: u64 = 1000;

#[tokio::main]
async fn main() {
    let connection = apalis_redis::connect(tally::redis_url()).await.expect("Redis");
    let as_it_comes = tally::mode() != "no locks";
    let config = Config::default().queue("emails").emit_events(as_it_comes).lock_tasks(as_it_comes);
    match tally::step() {
        Step::Enqueue { emails, deadline } => {
            enqueue(RedisStorage::new(connection).with_config(config), emails, deadline).await;
        }
        Step::Work { concurrency, limit } => {
            let storage = RedisStorage::new(connection).with_config(config.batch_size(concurrency));
            let worker = WorkerBuilder::new("peer")
                .backend(storage)
                .concurrency(concurrency)
                .parallelize(tokio::spawn)
                .build(send);
            tokio::spawn(tally::report(limit));
            worker.run().await.expect("the worker");
        }
    }
}

async fn send(_email: Value) -> Result<(), BoxDynError> {
    tally::handle();
    Ok(())
}

async fn enqueue(mut storage: RedisStorage<Value>, emails: u64, deadline: Instant) {
    let mut enqueued = 0;
    while enqueued < emails && Instant::now() < deadline {
        let end = emails.min(enqueued + BATCH);
        storage.push_bulk((enqueued..end).map(tally::email).collect()).await.expect("enqueue");
        make_available(&mut storage).await;
        enqueued = end;
    }
    tally::report_enqueued(enqueued, "apalis-redis", include_str!("../Cargo.lock"));
}

/// Moves what is due from the scheduled jobs to those that wait.
async fn make_available(storage: &mut RedisStorage<Value>) {
    let (scheduled, waiting) = (storage.get_config().scheduled_jobs_set(), storage.get_config().active_jobs_list());
    let connection = storage.get_connection();
    let due: Vec<String> =
        redis::cmd("ZRANGE").arg(&scheduled).arg(0).arg(-1).query_async(connection).await.expect("Redis");
    let mut moved = redis::pipe();
    moved.atomic().cmd("RPUSH").arg(&waiting).arg(&due).ignore().cmd("DEL").arg(&scheduled).ignore();
    moved.exec_async(connection).await.expect("Redis");
}
