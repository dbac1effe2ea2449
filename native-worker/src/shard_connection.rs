//! The connection to Redis of one shard: to the node that serves it, wherever that is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::{
    Refusal,
    call::{Call, CallError, Command, Redis, Value},
    query::{WrongType, wrong_types},
};
use redis::{Cmd, RedisError, RedisResult};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    metrics::Metrics,
    nodes::Node,
    redis_error::{ends_connection, explained, lasts},
    refusals::Refusals,
    route::{MAX_HOPS, Route},
    shared_connection::SharedConnection,
};

/// The back-off while Redis is unreachable.
pub(crate) const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(3) };

/// One of the connections to the node of a shard.
#[derive(Clone)]
pub(crate) struct ShardConnection {
    route: Arc<Route>,
    of: fn(&Node) -> &SharedConnection,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
}

/// The reply to a call that may have been repeated.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    /// Whether an earlier try failed and Redis may have carried it out.
    pub(crate) repeated: bool,
}

/// Why one try of a call has no reply.
pub(crate) enum Untold {
    /// Redis refuses, and would refuse again.
    Refused(CallError<RedisError>),
    /// Redis is unreachable or busy.
    Failed {
        /// Whether Redis may have carried out the call.
        sent: bool,
    },
    /// The caller stops.
    Stopped,
}

impl ShardConnection {
    /// For calls that are small and must not wait behind emails.
    pub(crate) fn small(route: &Arc<Route>, metrics: &Arc<Metrics>, refusals: &Arc<Refusals>) -> Self {
        Self::new(route, |node| &node.small, metrics, refusals)
    }

    /// For calls that bring emails.
    pub(crate) fn emails(route: &Arc<Route>, metrics: &Arc<Metrics>, refusals: &Arc<Refusals>) -> Self {
        Self::new(route, |node| &node.emails, metrics, refusals)
    }

    fn new(
        route: &Arc<Route>,
        of: fn(&Node) -> &SharedConnection,
        metrics: &Arc<Metrics>,
        refusals: &Arc<Refusals>,
    ) -> Self {
        Self { route: Arc::clone(route), of, metrics: Arc::clone(metrics), refusals: Arc::clone(refusals) }
    }

    /// Runs a call until Redis has replied, however long that takes, and repeats it when it fails: only for calls that may
    /// run twice. `None` when `stop` comes first; the reply to a command that was sent is awaited even then, until the
    /// connection is silent.
    ///
    /// # Errors
    /// Redis refuses, and would refuse again.
    pub(crate) async fn persist<T>(
        &self,
        call: &Call<T>,
        stop: &CancellationToken,
    ) -> Option<Result<Answered<T>, CallError<RedisError>>> {
        let (mut failures, mut repeated) = (0, false);
        loop {
            match self.once(call, stop).await {
                Ok(answer) => return Some(Ok(Answered { answer, repeated })),
                Err(Untold::Refused(error)) => return Some(Err(error)),
                Err(Untold::Stopped) => return None,
                Err(Untold::Failed { sent }) => repeated |= sent,
            }
            failures += 1;
            tokio::select! {
                () = sleep(RECONNECT.delay(failures)) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    /// Runs a call once; else as [`persist`](Self::persist).
    ///
    /// # Errors
    /// There is no reply. What Redis refuses was logged.
    pub(crate) async fn once<T>(&self, call: &Call<T>, stop: &CancellationToken) -> Result<T, Untold> {
        // Only connecting is cancelled. A command that was sent may have been carried out, and its reply may be emails.
        tokio::select! {
            connected = self.connect() => match connected {
                Ok(()) => self.tried(call).await.map_err(|error| {
                    if lasts(&error) { Untold::Refused(error) } else { Untold::Failed { sent: true } }
                }),
                Err(error) => {
                    let error = CallError::Redis(error);
                    Err(if lasts(&error) { Untold::Refused(error) } else { Untold::Failed { sent: false } })
                }
            },
            () = stop.cancelled() => Err(Untold::Stopped),
        }
    }

    /// Runs a call a single time, and logs when Redis begins to refuse it, and when it does so no more.
    ///
    /// # Errors
    /// As [`Call::run`].
    pub(crate) async fn tried<T>(&self, call: &Call<T>) -> Result<T, CallError<RedisError>> {
        let answer = call.run(self).await;
        match &answer {
            Ok(_) => self.carried_out(call.name()),
            Err(error) => self.report(call.name(), error).await,
        }
        answer
    }

    /// Sends one command to the node that serves the shard, and waits for its reply, until the connection is silent.
    ///
    /// # Errors
    /// Redis is unreachable or silent, or refuses.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let mut hops = 0;
        loop {
            let (node, asked) = (self.route.node(), Instant::now());
            match (self.of)(&node).query(command).await {
                Ok(value) => {
                    self.metrics.redis_replied(asked.elapsed());
                    self.route.answered();
                    return Ok(value);
                }
                // Who names another node has done nothing.
                Err(error) if self.route.failed(&node, &error) && hops < MAX_HOPS => hops += 1,
                Err(error) => {
                    // The script is sent again in full, which is no failure.
                    if !redis_calls::is_unknown_script(&error) {
                        self.metrics.redis_failed(ends_connection(&error));
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Which node serves the shard.
    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// How many bytes come over this connection in some time, as far as is known.
    pub(crate) fn bytes_in(&self, time: Duration) -> usize {
        (self.of)(&self.route.node()).throughput.bytes_in(time)
    }

    /// How long ago the oldest transfer in progress began.
    pub(crate) fn oldest_transfer(&self) -> Duration {
        (self.of)(&self.route.node()).throughput.oldest_transfer()
    }

    /// Which calls Redis refuses.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Notes that Redis has carried out a call, and logs that it refused it before.
    pub(crate) fn carried_out(&self, call: &str) {
        if self.refusals.carried_out(call) {
            let (queue, redis) = (self.route.queue().name(), self.route.node());
            tracing::warn!(call, queue, %redis, "Redis does not refuse this any more");
        }
    }

    /// Logs that a call has failed: at `warn` when Redis begins to refuse it, with the keys of a wrong type if that is why. That Redis
    /// is unreachable is logged elsewhere.
    pub(crate) async fn report(&self, call: &str, error: &CallError<RedisError>) {
        let unreachable = matches!(error, CallError::Redis(error) if ends_connection(error));
        let text = match error {
            CallError::Redis(error) => explained(error),
            CallError::Answer(_) | CallError::NotReplicated(_) => error.to_string(),
        };
        let (queue, redis) = (self.route.queue().name(), self.route.node());
        if !unreachable && self.refusals.refused(call, &text) {
            let is_wrong_type = Refusal::of(&text) == Some(Refusal::WrongType);
            tracing::warn!(call, queue, %redis, error = text, "Redis refuses; trying again");
            if is_wrong_type {
                self.warn_of_wrong_types().await;
            }
        } else {
            tracing::debug!(call, queue, %redis, error = text, "a call to Redis failed");
        }
    }

    /// Warns of keys of the queue that have another type than the queue gives them, once each.
    pub(crate) async fn warn_of_wrong_types(&self) {
        // A user may lack the right to ask.
        let wrong = wrong_types(self, self.route.queue()).await.unwrap_or_default();
        for WrongType { key, found, expected } in wrong {
            if self.refusals.is_news_of_key(&key) {
                tracing::warn!(
                    key,
                    "this key of the queue holds the wrong kind of value: a {found}, where a {expected} is needed; remove or \
                     rename it, or give the queue another name"
                );
            }
        }
    }

    async fn connect(&self) -> RedisResult<()> {
        let node = self.route.node();
        let connected = (self.of)(&node).get().await;
        connected.map(drop).inspect_err(|error| {
            self.metrics.redis_failed(true);
            self.route.failed(&node, error);
        })
    }
}

impl Redis for ShardConnection {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> RedisResult<Vec<Value>> {
        redis_calls::values(self.query(&redis_calls::cmd(&command)).await?)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}
