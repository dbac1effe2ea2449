//! What the handlers need of Redis.

use std::{fmt::Display, future::Future};

use email_queue::{
    Queue,
    redis::{CallError, Redis},
    transition::{Enqueue, Enqueued, enqueue},
};

/// Redis, as the entry points offer it to the handlers.
pub trait Backend: Redis<Error: Display> + Sized {
    /// Puts the emails of one request on the queue, all or none of them. By a call of its own, unless an entry point
    /// knows better.
    ///
    /// When the future is dropped, the emails may or may not be on the queue.
    ///
    /// # Errors
    /// As [`Call::run`](email_queue::redis::Call::run).
    fn enqueue(
        &self,
        queue: &Queue,
        emails: Enqueue<'_>,
    ) -> impl Future<Output = Result<Enqueued, CallError<Self::Error>>> {
        let call = enqueue(queue, emails);
        async move { call.run(self).await }
    }
}
