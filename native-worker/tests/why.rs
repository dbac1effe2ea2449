//! When an email was said to be sent comes about true while real workers send by a relay that takes its time.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use common::Queue;
use email_queue::{
    EmailId, Lane, Shards,
    call::{Call, Command, Redis, Value},
    maintenance::sample,
    query::{Reason, Why, why},
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};
use futures_util::FutureExt;
use redis::RedisError;
use testkit::{Action, DEADLINE, Rules, SmtpServer, Stage};
use tokio::time::sleep;

/// How long the relay takes for an email.
const DELAY: Duration = Duration::from_millis(150);
/// For how long the rate is measured before it is asked for.
const MEASURED: Duration = Duration::from_secs(3);
const SAMPLES_APART: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_queue_is_emptied_about_as_fast_as_its_emails_were_told() {
    let (queue, smtp) = (Queue::start(), SmtpServer::builder().keeping_nothing().start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::accept_after(DELAY)));
    let client = Client(RefCell::new(queue.redis.connection()));
    let mut workers = Vec::new();
    let mut queues = Vec::new();
    for nth in 0_usize..6 {
        let (name, concurrency) = (format!("q{nth}"), 1 + nth % 3);
        let shards = Shards::one(name.parse().unwrap());
        // For eight seconds or so.
        let ids = client.enqueue(&shards, 8 * 1000 * concurrency / usize::try_from(DELAY.as_millis()).unwrap());
        workers
            .push(queue.worker(&smtp.url(), &["--queue", &name, "--concurrency", &concurrency.to_string(), "--drain"]));
        queues.push((shards, ids));
    }
    let began = Instant::now();
    while began.elapsed() < MEASURED {
        for (shards, _) in &queues {
            client.run(&sample(shards.first(), SAMPLES_APART, &Default::default()));
        }
        sleep(SAMPLES_APART).await;
    }
    let mut asked = Vec::new();
    for (shards, ids) in &queues {
        // The last, and one that waits for half as long.
        for id in [ids[ids.len() - 1], ids[ids.len() * 3 / 4]] {
            asked.push((shards, id, client.why(shards, id)));
        }
    }
    for worker in &mut workers {
        assert!(worker.wait(DEADLINE).await.success());
    }
    let mut close = 0;
    for (shards, id, why) in &asked {
        assert_eq!(why.reason, Reason::WaitingInLane, "{why:?}");
        let (estimated, estimated_in) = (why.estimated.unwrap().as_millisecond(), why.estimated_in.unwrap());
        let asked = estimated - i64::try_from(estimated_in.as_millis()).unwrap();
        let took = Duration::from_millis((client.sent(shards, *id) - asked).try_into().unwrap());
        let factor = estimated_in.as_secs_f64() / took.as_secs_f64();
        close += usize::from((0.5..=2.0).contains(&factor));
    }
    assert!(close * 5 >= asked.len() * 4, "{close} of {}", asked.len());
}

struct Client(RefCell<redis::Connection>);

impl Redis for Client {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, RedisError> {
        redis_calls::values(redis_calls::cmd(&command).query(&mut *self.0.borrow_mut())?)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}

impl Client {
    fn run<T>(&self, call: &Call<T>) -> T {
        call.run(self).now_or_never().unwrap().unwrap()
    }

    fn enqueue(&self, shards: &Shards, count: usize) -> Vec<EmailId> {
        let json = r#"{"from":"a@x.example","to":["b@x.example"],"subject":"Hi","text":"Hello"}"#;
        let email = |_| NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: json.into() };
        let emails: Vec<_> = (0..count).map(email).collect();
        let call = enqueue(shards.first(), Enqueue { emails: &emails, ..Enqueue::default() });
        assert_eq!(self.run(&call), Enqueued::Accepted);
        emails.iter().map(|email| email.id).collect()
    }

    fn why(&self, shards: &Shards, id: EmailId) -> Why {
        why(self, shards, id).now_or_never().unwrap().unwrap().unwrap()
    }

    /// When an email was sent, in ms since 1970.
    fn sent(&self, shards: &Shards, id: EmailId) -> i64 {
        let record = email_queue::query::read(shards.first(), id);
        self.run(&record).unwrap().finished.unwrap().as_millisecond()
    }
}
