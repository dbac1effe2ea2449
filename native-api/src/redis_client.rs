//! Redis, by redis-rs.

use std::{fmt, sync::Arc};

use api::{
    backend::{Effect, Failure},
    redis_client::{Fault, RedisClient},
};
use email_queue::{
    Redirect, Refusal,
    call::{Command, Value},
};
use redis::ErrorKind;
use redis_connection::{Connection, RedisServer};

/// Opens connections to this Redis. Several requests use one at the same time.
#[derive(Clone)]
pub(crate) struct TokioRedis(pub(crate) Arc<RedisServer>);

impl RedisClient for TokioRedis {
    type Connection = Connection;
    type Error = RedisError;

    async fn open(&self, _url: &str, node: Option<&str>) -> Result<Connection, RedisError> {
        let opened = match node {
            None => self.0.open().await,
            Some(node) => match self.0.named(node) {
                Some(address) => self.0.at(address).open().await,
                None => Err((ErrorKind::InvalidClientConfig, "a node of the cluster has no usable address").into()),
            },
        };
        opened.map_err(|error| RedisError {
            operation: "no connection",
            node: node.map(Into::into),
            cause: Cause::Redis(error),
            effect: Effect::NotSent,
        })
    }

    async fn execute(&self, connection: &Connection, command: &Command<'_>) -> Result<Vec<Value>, RedisError> {
        let answer = connection.send(&redis_calls::cmd(command)).await;
        answer.and_then(redis_calls::values).map_err(|error| RedisError::of(command.name, error))
    }

    fn fault(error: &RedisError) -> Option<Fault> {
        match &error.cause {
            Cause::Redis(error) if Refusal::of(&error.to_string()) == Some(Refusal::ReadOnly) => {
                Some(Fault::WrongServer)
            }
            Cause::Redis(error) if is_answer(error) => None,
            _ => Some(Fault::Broken),
        }
    }

    fn redirect(error: &RedisError) -> Option<Redirect> {
        match &error.cause {
            Cause::Redis(error) if is_answer(error) => Redirect::of(&error.to_string()),
            _ => None,
        }
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        matches!(&error.cause, Cause::Redis(error) if redis_calls::is_unknown_script(error))
    }

    fn timed_out(command: &Command<'_>, was_sent: bool) -> RedisError {
        let effect = if was_sent { Effect::Unknown } else { Effect::NotSent };
        RedisError { operation: command.name, node: None, cause: Cause::TimedOut, effect }
    }
}

/// Why a command has no answer.
#[derive(Debug, Clone)]
pub(crate) struct RedisError {
    /// The command, or `no connection`.
    operation: &'static str,
    /// The node to which there is no connection, if it is not the one of the URL.
    node: Option<Box<str>>,
    cause: Cause,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Cause {
    Redis(redis::RedisError),
    /// No answer came in time.
    TimedOut,
}

impl RedisError {
    fn of(operation: &'static str, error: redis::RedisError) -> Self {
        let effect = if is_answer(&error) { Effect::Refused } else { Effect::Unknown };
        Self { operation, node: None, cause: Cause::Redis(error), effect }
    }
}

impl Failure for RedisError {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn after_lost_answer(self) -> Self {
        Self { effect: Effect::Unknown, ..self }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(node) = &self.node {
            write!(f, " to {node}, a node of the cluster")?;
        }
        match &self.cause {
            Cause::Redis(error) => write!(f, ": {error}"),
            Cause::TimedOut => f.write_str(": no answer in time"),
        }
    }
}

/// Whether Redis has answered with this error, and not the network.
fn is_answer(error: &redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}
