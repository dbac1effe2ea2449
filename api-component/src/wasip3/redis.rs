//! Spin's outbound Redis under WASI 0.3.

use api::redis_client::{Fault, RedisClient};
use email_queue::{
    Redirect,
    call::{Command, Value},
};
use spin_sdk_wasip3::redis::{Connection, RedisParameter};

use crate::{
    node_url::node_url,
    spin_redis::{Cause, SpinRedisError, impl_conversions},
};

/// Opens connections by Spin's outbound Redis.
#[derive(Clone)]
pub(super) struct SpinRedisClient;

impl RedisClient for SpinRedisClient {
    type Connection = Connection;
    type Error = SpinRedisError;

    async fn open(&self, url: &str, node: Option<&str>) -> Result<Connection, SpinRedisError> {
        let failed = |cause| SpinRedisError::no_connection(node, cause);
        let Some(node) = node else { return Connection::open(url).await.map_err(|error| failed(error.into())) };
        let url = node_url(url, node).ok_or_else(|| failed(Cause::InvalidAddress))?;
        Connection::open(url).await.map_err(|error| failed(error.into()))
    }

    async fn execute(&self, connection: &Connection, command: &Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let arguments = command.arguments.iter().map(|argument| RedisParameter::Binary(argument.to_vec()));
        let answer = connection.execute(command.name, arguments).await;
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

impl_conversions!(spin_sdk_wasip3);
