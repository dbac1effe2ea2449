use std::fmt;

use api::{
    backend::{Effect, Failure},
    redis_client::{Fault, RedisClient},
};
use email_queue::call::{Command, Value};
use redis::{Client, ErrorKind, aio::MultiplexedConnection};

/// Redis by redis-rs, whose connections carry commands of several requests.
pub(crate) struct RedisRs;

#[derive(Debug, Clone)]
pub(crate) struct Error {
    text: String,
    effect: Effect,
    is_unknown_script: bool,
}

impl RedisClient for RedisRs {
    type Connection = MultiplexedConnection;
    type Error = Error;

    async fn open(&self, url: &str) -> Result<MultiplexedConnection, Error> {
        let open = async { Client::open(url)?.get_multiplexed_async_connection().await };
        open.await.map_err(|error| Error::new(&error, Effect::NotSent))
    }

    async fn execute(&self, connection: &MultiplexedConnection, command: &Command<'_>) -> Result<Vec<Value>, Error> {
        let answer = connection.clone().send_packed_command(&redis_calls::cmd(command)).await;
        answer.and_then(redis_calls::values).map_err(|error| {
            let effect = if is_answer(&error) { Effect::Refused } else { Effect::Unknown };
            Error::new(&error, effect)
        })
    }

    fn fault(error: &Error) -> Option<Fault> {
        (error.effect != Effect::Refused).then_some(Fault::Broken)
    }

    fn is_unknown_script(error: &Error) -> bool {
        error.is_unknown_script
    }

    fn timed_out(command: &Command<'_>, was_sent: bool) -> Error {
        let effect = if was_sent { Effect::Unknown } else { Effect::NotSent };
        Error { text: format!("{}: no answer in time", command.name), effect, is_unknown_script: false }
    }
}

impl Error {
    fn new(error: &redis::RedisError, effect: Effect) -> Self {
        let is_unknown_script = redis_calls::is_unknown_script(error);
        Self { text: error.to_string(), effect, is_unknown_script }
    }
}

impl Failure for Error {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn after_lost_answer(self) -> Self {
        Self { effect: Effect::Unknown, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_answer(error: &redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}
