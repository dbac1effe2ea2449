//! The connection to Redis of one shard: to the node that serves it, wherever that is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::call::{Call, CallError, Command, Redis, Value};
use redis::{Cmd, RedisError, RedisResult};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    metrics::Metrics,
    nodes::Node,
    redis_error::{ends_connection, explained, lasts},
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
    pub(crate) fn small(route: &Arc<Route>, metrics: &Arc<Metrics>) -> Self {
        Self { route: Arc::clone(route), of: |node| &node.small, metrics: Arc::clone(metrics) }
    }

    /// For calls that bring emails.
    pub(crate) fn emails(route: &Arc<Route>, metrics: &Arc<Metrics>) -> Self {
        Self { route: Arc::clone(route), of: |node| &node.emails, metrics: Arc::clone(metrics) }
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
            match self.once(call, failures, stop).await {
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

    /// Runs a call once, after so many failures in a row; as [`persist`](Self::persist).
    ///
    /// # Errors
    /// There is no reply. What Redis refuses was logged.
    pub(crate) async fn once<T>(&self, call: &Call<T>, failures: u32, stop: &CancellationToken) -> Result<T, Untold> {
        // Only connecting is cancelled. A command that was sent may have been carried out, and its reply may be emails.
        tokio::select! {
            connected = self.connect() => match connected {
                Ok(()) => call.run(self).await.map_err(|error| {
                    self.report(call.name(), &error, failures);
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

    /// Logs that a call has failed: at `warn` if it is the first in a row and Redis refused it. That Redis is unreachable is
    /// logged elsewhere.
    pub(crate) fn report(&self, call: &str, error: &CallError<RedisError>, failures: u32) {
        let unreachable = matches!(error, CallError::Redis(error) if ends_connection(error));
        let text = match error {
            CallError::Redis(error) => explained(error),
            CallError::Answer(_) | CallError::NotReplicated(_) => error.to_string(),
        };
        let (queue, redis) = (self.route.queue().name(), self.route.node());
        if failures == 0 && !unreachable {
            tracing::warn!(call, queue, %redis, error = text, "Redis refuses; trying again");
        } else {
            tracing::debug!(call, queue, %redis, error = text, failures, "a call to Redis failed");
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
