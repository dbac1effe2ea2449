//! What the handlers need of Redis.

use std::{fmt::Display, future::Future};

use email_queue::{
    Queue,
    call::{CallError, Redis},
    transition::{Enqueue, Enqueued, enqueue},
};

/// Redis, as the entry points offer it to the handlers.
pub trait Backend: Redis<Error: Failure> + Sized {
    /// Puts the emails of one request on the queue, all or none of them. By a call of its own, unless an entry point
    /// knows better.
    ///
    /// When the future is dropped, the emails may or may not be on the queue.
    ///
    /// # Errors
    /// As [`Call::run`](email_queue::call::Call::run).
    fn enqueue(
        &self,
        queue: &Queue,
        emails: Enqueue<'_>,
    ) -> impl Future<Output = Result<Enqueued, CallError<Self::Error>>> {
        let call = enqueue(queue, emails);
        async move { call.run(self).await }
    }
}

/// Why Redis has not done what it was asked.
pub trait Failure: Display {
    /// How far the command came.
    fn reached(&self) -> Reached;

    /// The same of a command that had been sent once before, without an answer: whether that was carried out is not known.
    #[must_use]
    fn after_loss(self) -> Self;
}

/// How far a command came that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It was not sent.
    Nobody,
    /// Redis has it, and has answered that it does not carry it out. A script then has changed nothing.
    Refusal,
    /// It was sent, and no answer came: Redis may or may not have carried it out.
    Unknown,
}

#[cfg(test)]
mod testing {
    use std::convert::Infallible;

    use super::{Failure, Reached};

    impl Failure for Infallible {
        fn reached(&self) -> Reached {
            match *self {}
        }

        fn after_loss(self) -> Self {
            match self {}
        }
    }

    /// The failures of tests, in words.
    impl Failure for &'static str {
        fn reached(&self) -> Reached {
            match *self {
                "unreachable" => Reached::Nobody,
                "OOM" | "READONLY" => Reached::Refusal,
                _ => Reached::Unknown,
            }
        }

        fn after_loss(self) -> Self {
            match self {
                "unreachable" => "unreachable after a loss",
                "OOM" => "OOM after a loss",
                other => other,
            }
        }
    }
}
