//! One connection to Redis, and how long a reply is awaited.

use std::{io, sync::Arc, time::Duration};

use redis::{Cmd, RedisError, RedisResult, Value};
use redis_connection::RedisServer;
use tokio::time::{Instant, sleep_until, timeout};

use crate::traffic::{Monitored, Traffic};

/// How long connecting may take, TLS and authentication included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection, which several tasks may use at the same time. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection {
    connection: redis_connection::Connection,
    traffic: Arc<Traffic>,
}

impl Connection {
    /// Opens a connection. When the future is dropped, it is closed.
    ///
    /// # Errors
    /// Redis cannot be reached within five seconds, or refuses the user, password or database; or one side does not trust
    /// the other's certificate.
    pub(crate) async fn open(server: &RedisServer) -> RedisResult<Self> {
        let opening = async {
            // Deadlines are on silence rather than on a whole reply, which the client crate cannot do.
            let (stream, address) = server.connect().await?;
            let (stream, traffic) = Monitored::new(stream);
            Ok(Self { connection: server.log_in(stream, address).await?, traffic })
        };
        timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(timed_out("no connection in time")))
    }

    /// Sends a command and waits for its reply, until no byte has come or gone for `silence`.
    ///
    /// When the future is dropped, Redis may or may not carry out the command.
    ///
    /// # Errors
    /// The connection breaks or is silent, or Redis refuses.
    pub(crate) async fn ask(&self, command: &Cmd, silence: Duration) -> RedisResult<Value> {
        let answer = self.connection.send(command);
        tokio::pin!(answer);
        let asked = Instant::now();
        loop {
            let dead_at = self.traffic.dead_at(asked, silence);
            tokio::select! {
                answer = &mut answer => return answer.and_then(Value::extract_error),
                () = sleep_until(dead_at) => if self.traffic.dead_at(asked, silence) <= dead_at {
                    return Err(timed_out("the connection has gone silent"));
                }
            }
        }
    }

    /// How many bytes have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.traffic.bytes_read()
    }
}

fn timed_out(what: &'static str) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, what).into()
}
