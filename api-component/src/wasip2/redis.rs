//! Spin's outbound Redis under WASI 0.2, for one request.

use std::{
    cell::{Cell, OnceCell},
    future::Future,
    time::{Duration, Instant},
};

use api::{
    backend::{Backend, TimeShare},
    deadline::Deadline,
    nodes::Nodes,
    redis_client::{Fault, RedisClient},
    runtime::Runtime,
};
use email_queue::{
    Redirect,
    call::{Command, Redis, Value},
};
use spin_sdk::redis::{Connection, RedisParameter};
use wasi::{clocks::monotonic_clock::subscribe_duration, io::poll::poll};

use crate::{
    node_url::node_url,
    spin_redis::{Cause, SpinRedisError, impl_conversions},
};

/// Longer than Spin waits for Redis: there is no deadline, and no time-out for a connection either, because Spin opens it in one
/// call.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// Redis for one request. The first command opens the connection; on a Redis Cluster each node that it has to ask gets another.
pub(super) struct SpinRedis<U> {
    /// Where Redis is.
    read_url: U,
    url: OnceCell<String>,
    nodes: Nodes<Blocking, SpinRedisClient>,
    share: Cell<TimeShare>,
}

impl<U: Fn() -> String> SpinRedis<U> {
    /// Connects to nothing yet, and does not read the URL either.
    pub(super) fn new(read_url: U) -> Self {
        Self { read_url, url: OnceCell::new(), nodes: Nodes::new(SpinRedisClient), share: Cell::default() }
    }
}

impl<U: Fn() -> String> Redis for SpinRedis<U> {
    type Error = SpinRedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let url = self.url.get_or_init(&self.read_url);
        let now = Instant::now();
        let connected = if self.share.get() == TimeShare::All { now + FOR_EVER } else { now };
        self.nodes.execute(url, &command, Deadline { connected, answered: now + FOR_EVER }).await
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

impl<U: Fn() -> String> Backend for SpinRedis<U> {
    fn take(&self, share: TimeShare) {
        self.share.set(share);
    }
}

/// Opens connections by Spin's outbound Redis.
#[derive(Clone)]
struct SpinRedisClient;

impl RedisClient for SpinRedisClient {
    type Connection = Connection;
    type Error = SpinRedisError;

    async fn open(&self, url: &str, node: Option<&str>) -> Result<Connection, SpinRedisError> {
        let failed = |cause| SpinRedisError::no_connection(node, cause);
        let Some(node) = node else { return Connection::open(url).map_err(|error| failed(error.into())) };
        let url = node_url(url, node).ok_or_else(|| failed(Cause::InvalidAddress))?;
        Connection::open(&url).map_err(|error| failed(error.into()))
    }

    async fn execute(&self, connection: &Connection, command: &Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let arguments: Vec<_> =
            command.arguments.iter().map(|argument| RedisParameter::Binary(argument.to_vec())).collect();
        let answer = connection.execute(command.name, &arguments);
        let answer = answer.map_err(|error| SpinRedisError::new(command.name, error))?;
        Ok(answer.into_iter().map(value).collect())
    }

    fn fault(error: &SpinRedisError) -> Option<Fault> {
        error.fault()
    }

    fn redirect(error: &SpinRedisError) -> Option<Redirect> {
        error.redirect()
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }

    fn timed_out(command: &Command<'_>, was_sent: bool) -> SpinRedisError {
        SpinRedisError::timed_out(command.name, was_sent)
    }
}

/// What waits blocks the instance, which has no other request.
struct Blocking;

impl Runtime for Blocking {
    type Notify = ();

    fn notify() -> ((), impl Future<Output = ()>) {
        ((), async {})
    }

    async fn yield_now() {}

    async fn sleep(time: Duration) {
        poll(&[&subscribe_duration(time.as_nanos().try_into().unwrap_or(u64::MAX))]);
    }
}

impl_conversions!(spin_sdk);
