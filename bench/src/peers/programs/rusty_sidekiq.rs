//! rusty-sidekiq, a Rust version of Sidekiq, with as many workers as the given concurrency.
//!
//! - A connection for each worker, as each blocks one in BRPOP, and some for the rest; the pool does not send a PING
//!   before each use.
//! - There is no call for many jobs at once: 50 tasks enqueue.
//! - No subscriber for tracing, so that the two lines for each job cost nothing.
//!
//! kill -9: the jobs in flight are lost, as they were taken by BRPOP.

mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::Value;
use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Worker};
use tally::Step;

const ENQUEUERS: u32 = 50;

struct SendEmail;

#[async_trait::async_trait]
impl Worker<Value> for SendEmail {
    async fn perform(&self, _email: Value) -> sidekiq::Result<()> {
        tally::handle();
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    match tally::step() {
        Step::Enqueue { emails, deadline } => enqueue(emails, deadline).await,
        Step::Work { concurrency, limit } => {
            let pool = pool(concurrency as u32 + 5).await;
            let config = ProcessorConfig::default().num_workers(concurrency);
            let mut processor = Processor::new(pool, vec!["default".to_owned()]).with_config(config);
            processor.register(SendEmail);
            tokio::spawn(processor.run());
            tally::report(limit).await
        }
    }
}

async fn enqueue(emails: u64, deadline: Instant) {
    let pool = pool(ENQUEUERS).await;
    let (next, enqueued) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..ENQUEUERS)
        .map(|_| {
            let (pool, next, enqueued) = (pool.clone(), next.clone(), enqueued.clone());
            tokio::spawn(async move {
                while Instant::now() < deadline {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= emails {
                        break;
                    }
                    SendEmail::perform_async(&pool, tally::email(number)).await.expect("enqueue");
                    enqueued.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    tally::report_enqueued(enqueued.load(Ordering::Relaxed), "rusty-sidekiq", include_str!("../Cargo.lock"));
}

async fn pool(size: u32) -> RedisPool {
    let manager = RedisConnectionManager::new(tally::redis_url()).expect("REDIS_URL");
    bb8::Pool::builder().max_size(size).test_on_check_out(false).build(manager).await.expect("Redis")
}
