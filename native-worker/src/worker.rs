//! The worker's loop, one for each shard: wait for work, claim, deliver, complete.
//!
//! 1. **Wait** until a permit is free, the relay may be used and there is memory for an email: `capacity`.
//! 2. **Claim** as many emails as there is capacity for; when the queue is empty, wait in `BRPOP`: `fetcher`, `blocking`.
//! 3. **Deliver** each email in a task of its own: `dispatcher`, `delivery`.
//! 4. **Complete**: record the results in Redis, many in one call: `completer`. While no permit is free, that call claims
//!    the next emails as well, and their deliveries start without this loop.

use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    completion::Completion,
    dispatcher::Dispatcher,
    ended::Ended,
    fetcher::{Fetched, Fetcher},
};

/// Runs until the worker is stopped, or until the queue is empty if it is to drain it. Results go to `done`.
///
/// An idle worker costs one blocked connection for each shard, and a busy one makes one round trip for many emails. After the
/// stop a command that was sent is still awaited, until `give_up`. Emails in its reply are tracked but not started, so that
/// they are released.
pub(crate) async fn work(
    dispatcher: &Dispatcher,
    done: &mpsc::Sender<Completion>,
    give_up: &CancellationToken,
) -> Ended {
    let Dispatcher { shard, stop, .. } = dispatcher;
    let mut fetcher = Fetcher::new(shard, stop, give_up);
    loop {
        let asked = SystemTime::now();
        match fetcher.fetch().await {
            Fetched::Emails(claims, Some(capacity)) => dispatcher.deliver(claims, capacity, asked, done),
            Fetched::Emails(claims, None) => drop(dispatcher.track(claims)),
            Fetched::Failed => fetcher.back_off().await,
            Fetched::Ended(ended) => return ended,
        }
    }
}
