//! The interface of the handlers to Redis.

use std::{fmt::Display, future::Future};

use email_queue::{
    Queue, Shard, Shards,
    call::{CallError, Redis},
    transition::{Enqueue, Enqueued, enqueue},
};

/// Redis, as the handlers use it.
pub trait Backend: Redis<Error: Failure> + Sized {
    /// Puts the emails of one request on the queue, all or none of them. By default with a call of their own; an
    /// [`Instance`](crate::instance::Instance) shares calls between requests.
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

    /// The shard for the emails of a request that may be in any. By default a random one; an
    /// [`Instance`](crate::instance::Instance) takes one for the requests that share a call.
    fn shard_for(&self, shards: &Shards, _emails: &Enqueue<'_>) -> Shard {
        random_shard(shards)
    }

    /// Takes notice that a shard has not taken emails that another one may take. An [`Instance`](crate::instance::Instance) then
    /// prefers others for a moment.
    fn shard_failed(&self, _shard: Shard) {}

    /// Says how much of the time that this request has left for Redis each of the calls from here on may take, at the most. At
    /// first each may take all of it. By default it changes nothing.
    fn take(&self, _share: TimeShare) {}
}

/// How much of the time that a request has left for Redis one call may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeShare {
    /// All of it.
    #[default]
    All,
    /// All of it, but only half until there is a connection: where none can be opened something else can be done.
    HalfToConnect,
    /// Half of it, and half of that until there is a connection: something else has to be done after it.
    Half,
}

/// A shard, each as likely.
pub(crate) fn random_shard(shards: &Shards) -> Shard {
    if shards.count() == 1 {
        return Shard::FIRST;
    }
    // Without random numbers it is always the same one, and there are no ids either.
    shards.random(getrandom::u32().unwrap_or_default())
}

/// Why a command has failed. The text is logged: it may hold what Redis answers, which begins with Redis' error code, and must
/// not hold a password.
pub trait Failure: Display {
    /// What the command may have changed in Redis.
    fn effect(&self) -> Effect;

    /// The same failure of a command that was sent for the second time, after no answer came to the first one: its effect is
    /// [unknown](Effect::Unknown).
    #[must_use]
    fn after_lost_answer(self) -> Self;
}

/// What a command that has failed may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was not sent.
    NotSent,
    /// Nothing: Redis has answered with an error. A script then has changed nothing either.
    Refused,
    /// Redis may have carried it out: it was sent, and no answer came.
    Unknown,
}

#[cfg(test)]
mod testing {
    use std::convert::Infallible;

    use super::{Effect, Failure};

    impl Failure for Infallible {
        fn effect(&self) -> Effect {
            match *self {}
        }

        fn after_lost_answer(self) -> Self {
            match self {}
        }
    }

    /// The failures of tests, in words.
    impl Failure for &'static str {
        fn effect(&self) -> Effect {
            match *self {
                "unreachable" => Effect::NotSent,
                "OOM" | "READONLY" => Effect::Refused,
                _ => Effect::Unknown,
            }
        }

        fn after_lost_answer(self) -> Self {
            match self {
                "unreachable" => "unreachable after a loss",
                "OOM" => "OOM after a loss",
                other => other,
            }
        }
    }
}
