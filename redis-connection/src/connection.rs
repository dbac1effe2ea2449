//! An open connection.

use std::sync::Arc;

use redis::{Cmd, RedisResult, Value, aio::MultiplexedConnection};
use tokio::task::AbortHandle;

/// An open connection, on which several tasks may have commands at the same time. It is closed when its last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    connection: MultiplexedConnection,
    _driver: Arc<Driver>,
}

/// The task that reads and writes. It ends when this is dropped.
struct Driver(AbortHandle);

impl Connection {
    /// A connection that `driver` reads and writes.
    pub(crate) fn new(connection: MultiplexedConnection, driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { connection, _driver: Arc::new(Driver(tokio::spawn(driver).abort_handle())) }
    }

    /// Sends a command and waits for its reply, without a deadline. The reply may be, or hold, an error of Redis.
    ///
    /// When the future is dropped, Redis may or may not carry out the command.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        self.connection.clone().send_packed_command(command).await
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
