//! A connection to Redis that several tasks share, and that is replaced when it breaks or goes silent.
//!
//! A connection may be slow. It is replaced when it is silent: no byte in either direction while a reply is awaited. After a
//! power cut, or behind a firewall that has dropped its state, no packet ever says that a connection is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Cmd, RedisError, RedisResult};
use redis_connection::RedisServer;
use tokio::sync::Mutex;

use crate::{
    connection::Connection,
    reachability::Reachability,
    redis_error::{ends_connection, explained},
    throughput::Throughput,
};

/// For how long a connection may be silent while a reply is awaited, other than that to `BRPOP`.
const SILENCE: Duration = Duration::from_secs(5);

/// A connection that is opened when it is first needed and replaced when it fails. Commands of several tasks share it.
pub(crate) struct SharedConnection {
    server: Arc<RedisServer>,
    current: Mutex<Current>,
    reachability: Arc<Reachability>,
    pub(crate) throughput: Throughput,
}

struct Current {
    /// And when it was opened.
    connection: Option<(Connection, Instant)>,
    /// How many connections there have been: a task that saw an old one fail must not discard the new one.
    number: u64,
}

impl SharedConnection {
    /// Does not connect.
    pub(crate) fn new(server: Arc<RedisServer>, reachability: Arc<Reachability>) -> Self {
        Self {
            server,
            current: Mutex::new(Current { connection: None, number: 0 }),
            reachability,
            throughput: Throughput::default(),
        }
    }

    /// Sends one command and waits for its reply, until the connection is silent.
    ///
    /// # Errors
    /// Redis is unreachable or silent, or refuses.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let (connection, number) = self.get().await?;
        let (transfer, asked) = (self.throughput.begin(connection.bytes_read()), Instant::now());
        let answer = connection.ask(command, SILENCE).await;
        match &answer {
            Ok(_) => {
                transfer.end(connection.bytes_read());
                self.log_reachable(asked);
            }
            Err(error) if ends_connection(error) => self.discard(number, error).await,
            Err(_) => {}
        }
        answer
    }

    /// Opens a connection that is not shared.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(crate) async fn open(&self) -> RedisResult<Connection> {
        Connection::open(&self.server).await
    }

    /// The present connection and its number, or a new one: one try, by one task at a time.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(crate) async fn get(&self) -> RedisResult<(Connection, u64)> {
        let mut current = self.current.lock().await;
        if let Some((connection, _)) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        match self.open().await {
            Ok(connection) => {
                current.number += 1;
                current.connection = Some((connection.clone(), Instant::now()));
                Ok((connection, current.number))
            }
            Err(error) => {
                self.log_unreachable(Instant::now(), &error);
                Err(error)
            }
        }
    }

    /// Discards a connection, unless it has been replaced already.
    async fn discard(&self, number: u64, error: &RedisError) {
        let mut current = self.current.lock().await;
        if current.number == number
            && let Some((_, opened)) = current.connection.take()
        {
            self.log_unreachable(opened, error);
        }
    }

    /// How many connections there have been. It changes when one had to be replaced.
    pub(crate) async fn number(&self) -> u64 {
        self.current.lock().await.number
    }

    fn log_unreachable(&self, opened: Instant, error: &RedisError) {
        if self.reachability.failed(opened) {
            let error = explained(error);
            tracing::warn!(redis = %self.server, error, "Redis is unreachable; trying again until it is back");
        }
    }

    fn log_reachable(&self, asked: Instant) {
        if self.reachability.answered(asked) {
            // At the level of the line that it ends.
            tracing::warn!(redis = %self.server, "Redis is reachable again");
        }
    }
}
